"""Jobs: what must happen because something was committed.

Whoever causes a job writes it in the same transaction, so that it is there exactly when its cause
is. Workers take jobs with a lease, which they renew while they work: what a killed process has left
behind is taken by another one soon. A job may thus be done more than once, and its handler has to
stand that (:mod:`greenroom.registry.job_handlers`).
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Table,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from greenroom.counts import counted
from greenroom.database import run
from greenroom.models import Job, JobState
from greenroom.models.base import LARGEST_ID, JSONObject
from greenroom.registry import audit, notices, webhook_events
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import AT_ONCE, Services, UnitOfWork

LEASE = timedelta(seconds=20)
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)
MOST_ATTEMPTS = 300
"""With pauses of five minutes, about a day."""
TROUBLED_AFTER = 3
"""So many attempts, and administrators are shown the job."""
DONE_KEPT = timedelta(days=7)

_LONGEST_ERROR = 1000


class Kind(StrEnum):
    """What jobs there are."""

    PURGE = "purge"
    REMOVE_PARTS = "remove-parts"
    REVIEW = "review"
    PUBLISH = "publish"
    ANALYSE = "analyse"
    HOUSEKEEPING = "housekeeping"
    VERIFY = "verify"
    NOTIFY = notices.JOB
    MAIL = "mail"
    TELL_WEBHOOKS = webhook_events.JOB
    WEBHOOK = "webhook"
    ADOPT = "adopt"


class Later(Exception):
    """Raised by a handler that can do nothing before some moment, without having failed."""

    def __init__(self, due: datetime) -> None:
        super().__init__(f"not before {due}")
        self.due = due


class Taken(Struct, frozen=True):
    """A job that is the caller's, as long as its lease lasts."""

    id: int
    kind: str
    payload: JSONObject
    attempt: int


class Listed(Struct, frozen=True):
    """A job that is not done, for people to look at.

    Attributes:
        about: what it is about, in words; empty where the kind says it all.
        state: ``waiting``, ``failed``, or ``running`` while somebody holds its lease.
        due: when it is tried next, or was to be.
        error: why the last attempt failed, empty where none did.
    """

    id: int
    kind: str
    about: str
    state: str
    created: datetime
    attempts: int
    due: datetime
    error: str


def enqueue(uow: UnitOfWork, kind: Kind, payload: JSONObject, due: datetime | None = None) -> Job:
    """Write down a job that exists once this unit of work is committed; due at once by default."""
    job = Job(kind=kind, payload=payload, created=uow.now, due=due or uow.now)
    uow.db.add(job)
    uow.db.flush()
    return job


def enqueue_once(uow: UnitOfWork, kind: Kind, payload: JSONObject) -> None:
    """Write down a job that is due at once, unless this unit of work has one that says the same.

    It is written past the session, which uploads have no time for.
    """
    key = f"{kind} {payload}"
    if key in uow.collecting:
        return
    row = {"kind": kind, "payload": payload, "created": uow.now, "due": uow.now}
    run(uow.db, _INSERT, row)
    uow.collecting[key] = Job(**row)


_INSERT = insert(cast("Table", Job.__table__)).inline()


def collect(uow: UnitOfWork, kind: Kind, name: str, items: Iterable[str]) -> None:
    """Add to the list ``name`` in the payload of this unit of work's only job of the kind."""
    job = uow.collecting.get(kind)
    if job is None:
        uow.collecting[kind] = enqueue(uow, kind, {name: sorted(set(items))})
        return
    job.payload = {name: sorted({*texts(job.payload, name), *items})}
    uow.db.flush()


def texts(payload: JSONObject, name: str) -> list[str]:
    """A list of texts in a payload."""
    value = payload.get(name)
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


# What workers do


def due_kinds(services: Services) -> set[str]:
    """The kinds of which somebody could take a job now."""
    with services.reading() as uow:
        return set(run(uow.db, _DUE_KINDS, _moments(uow)).scalars())


def take(services: Services, kinds: Collection[str]) -> Taken | None:
    """Take the job of these kinds that has been due for longest; None where there is none.

    It is looked for in a unit of work that reads, so that asking often locks nobody out.
    """
    wanted = {"kinds": list(kinds)}
    with services.reading() as uow:
        if run(uow.db, _NEXT_ID, _moments(uow) | wanted).first() is None:
            return None
    with services.writing() as uow:
        job = uow.db.scalar(_NEXT, _moments(uow) | wanted)
        if job is None:  # somebody else was faster
            return None
        job.attempts += 1
        job.leased_until = uow.now + LEASE
        return Taken(job.id, job.kind, dict(job.payload), job.attempts)


