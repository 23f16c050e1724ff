"""Publishing drafts, one or all of a release set: at once, or after a review where there is one.

All that is published together is locked, then checked, then made public, in one transaction. To
publish a draft alone is the same with one. Whatever changes a draft holds the lock of its project
(see :mod:`greenroom.registry.drafts`); the locks of a set are those of
:mod:`greenroom.registry.release_sets`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial

from msgspec.structs import replace
from sqlalchemy import select

from greenroom.counts import counted
from greenroom.models import (
    Draft,
    DraftState,
    Project,
    ReleaseSet,
    ReleaseSetMember,
    ReviewState,
    ScheduleState,
    SetState,
)
from greenroom.models.base import JSONObject
from greenroom.registry import (
    approvals,
    audit,
    draft_contents,
    draft_log,
    drafts,
    file_facts,
    jobs,
    publication,
    publication_obstacles,
    publishing_policy,
    release_sets,
    schedule_rows,
    set_members,
    upstream_names,
    webhook_events,
)
from greenroom.registry.audit import Kind
from greenroom.registry.errors import (
    CannotPublish,
    DraftChanged,
    Ended,
    NotAllowed,
    NotFound,
    Refusal,
)
from greenroom.registry.permissions import (
    REVIEW,
    Act,
    Actor,
    Person,
    asked_for_review,
    may,
    may_follow,
    require,
    require_confirmed,
)
from greenroom.registry.publication_obstacles import Candidate
from greenroom.registry.unit_of_work import AT_ONCE, UnitOfWork

_NOT_ACCEPTED = "The review did not accept it."
_WAITING = timedelta(days=1)
_MOST_CHANGED = 5
_ALL = slice(None)

NO_DRAFTS = "It has no drafts: add one first."
"""Why a release set without drafts is not published."""

Standings = Mapping[int, JSONObject]
"""What is known of drafts when somebody approves of them, by their numbers."""

_NONE_KNOWN: Standings = {}


def publish(
    uow: UnitOfWork,
    actor: Actor,
    draft: Draft,
    *,
    content_digest: str | None = None,
    registers_name: bool = False,
    has_shown: bool | None = None,
    standing: JSONObject | None = None,
) -> Draft:
    """Make every file of the draft public, in this transaction, at this moment.

    To publish a published draft again changes nothing and answers as the first time did. No bytes
    are copied and none are read: the cost does not depend on the size of the files. Where the
    operator has publications reviewed, this only asks for the review. A draft that is in a release
    set is published alone, and leaves it.

    Args:
        uow: what to work in.
        actor: who publishes.
        draft: what is published.
        content_digest: what the draft must have; None where the actor has not said.
        registers_name: whether a draft without files registers the name of a new project.
        standing: what is known of the draft, for the approval of who publishes.
        has_shown: for what was asked for before, whether the actor had shown a second factor then;
            None where they publish now.

    Raises:
        NotAllowed: the actor may not publish now.
        PersonPublishes, FactorNotFresh: a person publishes there, who has shown a second factor.
        NotConfirmed: the project wants people to confirm who they are, and this one has not.
        Ended: the draft was discarded or has expired.
        InvalidRequest: the digest is none.
        DraftChanged: the draft has another digest, or had it when it was published.
        CannotPublish: with every reason; the draft stays as it was.
    """
    drafts.lock_and_reload(uow, draft)
    project = draft.project
    if project is None or drafts.state(uow, draft) is DraftState.EXPIRED:
        raise Ended(drafts.ended_sentence(uow, draft))
    require(actor, Act.PUBLISH, project)
    if draft.state == DraftState.PUBLISHED:
        if content_digest is not None:
            draft_contents.check_published(uow.db, draft, content_digest)
        return draft
    if has_shown is None:
        _check_publisher(uow, actor, project)
        has_shown = publishing_policy.has_shown_enough(actor, uow.now)
    else:
        for refusal in _not_enough(uow, actor, project, has_shown=has_shown):
            raise refusal
    # Who says what they publish has looked at it, and approves of it.
    publisher = actor if content_digest is not None else None
    candidate = replace(_candidate(uow, draft, registers_name=registers_name), publisher=publisher)
    if content_digest is not None:
        draft_contents.check_unchanged(uow.db, draft, content_digest, candidate.staged)
    if draft.review == ReviewState.PROCESSING and uow.settings.review_command is not None:
        return draft
    _check(uow, candidate, names_set=may(actor, Act.SEE, project))
    _approve(uow, candidate, standing)
    if uow.settings.review_command is not None:
        _ask_for_review(uow, actor, candidate, has_shown=has_shown)
    else:
        draft.review, draft.review_notices = None, []
        _make_all_public(uow, actor, [candidate])
    return draft


def publish_set(
    uow: UnitOfWork,
    actor: Actor,
    release_set: ReleaseSet,
    *,
    content_digest: str | None = None,
    has_shown: bool | None = None,
    standings: Standings = _NONE_KNOWN,
) -> ReleaseSet:
    """Publish all drafts of the set, in this transaction, at this moment: all of them, or none.

    The actor publishes those that it may publish. For each of the others somebody who may has said
    go (:func:`say_go`), with the content that it has now. To publish a published set again changes
    nothing. Where the operator has publications reviewed, this asks for the reviews of all, and
    they are published together when all have passed.

    Args:
        uow: what to work in.
        actor: who publishes.
        release_set: what is published.
        content_digest: what the set must have; None where the actor has not said.
        has_shown: for what was asked for before, whether the actor had shown a second factor then;
            None where they publish now.
        standings: what is known of the drafts, for the approval of who publishes.

    Raises:
        NotFound: the actor may not see the set.
        NotAllowed: the actor may publish none of the drafts.
        PersonPublishes, FactorNotFresh: a person publishes in one of the projects, who has shown a
            second factor.
        NotConfirmed: a project wants people to confirm who they are, and this one has not.
        Ended: the set was discarded.
        InvalidRequest: the digest is none.
        DraftChanged: the set has another digest, or had it when it was published.
        CannotPublish: with every reason of every draft; all of them stay as they were.
    """
    places = release_sets.lock_all(uow, release_set)
    if has_shown is None and not release_sets.may_see(uow, actor, release_set):
        raise NotFound("There is no such release set that you may see.")
    if release_set.state == SetState.PUBLISHED:
        _check_set_digest(actor, release_set, release_set.content_digest or "", content_digest, [])
        return release_set
    candidates = _candidates(uow, actor, release_set, places, has_shown=has_shown)
    if has_shown is None:
        has_shown = publishing_policy.has_shown_enough(actor, uow.now)
    digest = _set_digest(candidates)
    _check_set_digest(actor, release_set, digest, content_digest, candidates)
    if release_set.in_review and uow.settings.review_command is not None:
        return release_set
    if content_digest is not None:  # who says what they publish has looked at it
        candidates = [_approved_by(actor, candidate) for candidate in candidates]
    _check_all(uow, actor, release_set, candidates)
    for candidate in candidates:
        _approve(uow, candidate, standings.get(candidate.draft.id))
    release_set.content_digest = digest
    if uow.settings.review_command is not None:
        _ask_for_reviews(uow, actor, release_set, places, candidates, has_shown=has_shown)
    else:
        _publish_together(uow, actor, release_set, candidates)
    return release_set


def say_go(
    uow: UnitOfWork,
    actor: Actor,
    release_set: ReleaseSet,
    *,
    content_digest: str,
    standings: Standings = _NONE_KNOWN,
) -> list[str]:
    """Let those drafts of the set that the actor may publish go with it, with what they have now.

    What is said of a draft is void as soon as that changes, or leaves the set. It is an approval,
    too, where the project wants some, and stays one.

    Args:
        uow: what to work in.
        actor: who says so, with an account.
        release_set: which set.
        content_digest: the set's, as the actor has looked at it.
        standings: what is known of the drafts, for the approval.

    Returns:
        The drafts that may go: project and version of each.

    Raises:
        NotFound, NotAllowed, PersonPublishes, FactorNotFresh, NotConfirmed, Ended, InvalidRequest,
            DraftChanged: as by :func:`publish_set`.
    """
    places, candidates = _looked_at(uow, actor, release_set, content_digest)
    if actor.user_id is None:
        raise NotAllowed(f"{actor.name!r} has no account: let a person say go.")
    said = []
    for place, candidate in zip(places, candidates, strict=True):
        if not may(actor, Act.PUBLISH, place.project):
            continue
        member = place.member
        member.go_digest, member.go_at = candidate.digest, uow.now
        member.go_by, member.go_by_id = actor.name, actor.user_id
        member.go_with_factor = publishing_policy.has_shown_enough(actor, uow.now)
        _approve(uow, _approved_by(actor, candidate), standings.get(place.draft.id))
        release = candidate.what
        set_members.log(uow, release_set.id, actor, "said go", release, candidate.digest)
        draft_log.write(uow, place.draft, actor, draft_log.SAID_GO, detail=candidate.digest)
        said.append(release)
    uow.db.flush()
    return said


def look_at_set(
    uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, content_digest: str
) -> list[release_sets.Place]:
    """Hold the locks of the set, for an actor who is to publish it and has looked at it.

    Returns:
        Its drafts, by project and version.

    Raises:
        NotFound, NotAllowed, PersonPublishes, FactorNotFresh, NotConfirmed, Ended, InvalidRequest,
            DraftChanged: as by :func:`publish_set`.
    """
    return _looked_at(uow, actor, release_set, content_digest)[0]


def _looked_at(
    uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, content_digest: str
) -> tuple[list[release_sets.Place], list[Candidate]]:
    places = release_sets.lock_all(uow, release_set)
    if not release_sets.may_see(uow, actor, release_set):
        raise NotFound("There is no such release set that you may see.")
    candidates = _candidates(uow, actor, release_set, places)
    _check_set_digest(actor, release_set, _set_digest(candidates), content_digest, candidates)
    return places, candidates


def check_set_publisher(uow: UnitOfWork, actor: Actor, release_set: ReleaseSet) -> None:
    """Raise a refusal unless what the actor has shown is enough to publish its drafts of the set.

    Raises:
        PersonPublishes, FactorNotFresh, NotConfirmed: it is not, for one of them.
    """
    for place in release_sets.places(uow, release_set):
        if may(actor, Act.PUBLISH, place.project):
            _check_publisher(uow, actor, place.project)


def set_obstacles(
    uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, shown: slice = _ALL
) -> dict[str, tuple[str, ...]]:
    """Every reason why each draft of the set cannot be published with it now, as it would be told.

    The number of queries does not depend on how many drafts it has.

    Args:
        uow: what to look into.
        actor: who would publish it.
        release_set: which set.
        shown: which of its drafts, in their order, are looked at.

    Returns:
        The reasons by project and version, of all these drafts. None where nothing can be
        published: the set has ended.
    """
    if release_set.state != SetState.OPEN:
        return {}
    places = release_sets.places(uow, release_set)[shown]
    candidates = [_approved_by(actor, each) for each in _candidates_in_set(uow, actor, places)]
    reasons = _reasons_in_set(uow, actor, candidates)
    return {each.what: found for each, found in zip(candidates, reasons, strict=True)}


def finish_review(uow: UnitOfWork, draft: Draft, *, passed: bool, notices: Sequence[str]) -> None:
    """Publish a draft that passed its review, or give it back with the reasons.

    Whatever stands in the way by now is a reason too, and whoever asked must still be allowed to.
    A draft that is not (any more) in review stays as it is. One that is reviewed with a release set
    waits for the others, and all of them are given back when one does not pass.
    """
    release_set = set_members.of(uow.db, draft)
    if release_set is not None and release_set.in_review:
        _finish_in_set(uow, release_set, draft, passed=passed, notices=notices)
        return
    drafts.lock_and_reload(uow, draft)
    project = draft.project
    if not is_in_review(uow, draft) or project is None or draft.release is None:
        return
    reasons = list(notices) or [_NOT_ACCEPTED]
    if passed:
        asked_by = asked_for_review(draft)
        # It was not accepted without files where it may not be.
        candidate = _candidate(uow, draft, registers_name=True)
        try:
            has_shown = draft.review_in_person
            for refusal in _not_enough(uow, asked_by, project, has_shown=has_shown):
                raise refusal
            if draft.content_digest is not None:  # none where it was asked for before there were
                draft_contents.check_unchanged(
                    uow.db, draft, draft.content_digest, candidate.staged
                )
            _check(uow, candidate, names_set=may(asked_by, Act.SEE, project))
        except (NotAllowed, CannotPublish, DraftChanged) as refusal:
            reasons = list(refusal.details)
        else:
            draft.review, draft.review_notices = None, list(notices)
            _make_all_public(uow, asked_by, [candidate])
            return
    _give_back(uow, draft, reasons)
    uow.db.flush()


def _give_back(uow: UnitOfWork, draft: Draft, reasons: list[str]) -> None:
    draft.review, draft.review_notices = ReviewState.ERROR, reasons
    draft.review_due = None
    draft_log.write(uow, draft, REVIEW, "refused", detail=" ".join(reasons))


def _finish_in_set(
    uow: UnitOfWork, release_set: ReleaseSet, draft: Draft, *, passed: bool, notices: Sequence[str]
) -> None:
    """What comes of the set, now that the review of one of its drafts is over."""
    places = release_sets.lock_all(uow, release_set)
    place = next((place for place in places if place.draft is draft), None)
    if not release_set.in_review or place is None or not is_in_review(uow, draft):
        return
    if not passed:
        _give_all_back(uow, release_set, places, {draft.id: list(notices) or [_NOT_ACCEPTED]})
        return
    place.member.review_passed = True
    draft.review_notices = list(notices)
    for each in places:  # none falls due while it waits for the others
        each.draft.expires = max(each.draft.expires, uow.now + _WAITING)
    uow.db.flush()
    if not all(each.member.review_passed for each in places):
        return
    asked_by = asked_for_review(draft)
    try:
        candidates = _candidates(uow, asked_by, release_set, places, has_shown=True)
        now, wanted = _set_digest(candidates), release_set.content_digest
        _check_set_digest(asked_by, release_set, now, wanted, candidates)
    except (NotAllowed, DraftChanged) as refusal:
        reasons = {each.draft.id: list(refusal.details) for each in places}
    else:
        reasons = _reasons_after_review(uow, asked_by, candidates)
    if reasons:
        _give_all_back(uow, release_set, places, reasons)
        return
    for each in places:
        each.draft.review = None
    _publish_together(uow, asked_by, release_set, candidates)


def _reasons_after_review(
    uow: UnitOfWork, asked_by: Actor, candidates: Sequence[Candidate]
) -> dict[int, list[str]]:
    """What stands in the way by now of drafts that have passed, by the drafts' numbers."""
    found = {}
    every = _reasons_in_set(uow, asked_by, candidates)
    for candidate, of_draft in zip(candidates, every, strict=True):
        project, was_enough = candidate.project, candidate.draft.review_in_person
        not_shown = publishing_policy.not_shown(uow, [project], was_enough=was_enough)
        reasons = [*map(str, not_shown), *of_draft]
        if reasons:
            found[candidate.draft.id] = reasons
    return found


