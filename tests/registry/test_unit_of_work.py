"""Units of work: what they commit, what they undo, and what caches hear of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy.exc
from msgspec.structs import replace

from greenroom.models.base import JSONObject
from greenroom.registry import accounts
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services, utc_now
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.jobs import rows


@pytest.fixture
def ada(services: Services) -> str:
    with services.writing() as uow:
        return factories.make_user(uow).username


def told(services: Services) -> list[JSONObject]:
    """What caches will be told, a request each."""
    with services.reading() as uow:
        return [job.payload for job in rows(uow, "purge")]


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
    services: Services, ada: str, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    with services.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, ada), wheel)
    assert told(services) == [{"keys": ["all-projects", "project/example"]}]


def test_what_a_unit_of_work_changes_is_purged_by_one_request(
    services: Services, ada: str, tmp_path: Path
) -> None:
    wheels = [make_wheel(tmp_path, name) for name in ("first", "second")]
    with services.writing() as uow:
        for wheel in wheels:
            factories.release(uow, accounts.get_user(uow.db, ada), wheel)
    assert told(services) == [{"keys": ["all-projects", "project/first", "project/second"]}]


def test_without_a_cache_nobody_is_to_be_told(services: Services, ada: str, tmp_path: Path) -> None:
    alone = replace(services, settings=replace(services.settings, purge_url=None))
    with alone.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, ada), make_wheel(tmp_path))
    assert told(services) == []


def test_caches_hear_nothing_of_drafts(services: Services, ada: str, tmp_path: Path) -> None:
    with services.writing() as uow:
        factories.stage(uow, accounts.get_user(uow.db, ada), make_wheel(tmp_path))
    assert told(services) == []


def test_caches_hear_nothing_of_what_failed(services: Services, ada: str, tmp_path: Path) -> None:
    def fail() -> None:
        with services.writing() as uow:
            actor = Person(accounts.get_user(uow.db, ada))
            factories.release(uow, actor, make_wheel(tmp_path))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert told(services) == []


def test_the_clock_of_the_program_is_in_utc() -> None:
    assert utc_now().tzinfo is UTC
    assert abs(utc_now() - datetime.now(UTC)) < timedelta(minutes=1)
