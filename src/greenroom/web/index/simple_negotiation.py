"""Answers of a simple index: which form is wanted, and the headers that go with it (PEP 691)."""

from collections.abc import Callable
from functools import lru_cache

from pyramid.response import Response
from webob.acceptparse import create_accept_header

from greenroom.web.http.caching import SERIAL_HEADER, conditional, conditional_pieces
from greenroom.web.http.cors import open_to_all_origins
from greenroom.web.http.gzip_pieces import Piece
from greenroom.web.http.request import Request

HTML = "text/html"
HTML_V1 = "application/vnd.pypi.simple.v1+html"
JSON_V1 = "application/vnd.pypi.simple.v1+json"

# What is offered, the first being preferred among equals, and the content type that it comes as.
_OFFERS = {
    HTML: HTML,
    f"{HTML};charset=utf-8": HTML,
    f"{HTML};charset=UTF-8": HTML,
    HTML_V1: HTML_V1,
    JSON_V1: JSON_V1,
    "application/vnd.pypi.simple.latest+html": HTML_V1,
    "application/vnd.pypi.simple.latest+json": JSON_V1,
}

_TYPES = tuple(offer for offer in _OFFERS if ";" not in offer)

Render = Callable[[], bytes]
RenderPieces = Callable[[], list[Piece]]


def answer(request: Request, *, html: Render, json: Render, serial: int | None) -> Response:
    """The page in the form that the request prefers, or 406 when it accepts none of them.

    ``serial`` is None where it is no page of this index's own.
    """
    content_type = preferred(request)
    if content_type is None:
        response = _not_acceptable()
    else:
        body = json() if content_type == JSON_V1 else html()
        response = conditional(request, body, content_type)
        if serial is not None:
            response.headers[SERIAL_HEADER] = str(serial)
    response.vary = ["Accept"]
    return open_to_all_origins(response)


def answer_in_pieces(
    request: Request, *, html: RenderPieces, json: RenderPieces, serial: int
) -> Response:
    """Like :func:`answer`, of a page that is long: in pieces, compressed for who accepts gzip."""
    content_type = preferred(request)
    if content_type is None:
        response = _not_acceptable()
        response.vary = ["Accept"]
    else:
        pieces = json() if content_type == JSON_V1 else html()
        response = conditional_pieces(request, pieces, content_type)
        response.headers[SERIAL_HEADER] = str(serial)
        response.vary = ["Accept", "Accept-Encoding"]
    return open_to_all_origins(response)


def _not_acceptable() -> Response:
    return Response(
        f"Not acceptable: this index offers {', '.join(_TYPES)}.\n",
        406,
        content_type="text/plain",
    )


def preferred(request: Request) -> str | None:
    """The content type to answer with; HTML when the request states no preference."""
    return _preferred_by(request.environ.get("HTTP_ACCEPT"))


@lru_cache(maxsize=256)  # there are as many headers as there are versions of installers
def _preferred_by(header: str | None) -> str | None:
    accept = create_accept_header(header)
    if not accept.parsed:  # no such header, one that cannot be read, or an empty one
        return HTML
    acceptable = accept.acceptable_offers(list(_OFFERS))
    return _OFFERS[acceptable[0][0]] if acceptable else None
