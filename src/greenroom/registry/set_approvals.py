"""Approving of all drafts of a release set in one act, and how many approvals each has.

Each draft gets an approval of its own (:mod:`greenroom.registry.approvals`), which stays with it
when it leaves the set, and is void when its files change.
"""

from collections.abc import Mapping

from msgspec import Struct

from greenroom.models import ReleaseSet, SetState
from greenroom.models.base import JSONObject
from greenroom.registry import (
    approval_standing,
    approvals,
    draft_contents,
    drafts,
    publishing_policy,
    release_sets,
    set_members,
)
from greenroom.registry.approvals import DraftApprovals
from greenroom.registry.errors import BeingReviewed, DraftChanged, Ended, NotAllowed, NotFound
from greenroom.registry.permissions import Act, Actor, may
from greenroom.registry.release_sets import Place
from greenroom.registry.unit_of_work import UnitOfWork

_ALL = slice(None)


class Given(Struct, frozen=True):
    """What an approval of a set has come to, by project and version of each draft.

    Attributes:
        approved: of which the actor has approved, now or before.
        left_out: of which the actor cannot approve, with the reason.
    """

    approved: tuple[str, ...]
    left_out: Mapping[str, str]


def of_set(
    uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, shown: slice = _ALL
) -> dict[str, DraftApprovals]:
    """The approvals of drafts of an open set, by project and version.

    Those are left out whose projects want none, and of which the actor cannot approve. The number
    of queries does not depend on how many drafts there are.

    Args:
        uow: what to look into.
        actor: who looks.
        release_set: which.
        shown: which of its drafts, in their order, are looked at.
    """
    if release_set.state != SetState.OPEN:
        return {}
    wanted = [
        place
        for place in release_sets.places(uow, release_set)[shown]
        if place.project.approvals_needed
        or (actor.is_in_person and may(actor, Act.PUBLISH, place.project))
    ]
    staged = drafts.files_of(uow.db, [place.draft for place in wanted])
    found = approvals.of_drafts(
        uow, actor, [(place.draft, staged[place.draft.id]) for place in wanted]
    )
    return {_what(place): found[place.draft.id] for place in wanted}


def standings(uow: UnitOfWork, actor: Actor, release_set: ReleaseSet) -> dict[int, JSONObject]:
    """What is known of the drafts that the actor may publish, by their numbers.

    It is found out before anything is locked: the findings are of many rows.
    """
    return {
        place.draft.id: approval_standing.standing(uow, place.draft)
        for place in release_sets.places(uow, release_set)
        if may(actor, Act.PUBLISH, place.project)
    }


def approve(
    uow: UnitOfWork,
    actor: Actor,
    release_set: ReleaseSet,
    content_digest: str,
    known: Mapping[int, JSONObject],
) -> Given:
    """Approve of what is in every draft of the set that the actor may approve of.

    One second factor is enough for all. The other drafts stay as they are. To do it again changes
    nothing.

    Args:
        uow: what to work in.
        actor: who approves.
        release_set: which.
        content_digest: the set's, as the actor has looked at it.
        known: what :func:`standings` gave.

    Raises:
        NotFound: the actor may not see the set.
        NotAllowed: there is no draft that they may approve of.
        PersonPublishes: it is a token.
        FactorNotFresh: no second factor was shown of late.
        Ended, BeingReviewed: the set takes no approvals any more, or not now.
        InvalidRequest: the digest is none.
        DraftChanged: the set has another digest.
    """
    places = release_sets.lock_all(uow, release_set)
    if not release_sets.may_see(uow, actor, release_set):
        raise NotFound("There is no such release set that you may see.")
    title = set_members.title(release_set)
    if release_set.state != SetState.OPEN:
        raise Ended(release_sets.ended_sentence(release_set))
    if release_set.in_review:
        raise BeingReviewed(
            f"The publication of the release set {title!r} is being decided, and it takes no "
            "approvals meanwhile: wait for the outcome."
        )
    own = [place for place in places if may(actor, Act.PUBLISH, place.project)]
    if not own:
        raise NotAllowed(f"{actor.name!r} may approve of no draft of the release set {title!r}.")
    for place in own:
        publishing_policy.check_person(actor, place.project, "approve")
        publishing_policy.check_factor(actor, uow.now, place.project, "approve")
    digests = {place.draft.id: _digest(uow, place) for place in places}
    _check_unchanged(release_set, places, digests, content_digest)
    approved, left_out = [], {}
    for place in own:
        staged = drafts.files(uow.db, place.draft)
        why_not = approvals.of_draft(uow, actor, place.draft, staged).why_not
        if why_not:
            left_out[_what(place)] = why_not
            continue
        digest = digests[place.draft.id]
        approvals.approve(uow, actor, place.draft, digest, known.get(place.draft.id))
        set_members.log(uow, release_set.id, actor, "approved", _what(place), digest)
        approved.append(_what(place))
    if not approved:
        why = " ".join(f"{what}: {reason}." for what, reason in left_out.items())
        raise NotAllowed(f"You can approve of no draft of the release set {title!r}. {why}")
    uow.db.flush()
    return Given(tuple(approved), left_out)


def _digest(uow: UnitOfWork, place: Place) -> str:
    return draft_contents.digest_of(place.draft, drafts.files(uow.db, place.draft))


def _check_unchanged(
    release_set: ReleaseSet, places: list[Place], digests: Mapping[int, str], wanted: str
) -> None:
    """Raise DraftChanged unless the set has the digest that is wanted."""
    draft_contents.check_digest(wanted)
    now = set_members.content_digest(
        (place.draft.project_name, place.draft.version, digests[place.draft.id]) for place in places
    )
    if now != wanted:
        raise DraftChanged(
            f"The release set {set_members.title(release_set)!r} does not have the content "
            f"{wanted}: look at what it has now, which is {now}.",
            (),
        )


def _what(place: Place) -> str:
    return f"{place.draft.project_name} {place.draft.version}"
