"""``/draft/<slug>/`` of a release set: its page for whoever holds it, then its tombstone."""

from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import release_sets
from greenroom.registry.permissions import ANONYMOUS
from greenroom.web.http import commands
from greenroom.web.http.draft_nodes import EndedSet
from greenroom.web.http.paging import page_of
from greenroom.web.http.request import Request
from greenroom.web.pages.draft.resources import SetPage

_DRAFTS_ON_A_PAGE = 50


@view_config(context=SetPage, request_method="GET", renderer="pages/draft/set.jinja2")
def set_page(context: SetPage, request: Request) -> dict[str, object] | Response:
    """What will be published together, and how to try it. It can only be read.

    The drafts' own addresses are not told: they stay when the set gets another one.
    """
    uow, release_set = request.uow, context.release_set
    if not context.is_open:
        request.response.status_int = 410
        sentence = release_sets.ended_sentence(release_set)
        return render_to_response(
            *("pages/draft/ended_set.jinja2", {"sentence": sentence}, request),
            response=request.response,
        )
    details = release_sets.details(uow, ANONYMOUS, release_set)
    return {
        "release_set": details,
        "page": page_of(request, details.members, _DRAFTS_ON_A_PAGE),
        "install_command": commands.install_set(request, details),
        "one_index_command": commands.install_set_from_one_index(request, details),
        "may_manage": request.signed_in is not None
        and release_sets.may_see(uow, request.signed_in, release_set),
    }


@view_config(context=EndedSet, request_method="GET")
def below_an_ended_set(context: EndedSet, request: Request) -> Response:
    """What installers asked of the set while it was open: they get a line of text."""
    sentence = release_sets.ended_sentence(context.release_set)
    return Response(f"{sentence}\n", 410, content_type="text/plain")
