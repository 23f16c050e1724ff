"""Server-sent events (HTML standard) for pages that show something which changes.

What has changed is not told: who may see the page reads it again.
"""

from pyramid.response import Response

from greenroom.web.http import waiting
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value

# Milliseconds after which a browser asks again: where requests can wait, and where they cannot.
_ASK_AGAIN = 1000
_ASK_SELDOM = 30_000


def known_mark(request: Request, mark: str) -> str:
    """The mark that the page has; ``mark``, which is the one now, where it does not say."""
    return (
        waiting.since(request)
        or request.headers.get("Last-Event-ID")
        or query_value(request, "since")
        or mark
    )


def event(request: Request, mark: str, known: str, *, is_over: bool) -> Response:
    """That it has changed, as one event; then the page asks again.

    What ``is_over``, whose end is known, has no further events (204).
    """
    if mark == known and is_over:
        return Response(status=204)
    retry = _ASK_AGAIN if waiting.can_wait(request) else _ASK_SELDOM
    said = f"id: {mark}\nevent: change\ndata: changed" if mark != known else ": as it was"
    response = Response(f"retry: {retry}\n{said}\n\n", content_type="text/event-stream")
    response.headers["Cache-Control"] = "private, no-store"
    return response
