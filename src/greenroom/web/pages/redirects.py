"""Where a page sends the browser."""

from pyramid.httpexceptions import HTTPSeeOther

from greenroom.models import User
from greenroom.registry.permissions import Person
from greenroom.web.http.coming_back import is_local, to_sign_in
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value


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
    return signed_in_or_sign_in(request).user


def signed_in_or_sign_in(request: Request) -> Person:
    """Who is signed in, with the session.

    Raises:
        HTTPSeeOther: nobody is; it leads to the page where one signs in, and back.
    """
    person = request.signed_in
    if person is None:
        raise to_sign_in(request)
    return person


def local_next(request: Request) -> str | None:
    """Where the address says to go next, if that is on this site."""
    path = query_value(request, "next")
    return path if path is not None and is_local(path) else None
