"""Where a page sends the browser."""

from pyramid.httpexceptions import HTTPSeeOther

from greenroom.models import User
from greenroom.web.http.request import SAFE_METHODS, Request


def is_local(path: str) -> bool:
    """Whether a browser that is sent to this path stays on this site.

    Browsers drop control characters and take a backslash for a slash, so that neither may be in it.
    """
    return (
        path.startswith("/")
        and not path.startswith("//")
        and path.isascii()
        and path.isprintable()
        and "\\" not in path
    )


def see_other(request: Request, path: str, notice: str | None = None) -> HTTPSeeOther:
    """An answer that sends the browser to another page, which shows the notice once."""
    if notice is not None:
        request.session.flash(notice)
    return HTTPSeeOther(location=path, headers={"Cache-Control": "private, no-store"})


def user_or_sign_in(request: Request) -> User:
    """Who is signed in.

    Raises:
        HTTPSeeOther: nobody is; it leads to the page where one signs in, and back.
    """
    user = request.user
    if user is None:
        back = request.path_qs if request.method in SAFE_METHODS else None
        raise see_other(request, request.paths.sign_in(back))
    return user
