"""What goes wrong around the index and not in it: databases, storages and disks that fail.

An outage is nobody's bad input and no bug: it is answered with a sentence, written down in one
line, and over by itself when its cause is.
"""

import errno
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum

import sqlalchemy.exc
from msgspec import Struct
from msgspec.structs import replace

from greenroom.openid.errors import IssuerUnavailable
from greenroom.other_indexes.errors import UpstreamUnavailable
from greenroom.storage import StorageFull, StorageUnavailable


class Part(StrEnum):
    """What is out of order."""

    DATABASE = "database"
    STORAGE = "storage"
    DISK = "disk"
    MACHINE = "machine"
    ISSUER = "issuer"
    UPSTREAM = "upstream"


class Outage(Struct, frozen=True):
    """Why something cannot be done now.

    Attributes:
        part: what is out of order.
        sentence: for whoever asks, which tells nothing of the machine.
        reason: for the log; what a database was asked is not in it.
        retry_after: in so many seconds it is worth trying again.
        is_full: whether there is no room left.
        heals: whether it may be over without anybody's doing.
    """

    part: Part
    sentence: str
    reason: str
    retry_after: int
    is_full: bool = False
    heals: bool = True


FULL = "The index has no space left: tell its operator, and try again later."
_AWAY = "The database of this index does not answer: try again in a minute."
_BUSY = "The database of this index is busy: try again in some seconds."
_READ_ONLY = "Nothing can be written to this index now, its operator can see why: try again later."
_DAMAGED = "The database of this index is not in order, its operator can see why: try again later."
_NO_STORAGE = "The storage of this index does not answer: try again in a minute."
_OVERLOADED = "This index has too much to do: try again in some seconds."

Judge = Callable[[str], Outage]


def _database(sentence: str, retry_after: int, *, heals: bool = True) -> Judge:
    return lambda reason: Outage(Part.DATABASE, sentence, reason, retry_after, heals=heals)


def _full(part: Part) -> Judge:
    return lambda reason: Outage(part, FULL, reason, 300, is_full=True)


def _disk(part: Part, sentence: str, retry_after: int, *, heals: bool = True) -> Judge:
    return lambda reason: Outage(part, sentence, reason, retry_after, heals=heals)


_away, _busy = _database(_AWAY, 30), _database(_BUSY, 5)
_locked_out = _database(_AWAY, 60, heals=False)
_read_only = _database(_READ_ONLY, 60, heals=False)
_damaged = _database(_DAMAGED, 60, heals=False)

# SQLite's primary result codes (https://www.sqlite.org/rescode.html).
_SQLITE: dict[int, Judge] = {
    3: _read_only,  # SQLITE_PERM
    5: _busy,  # SQLITE_BUSY
    6: _busy,  # SQLITE_LOCKED
    7: _busy,  # SQLITE_NOMEM
    8: _read_only,  # SQLITE_READONLY
    10: _away,  # SQLITE_IOERR
    11: _damaged,  # SQLITE_CORRUPT
    13: _full(Part.DATABASE),  # SQLITE_FULL
    14: _away,  # SQLITE_CANTOPEN
    15: _busy,  # SQLITE_PROTOCOL: locks that could not be taken
    17: _damaged,  # SQLITE_SCHEMA
    22: _damaged,  # SQLITE_NOLFS
    23: _read_only,  # SQLITE_AUTH
    26: _damaged,  # SQLITE_NOTADB
}
_WITHOUT_TABLES = ("no such table", "no such column", "has no column named")

# PostgreSQL's error codes, or the classes that they begin with; the longest counts.
_POSTGRESQL: dict[str, Judge] = {
    "08": _away,  # connection exceptions
    "25006": _read_only,  # read-only transaction: a standby, or a server that is set so
    "28": _locked_out,
    "3D000": _locked_out,  # there is no such database
    "40001": _busy,  # could not serialize
    "40P01": _busy,  # deadlock
    "42501": _read_only,  # insufficient privilege
    "42P01": _damaged,  # there is no such table
    "42703": _damaged,  # there is no such column
    "53": _busy,  # too many connections, out of memory
    "53100": _full(Part.DATABASE),
    "55006": _busy,  # object in use
    "55P03": _busy,  # lock not available
    "57014": _busy,  # canceled, by a time limit for example
    "57": _away,  # shutdown
    "58": _away,  # input and output
    "72000": _busy,  # snapshot too old
    "XX": _damaged,  # internal errors, damaged data
}
# What it says to who connects, for which the driver has no codes.
_LOCKED_OUT = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry"
    r"|(?:role|database) \"[^\"]*\" does not exist|permission denied"
)
_CROWDED = re.compile(r"too many clients|remaining connection slots|too many connections")

