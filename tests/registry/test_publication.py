"""Making files public: what becomes of them, of the project and of the release."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from greenroom.models import File, JournalEntry, PublishedName, User
from greenroom.registry import catalogue, drafts, projects
from greenroom.registry.index import Index
from greenroom.registry.permissions import OPERATOR, Actor
from tests import factories
from tests.artifacts import make_sdist, make_wheel


@pytest.fixture
def ada(index: Index) -> User:
    return factories.make_user(index, "ada")


def test_the_first_publication_registers_the_project(
    index: Index, ada: User, tmp_path: Path
) -> None:
    project = factories.release(index, ada, make_wheel(tmp_path))
    assert project.registered == index.now
    assert factories.journal_of(index) == [
        (1, None, "create"),
        (2, None, "add Owner ada"),
        (3, "1.0", "new release"),
        (4, "1.0", "add py3 file example-1.0-py3-none-any.whl"),
    ]
    assert project.last_serial == 4


def test_the_next_file_only_adds_itself(index: Index, ada: User, tmp_path: Path) -> None:
    project = factories.release(index, ada, make_wheel(tmp_path))
    later = replace(index, now=index.now + timedelta(days=1))
    factories.release(later, ada, make_sdist(tmp_path))
    assert factories.journal_of(index)[4:] == [(5, "1.0", "add source file example-1.0.tar.gz")]
    release = catalogue.release(index.session, project, "1.0")
    assert release is not None
    assert (project.registered, release.published) == (index.now, index.now)
    assert {file.published for file in catalogue.files(index.session, release)} == {
        index.now,
        later.now,
    }


def test_another_version_is_another_release(index: Index, ada: User, tmp_path: Path) -> None:
    factories.release(index, ada, make_wheel(tmp_path))
    factories.release(index, ada, make_wheel(tmp_path, version="1.1"))
    assert [entry[1:] for entry in factories.journal_of(index)[4:]] == [
        ("1.1", "new release"),
        ("1.1", "add py3 file example-1.1-py3-none-any.whl"),
    ]


def test_a_draft_becomes_public_at_one_moment(index: Index, ada: User, tmp_path: Path) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    draft = factories.stage(index, ada, wheel, sdist)
    later = replace(index, now=index.now + timedelta(days=3))
    drafts.publish(later, Actor(ada), draft)
    files = index.session.scalars(select(File)).all()
    assert {(file.created, file.published, file.draft_id) for file in files} == {
        (index.now, later.now, None)
    }
    assert [entry[1:] for entry in factories.journal_of(index)] == [
        (None, "create"),
        (None, "add Owner ada"),
        ("1.0", "new release"),
        ("1.0", "add source file example-1.0.tar.gz"),
        ("1.0", "add py3 file example-1.0-py3-none-any.whl"),
    ]


def test_published_names_are_written_down_for_ever(index: Index, ada: User, tmp_path: Path) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    factories.release(index, ada, wheel)
    factories.stage(index, ada, sdist)
    names = index.session.scalars(select(PublishedName)).all()
    assert [(name.filename, name.sha256) for name in names] == [
        (wheel.name, factories.artifact_of(wheel).sha256)
    ]


def test_the_operator_publishes_under_that_word(index: Index, ada: User, tmp_path: Path) -> None:
    drafts.publish(index, OPERATOR, factories.stage(index, ada, make_wheel(tmp_path)))
    assert set(index.session.scalars(select(JournalEntry.by))) == {"operator"}
    assert [role.user for role in projects.get(index, "example").roles] == [ada]
