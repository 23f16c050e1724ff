"""Deleting what is published: files, releases, projects; and what stays of them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from greenroom.models import Draft, DraftState, Project, Role, RoleName, Token, User
from greenroom.registry import (
    catalogue,
    drafts,
    housekeeping,
    projects,
    publishing,
    removal,
    storage_identity,
)
from greenroom.registry.errors import (
    FileExists,
    InvalidRequest,
    NameNotAvailable,
    NotAllowed,
    NotFound,
    Refusal,
)
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock
from tests.jobs import purged

SDIST = "example-1.0.tar.gz"
WHEEL = "example-1.0-py3-none-any.whl"

Removal = Callable[[UnitOfWork, Actor, Project], None]


def remove_file(uow: UnitOfWork, actor: Actor, project: Project) -> None:
    removal.remove_file(uow, actor, project, WHEEL)


def remove_release(uow: UnitOfWork, actor: Actor, project: Project) -> None:
    removal.remove_release(uow, actor, project, "1.0")


ACTS: list[Removal] = [remove_file, remove_release, removal.remove_project]


@pytest.fixture
def project(uow: UnitOfWork, ada: Person, tmp_path: Path) -> Project:
    """An example with a source distribution and a wheel of 1.0, and a wheel of 2.0."""
    files = [make_sdist(tmp_path), make_wheel(tmp_path), make_wheel(tmp_path, version="2.0")]
    return factories.release(uow, ada, *files)


def new_entries(uow: UnitOfWork, before: int) -> list[tuple[str | None, str]]:
    return [(version, act) for _, version, act in factories.journal_of(uow)[before:]]


def test_a_deleted_file_is_gone_and_its_release_stays(
    uow: UnitOfWork, ada: Person, project: Project
) -> None:
    before = len(factories.journal_of(uow))

    removal.remove_file(uow, ada, project, WHEEL)

    assert factories.public_filenames(uow, "example") == [SDIST, "example-2.0-py3-none-any.whl"]
    assert new_entries(uow, before) == [("1.0", f"remove file {WHEEL}")]
    assert purged(uow) == {"project/example", "all-projects", "files/example"}


def test_a_release_outlives_its_last_file(uow: UnitOfWork, ada: Person, project: Project) -> None:
    removal.remove_file(uow, ada, project, "example-2.0-py3-none-any.whl")

    listing = catalogue.listing(uow.db, project)

    assert listing.versions == ("1.0", "2.0")
    assert [file.version for file in listing.files] == ["1.0", "1.0"]


def test_a_deleted_release_is_gone_with_its_files(
    uow: UnitOfWork, ada: Person, project: Project
) -> None:
    before = len(factories.journal_of(uow))

    removal.remove_release(uow, ada, project, "1")

    assert factories.public_filenames(uow, "example") == ["example-2.0-py3-none-any.whl"]
    assert catalogue.release(uow.db, project, "1.0") is None
    assert new_entries(uow, before) == [("1.0", "remove release")]
    assert purged(uow) == {"project/example", "all-projects", "files/example"}


def test_a_project_without_releases_is_not_public_and_still_somebodys(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    for version in ("1.0", "2.0"):
        removal.remove_release(uow, ada, project, version)

    assert catalogue.project(uow.db, "example") is None
    assert projects.find(uow, "example") is project
    eve = Person(factories.make_user(uow, "eve"))
    with pytest.raises(NotAllowed):
        factories.upload(uow, eve, make_wheel(tmp_path, version="3.0"), staged=False)


def test_a_deleted_project_leaves_nothing_but_its_journal(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    factories.make_token(uow, ada.user, project=project)
    before = factories.journal_of(uow)

    removal.remove_project(uow, ada, project)

    assert catalogue.project(uow.db, "example") is None
    assert projects.find(uow, "example") is None
    assert uow.db.scalars(select(Role)).all() == []
    assert uow.db.scalars(select(Token)).all() == []
    assert factories.journal_of(uow)[: len(before)] == before
    assert new_entries(uow, len(before)) == [(None, "remove project")]


def test_its_drafts_end_with_it(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    adding = factories.stage(uow, ada, make_wheel(tmp_path, tag="py2-none-any"))
    new = factories.stage(uow, ada, make_wheel(tmp_path, version="3.0"))

    removal.remove_project(uow, ada, project)

    for draft in (adding, new):
        uow.db.refresh(draft)
        assert draft.state == DraftState.DISCARDED
        assert drafts.by_slug(uow.db, draft.slug) is draft


def test_a_published_draft_outlives_its_project_as_a_tombstone(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path))
    publishing.publish(uow, ada, draft)
    assert draft.project is not None

    removal.remove_project(uow, ada, draft.project)

    uow.db.expire(draft)
    assert drafts.ended_sentence(uow, draft) == "The draft of example 1.0 was published."


@pytest.mark.parametrize("staged", [True, False])
@pytest.mark.parametrize("salt", ["", "other bytes"])
@pytest.mark.parametrize("remove", [remove_file, remove_release])
def test_the_name_of_a_deleted_file_is_never_used_again(
    uow: UnitOfWork,
    ada: Person,
    project: Project,
    tmp_path: Path,
    remove: Removal,
    salt: str,
    staged: bool,
) -> None:
    remove(uow, ada, project)

    with pytest.raises(FileExists, match="This filename has already been used, use a different"):
        factories.upload(uow, ada, make_wheel(tmp_path / "new", salt=salt), staged=staged)


@pytest.mark.parametrize("name", ["example", "Example", "exampIe", "ex-ample"])
@pytest.mark.parametrize("who", ["ada", "eve"])
def test_the_name_of_a_deleted_project_is_never_given_out_again(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, name: str, who: str
) -> None:
    removal.remove_project(uow, ada, project)
    person = ada if who == "ada" else factories.make_user(uow, "eve")

    for staged in (True, False):
        with pytest.raises(NameNotAvailable, match="of a project that was deleted") as refusal:
            factories.upload(uow, person, make_wheel(tmp_path / "new", name), staged=staged)
        assert "already exist" not in str(refusal.value)


def test_a_reserved_name_is_not_deleted_but_discarded(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "reserved"))
    assert draft.project is not None
    before = factories.everything(uow)

    with pytest.raises(InvalidRequest, match="Nothing of 'reserved' is public"):
        removal.remove_project(uow, ada, draft.project)

    assert factories.everything(uow) == before


def test_a_release_with_an_open_draft_is_not_deleted(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path, tag="py2-none-any"))
    before = factories.everything(uow)

    with pytest.raises(InvalidRequest, match=r"A draft of example 1\.0 is open") as refusal:
        removal.remove_release(uow, ada, project, "1.0")

    assert draft.slug not in str(refusal.value)
    assert factories.everything(uow) == before


@pytest.mark.parametrize("remove", ACTS)
def test_a_draft_that_fell_due_is_in_nobodys_way(
    services: Services, clock: FakeClock, tmp_path: Path, remove: Removal
) -> None:
    with services.writing() as uow:
        ada = Person(factories.make_user(uow))
        factories.release(uow, ada, make_wheel(tmp_path))
        slug = factories.stage(uow, ada, make_wheel(tmp_path, tag="py2-none-any")).slug
    clock.advance(timedelta(days=15))

    with services.writing() as uow:
        remove(uow, OPERATOR, projects.get(uow, "example"))

    with services.reading() as uow:
        draft = drafts.by_slug(uow.db, slug)
        assert draft is not None
        assert drafts.state(uow, draft) is DraftState.EXPIRED


@pytest.mark.parametrize("remove", ACTS)
@pytest.mark.parametrize("who", ["maintainer", "stranger"])
def test_only_owners_delete(uow: UnitOfWork, project: Project, remove: Removal, who: str) -> None:
    person = factories.make_user(uow, who)
    if who == "maintainer":
        factories.add_role(uow, project, person, RoleName.MAINTAINER)
    before = factories.everything(uow)

    with pytest.raises(NotAllowed, match="may not manage"):
        remove(uow, Person(person), project)

    assert factories.everything(uow) == before


@pytest.mark.parametrize("remove", ACTS)
def test_an_owner_deletes_nothing_that_is_in_quarantine(
    uow: UnitOfWork, ada: Person, project: Project, remove: Removal
) -> None:
    projects.quarantine(uow, OPERATOR, project)

    with pytest.raises(NotAllowed, match="in quarantine"):
        remove(uow, ada, project)
    root = Person(factories.make_user(uow, "root", administrator=True), why="Asked.")
    remove(uow, root, project)


@pytest.mark.parametrize("remove", ACTS)
def test_what_is_deleted_twice_is_not_found(
    services: Services, tmp_path: Path, remove: Removal
) -> None:
    with services.writing() as uow:
        ada = Person(factories.make_user(uow))
        factories.release(uow, ada, make_wheel(tmp_path), make_wheel(tmp_path, version="2.0"))
    with services.writing() as uow:
        project = projects.get(uow, "example")
        remove(uow, OPERATOR, project)

        with pytest.raises(NotFound):
            remove(uow, OPERATOR, project)


@pytest.mark.parametrize("remove", ACTS)
def test_bytes_that_nobody_refers_to_are_freed(
    services: Services, tmp_path: Path, remove: Removal
) -> None:
    storage_identity.check(services)
    wheel = make_wheel(tmp_path)
    with services.writing() as uow:
        factories.release(uow, factories.make_user(uow), wheel)
    with services.writing() as uow:
        remove(uow, OPERATOR, projects.get(uow, "example"))

    housekeeping.keep_house(services)

    assert factories.artifact_of(wheel).sha256 not in services.storage


def test_deleting_and_uploading_at_once_leave_one_truth(services: Services, tmp_path: Path) -> None:
    """Whoever comes second finds what the first left: a project, or a name that is retired."""
    with services.writing() as uow:
        ada = Person(factories.make_user(uow))
        factories.release(uow, ada, make_wheel(tmp_path))
        name = ada.user.username
    wheel = make_wheel(tmp_path, version="2.0")

    def delete() -> None:
        with services.writing() as uow:
            removal.remove_project(uow, OPERATOR, projects.get(uow, "example"))

    def upload() -> None:
        with services.writing() as uow:
            user = uow.db.scalars(select(User).where(User.username == name)).one()
            try:
                factories.upload(uow, user, wheel, staged=True)
            except Refusal:
                uow.db.rollback()

    factories.at_once(delete, upload)

    with services.reading() as uow:
        assert projects.find(uow, "example") is None
        assert not uow.db.scalars(select(Draft).where(Draft.state == DraftState.OPEN)).all()
