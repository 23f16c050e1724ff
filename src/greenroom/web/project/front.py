"""The first page, and what machines ask of the whole site."""

import structlog
from pyramid.response import Response
from pyramid.view import view_config
from sqlalchemy import literal, select
from sqlalchemy.exc import SQLAlchemyError

from greenroom.registry import catalogue
from greenroom.web.client_commands import simple_url, staged_upload_command
from greenroom.web.page_caching import cache_publicly
from greenroom.web.request import Request
from greenroom.web.resources import Root

_NEWEST = 20


@view_config(context=Root, request_method="GET", renderer="project/home.jinja2")
def home(context: Root, request: Request) -> dict[str, object]:
    """What this index is, what is new, and how to begin."""
    cache_publicly(request, "all-projects")
    return {
        "releases": catalogue.newest_releases(request.index.session, _NEWEST),
        "simple_url": simple_url(request),
        "upload_command": staged_upload_command(request),
    }


@view_config(context=Root, name="robots.txt", request_method="GET")
def robots(context: Root, request: Request) -> Response:
    """Everything may be visited. What must not be indexed says so itself, and is not named here."""
    lines = ["User-agent: *", "Disallow:", f"Sitemap: {request.application_url}/sitemap.xml"]
    response = Response("\n".join([*lines, ""]), content_type="text/plain")
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response


@view_config(context=Root, name="_health", request_method="GET")
def health(context: Root, request: Request) -> Response:
    """Whether the index can answer: it can when its database does."""
    try:
        request.index.session.scalar(select(literal(1)))
    except SQLAlchemyError as error:
        request.tm.doom()
        structlog.get_logger("greenroom").error("database unavailable", reason=str(error))
        return _health(503, "The database does not answer.\n")
    return _health(200, "ok\n")


def _health(status: int, text: str) -> Response:
    response = Response(text, status, content_type="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response