def _give_all_back(
    uow: UnitOfWork,
    release_set: ReleaseSet,
    places: Sequence[release_sets.Place],
    reasons: dict[int, list[str]],
) -> None:
    """End the review of the set: nothing of it is published."""
    release_set.in_review, release_set.content_digest = False, None
    for place in places:
        draft = place.draft
        place.member.review_passed = False
        if draft.id in reasons:
            _give_back(uow, draft, reasons[draft.id])
            what = f"{draft.project_name} {draft.version}"
            detail = " ".join(reasons[draft.id])
            set_members.log(uow, release_set.id, REVIEW, "refused", what, detail)
        else:
            draft.review, draft.review_notices, draft.review_due = None, [], None
            given_up = f"with the release set {set_members.title(release_set)}"
            # What was refused is another draft.
            draft_log.write(
                uow, draft, REVIEW, "refused", detail=given_up, recorded=False, told=False
            )
    uow.db.flush()


def in_review(uow: UnitOfWork) -> list[Draft]:
    """The drafts whose publication is being decided, the oldest request first."""
    passed = select(ReleaseSetMember.draft_id).where(ReleaseSetMember.review_passed)
    return list(
        uow.db.scalars(
            select(Draft)
            .where(
                Draft.state == DraftState.OPEN,
                Draft.review == ReviewState.PROCESSING,
                Draft.id.not_in(passed),
            )
            .order_by(Draft.review_due, Draft.id)
        )
    )


