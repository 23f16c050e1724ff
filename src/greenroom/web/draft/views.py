"""``/draft/<slug>/simple/…`` and ``/draft/<slug>/files/…``: what installers read of a draft."""

from functools import partial
from urllib.parse import quote

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import catalogue, file_uploads
from greenroom.registry.catalogue import ListedFile
from greenroom.web import file_responses, security, simple_rendering
from greenroom.web.program_answers import preflight
from greenroom.web.request import Request
from greenroom.web.resources import (
    ArrivingFile,
    DraftSimpleIndex,
    DraftSimpleProject,
    StagedFile,
    StagedMetadata,
)
from greenroom.web.simple_negotiation import answer


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
    listing = catalogue.draft_listing(request.index.session, context.draft)
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
    kind = file_responses.SDIST if file.is_sdist else file_responses.WHEEL
    return file_responses.send(request, file.sha256, content_type=kind, filename=file.filename)


@view_config(context=StagedMetadata, request_method="GET")
def metadata(context: StagedMetadata, request: Request) -> Response:
    """A staged wheel's METADATA (PEP 658)."""
    return file_responses.send(
        request,
        context.file.metadata_sha256,
        content_type=file_responses.METADATA,
        filename=f"{context.file.filename}.metadata",
    )


@view_config(context=ArrivingFile, request_method="GET")
def nothing_yet(context: ArrivingFile, request: Request) -> Response:
    """There is a file when its upload is completed."""
    raise HTTPNotFound


@view_config(context=ArrivingFile, request_method="DELETE", require_csrf=False)
@view_config(context=StagedFile, request_method="DELETE", require_csrf=False)
def remove(context: ArrivingFile | StagedFile, request: Request) -> Response:
    """Take a file out of the draft; unlike reading it, that takes credentials (PEP 694)."""
    authorization = request.headers.get("Authorization")
    actor = security.token_actor(authorization, request.index)
    file_uploads.remove(request.index, actor, context.draft, context.__name__)
    return Response(status=204)


def _link(file: ListedFile) -> str:
    return f"../../files/{quote(file.filename)}"
