"""The database as one file, as of one moment, and back: with SQLite's backup API, and pg_dump."""

import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy
from sqlalchemy import text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from greenroom.database import Database
from greenroom.models import Base
from greenroom.registry.errors import Refusal
from greenroom.storage.disk import flush

_PAGES = 4096
_SQLITE = "sqlite"
_POSTGRESQL = "postgresql"


class DumpFailed(Refusal):
    """The database could not be written to a file, or read from one."""

    code = "dump-failed"
    title = "The database could not be dumped"


def kind_of(database: Database) -> str:
    """Which kind of database it is: a dump can be restored only into the same kind."""
    return _SQLITE if database.is_sqlite else _POSTGRESQL


def file_of(database: Database) -> Path:
    """The file of a database of SQLite."""
    return Path(str(database.engine.url.database)).absolute()


@contextmanager
def dumped(database: Database, path: Path) -> Iterator[Session]:
    """Write all that the database has to a file, as of one moment, while others write to it.

    Yields:
        A session that reads what is in the file, and nothing later.

    Raises:
        DumpFailed: with what to do.
    """
    with (_dumped_sqlite if database.is_sqlite else _dumped_postgresql)(database, path) as session:
        yield session


@contextmanager
def _dumped_sqlite(database: Database, path: Path) -> Iterator[Session]:
    with (
        closing(_connection(file_of(database))) as source,
        closing(_connection(path)) as target,
    ):
        # With a snapshot of its own the copy is of one moment, and never begins anew because
        # somebody writes; nor does any writer wait for it.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master")
        source.backup(target, pages=_PAGES, sleep=0)
        # One file, that needs no others beside it.
        target.execute("PRAGMA journal_mode = DELETE")
    engine = sqlalchemy.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(path), poolclass=NullPool
    )
    with Session(engine) as session:
        yield session


def _connection(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=60, isolation_level=None)


@contextmanager
def _dumped_postgresql(database: Database, path: Path) -> Iterator[Session]:
    with database.reading() as session:
        snapshot = session.scalar(text("SELECT pg_export_snapshot()"))
        _check_tool("pg_dump", _server_version(session))
        _run(
            database,
            "pg_dump",
            *("--format=custom", f"--file={path}", f"--snapshot={snapshot}"),
            *("--no-owner", "--no-privileges", "--no-password"),
        )
        yield session


def check_can_restore(database: Database) -> None:
    """See that what is needed to restore into the database is installed here.

    Raises:
        DumpFailed: it is not.
    """
    if not database.is_sqlite:
        with database.reading() as session:
            _check_tool("pg_restore", _server_version(session))


def restore(database: Database, path: Path) -> None:
    """Put what a dump has into a database without data, all of it or nothing.

    The file may be moved away by that.

    Raises:
        DumpFailed: with what to do; nothing has changed.
    """
    if database.is_sqlite:
        _restore_sqlite(database, path)
        return
    _drop_tables(database)
    _run(
        database,
        "pg_restore",
        *("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"),
        *("--no-password", str(path)),
    )


def _restore_sqlite(database: Database, path: Path) -> None:
    final = file_of(database)
    database.close()
    # What SQLite keeps beside a file that was lost would be taken for changes of this one.
    for suffix in ("-wal", "-shm"):
        final.with_name(final.name + suffix).unlink(missing_ok=True)
    path.chmod(0o600)
    flush(path)
    os.replace(path, final)
    flush(final.parent)


def _drop_tables(database: Database) -> None:
    """Drop the tables of a schema that was made here already, which may be a newer one."""
    tables = [table.name for table in Base.metadata.sorted_tables]
    with database.writing() as session:
        for name in (*reversed(tables), "alembic_version"):
            session.execute(text(f"DROP TABLE IF EXISTS {name} CASCADE"))
        session.commit()


def _server_version(session: Session) -> int:
    return int(session.scalar(text("SHOW server_version_num")) or 0) // 10_000


def _check_tool(tool: str, server: int) -> None:
    try:
        said = subprocess.run(  # noqa: S603
            [tool, "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.SubprocessError):
        raise DumpFailed(
            f"{tool} is not installed here: install PostgreSQL's client programs, version {server} "
            "or newer, or run this where they are."
        ) from None
    found = re.search(r"(\d+)[.\d]*", said.stdout)
    version = int(found[1]) if found else 0
    if version < server:
        raise DumpFailed(
            f"{tool} is of version {version}, and the server is PostgreSQL {server}: install its "
            f"client programs, version {server} or newer, and have them first on the PATH."
        )


def _run(database: Database, tool: str, *arguments: str) -> None:
    """Run a program of PostgreSQL on the database; what is secret is not on its command line."""
    _, parameters = database.engine.dialect.create_connect_args(database.engine.url)
    environment = dict(os.environ)
    password = parameters.pop("password", None)
    if password:
        environment["PGPASSWORD"] = str(password)
    command: Sequence[str] = (tool, f"--dbname={_conninfo(parameters)}", *arguments)
    result = subprocess.run(  # noqa: S603
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if result.returncode != 0:
        said = result.stderr.strip().splitlines() or ["it says nothing"]
        raise DumpFailed(f"{tool} failed: {said[0]}")


def _conninfo(parameters: Mapping[str, object]) -> str:
    """Parameters of a connection as libpq reads them."""
    quoted = {
        name: str(value).replace("\\", r"\\").replace("'", r"\'")
        for name, value in parameters.items()
    }
    return " ".join(f"{name}='{value}'" for name, value in quoted.items())
