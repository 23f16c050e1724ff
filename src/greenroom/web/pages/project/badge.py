"""``/project/<name>/badge.svg``: a picture with the version that stands for the project.

It is for pages elsewhere, such as the README in a repository: it says what the project's page says
to everybody, and loads nothing.
"""

from pyramid.httpexceptions import HTTPNotFound
from pyramid.view import view_config

from greenroom.registry import catalogue
from greenroom.web.http.request import Request
from greenroom.web.pages.caching import cache_publicly
from greenroom.web.pages.project.resources import ProjectPage

_LONGEST = 40
_WIDTH_OF_LETTER = 7
_MARGIN = 12


@view_config(
    context=ProjectPage,
    name="badge.svg",
    request_method="GET",
    renderer="pages/project/badge.svg.jinja2",
)
def badge(context: ProjectPage, request: Request) -> dict[str, object]:
    """The project's name, and the version of the release that stands for it."""
    project = context.project
    latest = catalogue.latest(catalogue.releases(request.uow.db, project))
    if latest is None:
        raise HTTPNotFound
    cache_publicly(request, f"project/{project.normalized_name}")
    request.response.content_type = "image/svg+xml"
    name, version = _short(project.name), _short(latest.version)
    left, right = _width(name), _width(version)
    return {
        "name": name,
        "version": version,
        "left": left,
        "width": left + right,
        "middle_left": left / 2,
        "middle_right": left + right / 2,
        "is_in_order": not (latest.yanked or project.quarantined),
    }


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _width(text: str) -> int:
    return len(text) * _WIDTH_OF_LETTER + _MARGIN