def take_review(uow: UnitOfWork, draft: Draft) -> bool:
    """Whether the caller is to review the draft: nobody else is at it, or they are gone."""
    drafts.lock_and_reload(uow, draft)
    if not is_in_review(uow, draft):
        return False
    longest = 2 * uow.settings.review_timeout
    if draft.review_due is not None and uow.now < draft.review_due <= uow.now + longest + AT_ONCE:
        return False
    # Besides its own time it has to collect the files, and to say what came of it.
    draft.review_due = uow.now + longest
    draft.expires = max(draft.expires, draft.review_due)
    uow.db.flush()
    return True


def review_payload(draft: Draft) -> JSONObject:
    """What the job that reviews a draft knows of it."""
    return {"draft": draft.id, "release": f"{draft.project_name} {draft.version}"}


def is_in_review(uow: UnitOfWork, draft: Draft) -> bool:
    """Whether somebody has yet to decide on the draft's publication."""
    return (
        draft.review == ReviewState.PROCESSING
        and drafts.is_live(uow, draft)
        and not set_members.has_passed(uow.db, draft)
    )


def _ask_for_review(
    uow: UnitOfWork,
    actor: Actor,
    candidate: Candidate,
    *,
    has_shown: bool,
    recorded: bool = True,
) -> None:
    draft = candidate.draft
    draft.review, draft.review_notices = ReviewState.PROCESSING, []
    draft.content_digest = candidate.digest
    actor.ask_for_review(draft)
    # What somebody else has said go to is judged again, by what they had shown.
    draft.review_in_person = has_shown or candidate.by is not None
    draft.review_due = None
    # It must not fall due while it waits for somebody to begin.
    draft.expires = max(draft.expires, uow.now + _WAITING)
    jobs.enqueue(uow, jobs.Kind.REVIEW, review_payload(draft))
    asked = "asked for publication"
    draft_log.write(uow, draft, actor, asked, detail=candidate.digest, recorded=recorded)
    uow.db.flush()


