"""One address for each thing.

Every other spelling of an address is redirected to the one that the traversal tree gives it:
project names in their canonical spelling, folders with a slash at the end.
"""

from collections.abc import Callable
from urllib.parse import quote, unquote

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPMovedPermanently, HTTPNotFound, HTTPPermanentRedirect
from pyramid.response import Response

from greenroom.web.http import authentication
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.traversal import Node

View = Callable[[Node, Request], Response]

# Left as it is in the query of a redirect; what no address may have raw is quoted.
_IN_QUERY = "".join(map(chr, range(0x21, 0x7F)))


def includeme(config: Configurator) -> None:
    """Redirect to canonical addresses."""
    config.add_view_deriver(canonical_url, under="secured_view")


def canonical_url(view: View, info: object) -> View:
    """Answer only at the node's own address; from any other spelling, redirect there."""

    def answer(context: Node, request: Request) -> Response:
        if not isinstance(context, Node) or not context.has_one_address:
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
        raise moved(request, quote(request.script_name) + canonical)

    return answer


def moved(request: Request, path: str) -> HTTPMovedPermanently | HTTPPermanentRedirect:
    """A redirect to the one address, which browsers ask for again each time.

    Which spelling is the one can change, and two of them must never lead to each other.
    """
    # 308 keeps the method and the body, which an upload needs.
    is_read = request.method in SAFE_METHODS
    answer = (HTTPMovedPermanently if is_read else HTTPPermanentRedirect)(path)
    # One of somebody who is signed in may lead where only they may go.
    is_theirs = authentication.has_session(request)
    answer.headers["Cache-Control"] = "private, no-cache" if is_theirs else "no-cache"
    return answer
