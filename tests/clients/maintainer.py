"""What the maintainer ada does beside a running server, where a test is about other clients."""

from pathlib import Path

from greenroom.registry import (
    accounts,
    projects,
    publishing,
    removal,
    yanking,
)
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services
from tests import factories

NAME = "ada"


def join(services: Services) -> str:
    """Make the account, and give an API token of it."""
    with services.writing() as uow:
        return factories.make_token(uow, factories.make_user(uow, NAME))


def release(services: Services, *files: Path) -> None:
    """Publish these files of one project."""
    with services.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, NAME), *files)


def stage(services: Services, *files: Path) -> str:
    """Put these files of one release into its draft, and give the draft's slug."""
    with services.writing() as uow:
        return factories.stage(uow, accounts.get_user(uow.db, NAME), *files).slug


def publish(services: Services, project: str, version: str) -> None:
    """Publish the draft of this release."""
    with services.writing() as uow:
        draft = factories.find_draft(uow, project, version)
        assert draft is not None
        publishing.publish(uow, Person(accounts.get_user(uow.db, NAME)), draft)


def yank(services: Services, project: str, version: str) -> None:
    """Yank a release, for a reason that a page has to escape."""
    with services.writing() as uow:
        actor = Person(accounts.get_user(uow.db, NAME))
        reason = 'Breaks "everything" <here>'
        yanking.yank_release(uow, actor, projects.get(uow, project), version, reason)


def remove(services: Services, project: str) -> None:
    """Delete a project."""
    with services.writing() as uow:
        actor = Person(accounts.get_user(uow.db, NAME))
        removal.remove_project(uow, actor, projects.get(uow, project))
