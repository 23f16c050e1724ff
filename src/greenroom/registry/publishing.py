"""Publishing drafts, one or all of a release set: at once, or after a review where there is one.

All that is published together is locked, then checked, then made public, in one transaction. To
publish a draft alone is the same with one. Whatever changes a draft holds the lock of its project
(see :mod:`greenroom.registry.drafts`); the locks of a set are those of
:mod:`greenroom.registry.release_sets`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from sqlalchemy import select

from greenroom.counts import counted
from greenroom.models import (
    Draft,
    DraftState,
    File,
    Project,
    Release,
    ReleaseSet,
    ReleaseSetMember,
    ReviewState,
    SetState,
    UploadState,
)
from greenroom.models.base import JSONObject
from greenroom.registry import (
    approvals,
    audit,
    draft_checks,
    draft_contents,
    draft_log,
    drafts,
    expected_files,
    file_rules,
    jobs,
    projects,
    publication,
    publishing_policy,
    release_sets,
    set_members,
    upload_states,
    webhook_events,
)
from greenroom.registry.audit import Kind
from greenroom.registry.errors import (
    CannotPublish,
    DraftChanged,
    Ended,
    InvalidRequest,
    NotAllowed,
    NotFound,
    Refusal,
    UploadConflict,
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


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A draft that is to be published, under the locks, with all that is looked at for that.

    Attributes:
        digest: of its content.
        may_be_empty: whether it may register the name of its project without files.
        by: who publishes it, where that is not whoever publishes the others.
        publisher: who publishes it as it is, and so approves of it.
    """

    draft: Draft
    project: Project
    release: Release
    staged: list[File]
    digest: str
    may_be_empty: bool = False
    by: Actor | None = None
    publisher: Actor | None = None

    @property
    def what(self) -> str:
        """Project and version."""
        return f"{self.draft.project_name} {self.draft.version}"


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
        publishing_policy.check_shown(uow, project, was_enough=has_shown)
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
    if not release_sets.may_see(uow, actor, release_set):
        raise NotFound("There is no such release set that you may see.")
    if release_set.state == SetState.PUBLISHED:
        _check_set_digest(actor, release_set, release_set.content_digest or "", content_digest, [])
        return release_set
    candidates = _candidates(uow, actor, release_set, places)
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
        _ask_for_reviews(uow, actor, release_set, places, candidates)
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
    places = release_sets.lock_all(uow, release_set)
    if not release_sets.may_see(uow, actor, release_set):
        raise NotFound("There is no such release set that you may see.")
    candidates = _candidates(uow, actor, release_set, places)
    _check_set_digest(actor, release_set, _set_digest(candidates), content_digest, candidates)
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
    found = {}
    for place in release_sets.places(uow, release_set)[shown]:
        candidate = _approved_by(actor, _candidate_in_set(uow, actor, place))
        found[candidate.what] = _reasons_in_set(uow, actor, candidate)
    return found


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
            require(asked_by, Act.PUBLISH, project)
            publishing_policy.check_shown(uow, project, was_enough=draft.review_in_person)
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
        candidates = _candidates(uow, asked_by, release_set, places, is_asked_for=True)
        for candidate in candidates:
            was_enough = candidate.draft.review_in_person
            publishing_policy.check_shown(uow, candidate.project, was_enough=was_enough)
        now, wanted = _set_digest(candidates), release_set.content_digest
        _check_set_digest(asked_by, release_set, now, wanted, candidates)
        _check_all(uow, asked_by, release_set, candidates)
    except (NotAllowed, CannotPublish, DraftChanged) as refusal:
        _give_all_back(uow, release_set, places, {draft.id: list(refusal.details)})
        return
    for each in places:
        each.draft.review = None
    _publish_together(uow, asked_by, release_set, candidates)


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
    candidate: _Candidate,
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
    candidates: Sequence[_Candidate],
) -> None:
    release_set.in_review = True
    has_shown = publishing_policy.has_shown_enough(actor, uow.now)
    for place, candidate in zip(places, candidates, strict=True):
        place.member.review_passed = False
        _ask_for_review(uow, actor, candidate, has_shown=has_shown, recorded=False)
    digest = release_set.content_digest or ""
    set_members.log(uow, release_set.id, actor, "asked for publication", detail=digest)
    uow.db.flush()
    audit.write(uow, Kind.SET_ASK, actor, detail=f"{set_members.title(release_set)} {digest}")


