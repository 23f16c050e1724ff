"""File upload sessions: announce a file, send it, complete it; look at it, extend and cancel it."""

from functools import partial

from msgspec.structs import asdict
from pyramid.response import Response
from pyramid.view import view_config

from greenroom import times
from greenroom.models import PRESIGNED, Draft, UploadSession, UploadState
from greenroom.registry import (
    upload_sessions,
    upload_states,
)
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.upload_sessions import (
    HTTP_POST_BYTES,
    RESUMABLE,
    Announcement,
    Place,
)
from greenroom.registry.uploads import Authenticate
from greenroom.web.http.draft_nodes import DraftFile
from greenroom.web.http.problem_details import API_VERSION
from greenroom.web.http.request import Request
from greenroom.web.uploads.counting import counted_upload
from greenroom.web.uploads.pep694.access import authenticated, authorized
from greenroom.web.uploads.pep694.body_stream import receive
from greenroom.web.uploads.pep694.requests import (
    LONGEST_OFFSET,
    CreateFileUpload,
    Empty,
    Extend,
    parse,
)
from greenroom.web.uploads.pep694.resources import FileUploadSession, PublishingSession
from greenroom.web.uploads.schemas import FileUploadBody
from greenroom.web.uploads.session_body import api_response, upload_mechanisms

# When to ask again, in seconds: soon while something is being decided, else not so soon.
_RETRY_AFTER = {UploadState.PROCESSING: 2}
_SELDOM = 60


@view_config(context=PublishingSession, name="upload", request_method="POST", require_csrf=False)
def announce(context: PublishingSession, request: Request) -> Response:
    """Take note of a file, and say how to send it."""
    uow, draft = request.uow, context.draft
    actor = authorized(request, draft)
    asked = parse(request, CreateFileUpload)
    announcement = Announcement(asked.filename, asked.size, asked.hashes, asked.mechanism)
    upload = upload_sessions.announce(uow, actor, draft, announcement, upload_mechanisms(uow))
    return _upload_response(request, uow, actor, draft, upload, 202)


@view_config(context=FileUploadSession, request_method="GET")
def status(context: FileUploadSession, request: Request) -> Response:
    """How the upload stands."""
    uow, draft, upload = request.uow, context.draft, context.upload
    actor = authorized(request, draft)
    return _upload_response(request, uow, actor, draft, upload, 200, looks=True)


@view_config(context=FileUploadSession, request_method="DELETE", require_csrf=False)
def cancel(context: FileUploadSession, request: Request) -> Response:
    """Break it off, or delete the file that it brought."""
    actor = authorized(request, context.draft)
    upload_sessions.cancel(request.uow, actor, context.draft, context.upload)
    return Response(status=204)


@view_config(context=FileUploadSession, name="extend", request_method="POST", require_csrf=False)
def extend(context: FileUploadSession, request: Request) -> Response:
    """Give it more time, as far as that goes."""
    actor = authorized(request, context.draft)
    length = parse(request, Extend).length
    upload_sessions.extend(request.uow, actor, context.draft, context.upload, length)
    return _upload_response(request, request.uow, actor, context.draft, context.upload, 200)


@view_config(context=DraftFile, request_method="DELETE", require_csrf=False)
def remove(context: DraftFile, request: Request) -> Response:
    """Take a file out of the draft, at its link; unlike reading it, that takes credentials."""
    actor = authenticated(request, request.uow)
    upload_sessions.remove(request.uow, actor, context.draft, context.__name__)
    return Response(status=204)


# Bytes


@view_config(context=FileUploadSession, name="bytes", request_method="POST", require_csrf=False)
def post_bytes(context: FileUploadSession, request: Request) -> Response:
    """``http-post-bytes``: the whole file in one request."""
    return _take_bytes(context, request, HTTP_POST_BYTES, 0)


@view_config(context=FileUploadSession, name="bytes", request_method="PATCH", require_csrf=False)
def append_bytes(context: FileUploadSession, request: Request) -> Response:
    """``vnd-greenroom-resumable-v1``: the next bytes, from ``Upload-Offset`` on."""
    text = request.headers.get("Upload-Offset", "")
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_OFFSET):
        raise InvalidRequest("Say in the header Upload-Offset where the bytes go on.")
    return _take_bytes(context, request, RESUMABLE, int(text))


