"""Units of work: what they commit, what they undo, and when caches hear of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy.exc

from greenroom.registry import accounts
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import Services, utc_now
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock


class Purges:
    """A cache that writes down what it is told, and what was public at that moment."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.heard: list[tuple[frozenset[str], list[str]]] = []

    def __call__(self, keys: frozenset[str]) -> None:
        with self.services.reading() as uow:
            self.heard.append((keys, factories.public_filenames(uow, "example")))


@pytest.fixture
def purges(services: Services) -> Purges:
    return Purges(services)


@pytest.fixture
def observed(services: Services, purges: Purges) -> Services:
    with services.writing() as uow:
        factories.make_user(uow)
    return replace(services, purge=purges)


def test_what_is_written_stays(services: Services) -> None:
    with services.writing() as uow:
        factories.make_user(uow, "ada")
    with services.reading() as uow:
        assert accounts.get_user(uow.db, "ada").username == "ada"


def test_an_exception_undoes_all(services: Services) -> None:
    def fail() -> None:
        with services.writing() as uow:
            factories.make_user(uow, "ada")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with services.reading() as uow:
        assert accounts.is_empty(uow.db)


def test_reading_leaves_no_trace(services: Services) -> None:
    """PostgreSQL refuses the attempt, SQLite forgets it."""
    try:
        with services.reading() as uow:
            factories.make_user(uow, "ada")
    except sqlalchemy.exc.InternalError:
        assert not services.database.is_sqlite
    with services.reading() as uow:
        assert accounts.is_empty(uow.db)


def test_all_that_happens_in_a_unit_of_work_happens_at_one_moment(
    services: Services, clock: FakeClock
) -> None:
    with services.writing() as uow:
        before = uow.now
        clock.advance(timedelta(days=1))
        assert uow.now == before


def test_caches_hear_of_a_publication_when_it_is_public(
    observed: Services, purges: Purges, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    with observed.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, "ada"), wheel)
        assert purges.heard == []
    assert purges.heard == [(frozenset({"project/example", "all-projects"}), [wheel.name])]


def test_caches_hear_nothing_of_drafts(observed: Services, purges: Purges, tmp_path: Path) -> None:
    with observed.writing() as uow:
        factories.stage(uow, accounts.get_user(uow.db, "ada"), make_wheel(tmp_path))
    assert purges.heard == []


def test_caches_hear_nothing_of_what_failed(
    observed: Services, purges: Purges, tmp_path: Path
) -> None:
    def fail() -> None:
        with observed.writing() as uow:
            actor = Actor(accounts.get_user(uow.db, "ada"))
            factories.release(uow, actor, make_wheel(tmp_path))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert purges.heard == []


def test_the_clock_of_the_program_is_in_utc() -> None:
    assert utc_now().tzinfo is UTC
    assert abs(utc_now() - datetime.now(UTC)) < timedelta(minutes=1)
