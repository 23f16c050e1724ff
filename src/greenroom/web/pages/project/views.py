"""``/project/<name>/``, ``/project/<name>/<version>/`` and ``/user/<name>/``."""

from collections.abc import Sequence
from functools import partial

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.models import Project, Release
from greenroom.registry import (
    accounts,
    approvals,
    catalogue,
    downloads,
    drafts,
    projects,
    releases,
    roles,
    upstream_adoption,
)
from greenroom.registry.permissions import Act, may
from greenroom.registry.upstream_adoption import Origin
from greenroom.web.http import commands
from greenroom.web.http.canonical_urls import moved
from greenroom.web.http.paging import page_of
from greenroom.web.http.request import Request
from greenroom.web.pages.archive_contents import FOLDER, Place, contents_page
from greenroom.web.pages.caching import cache_publicly, never_cache
from greenroom.web.pages.download_plot import download_plot
from greenroom.web.pages.file_groups import filtered_files
from greenroom.web.pages.project.resources import (
    DraftedReleasePage,
    ProjectPage,
    ReleaseArchive,
    ReleasePage,
    ShortAddress,
    UnpublishedProject,
    UserPage,
)
from greenroom.web.pages.release_details import release_details
from greenroom.web.pages.standing_releases import standing_releases

_RELEASES_ON_A_PAGE = 20
_PROJECTS_ON_A_PAGE = 50


@view_config(context=UnpublishedProject, request_method="GET")
def unpublished_project(context: UnpublishedProject, request: Request) -> dict[str, object]:
    """Only its drafted releases have pages, for those who may see them."""
    raise HTTPNotFound


@view_config(context=ProjectPage, request_method="GET", renderer="pages/project/release.jinja2")
def project(context: ProjectPage, request: Request) -> dict[str, object]:
    """The release that stands for the project."""
    db, project = request.uow.db, context.project
    published = catalogue.releases(db, project)
    latest = catalogue.latest(published)
    if latest is None:  # it was published when the address was looked up
        raise HTTPNotFound
    sees_drafts = may(request.person, Act.SEE, project)
    live = drafts.live_of_projects(request.uow, [project]) if sees_drafts else []
    # Installers choose a pre-release by themselves only where there is nothing else.
    exact = latest if latest.yanked else None
    return _published(request, project, latest, published) | {
        "install_command": commands.install(request, project, exact),
        "open_drafts": [drafts.summary(request.uow, draft) for draft in live],
    }


@view_config(context=ReleasePage, request_method="GET", renderer="pages/project/release.jinja2")
def release(context: ReleasePage, request: Request) -> dict[str, object]:
    """One release; for those who may see it, with word of a draft that adds to it."""
    db, draft = request.uow.db, context.draft
    published = catalogue.releases(db, context.project)
    return _published(request, context.project, context.release, published) | {
        "draft": drafts.details(request.uow, draft) if draft is not None else None,
        "staged_files": drafts.staged_files(db, draft) if draft is not None else (),
    }


@view_config(
    context=DraftedReleasePage, request_method="GET", renderer="pages/project/release.jinja2"
)
def drafted_release(context: DraftedReleasePage, request: Request) -> dict[str, object]:
    """A release as it will look when its draft is published."""
    db, project, draft = request.uow.db, context.project, context.draft
    if draft is None:  # there is no such page without one
        raise HTTPNotFound
    never_cache(request)
    files = drafts.staged_files(db, draft)
    return _page(request, project, context.release, catalogue.releases(db, project)) | {
        "files": files,
        "grouped": filtered_files(request, files),
        "install_command": commands.install_draft(request, draft),
        "one_index_command": commands.install_draft_from_one_index(request, draft),
        "draft": drafts.details(request.uow, draft),
        "is_drafted": True,
    }


@view_config(context=ReleaseArchive, request_method="GET", renderer=FOLDER)
def archive(context: ReleaseArchive, request: Request) -> dict[str, object] | Response:
    """What is in a published file."""
    project, release, file = context.project, releases.summary(context.release), context.file
    cache_publicly(request, f"project/{project.normalized_name}")
    place = Place(
        project_name=project.name,
        version=release.version,
        home=request.paths.release_of(release),
        home_title=f"{project.name} {release.version}",
        address=partial(request.paths.contents, release, file.filename),
        download=request.paths.published_file(file),
    )
    return contents_page(request, file, project, place)


@view_config(context=ShortAddress, request_method="GET")
def short_address(context: ShortAddress, request: Request) -> Response:
    """The page is elsewhere, for those who may see it."""
    if isinstance(context.page, UnpublishedProject):
        raise HTTPNotFound
    return moved(request, request.resource_path(context.page))


@view_config(context=UserPage, request_method="GET", renderer="pages/project/user.jinja2")
def user(context: UserPage, request: Request) -> dict[str, object]:
    """A person, and the public projects that the person works on."""
    db = request.uow.db
    page = page_of(request, catalogue.projects_of(db, context.user), _PROJECTS_ON_A_PAGE)
    cache_publicly(request, "all-projects")
    return {
        "user": accounts.summary(context.user),
        "page": page.showing(projects.summary),
        "latest": standing_releases(request, page.items),
    }


def _published(
    request: Request, project: Project, release: Release, published: Sequence[Release]
) -> dict[str, object]:
    cache_publicly(request, f"project/{project.normalized_name}")
    offered = catalogue.offered_files(request.uow.db, project, release)
    files = [releases.file_summary(file) for file in offered]
    return _page(request, project, release, published) | {
        "files": files,
        "grouped": filtered_files(request, files),
        "install_command": commands.install(request, project, release),
        "approved_by": approvals.approvers(request.uow.db, release),
        "downloads": download_plot(downloads.of_project(request.uow, project.id)),
        "origins": _origins(request, release),
    }


def _origins(request: Request, release: Release) -> list[Origin]:
    """Where its files come from; that is asked only of what was adopted."""
    if release.adopted_from is None:
        return []
    return upstream_adoption.origins(request.uow.db, release.id)


def _page(
    request: Request, project: Project, release: Release, published: Sequence[Release]
) -> dict[str, object]:
    """What every page of a release has; the rest says that there is no draft."""
    detailed = catalogue.load_details(request.uow.db, release)
    latest = catalogue.latest(published)
    return {
        "project": projects.summary(project),
        "people": roles.people(project),
        "release": releases.summary(release),
        "details": release_details(detailed.core_metadata, detailed.description_html),
        "latest": releases.summary(latest) if latest is not None else None,
        "history": page_of(request, published, _RELEASES_ON_A_PAGE).showing(releases.summary),
        "may_manage": may(request.person, Act.SEE, project),
        "draft": None,
        "is_drafted": False,
        "staged_files": (),
        "open_drafts": (),
        "approved_by": (),
        "origins": (),
        "downloads": None,
    }
