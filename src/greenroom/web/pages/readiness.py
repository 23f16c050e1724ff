"""What looks at all that the index needs, one for all requests of an application."""

from greenroom.registry.readiness import Readiness
from greenroom.web.http.request import Request


def readiness(request: Request) -> Readiness:
    """What looks at the services of this application; all its requests ask the same one."""
    services = request.registry.services  # those of a request are its own
    known: Readiness | None = request.registry.__dict__.get("readiness")
    if known is None or known.services is not services:
        known = request.registry.__dict__["readiness"] = Readiness(services)
    return known
