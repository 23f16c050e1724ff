"""What has become public, or has changed in public, since it was looked at last."""

from collections.abc import Iterable
from typing import Protocol, cast

from sqlalchemy import bindparam, select
from sqlalchemy.pool import PoolProxiedConnection

from greenroom.database import Database
from greenroom.models import JournalEntry
from greenroom.registry import purging


class _Cursor(Protocol):
    def execute(self, statement: str, parameters: object = ..., /) -> object: ...
    def fetchall(self) -> list[tuple[int, str]]: ...
    def fetchone(self) -> tuple[int] | None: ...


class PublicChanges:
    """Reads the journal on a connection of its own, which is opened at the first look.

    Everything public changes with an entry, in the same transaction. On SQLite it is first asked
    whether anything at all was written, which takes microseconds. One thread at a time may look.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: PoolProxiedConnection | None = None
        self._version: int | None = None
        self._serial: int | None = None
        entries = (
            select(JournalEntry.id, JournalEntry.normalized_name)
            .where(JournalEntry.id >= bindparam("serial"))
            .order_by(JournalEntry.id)
        )
        compiled = entries.compile(database.engine)
        self._newer = str(compiled)
        self._is_positional = compiled.positional
        self._newest = "SELECT max(id), '' FROM journal"

    @property
    def is_instant(self) -> bool:
        """Whether a look takes microseconds, as long as nothing was written."""
        return self._database.is_sqlite

    def look(self) -> Iterable[str] | None:
        """The surrogate keys of what has changed since the last look; None: maybe everything.

        Raises:
            Exception: of the database's driver: it does not answer. The next look connects anew.
        """
        try:
            return self._look()
        except BaseException:
            self._version = self._serial = None
            self._disconnect()
            raise

    def _look(self) -> Iterable[str] | None:
        cursor = self._cursor()
        if self._database.is_sqlite:
            cursor.execute("PRAGMA data_version")
            version = cursor.fetchone()
            assert version is not None  # noqa: S101 - SQLite always says it
            if version[0] == self._version:
                return ()
            self._version = version[0]
        if self._serial is None:
            cursor.execute(self._newest)
            self._serial = cursor.fetchall()[0][0] or 0
            return None
        since = self._serial
        cursor.execute(self._newer, (since,) if self._is_positional else {"serial": since})
        rows = cursor.fetchall()
        if since and (not rows or rows[0][0] != since):
            # An older state of the database has taken its place.
            self._serial = None
            return None
        newer = [row for row in rows if row[0] > since]
        if not newer:
            return ()
        self._serial = newer[-1][0]
        names = {name for _, name in newer}
        return {key for name in names for key in purging.keys_of(name)}

    def _cursor(self) -> _Cursor:
        if self._connection is None:
            connection = self._database.engine.raw_connection()
            connection.detach()
            if not self._database.is_sqlite:
                connection.driver_connection.set_session(  # type: ignore[union-attr]
                    autocommit=True, readonly=True
                )
            self._connection = connection
        return cast("_Cursor", self._connection.cursor())

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
