"""``/pypi/<name>/json`` and ``/pypi/<name>/<version>/json``."""

from collections.abc import Iterable

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import catalogue, downloads, upstream_adoption
from greenroom.registry.catalogue import ListedFile, PublicProject, PublicRelease
from greenroom.web.http.caching import SERIAL_HEADER, cached, conditional
from greenroom.web.http.canonical_urls import moved
from greenroom.web.http.cors import open_to_all_origins, preflight
from greenroom.web.http.json import to_json
from greenroom.web.http.request import Request
from greenroom.web.index.json_api import rendering
from greenroom.web.index.json_api.rendering import Described
from greenroom.web.index.json_api.resources import PypiProject, PypiRelease


@view_config(context=PypiProject, name="json", request_method="GET")
def project(context: PypiProject, request: Request) -> Response:
    """The release that stands for the project, and the files of all its releases."""
    db, project = request.uow.db, context.project
    releases = catalogue.find_releases(db, project.id)
    latest = catalogue.latest(releases)
    if latest is None:  # there was one when the address was looked up
        raise HTTPNotFound
    files = catalogue.listing(db, project).files
    described = _document(
        request, project, latest, [file for file in files if file.version == latest.version]
    )
    versions = [release.version for release in reversed(releases)]
    described["releases"] = rendering.releases(versions, files, request.urls.published_file)
    return _answer(request, project, described)


@view_config(context=PypiRelease, name="json", request_method="GET")
def release(context: PypiRelease, request: Request) -> Response:
    """One release and its files."""
    project, release = context.project, context.release
    listing = catalogue.release_listing(request.uow.db, project, release)
    return _answer(request, project, _document(request, project, release, listing.files))


@view_config(context=PypiProject, request_method="GET")
def project_page(context: PypiProject, request: Request) -> Response:
    """The project's page is elsewhere."""
    return open_to_all_origins(moved(request, request.paths.project(context.project)))


@view_config(context=PypiRelease, request_method="GET")
def release_page(context: PypiRelease, request: Request) -> Response:
    """The release's page is elsewhere."""
    page = request.paths.release(context.project, context.release)
    return open_to_all_origins(moved(request, page))


@view_config(context=PypiProject, name="json", request_method="OPTIONS")
@view_config(context=PypiRelease, name="json", request_method="OPTIONS")
def options(context: PypiProject | PypiRelease, request: Request) -> Response:
    """What scripts of other origins may do."""
    return preflight()


def _document(
    request: Request, project: PublicProject, release: PublicRelease, files: Iterable[ListedFile]
) -> dict[str, object]:
    db = request.uow.db
    described = Described(
        name=project.name,
        version=release.version,
        metadata=catalogue.metadata_of(db, release),
        yanked=release.yanked,
        yanked_reason=release.yanked_reason,
        project_url=request.urls.project(project),
        release_url=request.urls.release(project, release),
        downloads=downloads.of_project(request.uow, project.id),
    )
    people = [(role.title(), username) for role, username in catalogue.people(db, project)]
    document = rendering.document(
        described, files, people, project.last_serial, request.urls.published_file
    )
    if release.adopted_from is None:
        return document
    return document | {"adopted_from": rendering.origins(upstream_adoption.origins(db, release.id))}


def _answer(request: Request, project: PublicProject, described: dict[str, object]) -> Response:
    response = conditional(request, to_json(described), "application/json")
    response.headers[SERIAL_HEADER] = str(project.last_serial)
    return open_to_all_origins(cached(response, f"project/{project.normalized_name}"))
