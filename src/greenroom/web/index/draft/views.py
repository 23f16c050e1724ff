"""``/draft/<slug>/simple/…`` and ``/draft/<slug>/files/…``: what installers read of a draft."""

from functools import partial

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import catalogue
from greenroom.registry.catalogue import ListedFile
from greenroom.web.http import blob_responses
from greenroom.web.http.cors import preflight
from greenroom.web.http.request import Request
from greenroom.web.http.urls import draft_file_path
from greenroom.web.index import simple_rendering
from greenroom.web.index.draft.resources import (
    ArrivingFile,
    DraftSimpleIndex,
    DraftSimpleProject,
    StagedFile,
    StagedMetadata,
)
from greenroom.web.index.simple_negotiation import answer


@view_config(context=DraftSimpleIndex, request_method="GET")
def projects(context: DraftSimpleIndex, request: Request) -> Response:
    """The one project that the draft is of."""
    listed = catalogue.draft_projects(context.draft)
    serial = max((project.last_serial for project in listed), default=0)
    return answer(
        request,
        html=partial(simple_rendering.projects_html, listed, serial),
        json=partial(simple_rendering.projects_json, listed, serial),
        serial=serial,
    )


@view_config(context=DraftSimpleProject, request_method="GET")
def project(context: DraftSimpleProject, request: Request) -> Response:
    """The draft's files, and no others."""
    listing = catalogue.draft_listing(request.uow.db, context.draft)
    return answer(
        request,
        html=partial(simple_rendering.project_html, listing, _link),
        json=partial(simple_rendering.project_json, listing, _link),
        serial=listing.last_serial,
    )


@view_config(context=DraftSimpleIndex, request_method="OPTIONS")
@view_config(context=DraftSimpleProject, request_method="OPTIONS")
def options(context: DraftSimpleIndex | DraftSimpleProject, request: Request) -> Response:
    """What scripts of other origins may do."""
    return preflight()


@view_config(context=StagedFile, request_method="GET")
def content(context: StagedFile, request: Request) -> Response:
    """A staged file."""
    file = context.file
    kind = blob_responses.SDIST if file.is_sdist else blob_responses.WHEEL
    return blob_responses.send(
        request, file.sha256, content_type=kind, filename=file.filename, size=file.size
    )


@view_config(context=StagedMetadata, request_method="GET")
def metadata(context: StagedMetadata, request: Request) -> Response:
    """A staged wheel's METADATA (PEP 658)."""
    return blob_responses.send(
        request,
        context.file.metadata_sha256,
        content_type=blob_responses.METADATA,
        filename=f"{context.file.filename}.metadata",
    )


@view_config(context=ArrivingFile, request_method="GET")
def nothing_yet(context: ArrivingFile, request: Request) -> Response:
    """There is a file when its upload is completed."""
    raise HTTPNotFound


def _link(file: ListedFile) -> str:
    return draft_file_path(file.filename)
