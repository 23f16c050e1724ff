"""Answers that programs read over and over: validators, and shared caches."""

import hashlib
from collections.abc import Sequence

from pyramid.config import Configurator
from pyramid.events import NewResponse
from pyramid.response import Response

from greenroom import request_notes
from greenroom.registry import purging
from greenroom.web.http import gzip_pieces
from greenroom.web.http.gzip_pieces import Piece
from greenroom.web.http.request import Request

SERIAL_HEADER = "X-PyPI-Last-Serial"

# Programs ask again each time; a shared cache that is purged may answer for a minute.
_SHARED_SECONDS = 60
_CACHE_CONTROL = f"public, max-age=0, s-maxage={_SHARED_SECONDS}"
_OF_SHARED_CACHES = ("public", "private", "s-maxage", "stale-if-error")
_WITH_CHARSET = ("text/html", "text/xml")


def includeme(config: Configurator) -> None:
    """Let caches show what they have for some time while the index fails (RFC 5861).

    Where not everybody may read everything, they keep nothing that is not for everybody.
    """
    config.add_subscriber(_keep_from_others, NewResponse)
    config.add_subscriber(_outlasting, NewResponse)


def _keep_from_others(event: NewResponse) -> None:
    request, response = event.request, event.response
    read = request.services.settings.read
    if read == "public" or response.status_int >= 400:
        return
    headers = response.headers
    keys = headers.get("Surrogate-Key", "").split()
    if request.is_stranger:
        # Whoever sends credentials gets another list of projects.
        if purging.ALL_PROJECTS in keys:
            _vary_by_credentials(response)
        return
    if request.is_for_everybody and read == "projects":
        return
    parts = [part.strip() for part in headers.get("Cache-Control", "").split(",")]
    if "no-store" not in parts:
        kept = [part for part in parts if not part.startswith(_OF_SHARED_CACHES)]
        headers["Cache-Control"] = ", ".join(["private", *filter(None, kept)])
        if not any(kept):
            headers["Cache-Control"] = "private, no-cache"
    headers.pop("Surrogate-Key", None)
    _vary_by_credentials(response)


def _vary_by_credentials(response: Response) -> None:
    response.vary = sorted({*(response.vary or ()), "Authorization", "Cookie"})


def _outlasting(event: NewResponse) -> None:
    headers, stale = event.response.headers, event.request.services.settings.stale_answers
    control = headers.get("Cache-Control", "")
    if stale and control.startswith("public") and "Surrogate-Key" in headers:
        headers["Cache-Control"] = f"{control}, stale-if-error={stale}"


def conditional(request: Request, body: bytes, content_type: str) -> Response:
    """The body under a strong ETag; 304 without it for a client that has these very bytes."""
    # The same bytes as another type are another representation.
    etag = hashlib.sha256(content_type.encode() + b"\n" + body).hexdigest()[:32]
    if etag in request.if_none_match:
        response = Response(status=304)
    else:
        response = Response(body, content_type=content_type)
        response.charset = "utf-8" if content_type in _WITH_CHARSET else None
    response.etag = etag
    return response


def conditional_pieces(request: Request, pieces: Sequence[Piece], content_type: str) -> Response:
    """Like :func:`conditional`, of a body in pieces, which is compressed for who accepts gzip.

    The strong ETag is of what is sent: another for what is compressed.
    """
    coding = "gzip" if _prefers_gzip(request) else "identity"
    length, checksum = gzip_pieces.length(pieces), gzip_pieces.crc32(pieces)
    # The ends of a body have what differs between two that are as long and have one checksum.
    ends = pieces[0].raw + pieces[-1].raw
    named = f"{content_type}\n{coding}\n{length}\n{checksum}\n".encode() + ends
    etag = hashlib.sha256(named).hexdigest()[:32]
    if etag in request.if_none_match:
        response = Response(status=304)
    else:
        response = Response(content_type=content_type)
        response.charset = "utf-8" if content_type in _WITH_CHARSET else None
        sent = [piece.raw for piece in pieces]
        if coding == "gzip":
            sent = gzip_pieces.gzipped(pieces)
            response.content_encoding = "gzip"
        response.app_iter = sent
        response.content_length = sum(map(len, sent))
    response.etag = etag
    return response


def _prefers_gzip(request: Request) -> bool:
    """Whether the request says that it takes gzip, no less than what is not compressed."""
    accepted = request.accept_encoding
    if not accepted.parsed:
        return False
    offers = accepted.acceptable_offers(["gzip", "identity"])
    return bool(offers) and offers[0][0] == "gzip"


def cached_for(request: Request, response: Response, seconds: float, *keys: str) -> Response:
    """The same as :func:`cached`, for so many seconds at most: of what else changes nobody tells.

    They are those of the server, too, which keeps other answers until something changes.
    """
    request.environ[request_notes.KEEP_FOR] = seconds
    response = cached(response, *keys)
    shared = min(int(seconds), _SHARED_SECONDS)
    response.headers["Cache-Control"] = f"public, max-age=0, s-maxage={shared}"
    return response


def cached(response: Response, *keys: str) -> Response:
    """The answer, for shared caches to keep until one of these surrogate keys is purged."""
    response.headers["Cache-Control"] = _CACHE_CONTROL
    response.headers["Surrogate-Key"] = " ".join(keys)
    return response
