"""The engine, the sessions and the state of the schema.

Two kinds of session: one that only reads and one that may write. On PostgreSQL a reading session
sees one snapshot for as long as it lives (REPEATABLE READ), so that a page never shows half of a
publication however many queries it makes. On SQLite a writing session takes the write lock when it
begins, so that it can never fail half-way because another writer was faster.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVarTuple, overload

import sqlalchemy
from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Dialect,
    Engine,
    Executable,
    TextClause,
    event,
    text,
)
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool
from sqlalchemy.sql.selectable import TypedReturnsRows

from greenroom import paths
from greenroom.unread import import_with

if TYPE_CHECKING:
    import alembic.config

# SQLAlchemy's support of drivers that are asynchronous, 5 ms of each start: ours is not.
import_with(ModuleType("sqlalchemy.dialects.sqlite.aiosqlite"), "sqlalchemy.dialects.sqlite")

_Ts = TypeVarTuple("_Ts")

Parameters = Mapping[str, object] | Sequence[Mapping[str, object]] | None
"""Of a statement: once, or for each time that it is executed."""

_BUSY_TIMEOUT_MS = 60_000
_IMPATIENCE_MS = 50
_KEPT_OPEN = 8
MOST_CONNECTIONS = 32
"""How many connections to PostgreSQL a process has at most: more than a worker has threads that
answer requests, and that do jobs."""
# What PostgreSQL's client library waits for: else a server that has gone without a word holds
# whoever asks it for a quarter of an hour. The URL may say otherwise.
_PATIENCE: dict[str, str | int] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_WRITES = "greenroom_writes"
_IS_IMPATIENT = "greenroom_is_impatient"
# Where alembic writes down what it has done.
_VERSIONS = sqlalchemy.table("alembic_version", sqlalchemy.column("version_num", sqlalchemy.String))
# Which settings there are depends on the version.
_LIMITS = text(
    "SELECT name, setting::int AS setting FROM pg_settings WHERE name IN "
    "('max_connections', 'superuser_reserved_connections', 'reserved_connections')"
)


_DO_NOT_WAIT = text(f"SET LOCAL lock_timeout = {_IMPATIENCE_MS}")


class UnusableDatabase(Exception):
    """The database lacks something that the index needs. The text is one sentence."""


class Database:
    """A database: ``reading`` and ``writing`` make sessions of the two kinds.

    Nothing is connected before the first session needs it.
    """

    def __init__(self, url: str) -> None:
        """``url`` is SQLAlchemy's, for SQLite or PostgreSQL through psycopg2."""
        self.engine = _engine(sqlalchemy.make_url(url))
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._file: str | None = None
        if self.is_sqlite and self.engine.url.database:
            self._file = os.path.abspath(self.engine.url.database)
            _watch_file(self.engine, self._file)
        self.reading: sessionmaker[Session] = sessionmaker(
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        )
        self.writing: sessionmaker[Session] = sessionmaker(
            self.engine.execution_options(**{_WRITES: True})
        )
        self._writing_at_once = sessionmaker(
            self.engine.execution_options(**{_WRITES: True, _IS_IMPATIENT: True})
        )

    @contextmanager
    def writing_at_once(self) -> Iterator[Session]:
        """A session that may write, and waits for nobody who does: for what may be left undone.

        Where a lock is not free, it fails as it does when it has waited for long.
        """
        with self._writing_at_once() as session:
            if not self.is_sqlite:
                session.execute(_DO_NOT_WAIT)
            yield session

    def upgrade(self) -> None:
        """Bring the schema to the newest revision; nothing is written where it is there already.

        Raises:
            UnusableDatabase: the database lacks something that the schema needs, or is of a newer
                version of Greenroom.
        """
        if self._file is not None:
            _make_sqlite_file(self._file)
        if self.is_current():
            return
        # Imported where it is needed: it takes as long as most commands.
        import alembic.command

        alembic.command.upgrade(self._alembic(), "head")

    def is_current(self) -> bool:
        """Whether the schema is at the newest revision; not where there is no database yet.

        Raises:
            UnusableDatabase: it is of a newer version of Greenroom.
        """
        revision = self.revision()
        if revision is not None and revision not in _revisions():
            raise UnusableDatabase(
                f"The database is of a newer version of Greenroom (schema {revision}): "
                "run that version, or restore a backup of before its upgrade."
            )
        return revision == _revisions()[-1]

    def connection_warning(self, workers: int) -> str | None:
        """A sentence for operators whose PostgreSQL takes fewer connections than may be needed.

        Args:
            workers: how many processes answer requests.
        """
        if self.is_sqlite:
            return None
        with self.engine.connect() as connection:
            rows = connection.execute(_LIMITS).all()
        limits: dict[str, int] = {row.name: row.setting for row in rows}
        there = limits.pop("max_connections") - sum(limits.values())
        needed = workers * MOST_CONNECTIONS
        if needed <= there:
            return None
        return (
            f"PostgreSQL has {there} connections for users like this one, and {workers} "
            f"workers of the index may need {needed} ({MOST_CONNECTIONS} each): raise its "
            "max_connections, or start fewer workers."
        )

    def connection_apart(self) -> PoolProxiedConnection:
        """A connection of the driver's that is kept: in no pool, in no transaction, for reading."""
        connection = self.engine.raw_connection()
        connection.detach()
        if not self.is_sqlite:
            connection.dbapi_connection.set_session(  # type: ignore[union-attr]
                autocommit=True, readonly=True
            )
        return connection

    def file_identity(self) -> tuple[int, int] | None:
        """Which file SQLite's database is now: another one when it was replaced meanwhile.

        None where it is no file.

        Raises:
            OSError: there is none.
        """
        return _identity(self._file) if self._file is not None else None

    def is_read_only(self, session: Session) -> bool:
        """Whether the database takes no changes, whoever asks; it is asked in this session."""
        if self._file is not None:
            return not os.access(self._file, os.W_OK)
        if self.is_sqlite:
            return False
        asked = "pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean"
        return bool(session.scalar(text(f"SELECT {asked}")))

    def knows(self, revision: str) -> bool:
        """Whether a schema of this revision can be brought to the newest one."""
        return revision in _revisions()

    def revision(self) -> str | None:
        """Which revision the schema is at, None where there is no schema yet."""
        if self._file is not None and not os.path.exists(self._file):
            return None
        with self.engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table(_VERSIONS.name):
                return None
            return connection.scalar(sqlalchemy.select(_VERSIONS.c.version_num))

    def forget(self) -> None:
        """Have connections that nobody uses forget what they have read.

        SQLite keeps 2 MiB of it for each; it is in the memory of the system, too.
        """
        pool = self.engine.pool
        if not self.is_sqlite or not isinstance(pool, QueuePool):
            return
        with suppress(sqlalchemy.exc.SQLAlchemyError, sqlite3.Error), ExitStack() as stack:
            for _ in range(pool.checkedin()):
                connection = stack.enter_context(closing(self.engine.raw_connection()))
                connection.cursor().execute("PRAGMA shrink_memory")

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def _alembic(self) -> "alembic.config.Config":
        import alembic.config

        config = alembic.config.Config()
        config.set_main_option("script_location", str(paths.MIGRATIONS).replace("%", "%%"))
        config.attributes["engine"] = self.engine
        return config