def _ask_for_reviews(
    uow: UnitOfWork,
    actor: Actor,
    release_set: ReleaseSet,
    places: Sequence[release_sets.Place],
    candidates: Sequence[Candidate],
    *,
    has_shown: bool,
) -> None:
    release_set.in_review = True
    for place, candidate in zip(places, candidates, strict=True):
        place.member.review_passed = False
        _ask_for_review(uow, actor, candidate, has_shown=has_shown, recorded=False)
    digest = release_set.content_digest or ""
    set_members.log(uow, release_set.id, actor, "asked for publication", detail=digest)
    uow.db.flush()
    audit.write(uow, Kind.SET_ASK, actor, detail=f"{set_members.title(release_set)} {digest}")


def _publish_together(
    uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, candidates: Sequence[Candidate]
) -> None:
    for candidate in candidates:
        candidate.draft.review = None
    _make_all_public(uow, actor, candidates, release_set)
    release_set.in_review = False
    release_set.state, release_set.ended, release_set.changed = SetState.PUBLISHED, uow.now, uow.now
    if release_set.scheduled is not None:
        schedule_rows.end(uow, release_set, ScheduleState.CANCELED, actor)
    digest = release_set.content_digest or ""
    set_members.log(uow, release_set.id, actor, "published", detail=digest)
    uow.db.flush()
    audit.write(
        uow,
        Kind.SET_PUBLISH,
        actor,
        detail=f"{set_members.title(release_set)}, {counted(len(candidates), 'draft')}, {digest}",
    )
    webhook_events.note_set(uow, Kind.SET_PUBLISH.value, release_set, audit.plain(actor.name))


