"""What a registry function works on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from msgspec import Struct, field
from msgspec.structs import replace
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from greenroom import database
from greenroom.database import Database
from greenroom.models import Base, Job
from greenroom.openid.provider import Providers
from greenroom.outages import outages_passed_over
from greenroom.registry.upstream_asking import Asking
from greenroom.settings import Settings
from greenroom.storage import Storage

Clock = Callable[[], datetime]

AT_ONCE = timedelta(minutes=1)
"""What happened so much later than ``now`` happened at the same time, in another unit of work.

What is even later was written down while the clock was ahead, and says nothing about now.
"""


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


class Origin(Struct, frozen=True):
    """From where an act comes, as far as its entry point knows: what the audit log says of it.

    Attributes:
        address: of the client, as trusted proxies tell it.
        request_id: by which name the request stands in the log.
        means: what is acted with, where it is not what the actor has shown.
        knows: whether it is a browser in which somebody has signed in to the account of this name
            before; None where nobody can say.
    """

    address: str | None = None
    request_id: str | None = None
    means: str | None = None
    knows: Callable[[str], bool] | None = None

    def is_new_to(self, username: str) -> bool:
        """Whether it is a browser in which nobody has signed in to this account before."""
        return self.knows is not None and not self.knows(username)


class UnitOfWork(Struct, frozen=True):
    """One unit of work: a session, where bytes are kept, the settings, and one moment.

    All that happens in a unit of work happens at ``now``: the files of a release are published at
    the same instant. ``collecting`` has this transaction's jobs that may take in more of their kind
    (see :func:`greenroom.registry.jobs.collect`).
    """

    db: Session
    storage: Storage
    settings: Settings
    now: datetime
    collecting: dict[str, Job] = field(default_factory=dict)
    origin: Origin = Origin()

    def forget(self, kind: type[Base], key: int, *attributes: str) -> None:
        """Let an object of the session, if there is one, read anew what was changed past it."""
        known = self.db.identity_map.get(identity_key(kind, key))
        if known is not None:
            self.db.expire(known, attributes)

    @property
    def may_write(self) -> bool:
        """Whether what is written in it stays."""
        return database.may_write(self.db)

    def lock(self, *names: str) -> None:
        """Hold the locks of these names until the transaction ends (see :func:`database.lock`)."""
        database.lock(self.db, *names)


class Services(Struct, frozen=True):
    """What outlives a unit of work: the database, the storage, the settings and the clock.

    ``origin`` is where everything comes from that is done in their units of work, ``providers``
    what is known of the issuers of ID tokens, ``asking`` what the process has to do with upstreams.
    """

    database: Database
    storage: Storage
    settings: Settings
    clock: Clock = utc_now
    origin: Origin = Origin()
    providers: Providers = field(default_factory=Providers)
    asking: Asking = field(default_factory=Asking)

    def coming_from(self, origin: Origin) -> "Services":
        """The same, for what comes from there."""
        return replace(self, origin=origin)

    def unit_of_work(self, db: Session) -> UnitOfWork:
        """A unit of work in this session, at this moment."""
        return UnitOfWork(db, self.storage, self.settings, self.clock(), origin=self.origin)

    @contextmanager
    def reading(self) -> Iterator[UnitOfWork]:
        """A unit of work that changes nothing, on one snapshot of the data."""
        with self.database.reading() as db:
            yield self.unit_of_work(db)

    @contextmanager
    def writing_at_once(self) -> Iterator[UnitOfWork]:
        """As :meth:`writing`, for what may be left undone: it waits for nobody who writes.

        Raises:
            sqlalchemy.exc.DBAPIError: a lock is not free, or nothing can be written.
        """
        with self.database.writing_at_once() as db:
            yield self.unit_of_work(db)
            db.commit()

    def write_if_possible(self, write: Callable[[UnitOfWork], object]) -> None:
        """Let ``write`` do in a short unit of work of its own what may be left undone.

        Where somebody else writes just now, or the database takes no changes, it is left.
        """
        with outages_passed_over(), self.writing_at_once() as uow:
            write(uow)

    @contextmanager
    def writing(self) -> Iterator[UnitOfWork]:
        """A unit of work that is committed at the end, or undone when an exception leaves it."""
        with self.database.writing() as db:
            uow = self.unit_of_work(db)
            yield uow
            db.commit()