# What clients do that stop is no outage of ours.
_OF_CLIENTS = (ConnectionError, TimeoutError)
_overloaded = _disk(Part.MACHINE, _OVERLOADED, 5)
_unusable = _disk(Part.DISK, _NO_STORAGE, 60)
_unwritable = _disk(Part.DISK, _READ_ONLY, 60, heals=False)
_ERRNO: dict[int, Judge] = {
    errno.ENOSPC: _full(Part.DISK),
    errno.EDQUOT: _full(Part.DISK),
    errno.EFBIG: _full(Part.DISK),
    errno.EROFS: _unwritable,
    errno.EACCES: _unwritable,
    errno.EPERM: _unwritable,
    errno.EIO: _unusable,
    errno.ESTALE: _unusable,
    errno.ENODEV: _unusable,
    errno.ENXIO: _unusable,
    errno.ENOTCONN: _unusable,
    errno.EMFILE: _overloaded,
    errno.ENFILE: _overloaded,
    errno.ENOMEM: _overloaded,
    errno.EAGAIN: _overloaded,
}


@contextmanager
def outages_passed_over() -> Iterator[None]:
    """Where what is done may be left undone: an outage ends it, and nobody is told."""
    try:
        yield
    except Exception as error:
        if outage_of(error) is None:
            raise


def outage_of(error: BaseException) -> Outage | None:
    """What is out of order, where that is why something failed; None: it is a bug, or a refusal."""
    if isinstance(error, StorageFull):
        return Outage(Part.STORAGE, FULL, str(error), 300, is_full=True)
    if isinstance(error, StorageUnavailable):
        return _of_storage(error)
    if isinstance(error, IssuerUnavailable):
        wait = int(error.retry_after.total_seconds())
        return Outage(Part.ISSUER, str(error), error.reason, wait)
    if isinstance(error, UpstreamUnavailable):
        return Outage(Part.UPSTREAM, str(error), error.reason, error.retry_after)
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        return _of_driver(error.orig) if error.orig is not None else None
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return _busy("All connections to the database are in use.")
    if isinstance(error, sqlalchemy.exc.PendingRollbackError):
        return _away("A connection to the database was lost in the middle of a transaction.")
    if isinstance(error, sqlite3.Error):
        return _of_driver(error)
    if isinstance(error, OSError) and not isinstance(error, _OF_CLIENTS):
        judge = _ERRNO.get(error.errno or 0)
        return judge(_said_by_system(error)) if judge is not None else None
    return None


def _of_storage(error: StorageUnavailable) -> Outage:
    """What it means for whoever asks, where the system has said why."""
    cause = error.__cause__
    judge = _ERRNO.get(cause.errno or 0) if isinstance(cause, OSError) else None
    if judge is not None:
        return replace(judge(str(error)), part=Part.STORAGE)
    return Outage(Part.STORAGE, _NO_STORAGE, str(error), 30)


def _of_driver(error: BaseException) -> Outage | None:
    """What the error of a database's driver means."""
    reason = f"{type(error).__name__}: {_first_line(error)}"
    is_sqlite = isinstance(error, sqlite3.Error)
    judge = _judge_sqlite(error) if is_sqlite else _judge_postgresql(error)
    return judge(reason) if judge is not None else None


def _judge_sqlite(error: BaseException) -> Judge | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _SQLITE:
        return _SQLITE[code & 0xFF]
    text = str(error)
    if any(words in text for words in _WITHOUT_TABLES):
        return _damaged
    # What the driver says by itself has no code: that a connection is closed, for example.
    if code is None and isinstance(error, sqlite3.OperationalError):
        return _away
    return None


def _judge_postgresql(error: BaseException) -> Judge | None:
    """By what psycopg2 says, which is not imported for that."""
    if not hasattr(error, "pgcode"):
        return None
    if error.pgcode is not None:
        known = _longest(_POSTGRESQL, error.pgcode)
        return _POSTGRESQL[known] if known is not None else None
    # Without a code the server has not answered at all.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    is_away = kinds & {"OperationalError", "InterfaceError"} or type(error).__name__ == (
        "DatabaseError"
    )
    if not is_away:
        return None
    said = str(error)
    if _LOCKED_OUT.search(said):
        return _locked_out
    return _busy if _CROWDED.search(said) else _away


def _longest(known: Iterable[str], code: str) -> str | None:
    return max((start for start in known if code.startswith(start)), key=len, default=None)


def _first_line(error: BaseException) -> str:
    """What a driver says, without the statement and the values that follow it."""
    return next(iter(str(error).strip().splitlines()), "")


def _said_by_system(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or type(error).__name__}{where}"
