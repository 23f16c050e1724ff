"""Units of work: what they commit, what they undo, and when caches hear of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy.exc

from greenroom.registry import accounts
from greenroom.registry.index import Premises, utc_now
from greenroom.registry.permissions import Actor
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock


class Purges:
    """A cache that writes down what it is told, and what was public at that moment."""

    def __init__(self, premises: Premises) -> None:
        self.premises = premises
        self.heard: list[tuple[frozenset[str], list[str]]] = []

    def __call__(self, keys: frozenset[str]) -> None:
        with self.premises.reading() as index:
            self.heard.append((keys, factories.public_filenames(index, "example")))


@pytest.fixture
def purges(premises: Premises) -> Purges:
    return Purges(premises)


@pytest.fixture
def observed(premises: Premises, purges: Purges) -> Premises:
    with premises.writing() as index:
        factories.make_user(index)
    return replace(premises, purge=purges)


def test_what_is_written_stays(premises: Premises) -> None:
    with premises.writing() as index:
        factories.make_user(index, "ada")
    with premises.reading() as index:
        assert accounts.get_user(index.session, "ada").username == "ada"


def test_an_exception_undoes_all(premises: Premises) -> None:
    def fail() -> None:
        with premises.writing() as index:
            factories.make_user(index, "ada")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with premises.reading() as index:
        assert accounts.is_empty(index.session)


def test_reading_leaves_no_trace(premises: Premises) -> None:
    """PostgreSQL refuses the attempt, SQLite forgets it."""
    try:
        with premises.reading() as index:
            factories.make_user(index, "ada")
    except sqlalchemy.exc.InternalError:
        assert not premises.database.is_sqlite
    with premises.reading() as index:
        assert accounts.is_empty(index.session)


def test_all_that_happens_in_a_unit_of_work_happens_at_one_moment(
    premises: Premises, clock: FakeClock
) -> None:
    with premises.writing() as index:
        before = index.now
        clock.advance(timedelta(days=1))
        assert index.now == before


def test_caches_hear_of_a_publication_when_it_is_public(
    observed: Premises, purges: Purges, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    with observed.writing() as index:
        factories.release(index, accounts.get_user(index.session, "ada"), wheel)
        assert purges.heard == []
    assert purges.heard == [(frozenset({"project/example", "all-projects"}), [wheel.name])]


def test_caches_hear_nothing_of_drafts(observed: Premises, purges: Purges, tmp_path: Path) -> None:
    with observed.writing() as index:
        factories.stage(index, accounts.get_user(index.session, "ada"), make_wheel(tmp_path))
    assert purges.heard == []


def test_caches_hear_nothing_of_what_failed(
    observed: Premises, purges: Purges, tmp_path: Path
) -> None:
    def fail() -> None:
        with observed.writing() as index:
            actor = Actor(accounts.get_user(index.session, "ada"))
            factories.release(index, actor, make_wheel(tmp_path))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert purges.heard == []


def test_the_clock_of_the_program_is_in_utc() -> None:
    assert utc_now().tzinfo is UTC
    assert abs(utc_now() - datetime.now(UTC)) < timedelta(minutes=1)
