"""The background worker: does jobs as they fall due, in ``serve`` or in a process of its own."""

import threading
import time
from collections.abc import Mapping
from types import MappingProxyType

import sqlalchemy.exc
import structlog

from greenroom.models.base import JSONObject
from greenroom.outages import outage_of
from greenroom.purge_client import PurgeFailed
from greenroom.registry import job_handlers, jobs, reviews
from greenroom.registry.job_handlers import Handler
from greenroom.registry.jobs import Kind, Taken
from greenroom.registry.storage_identity import ForeignStorage
from greenroom.registry.trash import TooMuchAtOnce
from greenroom.registry.unit_of_work import Origin, Services
from greenroom.smtp_client import MailFailed
from greenroom.spare_memory import Spare
from greenroom.storage import BlobMissing, StorageUnavailable

LOOK_EVERY = 1.0
RENEW_EVERY = 5.0
SCHEDULE_EVERY = 30.0
PARTING = 1.5
"""What is in flight at the end may take so long; all in seconds."""

# What may go wrong without anything being wrong with the program.
_OUTAGES = (
    *(PurgeFailed, MailFailed, StorageUnavailable, BlobMissing, ForeignStorage, TooMuchAtOnce),
    OSError,
)

log = structlog.get_logger("greenroom.jobs")


def _mail(services: Services, payload: JSONObject) -> None:
    """Send a message. What makes it is imported when there is one."""
    from greenroom.mailing import sending

    sending.send(services, payload)


def _webhook(services: Services, payload: JSONObject) -> None:
    """Send to a receiver what waits for it. What that takes is imported when there is one."""
    from greenroom.webhooks import sending

    sending.send(services, payload)


HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {**job_handlers.HANDLERS, Kind.MAIL: _mail, Kind.WEBHOOK: _webhook}
)
"""What is done for each kind of job: what the registry does, and what only entry points can."""

LANES: Mapping[str, int] = MappingProxyType({Kind.WEBHOOK: 8})
"""How many jobs of a kind a process does at once, where it is more than one: those that wait for
others, each for somebody else."""


def work(services: Services, stop: threading.Event) -> None:
    """Do jobs until the event is set; what is in flight then has a moment to finish."""
    Worker(services).run(stop)


def do(services: Services, taken: Taken) -> None:
    """Do one job that was taken, and write down what came of it.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: that could not be written down. The lease runs out then.
    """
    origin = Origin(means=f"job {taken.kind}")
    try:
        HANDLERS[taken.kind](services.coming_from(origin), taken.payload)
    except jobs.Later as later:
        jobs.postpone(services, taken, later.due)
    except Exception as error:
        reason = _reason(error)
        is_bug = not isinstance(error, (*_OUTAGES, sqlalchemy.exc.SQLAlchemyError))
        # What lasts is not written down each time.
        if is_bug or taken.attempt.bit_count() == 1:
            write = log.exception if is_bug else log.warning
            attempt = taken.attempt
            write("a job failed", job=taken.id, kind=taken.kind, attempt=attempt, reason=reason)
        jobs.fail(services, taken, reason)
    else:
        jobs.succeed(services, taken)


def _reason(error: Exception) -> str:
    """Why, without what a database was asked, which may hold secrets."""
    outage = outage_of(error)
    if outage is not None:
        return outage.reason
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        return f"The database does not answer: {type(error.orig).__name__}."
    if isinstance(error, _OUTAGES):
        return str(error)
    return f"{type(error).__name__}: the log has more."


class Worker:
    """Looks every second for what is due, and does it in a thread for each kind.

    So a process does one job of a kind at once, but of those that have more lanes, and what takes
    long holds up no other kind. A further lane is opened when a job is due that the others have
    left for a second.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._threads: dict[tuple[str, int], threading.Thread] = {}
        self._running: dict[tuple[str, int], Taken] = {}
        self._renewed = self._scheduled = float("-inf")
        self._done = 0
        self._spare = Spare(services.database.forget)

    def run(self, stop: threading.Event) -> None:
        """Work until the event is set, through outages of the database."""
        prepared, is_out = False, False
        while not stop.is_set():
            try:
                if not prepared:
                    reviews.enqueue_waiting(self._services)
                    prepared = True
                self._look(stop)
            except (sqlalchemy.exc.SQLAlchemyError, StorageUnavailable, OSError) as error:
                if not is_out:
                    log.warning("no jobs are done, until this is over", reason=_reason(error))
                is_out = True
            else:
                if is_out:
                    log.info("jobs are done again")
                is_out = False
            self._spare.give_back(self._done, time.monotonic())
            stop.wait(LOOK_EVERY)
        deadline = time.monotonic() + PARTING
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _look(self, stop: threading.Event) -> None:
        now = time.monotonic()
        if now - self._scheduled >= SCHEDULE_EVERY:
            job_handlers.schedule(self._services)
            self._scheduled = now
        if now - self._renewed >= RENEW_EVERY:
            for taken in list(self._running.values()):
                jobs.renew(self._services, taken)
            self._renewed = now
        for kind in jobs.due_kinds(self._services) & HANDLERS.keys():
            lanes = ((kind, lane) for lane in range(LANES.get(kind, 1)))
            free = next((each for each in lanes if not self._is_busy(each)), None)
            if free is not None:
                thread = threading.Thread(
                    target=self._work_off, args=(*free, stop), name=f"job {kind}", daemon=True
                )
                self._threads[free] = thread
                thread.start()

    def _is_busy(self, lane: tuple[str, int]) -> bool:
        thread = self._threads.get(lane)
        return thread is not None and thread.is_alive()

    def _work_off(self, kind: str, lane: int, stop: threading.Event) -> None:
        """Do all jobs of a kind that are due, one after the other."""
        try:
            while not stop.is_set():
                taken = jobs.take(self._services, [kind])
                if taken is None:
                    return
                self._running[kind, lane] = taken
                try:
                    do(self._services, taken)
                finally:
                    del self._running[kind, lane]
                    self._done += 1
        except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
            log.warning("a job is left to be taken again", kind=kind, reason=_reason(error))
