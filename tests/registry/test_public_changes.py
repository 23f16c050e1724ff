"""What is said to have changed in public, and by which mark a state of the index is known."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy

from greenroom.models import JournalEntry
from greenroom.registry.public_changes import PublicChanges
from greenroom.registry.purging import keys_of
from greenroom.registry.unit_of_work import Services
from tests import factories
from tests.artifacts import make_wheel

NOTHING = set[str]()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "dist"
    made.mkdir()
    return made


def publish(services: Services, folder: Path, name: str) -> None:
    with services.writing() as uow:
        factories.release(uow, factories.make_user(uow, f"of-{name}"), make_wheel(folder, name))


def forget(services: Services) -> None:
    with services.writing() as uow:
        uow.db.execute(sqlalchemy.delete(JournalEntry))


def found(changes: PublicChanges) -> set[str] | None:
    keys = changes.look()
    return set(keys) if keys is not None else None


def test_the_first_look_says_nothing_of_what_was_before(services: Services, folder: Path) -> None:
    publish(services, folder, "alpha")
    changes = PublicChanges(services.database)
    assert found(changes) is None
    assert found(changes) == NOTHING


def test_each_project_that_changes_is_named_once(services: Services, folder: Path) -> None:
    changes = PublicChanges(services.database)
    assert found(changes) is None
    publish(services, folder, "alpha")
    publish(services, folder, "beta")
    assert found(changes) == {*keys_of("alpha"), *keys_of("beta")}
    assert found(changes) == NOTHING


def test_who_has_seen_the_same_has_the_same_mark(services: Services, folder: Path) -> None:
    one, another = PublicChanges(services.database), PublicChanges(services.database)
    assert found(one) is None
    empty = one.mark
    publish(services, folder, "alpha")
    assert found(another) is None
    assert one.mark == empty != another.mark
    assert found(one) is not None
    assert one.mark == another.mark
    services.database.reading().close()
    assert found(one) == NOTHING
    assert one.mark == another.mark


def test_another_state_in_the_place_of_the_one_that_was_seen(
    services: Services, folder: Path
) -> None:
    changes = PublicChanges(services.database)
    assert found(changes) is None
    empty = changes.mark
    publish(services, folder, "alpha")
    assert found(changes) == {*keys_of("alpha")}
    forget(services)
    assert found(changes) is None
    assert changes.mark == empty
    assert found(changes) == NOTHING
    publish(services, folder, "beta")
    assert found(changes) == {*keys_of("beta")}


def test_another_file_in_the_place_of_the_database(services: Services, folder: Path) -> None:
    if not services.database.is_sqlite:
        return
    name = services.database.engine.url.database
    assert name is not None
    publish(services, folder, "alpha")
    file, copy = Path(name), folder / "copy"
    services.database.engine.dispose()
    shutil.copy(file, copy)
    changes = PublicChanges(services.database)
    assert found(changes) is None
    before = changes.mark
    publish(services, folder, "beta")
    assert found(changes) == {*keys_of("beta")}
    after = changes.mark

    services.database.engine.dispose()
    copy.replace(file)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    assert found(changes) is None
    # The same entry is the last one, in another file.
    assert changes.mark not in (before, after)
    assert found(changes) == NOTHING
    publish(services, folder, "gamma")
    assert found(changes) == {*keys_of("gamma")}
