"""Cookies that are for the account pages alone: no other request has one because of them."""

from datetime import timedelta
from functools import partial

from pyramid.response import Response

from greenroom.web.http import authentication
from greenroom.web.http.request import Request


def sent(request: Request, name: str) -> str:
    """What the browser has in the cookie of this name, empty where it has none."""
    return request.cookies.get(_named(request, name), "")


def keep(request: Request, name: str, value: str, lifetime: timedelta) -> None:
    """Let the browser have it for so long, once the request is answered."""
    request.add_response_callback(partial(_keep, name, value, lifetime))


def drop(request: Request, name: str) -> None:
    """Let the browser forget it."""
    request.add_response_callback(partial(_keep, name, "", timedelta(0)))


def _keep(name: str, value: str, lifetime: timedelta, request: Request, response: Response) -> None:
    response.set_cookie(
        _named(request, name),
        value,
        max_age=lifetime,
        path=request.paths.account(),
        httponly=True,
        secure=_is_secure(request),
        samesite="Lax",
    )


def _named(request: Request, name: str) -> str:
    return f"__Secure-greenroom-{name}" if _is_secure(request) else f"greenroom-{name}"


def _is_secure(request: Request) -> bool:
    return authentication.cookie_name(request).startswith("__Host-")
