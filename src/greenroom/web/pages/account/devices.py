"""The cookie of a browser that is known to an account (:mod:`greenroom.registry.known_devices`)."""

from msgspec.structs import replace

from greenroom.registry import known_devices
from greenroom.registry.accounts import SignedIn
from greenroom.registry.known_devices import LIFETIME, Device
from greenroom.registry.unit_of_work import Services
from greenroom.web.http.request import Request
from greenroom.web.pages.account import cookies

_COOKIE = "device"


def recognized(request: Request, account: str) -> Device | None:
    """The browser, where it says that it is known to the account of this name."""
    secret_key: str = request.registry.secret_key
    now = request.services.clock()
    return known_devices.recognized(secret_key, cookies.sent(request, _COOKIE), account, now)


def services(request: Request) -> Services:
    """The services of a sign-in, of which the account's person is told where it is a new browser.

    A cookie from before the password was changed tells of the browser as well.
    """
    found = request.services
    origin = replace(found.origin, knows=lambda name: recognized(request, name) is not None)
    return found.coming_from(origin)


def remember(request: Request, user: SignedIn) -> None:
    """Let the browser, in which this user has signed in, say so from now on."""
    value = known_devices.remembering(
        request.registry.secret_key,
        cookies.sent(request, _COOKIE),
        user.username,
        user.stamp,
        request.services.clock(),
    )
    cookies.keep(request, _COOKIE, value, LIFETIME)
