"""Headers that every answer carries, and what browsers may do with it."""

from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.response import Response
from pyramid.tweens import INGRESS

from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import branch_of

Handler = Callable[[Request], Response]

# Pages have their own styles, scripts, fonts and forms. Descriptions show pictures from elsewhere.
_PAGE_POLICY = "; ".join(
    [
        "default-src 'none'",
        "base-uri 'none'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "img-src 'self' data: https:",
        "script-src 'self'",
        "style-src 'self'",
    ]
)
# Anything else is data: whatever is in it does nothing, even when it is opened in a browser.
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HSTS = "max-age=31536000"


def includeme(config: Configurator) -> None:
    """Put the headers on every answer, also on those of error views."""
    config.add_tween(
        "greenroom.web.http.security_headers.security_headers",
        under=INGRESS,
        over="greenroom.web.http.proxies.believe_proxies",
    )


def security_headers(handler: Handler, registry: Registry) -> Handler:
    """What browsers may do with an answer; a view that set a header itself keeps it."""

    def tween(request: Request) -> Response:
        response = handler(request)
        headers = response.headers
        for name, value in _ALWAYS.items():
            headers.setdefault(name, value)
        if response.status_int != 304:  # what is stored already keeps its policy
            is_page = response.content_type == "text/html"
            headers.setdefault("Content-Security-Policy", _PAGE_POLICY if is_page else _DATA_POLICY)
        if request.scheme == "https":
            headers.setdefault("Strict-Transport-Security", _HSTS)
        if response.status_int >= 400:
            headers.setdefault("Cache-Control", "no-store")  # it may be over in a moment
        headers.update(branch_of(request).headers.items())
        if authentication.has_session(request):
            # Also a redirect may lead where only this person may go.
            headers.setdefault("Cache-Control", "private, no-cache")
        headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
        return response

    return tween
