"""A kind of actor that the program does not have: one class is all that it takes.

It stands for a trusted publisher, a workflow of a forge that uploads to one project without an
account, and goes through all that asks an actor something.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from packaging.version import Version
from sqlalchemy import ColumnElement, select

from greenroom.models import File, JournalEntry, Project, Release
from greenroom.registry import accounts, drafts, projects, publishing, uploads, yanking
from greenroom.registry.errors import NotAllowed, TooMany
from greenroom.registry.permissions import OPERATOR, Act, Actor, HasRights, may, may_follow, require
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel


@dataclass(frozen=True, slots=True)
class TrustedPublisher(Actor):
    """A workflow that may upload drafts of one project, and perhaps publish them."""

    repository: str
    project_id: int
    may_publish: bool = True

    @property
    def name(self) -> str:
        return f"publisher {self.repository}"

    def subject(self, act: Act, project: HasRights) -> str:
        return f"The workflow of {self.repository}"

    def permitted(self, project: HasRights) -> frozenset[Act]:
        if project.id != self.project_id or project.quarantined:
            return frozenset()
        acts = frozenset({Act.SEE, Act.STAGE})
        return acts | {Act.PUBLISH} if self.may_publish else acts

    def why_not_register(self, name: str, *, staged: bool) -> str:
        return f"The workflow of {self.repository} registers no projects, and so not {name!r}."

    def uploads(self) -> ColumnElement[bool]:
        releases = select(Release.id).where(Release.project_id == self.project_id)
        return File.uploaded_by_id.is_(None) & File.release_id.in_(releases)


@pytest.fixture
def project(uow: UnitOfWork, tmp_path: Path) -> Project:
    """`example`, of which 0.9 is published by a person."""
    owner = factories.make_user(uow, "owner")
    return factories.release(uow, owner, make_wheel(tmp_path, version="0.9"))


@pytest.fixture
def trusted(project: Project) -> TrustedPublisher:
    return TrustedPublisher("forge/example", project.id)


def by_of(uow: UnitOfWork) -> list[str]:
    return list(uow.db.scalars(select(JournalEntry.by).order_by(JournalEntry.id.desc()).limit(1)))


def test_it_stages_and_publishes_under_its_name(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    draft = factories.stage(uow, trusted, make_wheel(tmp_path), make_sdist(tmp_path))
    publishing.publish(uow, trusted, draft)

    events = drafts.events(uow.db, draft)
    assert [event.act for event in events] == ["published", "added", "added", "opened"]
    assert {event.by for event in events} == {"publisher forge/example"}
    assert drafts.opened_by(uow.db, draft) == trusted.name
    assert by_of(uow) == ["publisher forge/example"]
    assert len(factories.public_filenames(uow, "example")) == 3
    uploaders = select(File.uploaded_by_id).where(File.draft_id.is_(None), File.id > 1)
    assert set(uow.db.scalars(uploaders)) == {None}


def test_it_publishes_at_once(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    assert factories.upload(uow, trusted, make_wheel(tmp_path), staged=False).published
    assert by_of(uow) == ["publisher forge/example"]


def test_it_has_the_file_upload_sessions_that_people_have(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    draft = factories.open_new(uow, trusted, "example", "2.0")
    factories.add_upload(uow, trusted, draft, make_wheel(tmp_path, version="2.0"))
    assert may_follow(trusted, project)
    assert drafts.live_for(uow, trusted, "example", Version("2.0")) is draft
    drafts.discard(uow, OPERATOR, draft)


def test_its_refusals_call_it_by_its_words(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    stager = replace(trusted, may_publish=False)
    with pytest.raises(
        NotAllowed,
        match=r"^The workflow of forge/example isn't allowed to upload to project 'example' "
        r"without staging: it may stage but not publish\.$",
    ) as caught:
        factories.upload(uow, stager, make_wheel(tmp_path), staged=False)
    assert caught.value.may_stage
    draft = factories.stage(uow, stager, make_wheel(tmp_path))
    with pytest.raises(
        NotAllowed, match="The workflow of forge/example may not publish in project 'example'"
    ):
        publishing.publish(uow, stager, draft)
    with pytest.raises(NotAllowed, match="The workflow of forge/example may not manage"):
        yanking.yank_release(uow, trusted, project, "0.9")
    with pytest.raises(NotAllowed, match="registers no projects, and so not 'other'"):
        factories.upload(uow, trusted, make_wheel(tmp_path, "other"), staged=True)
    with pytest.raises(NotAllowed, match="Only administrators"):
        accounts.verify_user(uow, trusted, 1)


def test_it_has_nothing_to_do_with_another_project(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    other = factories.release(
        uow, accounts.get_user(uow.db, "owner"), make_wheel(tmp_path, "another")
    )
    assert not any(may(trusted, act, other) for act in Act)
    with pytest.raises(NotAllowed):
        require(trusted, Act.SEE, other)
    with pytest.raises(NotAllowed, match="isn't allowed to upload to project 'another'"):
        uploads.check_actor(uow, trusted, "another", staged=True)


def test_its_uploads_are_limited_apart_from_those_of_people(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    limited = replace(uow, settings=uow.settings.model_copy(update={"uploads_per_hour": 1}))
    factories.upload(limited, trusted, make_wheel(tmp_path), staged=True)
    with pytest.raises(TooMany, match="'publisher forge/example' uploaded 1 files"):
        factories.upload(limited, trusted, make_sdist(tmp_path), staged=True)


def test_a_review_is_not_asked_for_in_the_name_of_the_operator(
    uow: UnitOfWork, project: Project, trusted: TrustedPublisher, tmp_path: Path
) -> None:
    """A draft remembers accounts: whoever cannot be remembered is no operator."""
    reviewed = replace(uow, settings=uow.settings.model_copy(update={"review_command": "true"}))
    draft = factories.stage(reviewed, trusted, make_wheel(tmp_path))
    with pytest.raises(NotAllowed, match="cannot ask for a review"):
        publishing.publish(reviewed, trusted, draft)


def test_a_project_that_it_makes_belongs_to_nobody(
    uow: UnitOfWork, trusted: TrustedPublisher
) -> None:
    made = projects.create(uow, trusted, "made")
    assert (made.roles, made.created_by_id) == ([], None)
    trusted.note_use(uow)
