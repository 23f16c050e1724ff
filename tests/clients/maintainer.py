"""What the maintainer ada does beside a running server, where a test is about other clients."""

from pathlib import Path

from greenroom.registry import accounts, drafts, projects, removal, yanking
from greenroom.registry.index import Premises
from greenroom.registry.permissions import Actor
from tests import factories

NAME = "ada"


def join(premises: Premises) -> str:
    """Make the account, and give an API token of it."""
    with premises.writing() as index:
        return factories.make_token(index, factories.make_user(index, NAME))


def release(premises: Premises, *files: Path) -> None:
    """Publish these files of one project."""
    with premises.writing() as index:
        factories.release(index, accounts.get_user(index.session, NAME), *files)


def stage(premises: Premises, *files: Path) -> str:
    """Put these files of one release into its draft, and give the draft's slug."""
    with premises.writing() as index:
        return factories.stage(index, accounts.get_user(index.session, NAME), *files).slug


def publish(premises: Premises, project: str, version: str) -> None:
    """Publish the draft of this release."""
    with premises.writing() as index:
        draft = factories.find_draft(index, project, version)
        assert draft is not None
        drafts.publish(index, Actor(accounts.get_user(index.session, NAME)), draft)


def yank(premises: Premises, project: str, version: str) -> None:
    """Yank a release, for a reason that a page has to escape."""
    with premises.writing() as index:
        actor = Actor(accounts.get_user(index.session, NAME))
        reason = 'Breaks "everything" <here>'
        yanking.yank_release(index, actor, projects.get(index, project), version, reason)


def remove(premises: Premises, project: str) -> None:
    """Delete a project."""
    with premises.writing() as index:
        actor = Actor(accounts.get_user(index.session, NAME))
        removal.remove_project(index, actor, projects.get(index, project))
