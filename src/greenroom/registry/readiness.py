"""Whether everything that the index needs is there, for those who watch it.

Each thing is looked at in a thread of its own, one look at a time, and what was seen is kept for
some seconds: whoever asks waits for a moment at most, and many who ask cost no more than one.
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from msgspec import Struct
from sqlalchemy import literal, select

from greenroom.database import UnusableDatabase
from greenroom.outages import outage_of
from greenroom.registry import storage_identity
from greenroom.registry.arriving import has_room
from greenroom.registry.storage_identity import ForeignStorage
from greenroom.registry.unit_of_work import Services

PATIENCE = 2.0
"""Seconds within which it is said what is known."""

_KEPT_WHEN_WELL = 10.0
_KEPT_WHEN_NOT = 1.0

log = structlog.get_logger("greenroom")


class Finding(Struct, frozen=True):
    """What is known of one thing.

    Attributes:
        name: what was looked at.
        problem: what is wrong with it, in a sentence for everybody; empty: nothing.
    """

    name: str
    problem: str


class Readiness:
    """Looks at all that the index needs. May be asked by many threads."""

    def __init__(self, services: Services) -> None:
        """Nothing is looked at before somebody asks."""
        self.services = services
        self._looks = [
            _Look("database", lambda: _database(services)),
            _Look("schema", lambda: _schema(services)),
            _Look("storage", lambda: _storage(services)),
            _Look("identity", lambda: _identity(services)),
            _Look("space", lambda: _space(services)),
        ]

    def findings(self, patience: float | None = None) -> Sequence[Finding]:
        """What is known of each thing, after at most so many seconds; :data:`PATIENCE` of them."""
        deadline = time.monotonic() + (PATIENCE if patience is None else patience)
        for look in self._looks:
            look.begin()
        return [look.finding(deadline) for look in self._looks]


class _Look:
    """Looks at one thing, now and then."""

    def __init__(self, name: str, look: Callable[[], str]) -> None:
        self._name = name
        self._look = look
        self._lock = threading.Lock()
        self._running: threading.Thread | None = None
        self._seen_at = float("-inf")
        self._problem: str | None = None

    def begin(self) -> None:
        """Look in a thread, unless one is looking, or has just done so."""
        with self._lock:
            age = time.monotonic() - self._seen_at
            is_new = age < (_KEPT_WHEN_NOT if self._problem else _KEPT_WHEN_WELL)
            if self._running is None and not is_new:
                self._running = threading.Thread(
                    target=self._run, name=f"looks at {self._name}", daemon=True
                )
                self._running.start()

    def finding(self, deadline: float) -> Finding:
        """What was seen last, waiting for who looks until the deadline."""
        with self._lock:
            running = self._running
        if running is not None:
            running.join(max(0.0, deadline - time.monotonic()))
            if running.is_alive():
                return Finding(self._name, "There was no answer in time.")
        with self._lock:
            return Finding(self._name, self._problem or "")

    def _run(self) -> None:
        problem, reason = self._seen()
        with self._lock:
            if problem != (self._problem or ""):
                if problem:
                    log.error("the index is not ready", part=self._name, reason=reason)
                else:
                    log.info("the index is ready again", part=self._name)
            self._problem, self._seen_at, self._running = problem, time.monotonic(), None

    def _seen(self) -> tuple[str, str]:
        """What is wrong, for everybody, and for the log."""
        try:
            problem = self._look()
        except ForeignStorage as foreign:
            return "The storage is not the one that belongs to the database.", str(foreign)
        except UnusableDatabase as unusable:
            return "The database is of another version.", str(unusable)
        except Exception as error:  # whoever asks is told, whatever it is
            outage = outage_of(error)
            if outage is not None:
                return outage.sentence, outage.reason
            log.exception("the readiness of the index cannot be looked at", part=self._name)
            return "It could not be looked at.", type(error).__name__
        return problem, problem


def _database(services: Services) -> str:
    with services.reading() as uow:
        uow.db.scalar(select(literal(1)))
        is_read_only = services.database.is_read_only(uow.db)
    return "The database takes no changes." if is_read_only else ""


def _schema(services: Services) -> str:
    with services.reading() as uow:
        uow.db.scalar(select(literal(1)))
    # That it is of a newer version is an exception whose text is for the operator.
    return "" if services.database.is_current() else "The database has an old schema."


def _storage(services: Services) -> str:
    services.storage.check_writable()
    return ""


def _identity(services: Services) -> str:
    storage_identity.check(services)
    return ""


def _space(services: Services) -> str:
    folders = {services.storage.incoming, services.settings.data.absolute()}
    return "" if all(map(has_room, folders)) else "There is hardly any space left."
