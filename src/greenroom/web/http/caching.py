"""Answers that programs read over and over: validators, and shared caches."""

import hashlib

from pyramid.response import Response

from greenroom.web.http.request import Request

SERIAL_HEADER = "X-PyPI-Last-Serial"

# Programs ask again each time; a shared cache that is purged may answer for a minute.
_CACHE_CONTROL = "public, max-age=0, s-maxage=60"
_WITH_CHARSET = ("text/html", "text/xml")


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


def cached(response: Response, *keys: str) -> Response:
    """The answer, for shared caches to keep until one of these surrogate keys is purged."""
    response.headers["Cache-Control"] = _CACHE_CONTROL
    response.headers["Surrogate-Key"] = " ".join(keys)
    return response
