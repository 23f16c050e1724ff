"""The database as one file, as of one moment, and back: with SQLite's backup API, and pg_dump."""

import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import sqlalchemy
from sqlalchemy import text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from greenroom.database import Database
from greenroom.models import Base
from greenroom.registry.errors import Refusal
from greenroom.storage.disk import flush

_PAGES = 4096
_PIECE = 256 * 1024
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
        try:
            # With a snapshot of its own the copy is of one moment, and never begins anew because
            # somebody writes; nor does any writer wait for it.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master")
            source.backup(target, pages=_PAGES, sleep=0)
            # One file, that needs no others beside it.
            target.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            raise DumpFailed(
                f"The database could not be copied to {path.parent}: {error}."
            ) from None
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
            *("--format=custom", f"--snapshot={snapshot}"),
            *("--no-owner", "--no-privileges", "--no-password"),
            output=path,
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
        "--no-password",
        input_=path,
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
    """Drop the tables of a schema that was made here already, which may be a newer one.

    What their triggers call goes with them: the dump has it, too.
    """
    tables = [table.name for table in Base.metadata.sorted_tables]
    with database.writing() as session:
        functions = session.scalars(_TRIGGER_FUNCTIONS, {"tables": tables}).all()
        for name in (*reversed(tables), "alembic_version"):
            session.execute(text(f"DROP TABLE IF EXISTS {name} CASCADE"))
        for function in functions:
            session.execute(text(f"DROP FUNCTION IF EXISTS {function}"))
        session.commit()


_TRIGGER_FUNCTIONS = text(
    "SELECT DISTINCT t.tgfoid::regprocedure::text FROM pg_trigger t JOIN pg_class c "
    "ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND c.relname = ANY(:tables) "
    "AND c.relnamespace = current_schema()::regnamespace"
)


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


def _run(
    database: Database,
    tool: str,
    *arguments: str,
    input_: Path = Path(os.devnull),
    output: Path = Path(os.devnull),
) -> None:
    """Run a program of PostgreSQL on the database; what is secret is not on its command line.

    Its bytes go through this process, so that it fails, and undoes what it did, when this process
    is killed.
    """
    _, parameters = database.engine.dialect.create_connect_args(database.engine.url)
    environment = dict(os.environ)
    password = parameters.pop("password", None)
    if password:
        environment["PGPASSWORD"] = str(password)
    command: Sequence[str] = (tool, f"--dbname={_conninfo(parameters)}", *arguments)
    with (
        tempfile.TemporaryFile() as errors,
        input_.open("rb") as source,
        output.open("wb") as target,
        subprocess.Popen(  # noqa: S603
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        try:
            _pump(process, source, target)
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace").strip().splitlines()
            raise DumpFailed(f"{tool} failed: {said[0] if said else 'it does not say why'}")


def _pump(process: subprocess.Popen[bytes], source: BinaryIO, target: BinaryIO) -> None:
    """Give a program all that it reads, and take all that it writes; it does one of the two."""
    if process.stdin is None or process.stdout is None:  # they are pipes
        return
    with suppress(BrokenPipeError):  # it has ended, and says why
        shutil.copyfileobj(source, process.stdin, _PIECE)
    with suppress(BrokenPipeError):
        process.stdin.close()
    shutil.copyfileobj(process.stdout, target, _PIECE)


def _conninfo(parameters: Mapping[str, object]) -> str:
    """Parameters of a connection as libpq reads them."""
    quoted = {
        name: str(value).replace("\\", r"\\").replace("'", r"\'")
        for name, value in parameters.items()
    }
    return " ".join(f"{name}='{value}'" for name, value in quoted.items())
