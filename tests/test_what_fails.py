"""What the errors of databases, storages and systems mean, and what is not theirs."""

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy.exc
from sqlalchemy import text

from greenroom.database import Database
from greenroom.outages import Part, outage_of
from greenroom.storage import StorageUnavailable, disk_errors
from tests.conftest import MakeDatabase

Failure = Callable[[Database, Path], None]


def locked(database: Database, path: Path) -> None:
    with sqlite3.connect(path) as other, database.engine.connect() as connection:
        other.execute("BEGIN IMMEDIATE")
        connection.exec_driver_sql("PRAGMA busy_timeout = 0")
        connection.exec_driver_sql("CREATE TABLE more (id INTEGER)")


def read_only(database: Database, path: Path) -> None:
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql("CREATE TABLE more (id INTEGER)")


def too_large(database: Database, path: Path) -> None:
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.exec_driver_sql("CREATE TABLE more (id INTEGER)")


def gone(database: Database, path: Path) -> None:
    path.unlink()
    database.engine.connect()


def replaced(database: Database, path: Path) -> None:
    """Another file has taken the place of the one that connections were made to."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE more (id INTEGER)")
        connection.commit()
    path.unlink()
    path.touch()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM more")


def without_tables(database: Database, path: Path) -> None:
    with database.engine.connect() as connection:
        connection.execute(text("SELECT * FROM projects WHERE name = :name"), {"name": "secret"})


def damaged(database: Database, path: Path) -> None:
    database.close()
    path.write_bytes(b"SQLite format 3\0" + os.urandom(4096))
    without_tables(database, path)


SQLITE: dict[str, tuple[Failure, str, bool]] = {
    "locked": (locked, "is busy", True),
    "read-only": (read_only, "Nothing can be written", False),
    "full": (too_large, "has no space left", True),
    "gone": (gone, "does not answer", True),
    "replaced": (replaced, "is not in order", False),
    "without tables": (without_tables, "is not in order", False),
    "damaged": (damaged, "is not in order", False),
}


@pytest.mark.parametrize(("fail", "sentence", "heals"), SQLITE.values(), ids=SQLITE)
def test_what_sqlite_says(tmp_path: Path, fail: Failure, sentence: str, heals: bool) -> None:
    path = tmp_path / "some.sqlite"
    path.touch()
    database = Database(f"sqlite:///{path}")
    with pytest.raises(sqlalchemy.exc.DBAPIError) as failed:
        fail(database, path)
    outage = outage_of(failed.value)
    assert outage is not None
    assert (outage.part, sentence in outage.sentence, outage.heals) == (Part.DATABASE, True, heals)
    assert outage.is_full == ("full" in str(failed.value))
    assert "secret" not in outage.reason
    assert len(outage.reason.splitlines()) == 1
    database.close()


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("SELECT * FROM projects WHERE name = 'secret'", "is not in order"),
        ("SET TRANSACTION READ ONLY; CREATE TABLE more (id int)", "Nothing can be written"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "does not answer"),
        ("SET statement_timeout = 1; SELECT pg_sleep(5)", "is busy"),
        ("DO $$ BEGIN RAISE disk_full; END $$", "has no space left"),
        ("DO $$ BEGIN RAISE too_many_connections; END $$", "is busy"),
        ("SELECT 1 / 0", None),
    ],
)
def test_what_postgresql_says(
    new_postgresql_database: MakeDatabase, statement: str, sentence: str | None
) -> None:
    database = Database(_postgresql(new_postgresql_database))
    with (
        pytest.raises(sqlalchemy.exc.DBAPIError) as failed,
        database.engine.connect() as connection,
    ):
        connection.exec_driver_sql(statement)
    outage = outage_of(failed.value)
    assert (outage is not None) == (sentence is not None)
    if outage is not None and sentence is not None:
        assert sentence in outage.sentence
        assert "secret" not in outage.reason
    database.close()


_urls: list[str] = []


def _postgresql(make: MakeDatabase) -> str:
    """A database without anything in it, which nobody changes."""
    if not _urls:
        _urls.append(make())
    return _urls[0]


def test_who_is_not_let_in_does_not_wait(new_postgresql_database: MakeDatabase) -> None:
    url = sqlalchemy.make_url(_postgresql(new_postgresql_database))
    for place, heals in (
        (url.set(database="nothing"), False),
        (url.set(username="nobody"), False),
        (sqlalchemy.make_url("postgresql://a@127.0.0.1:9/b"), True),
    ):
        database = Database(place.render_as_string(hide_password=False))
        with pytest.raises(sqlalchemy.exc.OperationalError) as failed:
            database.engine.connect()
        outage = outage_of(failed.value)
        assert outage is not None
        assert outage.heals is heals


@pytest.mark.parametrize(
    ("number", "status"),
    [
        *((errno.ENOSPC, "no space left"), (errno.EDQUOT, "no space left")),
        *((errno.EROFS, "Nothing can be written"), (errno.EACCES, "Nothing can be written")),
        *((errno.EIO, "storage of this index"), (errno.ESTALE, "storage of this index")),
        *((errno.EMFILE, "too much to do"), (errno.ENFILE, "too much to do")),
        *((errno.ENOENT, None), (errno.EPIPE, None), (errno.ECONNRESET, None)),
    ],
)
def test_what_the_system_says(tmp_path: Path, number: int, status: str | None) -> None:
    error = OSError(number, os.strerror(number), str(tmp_path))
    outage = outage_of(error)
    assert (outage is not None) == (status is not None)
    with pytest.raises(StorageUnavailable) as failed, disk_errors(tmp_path):
        raise error
    of_storage = outage_of(failed.value)
    assert of_storage is not None
    assert str(tmp_path) in of_storage.reason
    assert str(tmp_path) not in of_storage.sentence
    if outage is not None and status is not None:
        assert status in outage.sentence
        assert (of_storage.sentence, of_storage.part) == (outage.sentence, Part.STORAGE)


@pytest.mark.parametrize(
    "bug",
    [
        KeyError("x"),
        ValueError("x"),
        sqlalchemy.exc.IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE failed")),
        sqlalchemy.exc.ProgrammingError("SELECT", {}, sqlite3.ProgrammingError("binding")),
        sqlalchemy.exc.NoResultFound("x"),
    ],
    ids=repr,
)
def test_a_bug_is_no_outage(bug: Exception) -> None:
    assert outage_of(bug) is None
