"""One address for each thing, and where the index lives.

Every other spelling of an address is redirected to the one that the resource tree gives it: project
names in their canonical spelling, folders with a slash at the end.

The index lives at ``GREENROOM_URL``; without it, where the request says, and ``X-Forwarded-*``
headers are believed from ``GREENROOM_TRUSTED_PROXIES`` alone.
"""

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote, unquote, urlsplit

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPMovedPermanently, HTTPNotFound, HTTPPermanentRedirect
from pyramid.registry import Registry
from pyramid.response import Response
from pyramid.traversal import split_path_info
from pyramid.tweens import INGRESS

from greenroom.settings import Networks, Settings
from greenroom.web.request import SAFE_METHODS, Request
from greenroom.web.resources import EndedDraft, Node

Handler = Callable[[Request], Response]
View = Callable[[Node, Request], Response]

# Left as it is in the query of a redirect; what no address may have raw is quoted.
_IN_QUERY = "".join(map(chr, range(0x21, 0x7F)))
_HOST = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


def includeme(config: Configurator) -> None:
    """Find out where the index lives, and redirect to canonical addresses."""
    config.add_tween(
        "greenroom.web.addresses.whereabouts", under=INGRESS, over="pyramid_tm.tm_tween_factory"
    )
    config.add_view_deriver(canonical_address, under="secured_view")


def canonical_address(view: View, info: object) -> View:
    """Answer only at the resource's own address; from any other spelling, redirect there."""

    def answer(context: Node, request: Request) -> Response:
        # Whatever was below an ended draft has no address any more that would be the right one.
        if not isinstance(context, Node) or isinstance(context, EndedDraft):
            return view(context, request)
        if request.matched_route is not None:
            return view(context, request)
        if request.subpath:
            raise HTTPNotFound
        canonical = request.resource_url(context, *filter(None, [request.view_name]), app_url="")
        if request.view_name or context.is_leaf:
            canonical = canonical.rstrip("/") or "/"
        if unquote(canonical) == request.path_info:
            return view(context, request)
        if request.query_string:
            canonical += "?" + quote(request.query_string, safe=_IN_QUERY, encoding="latin-1")
        raise _redirect(request)(location=quote(request.script_name) + canonical)

    return answer


def segments(request: Request) -> tuple[str, ...]:
    """The path's segments, dots resolved, also of a path that is no UTF-8.

    They are not decoded, so that only ASCII may be compared with them.
    """
    return split_path_info(request.environ.get("PATH_INFO", ""))


def _redirect(request: Request) -> type[HTTPMovedPermanently] | type[HTTPPermanentRedirect]:
    # 308 keeps the method and the body, which an upload needs.
    return HTTPMovedPermanently if request.method in SAFE_METHODS else HTTPPermanentRedirect


def whereabouts(handler: Handler, registry: Registry) -> Handler:
    """Set host, scheme and path of the index, and the address of the client, in each request."""
    settings: Settings = registry.premises.settings

    def tween(request: Request) -> Response:
        _believe_proxies(request, settings.trusted_proxies)
        if settings.url is not None:
            parts = urlsplit(settings.url)
            request.scheme = parts.scheme
            request.host = parts.netloc
            request.script_name = unquote(parts.path)
        elif _HOST.fullmatch(request.host) is None:
            # Addresses are made of it: what is no host must not come into one.
            return Response("The Host header is not valid.\n", 400, content_type="text/plain")
        return handler(request)

    return tween


def _believe_proxies(request: Request, trusted: Networks) -> None:
    """Take client, scheme and host from the forwarding headers, as far as they are trusted.

    ``X-Forwarded-For`` is read from the right: each proxy appended the address it saw, so the first
    that is no trusted proxy is the client's, and what stands left of it may be invented.
    """
    if not trusted or not _is_within(request.remote_addr, trusted):
        return
    for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        if _is_address(hop.strip()):
            request.remote_addr = hop.strip()
        if not _is_within(hop.strip(), trusted):
            break
    scheme = _last(request.headers.get("X-Forwarded-Proto"))
    if scheme in ("http", "https"):
        request.scheme = scheme
    host = _last(request.headers.get("X-Forwarded-Host"))
    if host:
        request.host = host


def _last(header: str | None) -> str:
    return (header or "").rpartition(",")[2].strip()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_within(text: str | None, networks: Networks) -> bool:
    if text is None or not _is_address(text):
        return False
    address: IPv4Address | IPv6Address = ip_address(text)
    if isinstance(address, IPv6Address):
        # A server that listens on both families shows IPv4 addresses inside IPv6 ones.
        address = address.ipv4_mapped or address
    return any(address in network for network in networks)
