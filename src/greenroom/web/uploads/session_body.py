"""A draft in the words of PEP 694: the body of a publishing session."""

import hashlib
from collections.abc import Sequence

from pyramid.response import Response

from greenroom import times
from greenroom.models import PRESIGNED, Draft, DraftState, UploadState
from greenroom.registry import (
    draft_contents,
    drafts,
    schedules,
    set_members,
    upload_sessions,
    upload_states,
)
from greenroom.registry.drafts import DraftDetails, StagedContent
from greenroom.registry.schedule_rows import ScheduleDetails
from greenroom.registry.set_members import SetKey
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.web.http import commands, waiting
from greenroom.web.http.problem_details import API_VERSION, CONTENT_TYPE, Answer
from greenroom.web.http.request import Request
from greenroom.web.uploads.schemas import SessionBody

# PEP 694 knows one state for all ways in which a session ends without being published.
_STATUS = {
    DraftState.OPEN: "open",
    DraftState.PUBLISHED: "published",
    DraftState.DISCARDED: "canceled",
    DraftState.EXPIRED: "canceled",
}


def session_body(
    request: Request, uow: UnitOfWork, draft: Draft, notices: Sequence[str] = ()
) -> dict[str, object]:
    """The session body: ``notices`` come before those that every body has.

    A session that has ended has nothing left to link to but itself.
    """
    details = drafts.details(uow, draft)
    staged = drafts.contents(uow.db, draft) if details.is_live else []
    digest = draft_contents.digest_of(draft, staged) if details.is_live else draft.content_digest
    standing = (
        _standing(request, details, digest or "")
        if details.is_live
        else [drafts.ended_sentence(uow, draft)]
    )
    body: dict[str, object] = {
        "meta": {"api-version": API_VERSION},
        "links": _links(request, details, set_members.key_of(uow.db, draft)),
        "mechanisms": list(upload_mechanisms(uow)),
        "session-token": details.slug,
        "expires-at": times.seconds(details.expires),
        "status": status(details),
        "files": _files(request, uow, draft, staged) if details.is_live else {},
        "notices": [*notices, *details.review_notices, *standing],
    }
    if not details.is_live:
        body["outcome"] = details.state.value
    elif details.scheduled is not None:
        body |= scheduled(schedules.of_draft(uow, draft, digest or ""))
    is_known = details.state in (DraftState.OPEN, DraftState.PUBLISHED) and digest is not None
    return body | {"content-digest": digest} if is_known else body


def scheduled(schedule: ScheduleDetails | None) -> dict[str, object]:
    """What the body says of a time that was set; nothing where none waits."""
    if schedule is None or not schedule.is_waiting:
        return {}
    return {
        "schedule": {
            "at": times.seconds(schedule.at),
            "by": schedule.by,
            "void": schedule.is_void,
            "doubts": list(schedule.doubts),
        }
    }


def status(draft: DraftDetails) -> str:
    """Where the session stands, in the words of PEP 694."""
    return draft.review if draft.review is not None else _STATUS[draft.state]


def upload_mechanisms(uow: UnitOfWork) -> tuple[str, ...]:
    """The ways in which a file can be sent, the one to be preferred first."""
    everywhere = (upload_sessions.HTTP_POST_BYTES, upload_sessions.RESUMABLE)
    if upload_sessions.offers_presigned(uow.storage):
        return (PRESIGNED, *everywhere)
    return everywhere


def session_response(
    request: Request,
    uow: UnitOfWork,
    draft: Draft,
    *,
    status: int = 200,
    notices: Sequence[str] = (),
) -> Response:
    """An answer with the session body; ``Location`` is the session. Nobody may store it."""
    body = session_body(request, uow, draft, notices)
    response = api_response(SessionBody, body, status)
    response.headers["Location"] = request.urls.publishing_session(draft)
    return response


def session_status(request: Request, draft: Draft) -> Response:
    """How the session stands, under an ETag; where the request asks to wait, once that changes.

    What has changed is what the client does not know: by ``If-None-Match``, or else since it came.

    Raises:
        HTTPBadRequest: the request does not say how long to wait.
    """
    seconds = waiting.asked_seconds(request)
    response = session_response(request, request.uow, draft)
    etag, known = etag_and_known(request, response)
    not_yet = waiting.not_yet(request, draft, stands=etag, known=known, seconds=seconds)
    if not_yet is not None:
        return not_yet
    return under_etag(request, response, etag)


def etag_and_known(request: Request, response: Response) -> tuple[str, str]:
    """The ETag of an answer, and the one of what the client knows; empty where it is another."""
    etag = hashlib.sha256(response.body).hexdigest()[:32]
    known = waiting.since(request)
    if known is not None:
        return etag, known
    says = request.headers.get("If-None-Match") is not None
    return etag, etag if not says or etag in request.if_none_match else ""


def under_etag(request: Request, response: Response, etag: str) -> Response:
    """The answer under its ETag, or that the client has it (304)."""
    if etag in request.if_none_match:
        kept = ("Location", "Cache-Control")
        headers = [(name, response.headers[name]) for name in kept]
        response = Response(status=304, headerlist=headers)
    response.etag = etag
    return response


def api_response(kind: type[Answer], body: dict[str, object], status: int) -> Response:
    """An answer of the API, of this kind; nobody may store it."""
    response = Response(json_body=kind.checked(body), status=status, content_type=CONTENT_TYPE)
    response.charset = None
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _links(request: Request, draft: DraftDetails, release_set: SetKey | None) -> dict[str, str]:
    session = request.urls.publishing_session(draft)
    if not draft.is_live:
        return {"session": session}
    links = {
        "session": session,
        "upload": f"{session}upload",
        "publish": f"{session}publish",
        "extend": f"{session}extend",
        "stage": request.urls.draft_index(draft),
        "join-set": f"{session}set",
    }
    if release_set is None:
        return links
    return links | {"set": request.urls.set_session(release_set)}


def _files(
    request: Request, uow: UnitOfWork, draft: Draft, files: Sequence[StagedContent]
) -> dict[str, dict[str, object]]:
    """Staged files, and in their places those that are under way or have failed."""
    staged = {
        file.filename: _file(request, draft, file.filename, UploadState.COMPLETED) for file in files
    }
    arriving = {
        upload.filename: _file(request, draft, upload.filename, upload.state, upload.problems)
        for upload in upload_states.unfinished(uow, draft)
    }
    return staged | arriving


def _file(
    request: Request, draft: Draft, filename: str, state: UploadState, notices: Sequence[str] = ()
) -> dict[str, object]:
    body: dict[str, object] = {
        "status": state.value,
        "link": request.urls.draft_file(draft, filename),
    }
    return body | {"notices": list(notices)} if notices else body


def _standing(request: Request, draft: DraftDetails, content_digest: str) -> list[str]:
    """What people can do with a session that is open."""
    by_itself = (
        [f"It is to be published by itself on {draft.scheduled:%Y-%m-%d at %H:%M} UTC."]
        if draft.scheduled is not None
        else []
    )
    install = commands.install_draft(request, draft)
    one_index = commands.install_draft_from_one_index(request, draft)
    return [
        *([draft.upstream_warning] if draft.upstream_warning else []),
        f"Draft of {draft.project_name} {draft.version}: {request.urls.draft(draft)}",
        f"Try it: {install}",
        *([f"Or with one index: {one_index}"] if one_index != install else []),
        f"It expires on {draft.expires:%Y-%m-%d at %H:%M} UTC.",
        f"The digest of its content is {content_digest}.",
        f"Publish it: {request.urls.managed_draft(draft)}",
        *by_itself,
    ]
