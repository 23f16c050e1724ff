"""Whether accounts or tokens have changed, for processes that keep what they have found of them."""

import threading
import time
from contextlib import suppress
from typing import Protocol, cast

from sqlalchemy.pool import PoolProxiedConnection

from greenroom.database import Database

_CHANNEL = "greenroom_credentials"
"""What triggers of PostgreSQL tell it on, when a change is committed."""

_RETRY_SECONDS = 5.0


class _Cursor(Protocol):
    def execute(self, statement: str, /) -> object: ...
    def fetchone(self) -> tuple[int, ...]: ...


class _Listening(Protocol):
    """A connection of psycopg2, by what is used of it here."""

    notifies: list[object]

    def poll(self) -> object: ...
    def close(self) -> None: ...


class CredentialChanges:
    """Looks on a connection of its own, which is opened at the first look. Any thread may look.

    PostgreSQL tells who listens; to look is to see what has arrived. SQLite is asked whether
    anything at all was written. Both take microseconds.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._connection: PoolProxiedConnection | None = None
        self._seen: tuple[object, ...] = ()
        self._retry_at = float("-inf")

    def have_come(self) -> bool:
        """Whether anything may have changed since the last look, also where it cannot be said."""
        with self._lock:
            if time.monotonic() < self._retry_at:
                return True
            try:
                if self._database.is_sqlite:
                    return self._has_written()
                return self._was_told()
            except Exception:
                # Whoever keeps something looks it up anew, and learns what is wrong.
                self._disconnect()
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                return True

    def _has_written(self) -> bool:
        file = self._database.file_identity()
        if self._seen[:1] != (file,):
            self._disconnect()
        cursor = self._connected()
        cursor.execute("PRAGMA data_version")
        seen = (file, cursor.fetchone()[0])
        changed, self._seen = seen != self._seen, seen
        return changed

    def _was_told(self) -> bool:
        if self._connection is None:
            self._connected().execute(f"LISTEN {_CHANNEL}")
            return True
        listening = cast("_Listening", self._connection.dbapi_connection)
        listening.poll()
        told = bool(listening.notifies)
        listening.notifies.clear()
        return told

    def _connected(self) -> _Cursor:
        if self._connection is None:
            self._connection = self._database.connection_apart()
        return cast("_Cursor", self._connection.cursor())

    def _disconnect(self) -> None:
        # What another connection will say of changes is nothing to compare this one's with.
        self._seen = ()
        connection, self._connection = self._connection, None
        if connection is not None and connection.dbapi_connection is not None:
            with suppress(Exception):
                connection.dbapi_connection.close()
