"""How an upload client is refused: the sentence in the status line, and in the body once more.

Twine prints the status line or the body, uv reads the body as JSON.
"""

from collections.abc import Sequence

from pyramid.response import Response

from greenroom.web.http.request import Request

_LONGEST_REASON = 800


def upload_refusal(
    request: Request, status: int, code: str, sentence: str, reasons: Sequence[str]
) -> Response:
    """The refusal of an upload, as text or as JSON, as its client prefers."""
    if wants_json(request):
        body = {"message": sentence, "code": code, "errors": list(reasons)}
        response = Response(json_body=body | {"status": status, "detail": sentence})
        if request.accept.acceptable_offers(["text/plain"]):
            # What would do with text shows it to a person: uv shows the detail of a problem
            # (RFC 9457), and of other JSON nothing but the code.
            response.content_type = "application/problem+json"
    else:
        response = Response(f"{status} {sentence}\n", content_type="text/plain")
    response.status = f"{status} {one_line(sentence)}"
    response.headers["Cache-Control"] = "no-store"
    return response


def wants_json(request: Request) -> bool:
    """Whether the client prefers JSON to text."""
    if not request.headers.get("Accept"):
        return False
    offers = request.accept.acceptable_offers(["text/plain", "application/json"])
    return bool(offers) and offers[0][0] == "application/json"


def one_line(sentence: str) -> str:
    """What can stand in a status line (RFC 9112, section 4): printable ASCII, not endless."""
    printable = "".join(c if " " <= c <= "~" else " " if c.isspace() else "?" for c in sentence)
    if len(printable) <= _LONGEST_REASON:
        return printable
    return printable[: _LONGEST_REASON - 3] + "..."
