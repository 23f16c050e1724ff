"""Who may see what administrators see."""

from pyramid.httpexceptions import HTTPNotFound

from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.pages.caching import never_cache


def begin(request: Request) -> None:
    """See that an administrator asks, and let nobody keep the answer.

    Every form here has a reason.

    Raises:
        HTTPNotFound: somebody else does; for them there is no such page.
    """
    if not request.person.is_administrator:
        raise HTTPNotFound
    never_cache(request)
    if request.method not in SAFE_METHODS:
        request.given_reason = str(request.POST.get("reason", ""))
