"""Headers that nobody can read are taken away before anybody tries.

WebOb reads cookies and dates when they are asked for, and raises whatever it likes at those that
cannot be: some after the views and all error pages are done. A date that is none is to be ignored
(RFC 9110, section 13.1), and so is a cookie that is no text.
"""

from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.response import Response
from pyramid.tweens import INGRESS

from greenroom.web.http.request import Request

Handler = Callable[[Request], Response]

_READERS: dict[str, Callable[[Request], object]] = {
    "HTTP_COOKIE": lambda request: len(request.cookies),
    "HTTP_IF_MODIFIED_SINCE": lambda request: request.if_modified_since,
    "HTTP_IF_UNMODIFIED_SINCE": lambda request: request.if_unmodified_since,
    "HTTP_IF_RANGE": lambda request: request.if_range,
}
# An If-Range that matches nothing means: the whole file (RFC 9110, section 13.1.5).
_GO_TOGETHER = {"HTTP_IF_RANGE": "HTTP_RANGE"}


def includeme(config: Configurator) -> None:
    """Look at the headers before anything else does."""
    config.add_tween(
        "greenroom.web.http.malformed_headers.without_malformed_headers",
        under=INGRESS,
        over="greenroom.web.http.security_headers.security_headers",
    )


def without_malformed_headers(handler: Handler, registry: Registry) -> Handler:
    """Drop what cannot be read from each request."""

    def tween(request: Request) -> Response:
        environ = request.environ
        for name, read in _READERS.items():
            if name in environ and not _is_readable(request, read):
                del environ[name]
                environ.pop(_GO_TOGETHER.get(name, name), None)
        return handler(request)

    return tween


def _is_readable(request: Request, read: Callable[[Request], object]) -> bool:
    try:
        read(request)
    except Exception:
        return False
    return True
