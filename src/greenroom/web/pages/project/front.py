"""The first page, and what machines ask of the whole site."""

from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import catalogue, drafts, projects, releases
from greenroom.registry.drafts import DraftSummary
from greenroom.web.http import authentication, commands
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Root
from greenroom.web.pages.caching import cache_publicly

_NEWEST = 20
_DRAFTS = 6


@view_config(context=Root, request_method="GET", renderer="pages/project/home.jinja2")
def home(context: Root, request: Request) -> dict[str, object]:
    """What this index is, what is new, and how to begin."""
    cache_publicly(request, "all-projects")
    return {
        "releases": [
            releases.summary(release)
            for release in catalogue.newest_release_of_each(request.uow.db, _NEWEST)
        ],
        "drafts": _own_drafts(request),
        "simple_url": request.urls.simple_index(),
        "upload_command": commands.upload_draft(request),
    }


def _own_drafts(request: Request) -> list[DraftSummary]:
    """The drafts of whoever is signed in that changed last; that nobody is needs no query."""
    user = request.user if authentication.has_session(request) else None
    if user is None:
        return []
    own = projects.of_user(request.uow, user)
    live = drafts.live_of_projects(request.uow, own)[:_DRAFTS]
    return [drafts.summary(request.uow, draft) for draft in live]


@view_config(context=Root, name="robots.txt", request_method="GET")
def robots(context: Root, request: Request) -> Response:
    """Everything may be visited. What must not be indexed says so itself, and is not named here."""
    lines = ["User-agent: *", "Disallow:", f"Sitemap: {request.urls.sitemap()}"]
    if request.services.settings.read == "members":  # visitors see nothing but the way in
        lines = ["User-agent: *", "Disallow: /"]
    response = Response("\n".join([*lines, ""]), content_type="text/plain")
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response
