"""``/rss/…`` and ``/sitemap.xml``."""

from collections.abc import Sequence

from msgspec.structs import replace
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import catalogue
from greenroom.registry.catalogue import NewRelease
from greenroom.web.http.caching import cached, conditional
from greenroom.web.http.cors import open_to_all_origins, preflight
from greenroom.web.http.paging import page_from, page_number
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.index.feeds import rss, sitemap
from greenroom.web.index.feeds.resources import Feeds, ProjectFeeds, Sitemap
from greenroom.web.index.feeds.rss import Channel, Item

_NEWEST_RELEASES = 100
_NEWEST_PROJECTS = 40
_NEWEST_RELEASES_OF_A_PROJECT = 40
# Search engines read up to 50,000 pages of a part, and 50 MB.
_PROJECTS_IN_A_PART = 10_000


@view_config(context=Feeds, name="updates.xml", request_method="GET")
def updates(context: Feeds, request: Request) -> Response:
    """The newest releases of all projects."""
    releases = catalogue.newest_releases(request.uow.db, _NEWEST_RELEASES)
    items = _release_items(request, releases)
    return _feed(request, "newest releases", request.urls.home(), items, "all-projects")


@view_config(context=Feeds, name="packages.xml", request_method="GET")
def packages(context: Feeds, request: Request) -> Response:
    """The newest projects, each with what its latest release says of it."""
    items = [
        Item(
            title=f"{project.name} added",
            link=request.urls.project(project),
            description=project.summary,
            author=project.author_email,
            published=project.registered,
        )
        for project in catalogue.newest_projects(request.uow.db, _NEWEST_PROJECTS)
    ]
    return _feed(request, "newest projects", request.urls.home(), items, "all-projects")


@view_config(context=ProjectFeeds, name="releases.xml", request_method="GET")
def releases(context: ProjectFeeds, request: Request) -> Response:
    """The newest releases of one project."""
    project = context.project
    newest = catalogue.newest_releases(request.uow.db, _NEWEST_RELEASES_OF_A_PROJECT, project)
    items = _release_items(request, newest)
    return _feed(
        request,
        f"releases of {project.name}",
        request.urls.project(project),
        [replace(item, title=release.version) for item, release in zip(items, newest, strict=True)],
        f"project/{project.normalized_name}",
    )


@view_config(context=Feeds, name="updates.xml", request_method="OPTIONS")
@view_config(context=Feeds, name="packages.xml", request_method="OPTIONS")
@view_config(context=ProjectFeeds, name="releases.xml", request_method="OPTIONS")
def options(context: Feeds | ProjectFeeds, request: Request) -> Response:
    """What scripts of other origins may do."""
    return preflight()


@view_config(context=Sitemap, request_method="GET")
def site_map(context: Sitemap, request: Request) -> Response:
    """The list of the sitemap's parts; with ``?page=``, one of them."""
    db = request.uow.db
    number = page_number(request)
    start = (number - 1) * _PROJECTS_IN_A_PART
    count = catalogue.count_projects(db)
    if query_value(request, "page") is None:
        parts = page_from([], 1, _PROJECTS_IN_A_PART, count).count
        body = sitemap.index(request.urls.sitemap(part) for part in range(1, parts + 1))
    else:
        projects = catalogue.changed_projects(db, start=start, count=_PROJECTS_IN_A_PART)
        page = page_from(projects, number, _PROJECTS_IN_A_PART, count)
        # An index without projects has a sitemap, too, and none may be empty.
        home = [(request.urls.home(), None)] if number == 1 else []
        listed = (
            (request.urls.project_named(project.name), project.changed) for project in page.items
        )
        body = sitemap.part([*home, *listed])
    return cached(conditional(request, body, "text/xml"), "all-projects")


def _release_items(request: Request, releases: Sequence[NewRelease]) -> list[Item]:
    return [
        Item(
            title=f"{release.project} {release.version}",
            link=request.urls.release_named(release.project, release.version),
            description=release.summary,
            author=release.author_email,
            published=release.published,
        )
        for release in releases
    ]


def _feed(request: Request, of: str, page: str, items: Sequence[Item], key: str) -> Response:
    channel = Channel(
        title=f"Greenroom: {of}",
        link=page,
        description=f"What was published last on this Python package index: {of}.",
        items=tuple(items),
    )
    response = conditional(request, rss.render(channel), "text/xml")
    return open_to_all_origins(cached(response, key))
