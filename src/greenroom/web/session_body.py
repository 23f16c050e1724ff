"""A draft in the words of PEP 694: the body of a publishing session."""

from collections.abc import Sequence

from pyramid.response import Response

from greenroom.models import Draft, DraftState
from greenroom.registry import drafts
from greenroom.registry.index import Index
from greenroom.web.draft_addresses import draft_url, install_command, manage_url, stage_url
from greenroom.web.request import Request

CONTENT_TYPE = "application/vnd.pypi.upload.v2+json"
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
    """The session body: ``notices`` come before those that every body has."""
    return {
        "meta": {"api-version": API_VERSION},
        "links": {"stage": stage_url(request, draft)},
        "session-token": draft.slug,
        "expires-at": draft.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "status": _STATUS[drafts.state(index, draft)],
        "files": {
            file.filename: {
                "status": "completed",
                "link": draft_url(request, draft, "files", file.filename),
            }
            for file in drafts.files(index.session, draft)
        },
        "notices": [*notices, *_notices(request, draft)],
    }


def session_response(
    request: Request,
    index: Index,
    draft: Draft,
    *,
    status: int = 200,
    notices: Sequence[str] = (),
) -> Response:
    """An answer with the session body; ``Location`` is the draft's page. Nobody may store it."""
    response = Response(
        json_body=session_body(request, index, draft, notices),
        status=status,
        content_type=CONTENT_TYPE,
    )
    response.charset = None
    response.headers["Location"] = draft_url(request, draft)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _notices(request: Request, draft: Draft) -> list[str]:
    return [
        f"Draft of {draft.project_name} {draft.version}: {draft_url(request, draft)}",
        f"Try it: {install_command(request, draft)}",
        f"It expires on {draft.expires:%Y-%m-%d at %H:%M} UTC.",
        f"Publish it: {manage_url(request, draft)}",
    ]
