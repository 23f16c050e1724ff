"""Deleting what is published: files, releases, projects; and what stays of them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from greenroom.models import Draft, DraftState, Project, Role, RoleName, Token, User
from greenroom.registry import catalogue, drafts, housekeeping, projects, removal
from greenroom.registry.errors import (
    FileExists,
    InvalidRequest,
    NameNotAvailable,
    NotAllowed,
    NotFound,
    Refusal,
)
from greenroom.registry.index import Index, Premises
from greenroom.registry.permissions import OPERATOR, Actor
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock

SDIST = "example-1.0.tar.gz"
WHEEL = "example-1.0-py3-none-any.whl"

Removal = Callable[[Index, Actor, Project], None]


def remove_file(index: Index, actor: Actor, project: Project) -> None:
    removal.remove_file(index, actor, project, WHEEL)


def remove_release(index: Index, actor: Actor, project: Project) -> None:
    removal.remove_release(index, actor, project, "1.0")


ACTS: list[Removal] = [remove_file, remove_release, removal.remove_project]


@pytest.fixture
def ada(index: Index) -> User:
    return factories.make_user(index, "ada")


@pytest.fixture
def owner(ada: User) -> Actor:
    return Actor(ada)


@pytest.fixture
def project(index: Index, ada: User, tmp_path: Path) -> Project:
    """An example with a source distribution and a wheel of 1.0, and a wheel of 2.0."""
    files = [make_sdist(tmp_path), make_wheel(tmp_path), make_wheel(tmp_path, version="2.0")]
    return factories.release(index, ada, *files)


def new_entries(index: Index, before: int) -> list[tuple[str | None, str]]:
    return [(version, act) for _, version, act in factories.journal_of(index)[before:]]


def test_a_deleted_file_is_gone_and_its_release_stays(
    index: Index, owner: Actor, project: Project
) -> None:
    before = len(factories.journal_of(index))

    removal.remove_file(index, owner, project, WHEEL)

    assert factories.public_filenames(index, "example") == [SDIST, "example-2.0-py3-none-any.whl"]
    assert new_entries(index, before) == [("1.0", f"remove file {WHEEL}")]
    assert index.changed == {"project/example", "all-projects", "files/example"}


def test_a_release_outlives_its_last_file(index: Index, owner: Actor, project: Project) -> None:
    removal.remove_file(index, owner, project, "example-2.0-py3-none-any.whl")

    listing = catalogue.listing(index.session, project)

    assert listing.versions == ("1.0", "2.0")
    assert [file.version for file in listing.files] == ["1.0", "1.0"]


def test_a_deleted_release_is_gone_with_its_files(
    index: Index, owner: Actor, project: Project
) -> None:
    before = len(factories.journal_of(index))

    removal.remove_release(index, owner, project, "1")

    assert factories.public_filenames(index, "example") == ["example-2.0-py3-none-any.whl"]
    assert catalogue.release(index.session, project, "1.0") is None
    assert new_entries(index, before) == [("1.0", "remove release")]
    assert index.changed == {"project/example", "all-projects", "files/example"}


def test_a_project_without_releases_is_not_public_and_still_somebodys(
    index: Index, owner: Actor, project: Project, tmp_path: Path
) -> None:
    for version in ("1.0", "2.0"):
        removal.remove_release(index, owner, project, version)

    assert catalogue.project(index.session, "example") is None
    assert projects.find(index, "example") is project
    eve = factories.make_user(index, "eve")
    with pytest.raises(NotAllowed):
        factories.upload(index, eve, make_wheel(tmp_path, version="3.0"), staged=False)


def test_a_deleted_project_leaves_nothing_but_its_journal(
    index: Index, ada: User, project: Project, tmp_path: Path
) -> None:
    factories.make_token(index, ada, project=project)
    before = factories.journal_of(index)

    removal.remove_project(index, Actor(ada), project)

    assert catalogue.project(index.session, "example") is None
    assert projects.find(index, "example") is None
    assert index.session.scalars(select(Role)).all() == []
    assert index.session.scalars(select(Token)).all() == []
    assert factories.journal_of(index)[: len(before)] == before
    assert new_entries(index, len(before)) == [(None, "remove project")]


def test_its_drafts_end_with_it(index: Index, ada: User, project: Project, tmp_path: Path) -> None:
    adding = factories.stage(index, ada, make_wheel(tmp_path, tag="py2-none-any"))
    new = factories.stage(index, ada, make_wheel(tmp_path, version="3.0"))

    removal.remove_project(index, Actor(ada), project)

    for draft in (adding, new):
        index.session.refresh(draft)
        assert draft.state == DraftState.DISCARDED
        assert drafts.by_slug(index.session, draft.slug) is draft


def test_a_published_draft_outlives_its_project_as_a_tombstone(
    index: Index, ada: User, tmp_path: Path
) -> None:
    draft = factories.stage(index, ada, make_wheel(tmp_path))
    drafts.publish(index, Actor(ada), draft)
    assert draft.project is not None

    removal.remove_project(index, Actor(ada), draft.project)

    index.session.expire(draft)
    assert drafts.ended_sentence(index, draft) == "The draft of example 1.0 was published."


@pytest.mark.parametrize("staged", [True, False])
@pytest.mark.parametrize("salt", ["", "other bytes"])
@pytest.mark.parametrize("remove", [remove_file, remove_release])
def test_the_name_of_a_deleted_file_is_never_used_again(
    index: Index,
    ada: User,
    project: Project,
    tmp_path: Path,
    remove: Removal,
    salt: str,
    staged: bool,
) -> None:
    remove(index, Actor(ada), project)

    with pytest.raises(FileExists, match="This filename has already been used, use a different"):
        factories.upload(index, ada, make_wheel(tmp_path / "new", salt=salt), staged=staged)


@pytest.mark.parametrize("name", ["example", "Example", "exampIe", "ex-ample"])
@pytest.mark.parametrize("who", ["ada", "eve"])
def test_the_name_of_a_deleted_project_is_never_given_out_again(
    index: Index, ada: User, project: Project, tmp_path: Path, name: str, who: str
) -> None:
    removal.remove_project(index, Actor(ada), project)
    person = ada if who == "ada" else factories.make_user(index, "eve")

    for staged in (True, False):
        with pytest.raises(NameNotAvailable, match="of a project that was deleted") as refusal:
            factories.upload(index, person, make_wheel(tmp_path / "new", name), staged=staged)
        assert "already exist" not in str(refusal.value)


def test_a_reserved_name_is_not_deleted_but_discarded(
    index: Index, ada: User, tmp_path: Path
) -> None:
    draft = factories.stage(index, ada, make_wheel(tmp_path, "reserved"))
    assert draft.project is not None
    before = factories.everything(index)

    with pytest.raises(InvalidRequest, match="Nothing of 'reserved' is public"):
        removal.remove_project(index, Actor(ada), draft.project)

    assert factories.everything(index) == before


def test_a_release_with_an_open_draft_is_not_deleted(
    index: Index, ada: User, project: Project, tmp_path: Path
) -> None:
    draft = factories.stage(index, ada, make_wheel(tmp_path, tag="py2-none-any"))
    before = factories.everything(index)

    with pytest.raises(InvalidRequest, match=r"A draft of example 1\.0 is open") as refusal:
        removal.remove_release(index, Actor(ada), project, "1.0")

    assert draft.slug not in str(refusal.value)
    assert factories.everything(index) == before


@pytest.mark.parametrize("remove", ACTS)
def test_a_draft_that_fell_due_is_in_nobodys_way(
    premises: Premises, clock: FakeClock, tmp_path: Path, remove: Removal
) -> None:
    with premises.writing() as index:
        ada = factories.make_user(index)
        factories.release(index, ada, make_wheel(tmp_path))
        slug = factories.stage(index, ada, make_wheel(tmp_path, tag="py2-none-any")).slug
    clock.advance(timedelta(days=15))

    with premises.writing() as index:
        remove(index, OPERATOR, projects.get(index, "example"))

    with premises.reading() as index:
        draft = drafts.by_slug(index.session, slug)
        assert draft is not None
        assert drafts.state(index, draft) is DraftState.EXPIRED


@pytest.mark.parametrize("remove", ACTS)
@pytest.mark.parametrize("who", ["maintainer", "stranger"])
def test_only_owners_delete(index: Index, project: Project, remove: Removal, who: str) -> None:
    person = factories.make_user(index, who)
    if who == "maintainer":
        factories.add_role(index, project, person, RoleName.MAINTAINER)
    before = factories.everything(index)

    with pytest.raises(NotAllowed, match="may not manage"):
        remove(index, Actor(person), project)

    assert factories.everything(index) == before


@pytest.mark.parametrize("remove", ACTS)
def test_an_owner_deletes_nothing_that_is_in_quarantine(
    index: Index, owner: Actor, project: Project, remove: Removal
) -> None:
    projects.quarantine(index, OPERATOR, project)

    with pytest.raises(NotAllowed, match="in quarantine"):
        remove(index, owner, project)
    remove(index, Actor(factories.make_user(index, "root", administrator=True)), project)


@pytest.mark.parametrize("remove", ACTS)
def test_what_is_deleted_twice_is_not_found(
    premises: Premises, tmp_path: Path, remove: Removal
) -> None:
    with premises.writing() as index:
        ada = factories.make_user(index)
        factories.release(index, ada, make_wheel(tmp_path), make_wheel(tmp_path, version="2.0"))
    with premises.writing() as index:
        project = projects.get(index, "example")
        remove(index, OPERATOR, project)

        with pytest.raises(NotFound):
            remove(index, OPERATOR, project)


@pytest.mark.parametrize("remove", ACTS)
def test_bytes_that_nobody_refers_to_are_freed(
    premises: Premises, tmp_path: Path, remove: Removal
) -> None:
    wheel = make_wheel(tmp_path)
    with premises.writing() as index:
        factories.release(index, factories.make_user(index), wheel)
    with premises.writing() as index:
        remove(index, OPERATOR, projects.get(index, "example"))

    housekeeping.keep_house(premises)

    assert factories.artifact_of(wheel).sha256 not in premises.storage


def test_deleting_and_uploading_at_once_leave_one_truth(premises: Premises, tmp_path: Path) -> None:
    """Whoever comes second finds what the first left: a project, or a name that is retired."""
    with premises.writing() as index:
        ada = factories.make_user(index)
        factories.release(index, ada, make_wheel(tmp_path))
        name = ada.username
    wheel = make_wheel(tmp_path, version="2.0")

    def delete() -> None:
        with premises.writing() as index:
            removal.remove_project(index, OPERATOR, projects.get(index, "example"))

    def upload() -> None:
        with premises.writing() as index:
            user = index.session.scalars(select(User).where(User.username == name)).one()
            try:
                factories.upload(index, user, wheel, staged=True)
            except Refusal:
                index.session.rollback()

    factories.at_once(delete, upload)

    with premises.reading() as index:
        assert projects.find(index, "example") is None
        assert not index.session.scalars(select(Draft).where(Draft.state == DraftState.OPEN)).all()
