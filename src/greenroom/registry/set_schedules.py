"""Publishing a release set at a time that somebody has set: all of it then, or nothing.

It is as with a draft (:mod:`greenroom.registry.schedules`): whoever sets the time publishes those
drafts that they may publish, and has looked at one content of the set. When the time has come,
everything is asked again, of every draft, by the code that publishes the set; for drafts of other
projects, whether their people have said go. A draft that has changed, come or gone makes it another
content, and then nothing is published.
"""

from collections.abc import Sequence
from datetime import datetime

from greenroom.models import Draft, ReleaseSet, Schedule, ScheduleState, SetState
from greenroom.registry import (
    approvals,
    audit,
    draft_addresses,
    draft_log,
    drafts,
    jobs,
    publishing,
    publishing_policy,
    release_sets,
    releases,
    schedule_rows,
    set_members,
)
from greenroom.registry.audit import Kind
from greenroom.registry.errors import (
    AccountDisabled,
    BeingReviewed,
    Ended,
    InvalidRequest,
    NotAllowed,
    NotFound,
    Refusal,
    SetConflict,
)
from greenroom.registry.permissions import SCHEDULE, Act, Actor, may
from greenroom.registry.publishing import Standings
from greenroom.registry.release_sets import Place
from greenroom.registry.schedule_rows import ScheduleDetails, utc
from greenroom.registry.unit_of_work import Services, UnitOfWork

MISSED = "refused at the time set"
"""What logs say of what was not published at its time."""

_NONE_KNOWN: Standings = {}


def schedule(
    uow: UnitOfWork,
    actor: Actor,
    release_set: ReleaseSet,
    at: datetime,
    content_digest: str,
    *,
    is_embargoed: bool = False,
    standings: Standings = _NONE_KNOWN,
) -> None:
    """Let the set be published at this time, in the place of any that was set before.

    Every draft lives past the time. Times that were set for single drafts stay.

    Args:
        uow: what to work in.
        actor: who publishes.
        release_set: what is published.
        at: when.
        content_digest: what the set has, and must have then.
        is_embargoed: whether the set and those drafts that the actor may publish get other
            addresses now, which take an account besides.
        standings: what is known of the drafts, for the approval of who sets the time.

    Raises:
        NotFound: the actor may not see the set.
        NotAllowed: the actor may publish none of the drafts.
        PersonPublishes: it is a token: people do that.
        FactorNotFresh, NotConfirmed: the actor has not shown what it takes to publish now.
        Ended, BeingReviewed: the set is not open, or not to changes.
        InvalidRequest: the time is past or too late for a draft, the digest is none, there are no
            drafts, or one has no files.
        DraftChanged: the set has another digest.
    """
    places = publishing.look_at_set(uow, actor, release_set, content_digest)
    own = [place for place in places if may(actor, Act.PUBLISH, place.project)]
    for place in own:
        publishing_policy.check_person(actor, place.project, "schedule a publication")
    _check_takes_changes(release_set, places)
    _check_has_files(uow, places)
    schedule_rows.check_time(uow, [place.draft for place in places], at)
    schedule_rows.end(uow, release_set, ScheduleState.CANCELED, actor)
    made = schedule_rows.add(uow, actor, release_set, at, content_digest)
    for place in places:
        schedule_rows.outlive(place.draft, at)
    for place in own:
        approvals.approve_by_publishing(
            *(uow, actor, place.draft, place.project, drafts.files(uow.db, place.draft)),
            *(standings.get(place.draft.id), made),
        )
    if is_embargoed:
        _put_under_embargo(uow, actor, release_set, [place.draft for place in own])
    title = set_members.title(release_set)
    jobs.enqueue(uow, jobs.Kind.PUBLISH, {"set_schedule": made.id, "release": title}, at)
    detail = f"at {utc(at)}, {content_digest}" + (", with an embargo" if is_embargoed else "")
    _record(uow, actor, release_set, places, "scheduled", detail)
    audit.write(uow, Kind.SET_SCHEDULE, actor, detail=f"{title}, {detail}")
    uow.db.flush()


def cancel(uow: UnitOfWork, actor: Actor, release_set: ReleaseSet) -> None:
    """Let the set not be published by itself. An embargo goes on.

    Whoever may publish one of its drafts says so, and whoever runs the set. The approvals of who
    had set the time end, unless they have given others by hand, too.

    Raises:
        NotFound: the actor may not see the set.
        NotAllowed: the actor may not.
        Ended, BeingReviewed: the set is not open, or not to changes.
        InvalidRequest: it is not to be published by itself.
    """
    places = release_sets.lock_all(uow, release_set)
    if not release_sets.may_see(uow, actor, release_set):
        raise NotFound("There is no such release set that you may see.")
    if release_set.state != SetState.OPEN:
        raise Ended(release_sets.ended_sentence(release_set))
    publishes = any(may(actor, Act.PUBLISH, place.project) for place in places)
    if not publishes and not release_sets.may_run(uow, actor, release_set):
        raise NotAllowed(
            f"{actor.name!r} may not take back when the release set "
            f"{set_members.title(release_set)!r} is published: whoever may publish one of its "
            "drafts can, and its owner."
        )
    _check_takes_changes(release_set, ())
    at = release_set.scheduled
    if at is None or not schedule_rows.end(uow, release_set, ScheduleState.CANCELED, actor):
        raise InvalidRequest("The release set is not to be published by itself.")
    _record(uow, actor, release_set, places, "unscheduled", f"at {utc(at)}")
    detail = f"{set_members.title(release_set)}, at {utc(at)}"
    audit.write(uow, Kind.SET_UNSCHEDULE, actor, detail=detail)
    uow.db.flush()