@cache
def _revisions() -> list[str]:
    """The revisions of the schema, in order; alembic, which reads them all, names the files so."""
    names = (path.stem for path in (paths.MIGRATIONS / "versions").glob("[0-9]*.py"))
    return sorted(name.partition("_")[0] for name in names)


@overload
def run(
    session: Session, statement: TypedReturnsRows[*_Ts], parameters: Parameters = None
) -> CursorResult[*_Ts]: ...


@overload
def run(
    session: Session, statement: Executable, parameters: Parameters = None
) -> CursorResult[*tuple[Any, ...]]: ...


def run(
    session: Session, statement: Executable, parameters: Parameters = None
) -> CursorResult[*tuple[Any, ...]]:
    """Execute a statement of columns in the session's transaction, past its objects.

    That takes half the time. What the objects still hold back is written before; of what the
    statement changes they do not know.
    """
    session.flush()
    return session.connection().execute(statement, parameters)


def may_write(session: Session) -> bool:
    """Whether it is a session of the kind that may write."""
    return bool(session.get_bind().get_execution_options().get(_WRITES))


def lock(session: Session, *names: str) -> None:
    """Wait until no other transaction holds the locks of these names; hold them until this ends.

    They are taken one after the other, in this order. On PostgreSQL they are transaction-level
    advisory locks. A writing transaction on SQLite already excludes every other, so there is
    nothing to do.
    """
    if session.get_bind().dialect.name == "postgresql":
        keys = {
            f"key_{number}": int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
            for number, name in enumerate(names)
        }
        run(session, _locking(len(keys)), keys)


@cache
def _locking(count: int) -> TextClause:
    """Take so many locks."""
    taken = ", ".join(f"pg_advisory_xact_lock(:key_{number})" for number in range(count))
    return text(f"SELECT {taken}")


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        # Which driver a plain postgresql:// means depends on the version of SQLAlchemy.
        url = url.set(drivername="postgresql+psycopg2")
    if url.get_backend_name() != "sqlite":
        # Whoever has waited for a lock must see what its last holder did, whatever the server's
        # default is.
        return sqlalchemy.create_engine(
            url,
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            pool_size=_KEPT_OPEN,
            max_overflow=MOST_CONNECTIONS - _KEPT_OPEN,
            connect_args={
                name: value for name, value in _PATIENCE.items() if name not in url.query
            },
            pool_use_lifo=True,
            hide_parameters=True,  # they may be secrets, and errors are logged
        )
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(
        url,
        hide_parameters=True,
        pool_size=8,
        max_overflow=56,
        pool_use_lifo=True,  # few connections do most of it, each of which has pages in memory
        connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_sqlite_file(path: str) -> None:
    """Make a new database readable to nobody else; what the driver adds to it follows suit."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))


def _watch_file(engine: Engine, path: str) -> None:
    """Use no connection to a file that was taken away, or replaced, and make none in its place.

    What was written to it would be lost, and an empty one would take the place of the lost one.
    """

    def look_before(_dialect: Dialect, record: ConnectionPoolEntry, *_: object) -> None:
        try:
            record.info["file"] = _identity(path)
        except OSError as error:
            raise sqlite3.OperationalError(f"unable to open database file {path}") from error

    def look_again(_connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        try:
            is_the_same = record.info.get("file") == _identity(path)
        except OSError:
            is_the_same = False
        if not is_the_same:
            raise sqlalchemy.exc.DisconnectionError("The database file is another one.")

    event.listen(engine, "do_connect", look_before)
    event.listen(engine, "checkout", look_again)


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _prepare_sqlite(connection: object, _entry: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions on its own: _begin_sqlite does.
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get(_WRITES):
        # By the driver, which takes a fraction of the time: nothing is locked, so it does not fail.
        connection.connection.cursor().execute("BEGIN")
        return
    if not options.get(_IS_IMPATIENT):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_IMPATIENCE_MS}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
