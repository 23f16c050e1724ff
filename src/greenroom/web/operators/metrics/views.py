"""Who may see the metrics, and the metrics."""

import hmac

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from pyramid.view import view_config

from greenroom import forwarding
from greenroom.web.http.request import Request
from greenroom.web.operators.metrics.resources import Metrics

_TYPE = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"


@view_config(context=Metrics, request_method="GET")
def metrics(context: Metrics, request: Request) -> Response:
    """The metrics of all processes; nothing is here for whoever may not see them."""
    tell = request.registry.tell_metrics
    if tell is None or not (_has_token(request) or _is_near(request)):
        raise HTTPNotFound
    response = Response(tell())
    response.headers["Content-Type"] = _TYPE
    response.headers["Cache-Control"] = "no-store"
    return response


def _has_token(request: Request) -> bool:
    expected = request.services.settings.metrics_token
    scheme, _, token = (request.headers.get("Authorization") or "").partition(" ")
    if expected is None or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(token.strip().encode("utf-8", "replace"), expected.encode())


def _is_near(request: Request) -> bool:
    """Whether it comes from one of the networks, as far as that is certain.

    Behind a proxy everything comes from there. So nobody is near of whom a stranger says where they
    are, nor of whom a trusted proxy does not.
    """
    settings, address = request.services.settings, request.remote_addr
    if request.names_client_as_stranger or forwarding.is_within(address, settings.trusted_proxies):
        return False
    return forwarding.is_within(address, settings.metrics_networks)