def renew(services: Services, taken: Taken) -> bool:
    """Hold a job for longer. False when it is not the caller's any more."""
    with services.writing() as uow:
        return _set(uow, taken, leased_until=uow.now + LEASE)


def succeed(services: Services, taken: Taken) -> bool:
    """Write down that a job is done. False when it was not the caller's any more."""
    with services.writing() as uow:
        return _set(uow, taken, state=JobState.DONE, finished=uow.now, leased_until=None, error="")


def postpone(services: Services, taken: Taken, due: datetime) -> bool:
    """Let a job wait until then. False when it was not the caller's any more."""
    with services.writing() as uow:
        return _set(uow, taken, due=due, leased_until=None)


def fail(services: Services, taken: Taken, error: str) -> bool:
    """Write down that an attempt failed: the job waits for the next one, or is given up.

    Returns:
        False when it was not the caller's any more; then nothing is written.
    """
    with services.writing() as uow:
        reason = error[:_LONGEST_ERROR]
        if taken.attempt >= MOST_ATTEMPTS:
            return _set(
                uow,
                taken,
                state=JobState.FAILED,
                finished=uow.now,
                leased_until=None,
                error=reason,
            )
        due = uow.now + pause(taken.attempt)
        return _set(uow, taken, due=due, leased_until=None, error=reason)


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts."""
    longest = LONGEST_PAUSE / FIRST_PAUSE
    return FIRST_PAUSE * min(2.0 ** min(attempts - 1, 20), longest)


def _set(uow: UnitOfWork, taken: Taken, **values: object) -> bool:
    """Change a job, if it is still the caller's."""
    result = uow.db.execute(
        update(Job)
        .where(
            Job.id == taken.id,
            Job.state == JobState.WAITING,
            Job.attempts == taken.attempt,
            Job.leased_until.is_not(None),
        )
        .values(**values)
    )
    return isinstance(result, CursorResult) and result.rowcount == 1


def _moments(uow: UnitOfWork) -> dict[str, object]:
    """What the statements compare moments with: workers ask them every second."""
    longest = max(LONGEST_PAUSE, 2 * uow.settings.review_timeout)
    ahead = uow.now + AT_ONCE
    return {
        "now": uow.now,
        "ahead": ahead,
        "after_any_lease": ahead + LEASE,
        "after_any_pause": ahead + longest,
    }


# A lease or a pause that lasts longer than any, and a job of the future, are of a clock that was
# ahead.
_IS_UNLEASED = or_(
    Job.leased_until.is_(None),
    Job.leased_until <= bindparam("now"),
    Job.leased_until > bindparam("after_any_lease"),
)
# So is an attempt that is to be made later than after any pause. What waits for its first one may
# have been written down to wait.
_IS_DUE = or_(
    Job.due <= bindparam("now"),
    Job.created > bindparam("ahead"),
    (Job.attempts > 0) & (Job.due > bindparam("after_any_pause")),
)
_IS_FREE = (Job.state == JobState.WAITING) & _IS_DUE & _IS_UNLEASED

_DUE_KINDS = select(Job.kind).where(_IS_FREE).distinct()
_NEXT_ID = (
    select(Job.id)
    .where(_IS_FREE, Job.kind.in_(bindparam("kinds", expanding=True)))
    .order_by(Job.due, Job.id)
    .limit(1)
)
_NEXT = _NEXT_ID.with_only_columns(Job).with_for_update(skip_locked=True)


# What people see and do


def unfinished(uow: UnitOfWork) -> list[Listed]:
    """Every job that is not done, the oldest first."""
    jobs = uow.db.scalars(select(Job).where(Job.state != JobState.DONE).order_by(Job.id))
    return [_listed(uow, job) for job in jobs]


def troubled(uow: UnitOfWork, *, start: int, count: int) -> list[Listed]:
    """Some of the jobs that keep failing or were given up, the oldest first."""
    jobs = uow.db.scalars(
        select(Job).where(_is_troubled()).order_by(Job.id).offset(start).limit(count)
    )
    return [_listed(uow, job) for job in jobs]


def count_troubled(uow: UnitOfWork) -> int:
    """How many jobs keep failing or were given up."""
    return uow.db.scalar(select(func.count()).select_from(Job).where(_is_troubled())) or 0


