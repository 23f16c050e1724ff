"""Names that the operator claims: who registers them, by all ways in which a name comes to be."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.models import RoleName
from greenroom.registry import credentials, publishing, trusted_publishers
from greenroom.registry.errors import CannotPublish, NotAllowed
from greenroom.registry.permissions import (
    Actor,
    PendingGrant,
    Person,
    TokenUser,
    TrustedPublisher,
)
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.settings import Settings
from tests import factories
from tests.artifacts import make_wheel

NAME = "acme-tools"
SENTENCE = (
    "The name 'acme-tools' is one of those that this index keeps for its own (acme-*): let an "
    "administrator of this index register it, or an owner of a project that is public under such "
    "a name."
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return factories.configured(
        settings,
        claimed_names="acme-*, inner-thing",
        trusted_issuers="github=https://ci.example",
    )


def by_token(uow: UnitOfWork, person: Person) -> Actor:
    return credentials.actor_of(uow, factories.make_token(uow, person.user))


def by_workflow(person: Person) -> Actor:
    """A workflow that a person lets register the name."""
    user = TokenUser(person.user.id, person.name, email_verified=True)
    return TrustedPublisher(
        0, "forge:ada/tools", "run 1", (), (PendingGrant(1, "acme-tools", True, user),)
    )


def upload(uow: UnitOfWork, person: Person, folder: Path) -> None:
    factories.upload(uow, by_token(uow, person), make_wheel(folder, NAME, "1.0"), staged=False)


def stage(uow: UnitOfWork, person: Person, folder: Path) -> None:
    factories.upload(uow, by_token(uow, person), make_wheel(folder, NAME, "1.0"), staged=True)


def open_session(uow: UnitOfWork, person: Person, folder: Path) -> None:
    factories.open_new(uow, by_token(uow, person), NAME)


def run_workflow(uow: UnitOfWork, person: Person, folder: Path) -> None:
    factories.open_new(uow, by_workflow(person), NAME)


def let_workflow_register(uow: UnitOfWork, person: Person, folder: Path) -> None:
    values = {"owner": "ada", "repository": "tools", "workflow": "release.yml"}
    service = trusted_publishers.service_named(uow.settings, "github")
    trusted_publishers.add_pending(
        uow, person, person.user, NAME, service, values, may_publish=True
    )


WAYS: dict[str, Callable[[UnitOfWork, Person, Path], None]] = {
    "upload": upload,
    "stage": stage,
    "session": open_session,
    "workflow": run_workflow,
    "pending publisher": let_workflow_register,
}


@pytest.fixture(params=WAYS)
def register(request: pytest.FixtureRequest) -> Callable[[UnitOfWork, Person, Path], None]:
    """One of the ways in which a new name comes to be."""
    return WAYS[request.param]


Register = Callable[[UnitOfWork, Person, Path], None]


def test_a_claimed_name_is_not_for_everybody(
    uow: UnitOfWork, eve: Person, tmp_path: Path, register: Register
) -> None:
    with pytest.raises(NotAllowed) as refused:
        register(uow, eve, tmp_path)

    assert str(refused.value) == SENTENCE


def test_administrators_register_claimed_names(
    uow: UnitOfWork, tmp_path: Path, register: Register
) -> None:
    register(uow, Person(factories.make_user(uow, "root", administrator=True)), tmp_path)


def test_so_do_owners_of_what_is_public_under_the_claim(
    uow: UnitOfWork, ada: Person, eve: Person, tmp_path: Path, register: Register
) -> None:
    root = Person(factories.make_user(uow, "root", administrator=True))
    project = factories.release(uow, root, make_wheel(tmp_path, "acme-base", "1.0"))
    factories.add_role(uow, project, ada.user, RoleName.OWNER)
    factories.add_role(uow, project, eve.user, RoleName.MAINTAINER)

    with pytest.raises(NotAllowed, match="keeps for its own"):
        register(uow, eve, tmp_path)
    register(uow, ada, tmp_path)


def test_what_only_drafts_hold_counts_for_nothing(
    uow: UnitOfWork, eve: Person, tmp_path: Path, register: Register
) -> None:
    root = Person(factories.make_user(uow, "root", administrator=True))
    draft = factories.open_new(uow, root, "acme-base")
    assert draft.project is not None
    factories.add_role(uow, draft.project, eve.user, RoleName.OWNER)
    factories.release(uow, eve, make_wheel(tmp_path, "acme", "1.0"))

    with pytest.raises(NotAllowed, match="keeps for its own"):
        register(uow, eve, tmp_path)


@pytest.mark.parametrize("name", ["inner_thing", "Inner-Thing"])
def test_a_single_name_is_for_administrators_alone(uow: UnitOfWork, ada: Person, name: str) -> None:
    with pytest.raises(NotAllowed, match=r"\(inner-thing\)"):
        factories.open_new(uow, ada, name)
    factories.open_new(uow, ada, "inner-thing-2")


def test_what_was_reserved_before_the_claim_is_not_published(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    unclaimed = replace(uow.settings, claimed_names=())
    before = UnitOfWork(uow.db, uow.storage, unclaimed, uow.now)
    draft = factories.stage(before, ada, make_wheel(tmp_path, NAME, "1.0"))

    assert SENTENCE in publishing.obstacles(uow, draft)
    with pytest.raises(CannotPublish, match="keeps for its own"):
        publishing.publish(uow, ada, draft)

    root = factories.make_user(uow, "root", administrator=True)
    assert draft.project is not None
    factories.add_role(uow, draft.project, root, RoleName.OWNER)
    publishing.publish(uow, ada, draft)
    assert factories.public_filenames(uow, NAME) == ["acme_tools-1.0-py3-none-any.whl"]


def test_what_is_public_goes_on(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    unclaimed = replace(uow.settings, claimed_names=())
    before = UnitOfWork(uow.db, uow.storage, unclaimed, uow.now)
    factories.release(before, ada, make_wheel(tmp_path, NAME, "1.0"))

    factories.release(uow, ada, make_wheel(tmp_path, NAME, "2.0"))

    assert len(factories.public_filenames(uow, NAME)) == 2
