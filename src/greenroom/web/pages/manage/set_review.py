"""``/manage/sets/<key>/review``: all drafts of a release set in short, and approving of them."""

from functools import partial

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from greenroom.models import SetState
from greenroom.registry import draft_changes, set_approvals, set_review
from greenroom.registry.errors import FactorNotFresh, InvalidRequest
from greenroom.registry.review_values import DraftBrief, ReviewFinding
from greenroom.registry.set_review import SetReview
from greenroom.web.http.late_writes import after_answer
from greenroom.web.http.paging import page_of
from greenroom.web.http.request import Request
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View
from greenroom.web.pages.manage.forms import PublishForm
from greenroom.web.pages.manage.resources import ManagedSet
from greenroom.web.pages.reauthentication import to_confirmation
from greenroom.web.pages.redirects import see_other

_DRAFTS_ON_A_PAGE = 25


@view_config(
    context=ManagedSet,
    name="review",
    request_method="GET",
    renderer="pages/manage/set_review.jinja2",
)
def review(context: ManagedSet, request: Request) -> View:
    """What would become public together, whether it can, and what to look at in each draft."""
    if context.release_set.state != SetState.OPEN:
        return see_other(request, request.paths.managed_set(context.release_set))
    never_cache(request)
    found = set_review.review(request.uow, request.person, context.release_set, names_hidden=True)
    if found.unfinished:
        # Have what was not looked into looked into, once this is answered.
        after_answer(request, partial(set_review.want_missing, numbers=found.unfinished))
    return {
        "release_set": found.details,
        "mark": draft_changes.mark_of_set(request.uow.db, context.release_set),
        "verdict": found.verdict,
        "progress": found.progress,
        "page": page_of(request, found.drafts, _DRAFTS_ON_A_PAGE),
        "hidden": _hidden(found),
        "told": _told,
        "may_publish": any("publish" in member.may for member in found.details.members),
    }


@view_config(context=ManagedSet, name="approve", request_method="POST")
def approve(context: ManagedSet, request: Request) -> HTTPSeeOther:
    """Approve of all drafts that one may approve of, as the form says they are."""
    form = PublishForm(request.POST)
    if not form.validate():
        raise InvalidRequest(
            "This form does not say what it approves of: open the page of the release set, and "
            "approve of it from there."
        )
    uow, person, release_set = request.uow, request.person, context.release_set
    there = request.paths.managed_set(release_set)
    digest = form.content_digest.data or ""
    try:
        known = set_approvals.standings(uow, person, release_set)
        given = set_approvals.approve(uow, person, release_set, digest, known)
    except FactorNotFresh:
        return to_confirmation(request, there, fresh=True)
    notice = f"You have approved of {', '.join(given.approved)}."
    if given.left_out:
        reasons = "; ".join(f"{what}: {why}" for what, why in given.left_out.items())
        notice += f" Not of {reasons}."
    return see_other(request, there, notice)


def _hidden(found: SetReview) -> list[str]:
    """The drafts of which nothing is told, by project and version."""
    return [
        f"{member.project_name} {member.version}"
        for member in found.details.members
        if "see" not in member.may
    ]


def _told(draft: DraftBrief) -> tuple[list[ReviewFinding], int]:
    """The findings of a draft that are shown here, and how many more there are."""
    loud = [each for each in draft.findings if each.silence is None]
    shown = loud[: set_review.MOST_FINDINGS]
    return shown, sum(1 + each.more for each in loud) - sum(1 + each.more for each in shown)