def _publish_together(
    uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, candidates: Sequence[_Candidate]
) -> None:
    for candidate in candidates:
        candidate.draft.review = None
    _make_all_public(uow, actor, candidates, release_set)
    release_set.in_review = False
    release_set.state, release_set.ended, release_set.changed = SetState.PUBLISHED, uow.now, uow.now
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
    candidates: Sequence[_Candidate],
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
        publication.make_public(
            *(uow, (candidate.by or by).name, candidate.project),
            *(release if staged else None, staged, candidate.digest),
        )
        draft.state, draft.ended = DraftState.PUBLISHED, uow.now
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


def _check_publisher(uow: UnitOfWork, actor: Actor, project: Project) -> None:
    """Raise a refusal unless what the actor has shown is enough to publish in the project now.

    Raises:
        PersonPublishes, FactorNotFresh: a person publishes there, who has shown a second factor.
        NotConfirmed: the project wants people to confirm who they are, and this one has not.
    """
    publishing_policy.check_publisher(uow, actor, project)
    if project.reauthenticate_to_publish:
        require_confirmed(actor, uow.now)


def _approve(uow: UnitOfWork, candidate: _Candidate, standing: JSONObject | None) -> None:
    """Write down that who publishes the draft approves of it."""
    if candidate.publisher is not None:
        approvals.approve_by_publishing(
            *(uow, candidate.publisher, candidate.draft, candidate.project, candidate.staged),
            standing,
        )


def _candidate(
    uow: UnitOfWork, draft: Draft, *, registers_name: bool = False, by: Actor | None = None
) -> _Candidate:
    """The draft with all that is looked at when it is published.

    Raises:
        Ended: there is nothing of it any more.
    """
    project, release = draft.project, draft.release
    if project is None or release is None:
        raise Ended(drafts.ended_sentence(uow, draft))
    staged = drafts.files(uow.db, draft)
    digest = draft_contents.digest_of(draft, staged)
    may_be_empty = registers_name and project.registered is None
    return _Candidate(draft, project, release, staged, digest, may_be_empty, by)


def _candidates(
    uow: UnitOfWork,
    actor: Actor,
    release_set: ReleaseSet,
    places: Sequence[release_sets.Place],
    *,
    is_asked_for: bool = False,
) -> list[_Candidate]:
    """The drafts of the set, for an actor who publishes some of them.

    ``is_asked_for`` says that the actor has asked for it before, and confirmed then who they are.

    Raises:
        Ended: the set is not open any more.
        NotAllowed: the actor may publish none of them.
        NotConfirmed: one of theirs wants people to confirm who they are, and this one has not.
    """
    if release_set.state != SetState.OPEN:
        raise Ended(release_sets.ended_sentence(release_set))
    own = [place.project for place in places if may(actor, Act.PUBLISH, place.project)]
    if places and not own:
        raise NotAllowed(
            f"{actor.name!r} may publish none of the drafts of the release set "
            f"{set_members.title(release_set)!r}."
        )
    for project in own if not is_asked_for else ():
        _check_publisher(uow, actor, project)
    return [_candidate_in_set(uow, actor, place) for place in places]


def _candidate_in_set(uow: UnitOfWork, actor: Actor, place: release_sets.Place) -> _Candidate:
    candidate = _candidate(uow, place.draft)
    if may(actor, Act.PUBLISH, place.project):
        return candidate
    user = place.member.go_user
    if user is None or not release_sets.is_go(place.member, place.project, candidate.digest):
        return candidate
    if not place.member.go_with_factor and publishing_policy.person_publishes(uow, place.project):
        return candidate
    return replace(candidate, by=Person(user))


def _approved_by(actor: Actor, candidate: _Candidate) -> _Candidate:
    """The same, approved by the actor who publishes it, where that is theirs to do."""
    if not may(actor, Act.PUBLISH, candidate.project):
        return candidate
    return replace(candidate, publisher=actor)


def _set_digest(candidates: Sequence[_Candidate]) -> str:
    return set_members.content_digest(
        (each.draft.project_name, each.draft.version, each.digest) for each in candidates
    )