@view_config(context=FileUploadSession, name="bytes", request_method="HEAD")
def offset(context: FileUploadSession, request: Request) -> Response:
    """``vnd-greenroom-resumable-v1``: how many bytes have arrived."""
    authorized(request, context.draft)
    return _offset_response(context.upload, 204)


def _take_bytes(
    context: FileUploadSession, request: Request, mechanism: str, start: int
) -> Response:
    """Receive, keep, take: the bytes arrive in no unit of work, as that may take long."""
    services, place = request.services, _place(context)
    limit = context.upload.size - start
    names = tuple(context.upload.digests)
    actor = authorized(request, context.draft)
    upload_sessions.check_part(request.uow, actor, context.draft, context.upload, mechanism, start)
    request.give_up_unit_of_work()
    takes_part = mechanism == RESUMABLE
    with receive(request, services.storage, limit, names, partial=takes_part) as part:
        upload_sessions.take_part(services, _authenticate(request), place, start, part)
    with services.reading() as uow:
        _, upload = upload_sessions.get(uow, place)
        return _offset_response(upload, 204)


# Completion


@view_config(context=FileUploadSession, name="complete", request_method="POST", require_csrf=False)
def complete(context: FileUploadSession, request: Request) -> Response:
    """Look into the file, and take it into the draft. When that fails, the upload has failed."""
    services, place = request.services, _place(context)
    authorized(request, context.draft)
    parse(request, Empty)
    request.commit_unit_of_work()
    with counted_upload():
        upload_sessions.complete_upload(services, _authenticate(request), place)
    with services.reading() as uow:
        draft, upload = upload_sessions.get(uow, place)
        actor = authenticated(request, uow)
        return _upload_response(request, uow, actor, draft, upload, 201)


def _place(context: FileUploadSession) -> Place:
    return Place(context.draft.key, context.upload.key)


def _authenticate(request: Request) -> Authenticate:
    return partial(authenticated, request)


def _upload_response(
    request: Request,
    uow: UnitOfWork,
    actor: Actor,
    draft: Draft,
    upload: UploadSession,
    status: int,
    *,
    looks: bool = False,
) -> Response:
    """An answer with the file upload session; only one that ``looks`` asks the storage."""
    here = request.urls.file_upload_session(draft, upload)
    stands = upload_states.status(uow, upload)
    body: dict[str, object] = {
        "meta": {"api-version": API_VERSION},
        "links": {
            "file-upload-session": here,
            "complete": f"{here}complete",
            "extend": f"{here}extend",
        },
        "status": stands.state.value,
        "expires-at": times.seconds(stands.expires),
        "mechanism": _mechanism(uow, actor, draft, upload, f"{here}bytes", looks=looks),
    }
    if stands.problems:
        body["notices"] = list(stands.problems)
    response = api_response(FileUploadBody, body, status)
    response.headers["Location"] = here
    response.retry_after = _RETRY_AFTER.get(stands.state, _SELDOM)
    return response


def _mechanism(
    uow: UnitOfWork,
    actor: Actor,
    draft: Draft,
    upload: UploadSession,
    file_url: str,
    *,
    looks: bool,
) -> dict[str, object]:
    """How the bytes are to be sent, and where."""
    if upload.mechanism != PRESIGNED:
        return {"identifier": upload.mechanism, "file_url": file_url}
    parts = upload_sessions.presigned_parts(uow, actor, draft, upload)
    body: dict[str, object] = {
        "identifier": upload.mechanism,
        "part-size": upload_sessions.part_size(upload.size),
        "expires-at": times.seconds(upload_sessions.urls_expire(uow, upload)),
        "parts": [asdict(part) for part in parts],
    }
    if parts and looks:
        body["arrived"] = upload_sessions.arrived_parts(uow, upload)
    return body


def _offset_response(upload: UploadSession, status: int) -> Response:
    response = Response(status=status)
    response.headers["Upload-Offset"] = str(upload_sessions.received(upload))
    response.headers["Upload-Length"] = str(upload.size)
    response.headers["Cache-Control"] = "no-store"
    return response
