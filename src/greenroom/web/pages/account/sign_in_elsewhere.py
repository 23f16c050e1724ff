"""What follows once another service has signed somebody in."""

from pyramid.httpexceptions import HTTPSeeOther

from greenroom.registry.accounts import SignedIn
from greenroom.registry.errors import SecondFactorNeeded
from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.pages.account import devices
from greenroom.web.pages.redirects import see_other


def begin_session(request: Request, user: SignedIn, next_path: str) -> HTTPSeeOther:
    """Begin a session, and go on; or to the second factor, where the person has one here.

    Raises:
        NotAuthenticated: the account is not any more what it was when it signed in.
    """
    try:
        with request.services.writing() as uow:
            authentication.sign_in(request, uow, user)
    except SecondFactorNeeded:
        authentication.begin_second_step(request, user, request.services.clock())
        return see_other(request, request.paths.second_step(next_path))
    devices.remember(request, user)
    return see_other(request, next_path)
