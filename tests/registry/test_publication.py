"""Making files public: what becomes of them, of the project and of the release."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import File, JournalEntry, PublishedName
from greenroom.registry import (
    catalogue,
    drafts,
    projects,
    publication,
    publishing,
    releases,
)
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel


def test_the_first_publication_registers_the_project(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    project = factories.release(uow, ada, make_wheel(tmp_path))
    assert project.registered == uow.now
    assert factories.journal_of(uow) == [
        (1, None, "create"),
        (2, None, "add Owner ada"),
        (3, "1.0", "new release"),
        (4, "1.0", "add py3 file example-1.0-py3-none-any.whl"),
    ]
    assert project.last_serial == 4


def test_the_next_file_only_adds_itself(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    project = factories.release(uow, ada, make_wheel(tmp_path))
    later = replace(uow, now=uow.now + timedelta(days=1))
    factories.release(later, ada, make_sdist(tmp_path))
    assert factories.journal_of(uow)[4:] == [(5, "1.0", "add source file example-1.0.tar.gz")]
    release = catalogue.release(uow.db, project, "1.0")
    assert release is not None
    assert (project.registered, release.published) == (uow.now, uow.now)
    assert {file.published for file in catalogue.files(uow.db, release)} == {
        uow.now,
        later.now,
    }


def test_another_version_is_another_release(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    factories.release(uow, ada, make_wheel(tmp_path))
    factories.release(uow, ada, make_wheel(tmp_path, version="1.1"))
    assert [entry[1:] for entry in factories.journal_of(uow)[4:]] == [
        ("1.1", "new release"),
        ("1.1", "add py3 file example-1.1-py3-none-any.whl"),
    ]


def test_a_draft_becomes_public_at_one_moment(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    draft = factories.stage(uow, ada, wheel, sdist)
    later = replace(uow, now=uow.now + timedelta(days=3))
    publishing.publish(later, ada, draft)
    files = uow.db.scalars(select(File)).all()
    assert {(file.created, file.published, file.draft_id) for file in files} == {
        (uow.now, later.now, None)
    }
    assert [entry[1:] for entry in factories.journal_of(uow)] == [
        (None, "create"),
        (None, "add Owner ada"),
        ("1.0", "new release"),
        ("1.0", "add source file example-1.0.tar.gz"),
        ("1.0", "add py3 file example-1.0-py3-none-any.whl"),
    ]


def test_published_names_are_written_down_for_ever(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    factories.release(uow, ada, wheel)
    factories.stage(uow, ada, sdist)
    names = uow.db.scalars(select(PublishedName)).all()
    assert [(name.filename, name.sha256) for name in names] == [
        (wheel.name, factories.artifact_of(wheel).sha256)
    ]


def test_the_operator_publishes_under_that_word(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    publishing.publish(uow, OPERATOR, factories.stage(uow, ada, make_wheel(tmp_path)))
    assert set(uow.db.scalars(select(JournalEntry.by))) == {"operator"}
    assert [role.user for role in projects.get(uow, "example").roles] == [ada.user]


# Most uploads change little, and are written without objects.


# In PostgreSQL numbers go on where a transaction was undone.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_written_without_objects_is_what_they_would_write(
    uow: UnitOfWork, ada: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of the two ways uploads go, every row of every table is the same."""
    factories.release(uow, ada, make_wheel(tmp_path))
    wheels = [
        make_wheel(tmp_path, version="3.0", tag=tag, salt=tag)
        for tag in ("py3-none-macosx_11_0_arm64", "py3-none-macosx_12_0_arm64", "py3-none-any")
    ]
    uploads = [
        (make_wheel(tmp_path, tag="py3-none-macosx_11_0_arm64", salt="11"), False),
        (make_wheel(tmp_path, version="2.0", description="Longer."), False),
        (make_sdist(tmp_path, version="0.5", summary="Before."), False),
        *((wheel, True) for wheel in wheels),
        (make_wheel(tmp_path, tag="py3-none-macosx_12_0_arm64", salt="12"), True),
        (make_wheel(tmp_path, tag="py3-none-macosx_13_0_arm64", salt="13"), True),
    ]

    made: list[File] = []
    new_file = releases.new_file

    def counted(*arguments: Any) -> File:
        made.append(new_file(*arguments))
        return made[-1]

    monkeypatch.setattr(releases, "new_file", counted)

    def written() -> tuple[dict[str, list[str]], int]:
        names = iter("abcdefgh")
        monkeypatch.setattr(drafts, "new_slug", lambda: next(names) * 22)
        monkeypatch.setattr(drafts, "random_text", lambda length: next(names) * length)
        made.clear()
        uow.collecting.clear()
        with uow.db.begin_nested() as nested:
            for number, (path, staged) in enumerate(uploads):
                later = replace(uow, now=uow.now + timedelta(minutes=number))
                factories.upload(later, ada, path, staged=staged)
            rows = factories.everything(uow)
            nested.rollback()
        return rows, len(made)

    short, as_objects = written()
    monkeypatch.setattr(publication, "is_spelled_so", lambda *_: False)
    monkeypatch.setattr(drafts, "takes_one_more", lambda *_: False)
    long, all_as_objects = written()

    assert short == long
    assert (as_objects, all_as_objects) == (2, len(uploads))  # those that open a draft
