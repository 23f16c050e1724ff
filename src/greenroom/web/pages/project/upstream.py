"""``/project/<name>/`` of a project that an index behind this one has."""

from msgspec import Struct
from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from pyramid.view import view_config

from greenroom import request_notes
from greenroom.registry import upstream_projects
from greenroom.web.http import authentication, commands, upstream_names
from greenroom.web.http.paging import page_of
from greenroom.web.http.request import Request
from greenroom.web.pages.caching import cache_publicly
from greenroom.web.pages.project.resources import UpstreamProject

_RELEASES_ON_A_PAGE = 50
_KEPT_SECONDS = 60.0


class _Named(Struct, frozen=True):
    """A project, as lines that install it name it."""

    name: str


@view_config(
    context=UpstreamProject, request_method="GET", renderer="pages/project/upstream.jinja2"
)
def upstream_project(context: UpstreamProject, request: Request) -> dict[str, object] | Response:
    """What is known of the project, which is not much: it is not of this index."""
    found = upstream_names.find(request, context.__name__)
    if isinstance(found, Response):
        return found
    if found is None or found.page is None:
        raise HTTPNotFound
    project = upstream_projects.of_page(found, found.page)
    cache_publicly(request, f"project/{project.name}")
    request.environ[request_notes.KEEP_FOR] = _KEPT_SECONDS
    return {
        "project": project,
        "page": page_of(request, project.releases, _RELEASES_ON_A_PAGE),
        "install_command": commands.install(request, _Named(project.name)),
        "may_adopt": authentication.has_session(request) and request.person.is_administrator,
    }
