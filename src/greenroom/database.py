"""The engine, the sessions and the state of the schema.

Two kinds of session: one that only reads and one that may write. On PostgreSQL a reading session
sees one snapshot for as long as it lives (REPEATABLE READ), so that a page never shows half of a
publication however many queries it makes. On SQLite a writing session takes the write lock when it
begins, so that it can never fail half-way because another writer was faster.
"""

import hashlib
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy
from sqlalchemy import URL, Connection, Dialect, Engine, event, text
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from greenroom import paths

if TYPE_CHECKING:
    import alembic.config

_BUSY_TIMEOUT_MS = 60_000
_WRITES = "greenroom_writes"
# Where alembic writes down what it has done.
_VERSIONS = sqlalchemy.table("alembic_version", sqlalchemy.column("version_num", sqlalchemy.String))


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

    def upgrade(self) -> None:
        """Bring the schema to the newest revision; nothing is written where it is there already.

        Raises:
            UnusableDatabase: the database lacks something that the schema needs, or is of a newer
                version of Greenroom.
        """
        if self.is_current():
            return
        # Imported where it is needed: it takes as long as most commands.
        import alembic.command

        alembic.command.upgrade(self._alembic(), "head")

    def is_current(self) -> bool:
        """Whether the schema is at the newest revision.

        Raises:
            UnusableDatabase: it is of a newer version of Greenroom.
        """
        with self.engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table(_VERSIONS.name):
                return False
            revision = connection.scalar(sqlalchemy.select(_VERSIONS.c.version_num))
        if revision is not None and revision not in _revisions():
            raise UnusableDatabase(
                f"The database is of a newer version of Greenroom (schema {revision}): "
                "run that version, or restore a backup of before its upgrade."
            )
        return revision == _revisions()[-1]

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
        taken = ", ".join(f"pg_advisory_xact_lock(:{key})" for key in keys)
        session.execute(text(f"SELECT {taken}"), keys)


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
            hide_parameters=True,  # they may be secrets, and errors are logged
            pool_size=8,
            max_overflow=56,
        )
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(
        url,
        hide_parameters=True,
        pool_size=8,
        max_overflow=56,
        connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000},
    )
    event.listen(engine, "do_connect", _make_sqlite_file)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_sqlite_file(
    _dialect: Dialect, _record: ConnectionPoolEntry, arguments: list[str], _more: object
) -> None:
    """Make a new database readable to nobody else; what the driver adds to it follows suit."""
    with suppress(FileExistsError):
        os.close(os.open(arguments[0], os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: object, _entry: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions on its own: _begin_sqlite does.
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
