"""What a registry function works on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from greenroom import database
from greenroom.database import Database
from greenroom.settings import Settings
from greenroom.storage import Storage, StorageUnavailable

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """One unit of work: a session, where bytes are kept, the settings, and one moment.

    All that happens in a unit of work happens at ``now``: the files of a release are published at
    the same instant. ``changed`` collects the surrogate keys of public data that it changes, and
    ``ended`` the keys of uploads whose parts in the storage are of no use any more; the face that
    commits calls :meth:`Services.follow_up` afterwards.
    """

    db: Session
    storage: Storage
    settings: Settings
    now: datetime
    changed: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)

    def lock(self, name: str) -> None:
        """Hold the lock of this name until the transaction ends (see :func:`database.lock`)."""
        database.lock(self.db, name)


@dataclass(frozen=True, slots=True)
class Services:
    """What outlives a unit of work: the database, the storage, the settings and the clock."""

    database: Database
    storage: Storage
    settings: Settings
    clock: Clock = utc_now
    purge: Callable[[frozenset[str]], None] = lambda keys: None

    @contextmanager
    def reading(self) -> Iterator[UnitOfWork]:
        """A unit of work that changes nothing, on one snapshot of the data."""
        with self.database.reading() as db:
            yield UnitOfWork(db, self.storage, self.settings, self.clock())

    @contextmanager
    def writing(self) -> Iterator[UnitOfWork]:
        """A unit of work that is committed at the end, or undone when an exception leaves it."""
        with self.database.writing() as db:
            uow = UnitOfWork(db, self.storage, self.settings, self.clock())
            yield uow
            db.commit()
        self.follow_up(uow)

    def follow_up(self, uow: UnitOfWork) -> None:
        """What comes after a commit: caches are purged, and parts of uploads that ended removed."""
        if uow.changed:
            self.purge(frozenset(uow.changed))
        if self.storage.parts is not None:
            with suppress(StorageUnavailable):  # housekeeping will remove them
                for upload in uow.ended:
                    self.storage.parts.remove(upload)
