"""A draft in the words of PEP 694: the body of a publishing session."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pyramid.response import Response

from greenroom.models import Draft, DraftState, UploadState
from greenroom.registry import drafts, file_uploads
from greenroom.registry.index import Index
from greenroom.web.draft_addresses import (
    draft_url,
    install_command,
    manage_url,
    session_url,
    stage_url,
)
from greenroom.web.request import Request
from greenroom.web.upload_answers import Answer, SessionBody

CONTENT_TYPE = "application/vnd.pypi.upload.v2+json"
PROBLEM_TYPE = "application/problem+json"
API_VERSION = "2.0"

# PEP 694 knows one state for all ways in which a session ends without being published.
_STATUS = {
    DraftState.OPEN: "open",
    DraftState.PUBLISHED: "published",
    DraftState.DISCARDED: "canceled",
    DraftState.EXPIRED: "canceled",
}


def session_body(
    request: Request, index: Index, draft: Draft, notices: Sequence[str] = ()
) -> dict[str, object]:
    """The session body: ``notices`` come before those that every body has.

    A session that has ended has nothing left to link to but itself.
    """
    is_open = drafts.is_live(index, draft)
    return {
        "meta": {"api-version": API_VERSION},
        "links": _links(request, draft) if is_open else {"session": session_url(request, draft)},
        "mechanisms": list(upload_mechanisms(index)),
        "session-token": draft.slug,
        "expires-at": timestamp(draft.expires),
        "status": status(index, draft),
        "files": _files(request, index, draft) if is_open else {},
        "notices": [*notices, *draft.review_notices, *_notices(request, index, draft)],
    }


def status(index: Index, draft: Draft) -> str:
    """Where the session stands, in the words of PEP 694."""
    if draft.review is not None and drafts.is_live(index, draft):
        return draft.review
    return _STATUS[drafts.state(index, draft)]


def upload_mechanisms(index: Index) -> tuple[str, ...]:
    """The ways in which a file can be sent, the one to be preferred first."""
    everywhere = (file_uploads.HTTP_POST_BYTES, file_uploads.RESUMABLE)
    if file_uploads.offers_presigned(index.storage):
        return (file_uploads.PRESIGNED, *everywhere)
    return everywhere


def timestamp(moment: datetime) -> str:
    """A moment in whole seconds, in UTC (RFC 3339)."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def session_response(
    request: Request,
    index: Index,
    draft: Draft,
    *,
    status: int = 200,
    notices: Sequence[str] = (),
) -> Response:
    """An answer with the session body; ``Location`` is the session. Nobody may store it."""
    body = session_body(request, index, draft, notices)
    response = api_response(SessionBody, body, status)
    response.headers["Location"] = session_url(request, draft)
    return response


def api_response(kind: type[Answer], body: Mapping[str, object], status: int) -> Response:
    """An answer of the API, of this kind; nobody may store it."""
    response = Response(json_body=kind.checked(body), status=status, content_type=CONTENT_TYPE)
    response.charset = None
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _links(request: Request, draft: Draft) -> dict[str, str]:
    session = session_url(request, draft)
    return {
        "session": session,
        "upload": f"{session}upload",
        "publish": f"{session}publish",
        "extend": f"{session}extend",
        "stage": stage_url(request, draft),
    }


def _files(request: Request, index: Index, draft: Draft) -> dict[str, dict[str, object]]:
    """Staged files, and in their places those that are under way or have failed."""
    staged = {
        file.filename: _file(request, draft, file.filename, UploadState.COMPLETED)
        for file in drafts.files(index.session, draft)
    }
    arriving = {
        upload.filename: _file(
            request, draft, upload.filename, file_uploads.state(index, upload), upload.problems
        )
        for upload in file_uploads.of_draft(index, draft)
    }
    return staged | arriving


def _file(
    request: Request, draft: Draft, filename: str, state: UploadState, notices: Sequence[str] = ()
) -> dict[str, object]:
    body: dict[str, object] = {
        "status": state.value,
        "link": draft_url(request, draft, "files", filename),
    }
    return body | {"notices": list(notices)} if notices else body


def _notices(request: Request, index: Index, draft: Draft) -> list[str]:
    if not drafts.is_live(index, draft):
        return [drafts.ended_sentence(index, draft)]
    return [
        f"Draft of {draft.project_name} {draft.version}: {draft_url(request, draft)}",
        f"Try it: {install_command(request, draft)}",
        f"It expires on {draft.expires:%Y-%m-%d at %H:%M} UTC.",
        f"Publish it: {manage_url(request, draft)}",
    ]
