"""Publishing a draft at a time that somebody has set.

Whoever sets it has looked at one content and shown what publishing takes at that moment. When the
time has come, everything is asked again, by the same code as if they pressed the button then:
whether they may still publish, whether what they had shown is still enough, whether the draft has
that content, approvals, and whatever else is in the way. What is refused is written down, and its
people are told.

It is a job, and a row that ends once under the lock of the project, however many workers there are.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from greenroom.models import Draft, Project, Schedule, ScheduleState
from greenroom.models.base import JSONObject
from greenroom.registry import (
    approvals,
    draft_addresses,
    draft_contents,
    draft_log,
    drafts,
    jobs,
    publishing,
    publishing_policy,
    releases,
    set_members,
)
from greenroom.registry.errors import AccountDisabled, InvalidRequest, Refusal
from greenroom.registry.permissions import (
    OPERATOR,
    SCHEDULE,
    Act,
    Actor,
    Person,
    require_confirmed,
)
from greenroom.registry.unit_of_work import Services, UnitOfWork

_KEPT_AFTERWARDS = timedelta(days=1)
"""For so long after its time a draft still lives, should the index be down then."""


@dataclass(frozen=True, slots=True)
class ScheduleDetails:
    """When a draft is to be published, or why it was not.

    Attributes:
        at: when.
        by: who has set it.
        is_waiting: whether that is still to come.
        is_void: whether the draft has changed since, so that it will be refused.
        reasons: why it was refused; empty while it waits.
    """

    at: datetime
    by: str
    is_waiting: bool
    is_void: bool
    reasons: tuple[str, ...]


def schedule(
    uow: UnitOfWork,
    actor: Actor,
    draft: Draft,
    at: datetime,
    content_digest: str,
    *,
    is_embargoed: bool = False,
    standing: JSONObject | None = None,
) -> None:
    """Let the draft be published at this time, in the place of any that was set before.

    Args:
        uow: what to work in.
        actor: who publishes.
        draft: what is published.
        at: when.
        content_digest: what the draft has, and must have then.
        standing: what is known of the draft, for the approval of who sets the time.
        is_embargoed: whether it gets another address now, which takes an account besides.

    Raises:
        NotAllowed: the actor may not publish the draft.
        PersonPublishes: it is a token: people do that.
        FactorNotFresh, NotConfirmed: the actor has not shown what it takes to publish now.
        Ended, BeingReviewed: the draft is not open, or not to changes.
        InvalidRequest: the time is past or too late, the digest is none, or there are no files.
        DraftChanged: the draft has another digest.
    """
    drafts.begin(uow, actor, Act.PUBLISH, draft)
    project, staged = _project(draft), drafts.files(uow.db, draft)
    publishing_policy.check_person(actor, project, "schedule a publication")
    publishing_policy.check_publisher(uow, actor, project)
    if project.reauthenticate_to_publish:
        require_confirmed(actor, uow.now)
    _check_time(uow, draft, at)
    draft_contents.check_unchanged(uow.db, draft, content_digest, staged)
    if not staged:
        raise InvalidRequest("It has no files: upload one first.")
    _end(uow, draft, ScheduleState.CANCELED)
    made = Schedule(
        draft_id=draft.id,
        at=at,
        by=actor.name,
        user_id=actor.user_id,
        asked=uow.now,
        content_digest=content_digest,
        with_factor=publishing_policy.has_shown_enough(actor, uow.now),
    )
    uow.db.add(made)
    draft.scheduled = at
    draft.expires = max(draft.expires, at + _KEPT_AFTERWARDS)
    approvals.approve_by_publishing(uow, actor, draft, project, staged, standing)
    if is_embargoed:
        draft.members_only = True
        draft_addresses.change(uow, draft, actor, "embargo", recorded=False)
        # The address of its set opens the draft, too.
        set_members.rotate_all(uow, [draft], actor, f"embargo of {draft.project_name}")
    uow.db.flush()
    payload = {"schedule": made.id, "release": f"{draft.project_name} {draft.version}"}
    jobs.enqueue(uow, jobs.Kind.PUBLISH, dict(payload), at)
    detail = f"at {_utc(at)}, {content_digest}" + (", with an embargo" if is_embargoed else "")
    draft_log.write(uow, draft, actor, "scheduled", detail=detail)
    uow.db.flush()


def cancel(uow: UnitOfWork, actor: Actor, draft: Draft) -> None:
    """Let the draft not be published by itself. An embargo goes on.

    Raises:
        NotAllowed: the actor may not publish the draft.
        Ended, BeingReviewed: the draft is not open, or not to changes.
        InvalidRequest: it is not to be published by itself.
    """
    drafts.begin(uow, actor, Act.PUBLISH, draft)
    at = draft.scheduled
    if at is None or not _end(uow, draft, ScheduleState.CANCELED):
        raise InvalidRequest("The draft is not to be published by itself.")
    draft_log.write(uow, draft, actor, "unscheduled", detail=f"at {_utc(at)}")
    uow.db.flush()


def set_members_only(uow: UnitOfWork, actor: Actor, draft: Draft, *, members_only: bool) -> None:
    """Say whether the draft's address takes an account besides.

    Raises:
        NotAllowed: the actor may not stage.
        Ended, BeingReviewed: the draft is not open, or not to changes.
    """
    drafts.begin(uow, actor, Act.STAGE, draft)
    if draft.members_only == members_only:
        return
    draft.members_only = members_only
    whom = "members only" if members_only else "whoever has the address"
    draft_log.write(uow, draft, actor, "opened the address to", detail=whom)
    uow.db.flush()


def of_draft(uow: UnitOfWork, draft: Draft, content_digest: str) -> ScheduleDetails | None:
    """The time that is set for a live draft with this content, or the last one, if it was refused.

    None where there is none, or the last one was canceled.
    """
    rows = select(Schedule).where(Schedule.draft_id == draft.id).order_by(Schedule.id.desc())
    last = uow.db.scalar(rows.limit(1))
    if last is None or last.state not in (ScheduleState.WAITING, ScheduleState.REFUSED):
        return None
    return ScheduleDetails(
        last.at,
        last.by,
        is_waiting=last.state == ScheduleState.WAITING,
        is_void=last.content_digest != content_digest,
        reasons=tuple(last.reasons),
    )


def carry_out(services: Services, number: int) -> None:
    """Publish what is to be published now, unless that has been done, or nobody wants it any more.

    Raises:
        jobs.Later: it is not time yet.
    """

    def publish() -> None:
        with services.writing() as uow:
            _carry_out(uow, number)

    releases.with_renderings(publish)


def _carry_out(uow: UnitOfWork, number: int) -> None:
    found = uow.db.get(Schedule, number)
    draft = found.draft if found is not None else None
    if found is None or draft is None:
        return
    drafts.lock_and_reload(uow, draft)
    uow.db.refresh(found)
    if found.state != ScheduleState.WAITING:
        return
    if uow.now < found.at:
        # Somebody had it tried before. What is put off for longer looks like a wrong clock.
        raise jobs.Later(min(found.at, uow.now + jobs.LONGEST_PAUSE))
    if not drafts.is_live(uow, draft):  # it was published before, or is gone
        _end(uow, draft, ScheduleState.CANCELED)
        return
    try:
        with uow.db.begin_nested():
            actor = _who(found)
            publishing.publish(
                *(uow, actor, draft),
                content_digest=found.content_digest,
                has_shown=found.with_factor,
            )
    except Refusal as refusal:
        found.reasons = list(refusal.details)
        _end(uow, draft, ScheduleState.REFUSED)
        detail = " ".join(refusal.details)
        draft_log.write(uow, draft, SCHEDULE, "refused at the time set", detail=detail)
    else:
        _end(uow, draft, ScheduleState.DONE)
    uow.db.flush()


def _who(schedule: Schedule) -> Actor:
    """Whose doing it is, of whom nothing is known now but who they are.

    Raises:
        AccountDisabled: the account is gone.
    """
    if schedule.by == OPERATOR.name:
        return OPERATOR
    if schedule.user is None:
        raise AccountDisabled(schedule.by)
    return Person(schedule.user)


def _end(uow: UnitOfWork, draft: Draft, state: ScheduleState) -> bool:
    """End what waits of the draft, and say whether there was anything."""
    waiting = (Schedule.draft_id == draft.id) & (Schedule.state == ScheduleState.WAITING)
    draft.scheduled = None
    found = uow.db.scalar(select(Schedule).where(waiting))
    if found is not None:
        found.state, found.ended = state, uow.now
    uow.db.flush()
    return found is not None


def _check_time(uow: UnitOfWork, draft: Draft, at: datetime) -> None:
    latest = draft.opened + uow.settings.draft_lifetime_max
    if at <= uow.now:
        raise InvalidRequest(f"{_utc(at)} is past: it is {_utc(uow.now)} now.")
    if at > latest:
        raise InvalidRequest(
            f"A draft lives until {_utc(latest)} at the longest, counted from its opening: choose "
            "a time before that."
        )


def _project(draft: Draft) -> Project:
    if draft.project is None:
        raise InvalidRequest("The draft has ended.")
    return draft.project


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
