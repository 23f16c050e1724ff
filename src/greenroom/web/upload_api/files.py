"""File upload sessions: announce a file, send it, complete it; look at it, extend and cancel it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.models import Draft, FileUpload, UploadState
from greenroom.registry import drafts, file_uploads
from greenroom.registry.errors import InvalidRequest, Refusal
from greenroom.registry.file_uploads import (
    HTTP_POST_BYTES,
    PRESIGNED,
    RESUMABLE,
    Announcement,
)
from greenroom.registry.index import Index
from greenroom.registry.permissions import Actor
from greenroom.web.draft_addresses import session_url
from greenroom.web.request import Request
from greenroom.web.resources import UploadedFile, UploadSession
from greenroom.web.session_body import (
    API_VERSION,
    api_response,
    timestamp,
    upload_mechanisms,
)
from greenroom.web.upload_answers import FileUploadBody
from greenroom.web.upload_api.access import authenticated, authorized
from greenroom.web.upload_api.body_stream import receive
from greenroom.web.upload_api.schemas import (
    LONGEST_OFFSET,
    CreateFileUpload,
    Empty,
    Extend,
    parse,
)

# When to ask again, in seconds: soon while something is being decided, else not so soon.
_RETRY_AFTER = {UploadState.PROCESSING: 2}
_SELDOM = 60

_INTERRUPTED = "The index could not look into the file: delete it, then upload it anew."


@view_config(context=UploadSession, name="upload", request_method="POST", require_csrf=False)
def announce(context: UploadSession, request: Request) -> Response:
    """Take note of a file, and say how to send it."""
    index, draft = request.index, context.draft
    actor = authorized(request, draft)
    asked = parse(request, CreateFileUpload)
    announcement = Announcement(asked.filename, asked.size, asked.hashes, asked.mechanism)
    upload = file_uploads.announce(index, actor, draft, announcement, upload_mechanisms(index))
    return _upload_response(request, index, actor, draft, upload, 202)


@view_config(context=UploadedFile, request_method="GET")
def status(context: UploadedFile, request: Request) -> Response:
    """How the upload stands."""
    index, draft, upload = request.index, context.draft, context.upload
    actor = authorized(request, draft)
    return _upload_response(request, index, actor, draft, upload, 200, looks=True)


@view_config(context=UploadedFile, request_method="DELETE", require_csrf=False)
def cancel(context: UploadedFile, request: Request) -> Response:
    """Break it off, or delete the file that it brought."""
    actor = authorized(request, context.draft)
    file_uploads.cancel(request.index, actor, context.draft, context.upload)
    return Response(status=204)


@view_config(context=UploadedFile, name="extend", request_method="POST", require_csrf=False)
def extend(context: UploadedFile, request: Request) -> Response:
    """Give it more time, as far as that goes."""
    actor = authorized(request, context.draft)
    length = parse(request, Extend).length
    file_uploads.extend(request.index, actor, context.draft, context.upload, length)
    return _upload_response(request, request.index, actor, context.draft, context.upload, 200)


# Bytes


@view_config(context=UploadedFile, name="bytes", request_method="POST", require_csrf=False)
def post_bytes(context: UploadedFile, request: Request) -> Response:
    """``http-post-bytes``: the whole file in one request."""
    return _take_bytes(context, request, HTTP_POST_BYTES, 0)


@view_config(context=UploadedFile, name="bytes", request_method="PATCH", require_csrf=False)
def append_bytes(context: UploadedFile, request: Request) -> Response:
    """``vnd-greenroom-resumable-v1``: the next bytes, from ``Upload-Offset`` on."""
    text = request.headers.get("Upload-Offset", "")
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_OFFSET):
        raise InvalidRequest("Say in the header Upload-Offset where the bytes go on.")
    return _take_bytes(context, request, RESUMABLE, int(text))


@view_config(context=UploadedFile, name="bytes", request_method="HEAD")
def offset(context: UploadedFile, request: Request) -> Response:
    """``vnd-greenroom-resumable-v1``: how many bytes have arrived."""
    authorized(request, context.draft)
    return _offset_response(context.upload, 204)


def _take_bytes(context: UploadedFile, request: Request, mechanism: str, start: int) -> Response:
    """Receive, keep, take: the bytes arrive in no unit of work, as that may take long."""
    premises = request.premises
    key = (context.draft.key, context.upload.key)
    limit = context.upload.size - start
    names = tuple(context.upload.digests)
    actor = authorized(request, context.draft)
    file_uploads.check_part(request.index, actor, context.draft, context.upload, mechanism, start)
    request.give_up_unit_of_work()
    partial = mechanism == RESUMABLE
    with receive(request, premises.storage, limit, names, partial=partial) as part:
        file_uploads.keep_part(premises.storage, part)
        with _place(request, key) as (index, draft, upload):
            actor = authenticated(request, index)
            file_uploads.add_part(index, actor, draft, upload, start, part)
            return _offset_response(upload, 204)


# Completion


@view_config(context=UploadedFile, name="complete", request_method="POST", require_csrf=False)
def complete(context: UploadedFile, request: Request) -> Response:
    """Look into the file, and take it into the draft. When that fails, the upload has failed."""
    premises, session, upload = request.premises, request.index.session, context.upload
    key = (context.draft.key, upload.key)
    actor = authorized(request, context.draft)
    parse(request, Empty)
    file_uploads.begin_completion(request.index, actor, context.draft, upload)
    file_uploads.received(upload)  # loads the parts
    session.expunge_all()
    request.commit_unit_of_work()
    try:
        with (
            file_uploads.assemble(premises.settings, premises.storage, upload) as assembled,
            _place(request, key) as (index, draft, upload),
        ):
            actor = authenticated(request, index)
            file_uploads.complete(index, actor, draft, upload, assembled)
            return _upload_response(request, index, actor, draft, upload, 201)
    except Exception as error:
        why = error.details if isinstance(error, Refusal) else (_INTERRUPTED,)
        with _place(request, key) as (index, draft, upload):
            file_uploads.fail(index, upload, why)
        raise


@contextmanager
def _place(request: Request, key: tuple[str, str]) -> Iterator[tuple[Index, Draft, FileUpload]]:
    """A unit of work that writes, with the session and the upload as they are now."""
    with request.premises.writing() as index:
        draft, upload = _upload(index, key)
        yield index, draft, upload


def _upload(index: Index, key: tuple[str, str]) -> tuple[Draft, FileUpload]:
    draft = drafts.by_key(index.session, key[0])
    upload = file_uploads.by_key(index.session, draft, key[1]) if draft is not None else None
    if draft is None or upload is None:
        raise HTTPNotFound
    return draft, upload


def _upload_response(
    request: Request,
    index: Index,
    actor: Actor,
    draft: Draft,
    upload: FileUpload,
    status: int,
    *,
    looks: bool = False,
) -> Response:
    """An answer with the file upload session; only one that ``looks`` asks the storage."""
    here = f"{session_url(request, draft)}file/{upload.key}/"
    state = file_uploads.state(index, upload)
    body: dict[str, object] = {
        "meta": {"api-version": API_VERSION},
        "links": {
            "file-upload-session": here,
            "complete": f"{here}complete",
            "extend": f"{here}extend",
        },
        "status": state.value,
        "expires-at": timestamp(upload.expires),
        "mechanism": _mechanism(index, actor, draft, upload, f"{here}bytes", looks=looks),
    }
    if upload.problems:
        body["notices"] = list(upload.problems)
    response = api_response(FileUploadBody, body, status)
    response.headers["Location"] = here
    response.retry_after = _RETRY_AFTER.get(state, _SELDOM)
    return response


def _mechanism(
    index: Index, actor: Actor, draft: Draft, upload: FileUpload, file_url: str, *, looks: bool
) -> dict[str, object]:
    """How the bytes are to be sent, and where."""
    if upload.mechanism != PRESIGNED:
        return {"identifier": upload.mechanism, "file_url": file_url}
    parts = file_uploads.presigned_parts(index, actor, draft, upload)
    body: dict[str, object] = {
        "identifier": upload.mechanism,
        "part-size": file_uploads.part_size(upload.size),
        "expires-at": timestamp(file_uploads.urls_expire(index, upload)),
        "parts": [asdict(part) for part in parts],
    }
    if parts and looks:
        body["arrived"] = file_uploads.arrived_parts(index, upload)
    return body


def _offset_response(upload: FileUpload, status: int) -> Response:
    response = Response(status=status)
    response.headers["Upload-Offset"] = str(file_uploads.received(upload))
    response.headers["Upload-Length"] = str(upload.size)
    response.headers["Cache-Control"] = "no-store"
    return response
