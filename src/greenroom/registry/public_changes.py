"""What has become public, or has changed in public, since it was looked at last."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol, cast

from sqlalchemy import bindparam, func, select
from sqlalchemy.pool import PoolProxiedConnection

from greenroom.database import Database
from greenroom.models import JournalEntry
from greenroom.registry import purging

_Row = tuple[int, str, object]


class _Cursor(Protocol):
    def execute(self, statement: str, parameters: object = ..., /) -> object: ...
    def fetchall(self) -> list[_Row]: ...


class PublicChanges:
    """Reads the journal on a connection of its own, which is opened at the first look.

    Everything public changes with an entry, in the same transaction. On SQLite it is first asked
    whether anything at all was written, which takes microseconds. One thread at a time may look.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: PoolProxiedConnection | None = None
        self._version: int | None = None
        self._file: tuple[int, int] | None = None
        self._last: _Row | None = None
        self._has_looked = False
        entries = select(JournalEntry.id, JournalEntry.normalized_name, JournalEntry.at)
        newest = select(func.max(JournalEntry.id)).scalar_subquery()
        newer = entries.where(JournalEntry.id >= bindparam("serial")).order_by(JournalEntry.id)
        compiled = newer.compile(database.engine)
        self._newer = str(compiled)
        self._is_positional = compiled.positional
        self._newest = str(entries.where(JournalEntry.id == newest).compile(database.engine))

    @property
    def is_instant(self) -> bool:
        """Whether a look takes microseconds, as long as nothing was written."""
        return self._database.is_sqlite

    @property
    def mark(self) -> str:
        """Of the state at the last look: which entry of the journal is the last, in which file."""
        return repr((self._file, self._last))

    def look(self) -> Iterable[str] | None:
        """The surrogate keys of what has changed since the last look; None: maybe everything.

        Raises:
            Exception: of the database's driver: it does not answer. The next look connects anew.
        """
        try:
            return self._look()
        except BaseException:
            self._begin_anew()
            raise

    def _look(self) -> Iterable[str] | None:
        cursor = self._cursor()
        if self._database.is_sqlite:
            if self._database.file_identity() != self._file:
                # Another file has taken the place of the database.
                self._begin_anew()
                cursor = self._cursor()
            cursor.execute("PRAGMA data_version")
            version = cursor.fetchall()[0][0]
            if version == self._version:
                return ()
            self._version = version
        newer = self._rows_since_last(cursor) if self._has_looked else None
        if newer is None:
            cursor.execute(self._newest)
            newest = cursor.fetchall()
            self._last, self._has_looked = newest[0] if newest else None, True
            return None
        if newer:
            self._last = newer[-1]
        names = {name for _, name, _ in newer}
        return {key for name in names for key in purging.keys_of(name)}

    def _rows_since_last(self, cursor: _Cursor) -> list[_Row] | None:
        """The entries since the last look; None: another state has taken the database's place."""
        serial = self._last[0] if self._last is not None else 0
        cursor.execute(self._newer, (serial,) if self._is_positional else {"serial": serial})
        rows = cursor.fetchall()
        if self._last is None:
            return rows
        return rows[1:] if rows[:1] == [self._last] else None

    def _begin_anew(self) -> None:
        """Know nothing of what was seen, and connect anew."""
        self._version, self._has_looked = None, False
        self._disconnect()

    def _cursor(self) -> _Cursor:
        if self._connection is None:
            self._file = self._database.file_identity()
            connection = self._connection = self._database.connection_apart()
            if self._database.is_sqlite:  # whoever looks may be an event loop, which must not wait
                connection.cursor().execute("PRAGMA busy_timeout = 20")
        return cast("_Cursor", self._connection.cursor())

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and connection.dbapi_connection is not None:
            # Past the pool, which would end a transaction first, on a connection that may be lost.
            with suppress(Exception):
                connection.dbapi_connection.close()