def _is_troubled() -> ColumnElement[bool]:
    keeps_failing = (Job.state == JobState.WAITING) & (Job.attempts >= TROUBLED_AFTER)
    return (Job.state == JobState.FAILED) | keeps_failing


class WantedJobs(Struct, frozen=True):
    """What to choose jobs by.

    Attributes:
        kind: None for all.
        state: ``waiting`` (also while they run), ``failed`` or ``done``; None for all.
        is_troubled: only those that keep failing, or were given up.
    """

    kind: Kind | None = None
    state: JobState | None = None
    is_troubled: bool = False


def listed(uow: UnitOfWork, wanted: WantedJobs, *, start: int, count: int) -> list[Listed]:
    """Some of the jobs that are there, those that are done too, the newest first."""
    found = uow.db.scalars(
        select(Job).where(*_chosen(wanted)).order_by(Job.id.desc()).offset(start).limit(count)
    )
    return [_listed(uow, job) for job in found]


def count_of(uow: UnitOfWork, wanted: WantedJobs) -> int:
    """How many jobs there are of these."""
    return uow.db.scalar(select(func.count()).select_from(Job).where(*_chosen(wanted))) or 0


def _chosen(wanted: WantedJobs) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = []
    if wanted.kind is not None:
        chosen.append(Job.kind == wanted.kind)
    if wanted.state is not None:
        chosen.append(Job.state == wanted.state)
    if wanted.is_troubled:
        chosen.append(_is_troubled())
    return chosen


def retry(uow: UnitOfWork, actor: Actor, job_id: int, reason: str = "") -> Listed:
    """Make a job due now, also one that was given up. One that is running is left alone.

    ``reason`` is recorded.

    Raises:
        NotAllowed: the actor is neither an administrator in person nor the operator.
        NotFound: there is no such job.
        InvalidRequest: it is done.
    """
    if not actor.is_administrator:
        raise NotAllowed("Only administrators may have jobs tried again.")
    job = None
    if 0 < job_id <= LARGEST_ID:
        job = uow.db.scalar(select(Job).where(Job.id == job_id).with_for_update())
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    if job.state == JobState.DONE:
        raise InvalidRequest(f"Job {job_id} is done already.")
    if not _is_running(uow, job):
        job.due = uow.now
    if job.state == JobState.FAILED:
        job.state, job.attempts, job.finished = JobState.WAITING, 0, None
    uow.db.flush()
    audit.write(
        uow,
        audit.Kind.JOB_RETRY,
        actor,
        detail="; ".join(filter(None, [f"job {job.id}: {job.kind}", reason])),
    )
    return _listed(uow, job)


def forget_done(uow: UnitOfWork) -> None:
    """Delete the jobs that were done some days ago, but the last of each kind.

    Those that were given up stay.
    """
    last = select(func.max(Job.id)).where(Job.state == JobState.DONE).group_by(Job.kind)
    uow.db.execute(
        delete(Job).where(
            Job.state == JobState.DONE,
            Job.finished <= uow.now - DONE_KEPT,
            Job.id.not_in(last),
        )
    )


def _listed(uow: UnitOfWork, job: Job) -> Listed:
    state = "running" if _is_running(uow, job) else job.state
    about = _about(job)
    return Listed(job.id, job.kind, about, state, job.created, job.attempts, job.due, job.error)


def _is_running(uow: UnitOfWork, job: Job) -> bool:
    return job.leased_until is not None and job.leased_until > uow.now


def _about(job: Job) -> str:
    match job.kind:
        case Kind.PURGE:
            return " ".join(texts(job.payload, "keys"))
        case Kind.REMOVE_PARTS:
            return f"the parts of {counted(len(texts(job.payload, 'uploads')), 'upload')}"
        case Kind.ANALYSE:
            return f"the files of {counted(len(texts(job.payload, 'drafts')), 'draft')}"
        case Kind.REVIEW | Kind.PUBLISH:
            return str(job.payload.get("release", ""))
        case Kind.NOTIFY | Kind.TELL_WEBHOOKS:
            return str(job.payload.get("act", ""))
        case Kind.ADOPT:
            return f"{job.payload.get('project', '')} {job.payload.get('version', '')}"
        case Kind.WEBHOOK:
            return f"webhook {job.payload.get('webhook', '')}"
        case Kind.MAIL:
            whom = f"user {job.payload['user']}" if "user" in job.payload else "somebody invited"
            return f"{job.payload.get('act', '')} for {whom}"
        case _:
            return ""