def _make_all_public(
    uow: UnitOfWork,
    by: Actor,
    candidates: Sequence[Candidate],
    release_set: ReleaseSet | None = None,
) -> None:
    """Publish these drafts, of which every check was made, in their order.

    The first one takes the lock of the journal, so that the serials of all are one range. Each is
    taken out of the set that it leaves, or stays in the one that is published.
    """
    for candidate in candidates:
        draft, release, staged = candidate.draft, candidate.release, candidate.staged
        draft.content_digest = candidate.digest
        approvals.keep(uow, draft, candidate.project, staged)
        upstream_names.settle(uow, candidate.project)
        publication.make_public(
            *(uow, (candidate.by or by).name, candidate.project),
            *(release if staged else None, staged, candidate.digest),
        )
        draft.state, draft.ended = DraftState.PUBLISHED, uow.now
        if draft.scheduled is not None:
            schedule_rows.end(uow, draft, ScheduleState.CANCELED, by)
        if not staged and release.published is None:
            draft.release = None
            uow.db.flush()
            uow.db.delete(release)
        if release_set is None:
            set_members.leave(uow, draft, by, "published alone")
    uow.db.flush()
    together = f"With the release set {set_members.title(release_set)}." if release_set else ""
    for candidate in candidates:
        said_go = f" {candidate.by.name} said go." if candidate.by is not None else ""
        draft_log.write(
            *(uow, candidate.draft, by, DraftState.PUBLISHED.value),
            detail=candidate.digest,
            besides=together + said_go,
            told=release_set is None,
        )
    file_facts.want_of_projects(uow, [candidate.project for candidate in candidates])
    uow.db.flush()


