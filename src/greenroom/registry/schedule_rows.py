"""Times that were set for publishing: what those of drafts and of release sets have in common.

There is a row for each, of which one waits for a draft, or a set, at most. It ends once. Whoever
sets a time approves by that; such an approval ends with its row, unless that is carried out.
"""

from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import ColumnElement, select

from greenroom.models import Draft, ReleaseSet, Schedule, ScheduleState
from greenroom.registry import approvals, jobs, publishing_policy
from greenroom.registry.errors import AccountDisabled, InvalidRequest
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import UnitOfWork

_KEPT_AFTERWARDS = timedelta(days=1)
"""For so long after its time a draft still lives, should the index be down then."""


class ScheduleDetails(Struct, frozen=True):
    """When a draft or a release set is to be published, or why it was not.

    Attributes:
        at: when.
        by: who has set it.
        is_waiting: whether that is still to come.
        is_void: whether the content is another one by now, so that it will be refused.
        doubts: for what else it would be refused, if it were time now, in sentences.
        reasons: why it was refused; empty while it waits.
    """

    at: datetime
    by: str
    is_waiting: bool
    is_void: bool
    doubts: tuple[str, ...]
    reasons: tuple[str, ...]


def add(
    uow: UnitOfWork,
    actor: Actor,
    of: Draft | ReleaseSet,
    at: datetime,
    content_digest: str,
) -> Schedule:
    """A time for a draft or a set, of which none waits. What it takes the caller has asked."""
    made = Schedule(
        draft_id=of.id if isinstance(of, Draft) else None,
        release_set_id=of.id if isinstance(of, ReleaseSet) else None,
        at=at,
        by=actor.name,
        user_id=actor.user_id,
        asked=uow.now,
        content_digest=content_digest,
        with_factor=publishing_policy.has_shown_enough(actor, uow.now),
    )
    uow.db.add(made)
    of.scheduled = at
    uow.db.flush()
    return made


def end(uow: UnitOfWork, of: Draft | ReleaseSet, state: ScheduleState, by: Actor) -> bool:
    """End what waits of a draft or a set, and say whether there was anything.

    The approvals that were given with it end, too, but where it is ``DONE``. The caller holds the
    locks.
    """
    of.scheduled = None
    is_waiting = Schedule.state == ScheduleState.WAITING
    found = uow.db.scalar(select(Schedule).where(_is_of(of) & is_waiting))
    if found is not None:
        found.state, found.ended = state, uow.now
        if state is not ScheduleState.DONE:
            approvals.end_with(uow, found, by)
    uow.db.flush()
    return found is not None


def is_due(uow: UnitOfWork, schedule: Schedule) -> bool:
    """Whether it is to be carried out now; not where it has ended. The caller holds the locks.

    Raises:
        jobs.Later: it is not time yet.
    """
    uow.db.refresh(schedule)
    if schedule.state != ScheduleState.WAITING:
        return False
    if uow.now < schedule.at:
        # Somebody had it tried before. What is put off for longer looks like a wrong clock.
        raise jobs.Later(min(schedule.at, uow.now + jobs.LONGEST_PAUSE))
    return True


def newest(uow: UnitOfWork, of: Draft | ReleaseSet) -> Schedule | None:
    """What waits of a draft or a set, or was refused; None where there is nothing to tell."""
    rows = select(Schedule).where(_is_of(of)).order_by(Schedule.id.desc())
    found = uow.db.scalar(rows.limit(1))
    told = (ScheduleState.WAITING, ScheduleState.REFUSED)
    return found if found is not None and found.state in told else None


def details(
    schedule: Schedule, content_digest: str, doubts: tuple[str, ...] = ()
) -> ScheduleDetails:
    """What is told of a time, of something that has this content now."""
    return ScheduleDetails(
        schedule.at,
        schedule.by,
        is_waiting=schedule.state == ScheduleState.WAITING,
        is_void=schedule.content_digest != content_digest,
        doubts=doubts,
        reasons=tuple(schedule.reasons),
    )


def who(schedule: Schedule) -> Actor:
    """Whose doing it is, of whom nothing is known now but who they are.

    Raises:
        AccountDisabled: the account is disabled, or gone.
    """
    if schedule.by == OPERATOR.name:
        return OPERATOR
    if schedule.user is None or not schedule.user.is_enabled:
        raise AccountDisabled(schedule.by)
    return Person(schedule.user)


def check_time(uow: UnitOfWork, drafts: list[Draft], at: datetime) -> None:
    """Raise InvalidRequest unless these drafts can live until then.

    Raises:
        InvalidRequest: it is past, or too late for one of them.
    """
    if at <= uow.now:
        raise InvalidRequest(f"{utc(at)} is past: it is {utc(uow.now)} now.")
    first = min(drafts, key=lambda draft: draft.opened)
    latest = first.opened + uow.settings.draft_lifetime_max
    if at > latest:
        what = (
            "A draft" if len(drafts) == 1 else f"The draft of {first.project_name} {first.version}"
        )
        raise InvalidRequest(
            f"{what} lives until {utc(latest)} at the longest, counted from its opening: choose "
            "a time before that."
        )


def outlive(draft: Draft, at: datetime) -> None:
    """Let a draft live past a time that was set, should the index be down then."""
    draft.expires = max(draft.expires, at + _KEPT_AFTERWARDS)


def utc(moment: datetime) -> str:
    """A moment to the minute, for sentences."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _is_of(of: Draft | ReleaseSet) -> ColumnElement[bool]:
    if isinstance(of, Draft):
        return Schedule.draft_id == of.id
    return Schedule.release_set_id == of.id
