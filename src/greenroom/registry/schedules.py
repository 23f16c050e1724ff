"""Publishing a draft at a time that somebody has set.

Whoever sets it has looked at one content and shown what publishing takes at that moment. When the
time has come, everything is asked again, by the same code as if they pressed the button then:
whether they may still publish, whether what they had shown is still enough, whether the draft has
that content, approvals, and whatever else is in the way. What is refused is written down, and its
people are told.

It is a job, and a row that ends once under the lock of the project, however many workers there are.
Release sets have :mod:`greenroom.registry.set_schedules`.
"""

from datetime import datetime

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
    schedule_rows,
    set_members,
)
from greenroom.registry.errors import AccountDisabled, InvalidRequest, Refusal
from greenroom.registry.permissions import SCHEDULE, Act, Actor, require_confirmed
from greenroom.registry.schedule_rows import ScheduleDetails, utc
from greenroom.registry.unit_of_work import Services, UnitOfWork


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
    schedule_rows.check_time(uow, [draft], at)
    draft_contents.check_unchanged(uow.db, draft, content_digest, staged)
    if not staged:
        raise InvalidRequest("It has no files: upload one first.")
    schedule_rows.end(uow, draft, ScheduleState.CANCELED, actor)
    made = schedule_rows.add(uow, actor, draft, at, content_digest)
    schedule_rows.outlive(draft, at)
    approvals.approve_by_publishing(uow, actor, draft, project, staged, standing, made)
    if is_embargoed:
        draft.members_only = True
        draft_addresses.change(uow, draft, actor, "embargo", recorded=False)
        # The address of its set opens the draft, too.
        set_members.rotate_all(uow, [draft], actor, f"embargo of {draft.project_name}")
    uow.db.flush()
    payload = {"schedule": made.id, "release": f"{draft.project_name} {draft.version}"}
    jobs.enqueue(uow, jobs.Kind.PUBLISH, dict(payload), at)
    detail = f"at {utc(at)}, {content_digest}" + (", with an embargo" if is_embargoed else "")
    draft_log.write(uow, draft, actor, "scheduled", detail=detail)
    uow.db.flush()


def cancel(uow: UnitOfWork, actor: Actor, draft: Draft) -> None:
    """Let the draft not be published by itself. An embargo goes on.

    The approval of who had set the time ends, unless they have given one by hand, too.

    Raises:
        NotAllowed: the actor may not publish the draft.
        Ended, BeingReviewed: the draft is not open, or not to changes.
        InvalidRequest: it is not to be published by itself.
    """
    drafts.begin(uow, actor, Act.PUBLISH, draft)
    at = draft.scheduled
    if at is None or not schedule_rows.end(uow, draft, ScheduleState.CANCELED, actor):
        raise InvalidRequest("The draft is not to be published by itself.")
    draft_log.write(uow, draft, actor, "unscheduled", detail=f"at {utc(at)}")
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

    Args:
        uow: where to look.
        draft: which.
        content_digest: what it has now.
    """
    found = schedule_rows.newest(uow, draft)
    return (
        schedule_rows.details(found, content_digest, _doubts(uow, found, draft)) if found else None
    )


def _doubts(uow: UnitOfWork, schedule: Schedule, draft: Draft) -> tuple[str, ...]:
    """Why the draft would be refused, if it were time now, but for its content."""
    if schedule.state != ScheduleState.WAITING:
        return ()
    try:
        actor = schedule_rows.who(schedule)
    except AccountDisabled as refusal:
        return refusal.details
    return publishing.doubts(uow, actor, draft, has_shown=schedule.with_factor)


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
    if not schedule_rows.is_due(uow, found):
        return
    if not drafts.is_live(uow, draft):  # it was published before, or is gone
        schedule_rows.end(uow, draft, ScheduleState.CANCELED, SCHEDULE)
        return
    try:
        with uow.db.begin_nested():
            actor = schedule_rows.who(found)
            schedule_rows.end(uow, draft, ScheduleState.DONE, SCHEDULE)
            publishing.publish(
                *(uow, actor, draft),
                content_digest=found.content_digest,
                has_shown=found.with_factor,
            )
    except Refusal as refusal:
        found.reasons = list(refusal.details)
        schedule_rows.end(uow, draft, ScheduleState.REFUSED, SCHEDULE)
        detail = " ".join(refusal.details)
        draft_log.write(uow, draft, SCHEDULE, "refused at the time set", detail=detail)
    uow.db.flush()


def _project(draft: Draft) -> Project:
    if draft.project is None:
        raise InvalidRequest("The draft has ended.")
    return draft.project
