"""Where the index is, and where its client is.

The index is at ``GREENROOM_URL``; without it, where the request says, and ``X-Forwarded-*`` headers
are believed from ``GREENROOM_TRUSTED_PROXIES`` alone. What the client says of it goes to
that client and to no other: no shared cache keeps an answer that has such an address in it.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.response import Response
from pyramid.tweens import INGRESS

from greenroom.forwarding import client, is_within
from greenroom.settings import Networks, Settings
from greenroom.web.http.request import VOUCHED_USER, Request

Handler = Callable[[Request], Response]

# As the environment of a request names its headers.
_OF_PROXIES = frozenset(
    {
        "HTTP_FORWARDED",
        "HTTP_VIA",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_REAL_IP",
    }
)
_HOST = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


def includeme(config: Configurator) -> None:
    """Find out where the index and the client are, before anything writes an address."""
    config.add_tween(
        "greenroom.web.http.proxies.believe_proxies",
        under=INGRESS,
        over="pyramid_tm.tm_tween_factory",
    )


def believe_proxies(handler: Handler, registry: Registry) -> Handler:
    """Set host, scheme and path of the index, and the address of the client, in each request."""
    settings: Settings = registry.services.settings

    def tween(request: Request) -> Response:
        _believe_proxies(request, settings.trusted_proxies, settings.trusted_user_header)
        if settings.url is not None:
            parts = urlsplit(settings.url)
            request.scheme = parts.scheme
            request.host = parts.netloc
            request.script_name = unquote(parts.path)
        elif _HOST.fullmatch(request.host) is None:
            # Addresses are made of it: what is no host must not come into one.
            return Response("The Host header is not valid.\n", 400, content_type="text/plain")
        response = handler(request)
        # Also a relative Location becomes a whole URL on its way out.
        if request.names_host or (settings.url is None and "Location" in response.headers):
            _keep_from_others(response)
        return response

    return tween


def _keep_from_others(response: Response) -> None:
    headers = response.headers
    if response.status_int < 400 and "no-store" not in headers.get("Cache-Control", ""):
        headers["Cache-Control"] = "private, no-cache"
    headers.pop("Surrogate-Key", None)


def _believe_proxies(request: Request, trusted: Networks, user_header: str | None) -> None:
    """Take client, scheme and host from the forwarding headers, as far as they are trusted.

    Likewise who it is that the proxy has signed in; nobody else may say so.
    """
    peer = request.remote_addr
    user = request.headers.pop(user_header, None) if user_header is not None else None
    if not trusted or peer is None or not is_within(peer, trusted):
        request.names_client_as_stranger = not _OF_PROXIES.isdisjoint(request.environ)
        return
    if user:
        request.environ[VOUCHED_USER] = user.strip()
    request.remote_addr = client(peer, request.headers.get("X-Forwarded-For", ""), trusted)
    scheme = _last(request.headers.get("X-Forwarded-Proto"))
    if scheme in ("http", "https"):
        request.scheme = scheme
    host = _last(request.headers.get("X-Forwarded-Host"))
    if host:
        request.host = host


def _last(header: str | None) -> str:
    return (header or "").rpartition(",")[2].strip()