def _check_set_digest(
    actor: Actor,
    release_set: ReleaseSet,
    now: str,
    wanted: str | None,
    candidates: Sequence[_Candidate],
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
    told = [each for each in candidates if _is_told_of(actor, each)]
    lately = sorted(told, key=lambda each: each.draft.changed, reverse=True)[:_MOST_CHANGED]
    raise DraftChanged(
        f"{what} does not have the content {wanted}: look at what it has now, which is {now}.",
        [
            f"{each.what} changed last on {each.draft.changed:%Y-%m-%d at %H:%M:%S} UTC."
            for each in lately
        ],
    )


def _is_told_of(actor: Actor, candidate: _Candidate) -> bool:
    """Whether refusals name the draft to who publishes its set.

    People see all of a set that they may see; a token is told of what it covers.
    """
    return actor.is_in_person or may_follow(actor, candidate.project)


def _check(uow: UnitOfWork, candidate: _Candidate, *, names_set: bool) -> None:
    """Raise CannotPublish with every reason why the draft cannot be published now, if any."""
    reasons = _reasons(uow, candidate, names_set=names_set)
    if reasons:
        raise CannotPublish(
            f"The draft of {candidate.what} cannot be published: " + " ".join(reasons), reasons
        )


def _check_all(
    uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, candidates: Sequence[_Candidate]
) -> None:
    """Raise CannotPublish with every reason of every draft why the set cannot be published now."""
    reasons, untold = [], 0
    for candidate in candidates:
        found = _reasons_in_set(uow, actor, candidate)
        if _is_told_of(actor, candidate):
            reasons += [f"{candidate.what}: {reason}" for reason in found]
        else:
            untold += bool(found)
    if untold:
        reasons.append(
            f"Something stands in the way of {counted(untold, 'draft')} of projects that this "
            "token does not cover."
        )
    if not candidates:
        reasons = [NO_DRAFTS]
    if reasons:
        title = set_members.title(release_set)
        raise CannotPublish(
            f"The release set {title!r} cannot be published: " + " ".join(reasons), reasons
        )


def _reasons_in_set(uow: UnitOfWork, actor: Actor, candidate: _Candidate) -> tuple[str, ...]:
    """What stands in the way of a draft of a set that the actor publishes."""
    reasons = _reasons(uow, candidate, names_set=None)
    if candidate.by is None and not may(actor, Act.PUBLISH, candidate.project):
        reasons = (
            f"Nobody who may publish {candidate.project.name} has said go to what it has now.",
            *reasons,
        )
    return reasons


def _reasons(uow: UnitOfWork, candidate: _Candidate, *, names_set: bool | None) -> tuple[str, ...]:
    """What stands in the way of a draft, in sentences.

    ``names_set`` is None where the draft is published with its set; else whether a set that it
    cannot be published without may be named.
    """
    draft, project, release = candidate.draft, candidate.project, candidate.release
    found = [
        str(refusal)
        for refusal in _obstacles(
            *(uow, draft, project, release, candidate.staged),
            may_be_empty=candidate.may_be_empty,
            publisher=candidate.publisher,
        )
    ]
    if names_set is not None:
        found += map(str, set_members.obstacles(uow, draft, is_named=names_set))
    return tuple(found)


def _obstacles(
    uow: UnitOfWork,
    draft: Draft,
    project: Project,
    release: Release,
    staged: list[File],
    *,
    may_be_empty: bool,
    publisher: Actor | None = None,
) -> Iterator[Refusal]:
    """The reasons, in a number of queries that does not depend on how many files there are."""
    unfinished = upload_states.unfinished(uow, draft)
    for upload in unfinished:
        if upload.state is UploadState.ERROR:
            yield UploadConflict(f"The upload of {upload.filename!r} is in error: delete it.")
        else:
            yield UploadConflict(
                f"The upload of {upload.filename!r} is {upload.state}, not completed: wait for it, "
                "or delete it."
            )
    if not staged and not unfinished and not may_be_empty:
        yield InvalidRequest("It has no files: upload one first.")
    checks = [
        partial(projects.check_may_be_registered, uow, project),
        partial(file_rules.check_project_open, project),
        partial(file_rules.check_release_open, uow, release),
        partial(file_rules.check_project_size, uow, project, 0),
        partial(file_rules.check_single_sdist, uow, release, None),
    ]
    for check in checks:
        try:
            check()
        except Refusal as refusal:
            yield refusal
    digests = {file.filename: file.sha256 for file in staged}
    yield from file_rules.already_published(uow, digests)
    if staged:
        yield from approvals.obstacles(uow, draft, project, staged, publisher)
    yield from draft_checks.obstacles(uow, draft, staged)
    yield from expected_files.obstacles(uow, project, release, staged)