def of_set(
    uow: UnitOfWork, viewer: Actor, release_set: ReleaseSet, content_digest: str
) -> ScheduleDetails | None:
    """The time that is set for an open set with this content, or the last one, if it was refused.

    None where there is none, or the last one was canceled. The number of queries does not depend on
    how many drafts there are.

    Args:
        uow: where to look.
        viewer: who is told.
        release_set: which.
        content_digest: what it has now.
    """
    if release_set.state != SetState.OPEN:
        return None
    found = schedule_rows.newest(uow, release_set)
    if found is None:
        return None
    doubts = _doubts(uow, viewer, found, release_set)
    return schedule_rows.details(found, content_digest, doubts)


def _doubts(
    uow: UnitOfWork, viewer: Actor, schedule: Schedule, release_set: ReleaseSet
) -> tuple[str, ...]:
    """Why the set would be refused, if it were time now, but for its content; and what is to be."""
    if schedule.state != ScheduleState.WAITING:
        return ()
    try:
        actor = schedule_rows.who(schedule)
    except AccountDisabled as refusal:
        found = refusal.details
    else:
        found = publishing.set_doubts(
            *(uow, viewer, actor, release_set), has_shown=schedule.with_factor
        )
    earlier = [
        f"{_what(draft)} is to be published alone at {utc(draft.scheduled)}, before its set: take "
        "that back, or the set has another content then."
        for draft in release_sets.drafts_of(uow, release_set)
        if draft.scheduled is not None and draft.scheduled < schedule.at
        if draft.project is not None and publishing.is_told_of(viewer, draft.project)
    ]
    return (*found, *earlier)


def carry_out(services: Services, number: int) -> None:
    """Publish what is to be published now, unless that has been done, or nobody wants it any more.

    Raises:
        jobs.Later: it is not time yet; or the set is being renamed just now.
    """

    def publish() -> None:
        with services.writing() as uow:
            _carry_out(uow, number)

    releases.with_renderings(publish)


def _carry_out(uow: UnitOfWork, number: int) -> None:
    found = uow.db.get(Schedule, number)
    release_set = found.release_set if found is not None else None
    if found is None or release_set is None:
        return
    try:
        places = release_sets.lock_all(uow, release_set)
    except SetConflict:
        raise jobs.Later(uow.now + jobs.FIRST_PAUSE) from None
    if not schedule_rows.is_due(uow, found):
        return
    if release_set.state != SetState.OPEN:  # it was published before, or has ended
        schedule_rows.end(uow, release_set, ScheduleState.CANCELED, SCHEDULE)
        return
    try:
        with uow.db.begin_nested():
            actor = schedule_rows.who(found)
            schedule_rows.end(uow, release_set, ScheduleState.DONE, SCHEDULE)
            publishing.publish_set(
                *(uow, actor, release_set),
                content_digest=found.content_digest,
                has_shown=found.with_factor,
            )
    except Refusal as refusal:
        _refuse(uow, release_set, places, found, refusal)
    uow.db.flush()


def _refuse(
    uow: UnitOfWork,
    release_set: ReleaseSet,
    places: Sequence[Place],
    schedule: Schedule,
    refusal: Refusal,
) -> None:
    """Write down why nothing was published, for its people to be told."""
    schedule.reasons = list(refusal.details)
    schedule_rows.end(uow, release_set, ScheduleState.REFUSED, SCHEDULE)
    detail, title = " ".join(refusal.details), set_members.title(release_set)
    _record(uow, SCHEDULE, release_set, places, MISSED, detail)
    audit.write(uow, Kind.SET_MISS, SCHEDULE, detail=f"{title}, {detail}")


def _put_under_embargo(
    uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, own: Sequence[Draft]
) -> None:
    for draft in own:
        draft.members_only = True
        draft_addresses.change(uow, draft, actor, "embargo", recorded=False)
    set_members.rotate_all(uow, own, actor, "embargo")


def _record(
    uow: UnitOfWork,
    by: Actor,
    release_set: ReleaseSet,
    places: Sequence[Place],
    act: str,
    detail: str,
) -> None:
    """Write into the logs of the set and of its drafts; the line of the audit log is the set's."""
    set_members.log(uow, release_set.id, by, act, detail=detail)
    of_draft = f"with the release set {set_members.title(release_set)}"
    if act != MISSED:  # of which each reason names a draft, which others need not know
        of_draft += f", {detail}"
    for place in places:
        draft_log.write(uow, place.draft, by, act, detail=of_draft, recorded=False)
    uow.db.flush()


def _check_takes_changes(release_set: ReleaseSet, places: Sequence[Place]) -> None:
    if release_set.in_review:
        raise BeingReviewed(
            f"The publication of the release set {set_members.title(release_set)!r} is being "
            "decided, and it takes no changes meanwhile: wait for the outcome."
        )
    for place in places:
        drafts.check_not_in_review(place.draft)


def _check_has_files(uow: UnitOfWork, places: Sequence[Place]) -> None:
    if not places:
        raise InvalidRequest(publishing.NO_DRAFTS)
    empty = [
        f"{_what(place.draft)} has no files: upload one first."
        for place in places
        if not drafts.contents(uow.db, place.draft)
    ]
    if empty:
        raise InvalidRequest(" ".join(empty), empty)


def _what(draft: Draft) -> str:
    return f"{draft.project_name} {draft.version}"
