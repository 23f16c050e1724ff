"""``/search/?q=``"""

from pyramid.view import view_config

from greenroom.registry import releases, search
from greenroom.registry.search import Breadth
from greenroom.web.http.paging import page_from, page_number
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import cache_publicly
from greenroom.web.pages.project.resources import Search

_PROJECTS_ON_A_PAGE = 20
_NARROWED = {Breadth.IN_NAME: "begin", Breadth.WHOLE_IN_NAME: "whole", Breadth.SOME: "some"}


@view_config(context=Search, request_method="GET", renderer="pages/project/search.jinja2")
def find(context: Search, request: Request) -> dict[str, object]:
    """The projects that have the words of the query, the best first."""
    query = query_value(request, "q") or ""
    number = page_number(request)
    found = search.find(
        request.uow.db, query, (number - 1) * _PROJECTS_ON_A_PAGE, _PROJECTS_ON_A_PAGE
    )
    cache_publicly(request, "all-projects")
    return {
        "query": query,
        "page": page_from(found.releases, number, _PROJECTS_ON_A_PAGE, found.total).showing(
            releases.summary
        ),
        "narrowed": _NARROWED.get(found.breadth),
    }