# What stands in the way


def obstacles(uow: UnitOfWork, draft: Draft, publisher: Actor | None = None) -> tuple[str, ...]:
    """Every reason why the draft cannot be published now, as :func:`publish` would give them.

    There is none where nothing can be published at all: the draft has ended. ``publisher`` is who
    would publish it as it is, and so approve of it.
    """
    if draft.project is None or draft.release is None or not drafts.is_live(uow, draft):
        return ()
    candidate = replace(_candidate(uow, draft), publisher=publisher)
    return _reasons(uow, candidate, names_set=True)


def doubts(uow: UnitOfWork, actor: Actor, draft: Draft, *, has_shown: bool) -> tuple[str, ...]:
    """Every reason why :func:`publish` would refuse now what the actor has asked for before.

    What the draft has is not compared. There is no reason where the draft has ended.

    Args:
        uow: where to look.
        actor: who publishes.
        draft: what is published.
        has_shown: whether they had shown a second factor.
    """
    project = draft.project
    if project is None or draft.release is None or not drafts.is_live(uow, draft):
        return ()
    candidate = replace(_candidate(uow, draft), publisher=actor)
    refusals = _not_enough(uow, actor, project, has_shown=has_shown)
    names_set = may(actor, Act.SEE, project)
    return (*map(str, refusals), *_reasons(uow, candidate, names_set=names_set))


def set_doubts(
    uow: UnitOfWork, viewer: Actor, actor: Actor, release_set: ReleaseSet, *, has_shown: bool
) -> tuple[str, ...]:
    """Every reason why :func:`publish_set` would refuse now what the actor has asked for before.

    What the set has is not compared. There is no reason where the set has ended.

    Args:
        uow: where to look.
        viewer: who is told; of drafts of which they may not know only the number.
        actor: who publishes.
        release_set: what is published.
        has_shown: whether they had shown a second factor.
    """
    if release_set.state != SetState.OPEN:
        return ()
    places = release_sets.places(uow, release_set)
    refusals = _not_enough_for_set(uow, actor, release_set, places, has_shown=has_shown)
    candidates = [_approved_by(actor, each) for each in _candidates_in_set(uow, actor, places)]
    return (*map(str, refusals), *_reasons_of_set(uow, actor, candidates, viewer))


def _check_publisher(uow: UnitOfWork, actor: Actor, project: Project) -> None:
    """Raise a refusal unless what the actor has shown is enough to publish in the project now.

    Raises:
        PersonPublishes, FactorNotFresh: a person publishes there, who has shown a second factor.
        NotConfirmed: the project wants people to confirm who they are, and this one has not.
    """
    publishing_policy.check_publisher(uow, actor, project)
    if project.reauthenticate_to_publish:
        require_confirmed(actor, uow.now)


def _not_enough(
    uow: UnitOfWork, actor: Actor, project: Project, *, has_shown: bool
) -> Iterator[Refusal]:
    """Why an actor who has asked for a publication before may not publish in the project now.

    ``has_shown`` is whether they had shown a second factor then.
    """
    yield from publication_obstacles.refused(partial(require, actor, Act.PUBLISH, project))
    yield from publishing_policy.not_shown(uow, [project], was_enough=has_shown)


