"""The people of these tests. Each name stands for a signed-in person, everywhere."""

import pytest

from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories


@pytest.fixture
def ada(uow: UnitOfWork) -> Person:
    """Whose projects, drafts and files they are, where nothing else is said."""
    return Person(factories.make_user(uow, "ada"))


@pytest.fixture
def eve(uow: UnitOfWork) -> Person:
    """Somebody who has no part in a project of Ada's, unless the test gives her one."""
    return Person(factories.make_user(uow, "eve"))
