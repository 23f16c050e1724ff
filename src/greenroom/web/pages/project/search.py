"""``/search/?q=``"""

from pyramid.view import view_config

from greenroom.registry import releases, search, upstreams
from greenroom.registry.drafts import DraftSummary
from greenroom.registry.search import Breadth
from greenroom.web.http import authentication
from greenroom.web.http.paging import page_from, page_number
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import cache_publicly
from greenroom.web.pages.project.resources import Search

_PROJECTS_ON_A_PAGE = 20
_NARROWED = {Breadth.IN_NAME: "begin", Breadth.WHOLE_IN_NAME: "whole", Breadth.SOME: "some"}


@view_config(context=Search, request_method="GET", renderer="pages/project/search.jinja2")
def find(context: Search, request: Request) -> dict[str, object]:
    """The projects that have the words of the query, the best first; without words, all of them.

    Who is signed in finds their own drafts too; nobody else does.
    """
    query = query_value(request, "q") or ""
    number, db = page_number(request), request.uow.db
    start = (number - 1) * _PROJECTS_ON_A_PAGE
    is_asked = bool(query.strip())
    wanted = search.find(db, query, start, _PROJECTS_ON_A_PAGE) if is_asked else None
    found = wanted or search.everything(db, start, _PROJECTS_ON_A_PAGE)
    cache_publicly(request, "all-projects")
    return {
        "query": query,
        "near": search.near(db, query) if is_asked and not found.total else (),
        "drafts": _own_drafts(request, query),
        "page": page_from(found.releases, number, _PROJECTS_ON_A_PAGE, found.total).showing(
            releases.summary
        ),
        "narrowed": _NARROWED.get(found.breadth),
        "upstream": upstreams.hint(request.uow, query),
    }


def _own_drafts(request: Request, query: str) -> list[DraftSummary]:
    """None for whoever is not signed in; that needs no query."""
    user = request.user if authentication.has_session(request) else None
    return search.own_drafts(request.uow, user, query) if user is not None else []