def _not_enough_for_set(
    uow: UnitOfWork,
    actor: Actor,
    release_set: ReleaseSet,
    places: Sequence[release_sets.Place],
    *,
    has_shown: bool,
) -> Iterator[Refusal]:
    """The same of a set: the actor may publish some of it, and has shown what that takes."""
    try:
        own = _own(actor, release_set, places)
    except NotAllowed as refusal:
        yield refusal
        return
    yield from publishing_policy.not_shown(uow, own, was_enough=has_shown)


def _approve(uow: UnitOfWork, candidate: Candidate, standing: JSONObject | None) -> None:
    """Write down that who publishes the draft approves of it."""
    if candidate.publisher is not None:
        approvals.approve_by_publishing(
            *(uow, candidate.publisher, candidate.draft, candidate.project, candidate.staged),
            standing,
        )


def _candidate(uow: UnitOfWork, draft: Draft, *, registers_name: bool = False) -> Candidate:
    """The draft with all that is looked at when it is published.

    Raises:
        Ended: there is nothing of it any more.
    """
    (found,) = _candidates_of(uow, [draft], registers_name=registers_name)
    return found


def _candidates_of(
    uow: UnitOfWork, drafts_: Sequence[Draft], *, registers_name: bool = False
) -> list[Candidate]:
    """The same of each of these drafts, in their order, with as many queries as for one."""
    staged, found = drafts.files_of(uow.db, drafts_), []
    for draft in drafts_:
        project, release, files = draft.project, draft.release, staged[draft.id]
        if project is None or release is None:
            raise Ended(drafts.ended_sentence(uow, draft))
        digest = draft_contents.digest_of(draft, files)
        may_be_empty = registers_name and project.registered is None
        found.append(Candidate(draft, project, release, files, digest, may_be_empty))
    return found


def _candidates(
    uow: UnitOfWork,
    actor: Actor,
    release_set: ReleaseSet,
    places: Sequence[release_sets.Place],
    *,
    has_shown: bool | None = None,
) -> list[Candidate]:
    """The drafts of the set, for an actor who publishes some of them.

    ``has_shown`` is, where the actor has asked for it before, and confirmed then who they are,
    whether they had shown a second factor.

    Raises:
        Ended: the set is not open any more.
        NotAllowed: the actor may publish none of them.
        PersonPublishes, FactorNotFresh, NotConfirmed: what they have shown is not enough for one.
    """
    if release_set.state != SetState.OPEN:
        raise Ended(release_sets.ended_sentence(release_set))
    if has_shown is not None:
        for refusal in _not_enough_for_set(uow, actor, release_set, places, has_shown=has_shown):
            raise refusal
    else:
        own = _own(actor, release_set, places)
        for project in own:
            _check_publisher(uow, actor, project)
    return _candidates_in_set(uow, actor, places)


def _own(
    actor: Actor, release_set: ReleaseSet, places: Sequence[release_sets.Place]
) -> list[Project]:
    """The projects of the drafts that the actor may publish.

    Raises:
        NotAllowed: there are drafts, and those of no project.
    """
    own = [place.project for place in places if may(actor, Act.PUBLISH, place.project)]
    if places and not own:
        raise NotAllowed(
            f"{actor.name!r} may publish none of the drafts of the release set "
            f"{set_members.title(release_set)!r}."
        )
    return own


def _candidates_in_set(
    uow: UnitOfWork, actor: Actor, places: Sequence[release_sets.Place]
) -> list[Candidate]:
    """These drafts of a set, each by whoever lets it go where the actor may not publish it."""
    candidates = _candidates_of(uow, [place.draft for place in places])
    others = [place.project for place in places if not may(actor, Act.PUBLISH, place.project)]
    in_person = publishing_policy.where_person_publishes(uow, others)
    return [
        replace(candidate, by=_who_says_go(actor, place, candidate, in_person))
        for place, candidate in zip(places, candidates, strict=True)
    ]


def _who_says_go(
    actor: Actor, place: release_sets.Place, candidate: Candidate, in_person: Collection[str]
) -> Person | None:
    """Who lets a draft go that the actor may not publish; ``in_person`` is where people publish."""
    member, project = place.member, place.project
    if may(actor, Act.PUBLISH, project) or member.go_user is None:
        return None
    if not release_sets.is_go(member, project, candidate.digest):
        return None
    if not member.go_with_factor and project.normalized_name in in_person:
        return None
    return Person(member.go_user)


def _approved_by(actor: Actor, candidate: Candidate) -> Candidate:
    """The same, approved by the actor who publishes it, where that is theirs to do."""
    if not may(actor, Act.PUBLISH, candidate.project):
        return candidate
    return replace(candidate, publisher=actor)


def _set_digest(candidates: Sequence[Candidate]) -> str:
    return set_members.content_digest(
        (each.draft.project_name, each.draft.version, each.digest) for each in candidates
    )


def _check_set_digest(
    actor: Actor,
    release_set: ReleaseSet,
    now: str,
    wanted: str | None,
    candidates: Sequence[Candidate],
) -> None:
    """Raise DraftChanged unless the set has the wanted digest, where one is wanted."""
    if wanted is None:
        return
    draft_contents.check_digest(wanted)
    if now == wanted:
        return
    what = f"The release set {set_members.title(release_set)!r}"
    if release_set.state == SetState.PUBLISHED:
        raise DraftChanged(f"{what} was published with the content {now}, not with {wanted}.", ())
    told = [each for each in candidates if is_told_of(actor, each.project)]
    lately = sorted(told, key=lambda each: each.draft.changed, reverse=True)[:_MOST_CHANGED]
    raise DraftChanged(
        f"{what} does not have the content {wanted}: look at what it has now, which is {now}.",
        [
            f"{each.what} changed last on {each.draft.changed:%Y-%m-%d at %H:%M:%S} UTC."
            for each in lately
        ],
    )


def is_told_of(actor: Actor, project: Project) -> bool:
    """Whether refusals name a draft of the project to who publishes its set.

    People see all of a set that they may see; a token is told of what it covers.
    """
    return actor.is_in_person or may_follow(actor, project)


def _check(uow: UnitOfWork, candidate: Candidate, *, names_set: bool) -> None:
    """Raise CannotPublish with every reason why the draft cannot be published now, if any."""
    reasons = _reasons(uow, candidate, names_set=names_set)
    if reasons:
        raise CannotPublish(
            f"The draft of {candidate.what} cannot be published: " + " ".join(reasons), reasons
        )


def _check_all(
    uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, candidates: Sequence[Candidate]
) -> None:
    """Raise CannotPublish with every reason of every draft why the set cannot be published now."""
    reasons = _reasons_of_set(uow, actor, candidates, actor)
    if reasons:
        title = set_members.title(release_set)
        raise CannotPublish(
            f"The release set {title!r} cannot be published: " + " ".join(reasons), reasons
        )


def _reasons_of_set(
    uow: UnitOfWork, actor: Actor, candidates: Sequence[Candidate], viewer: Actor
) -> list[str]:
    """What stands in the way of a set that the actor publishes, as the viewer is told it."""
    if not candidates:
        return [NO_DRAFTS]
    reasons, untold = [], 0
    every = _reasons_in_set(uow, actor, candidates)
    for candidate, found in zip(candidates, every, strict=True):
        if is_told_of(viewer, candidate.project):
            reasons += [f"{candidate.what}: {reason}" for reason in found]
        else:
            untold += bool(found)
    if untold:
        reasons.append(
            f"Something stands in the way of {counted(untold, 'draft')} of projects that this "
            "token does not cover."
        )
    return reasons


def _reasons_in_set(
    uow: UnitOfWork, actor: Actor, candidates: Sequence[Candidate]
) -> list[tuple[str, ...]]:
    """What stands in the way of each draft of a set that the actor publishes."""
    found = []
    for candidate, refusals in zip(
        candidates, publication_obstacles.of_all(uow, candidates), strict=True
    ):
        reasons = tuple(map(str, refusals))
        if candidate.by is None and not may(actor, Act.PUBLISH, candidate.project):
            name = candidate.project.name
            missing = f"Nobody who may publish {name} has said go to what it has now."
            reasons = (missing, *reasons)
        found.append(reasons)
    return found


def _reasons(uow: UnitOfWork, candidate: Candidate, *, names_set: bool) -> tuple[str, ...]:
    """What stands in the way of a draft that is published alone, in sentences.

    ``names_set`` is whether a set may be named that it cannot be published without.
    """
    (refusals,) = publication_obstacles.of_all(uow, [candidate])
    of_set = set_members.obstacles(uow, candidate.draft, is_named=names_set)
    return tuple(map(str, [*refusals, *of_set]))
