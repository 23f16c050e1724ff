"""Acts that a stolen session must not do: whoever asks for one confirms first who they are.

A view says so of itself with ``needs_confirmation``. Its page is shown, and its form is taken, once
the person has shown of late who they are; until then the browser is sent to where they do, and then
back to the page that has the form. What was typed into the form is in it then (``kept_forms``).
"""

from collections.abc import Callable, Collection
from typing import Protocol, TypedDict
from urllib.parse import urlencode

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response

from greenroom.registry.permissions import Person
from greenroom.web.http.coming_back import address_of, is_local
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.traversal import Node
from greenroom.web.pages import kept_forms
from greenroom.web.pages.redirects import see_other, signed_in_or_sign_in

_NOT_DONE = "Nothing was done: confirm who you are, and then do it once more."

View = Callable[[Node, Request], Response]


class ViewOptions(TypedDict, total=False):
    """What a view says of itself, as far as it matters here."""

    needs_confirmation: Collection[str] | None
    form_on: str | None
    secret_fields: Collection[str] | None
    request_method: str | Collection[str]


class ViewInfo(Protocol):
    """What Pyramid tells a view deriver of the view."""

    options: ViewOptions


def includeme(config: Configurator) -> None:
    """Let views ask for it."""
    confirmed.options = ("needs_confirmation", "form_on", "secret_fields")  # type: ignore[attr-defined]
    config.add_view_deriver(confirmed)


def confirmed(view: View, info: ViewInfo) -> View:
    """Answer with the view once whoever is signed in has shown of late who they are.

    ``needs_confirmation`` has the names of those fields, of the form or of its address, that are in
    the address of its page. A view that answers to POST alone has its form on the page of its node,
    or on one of the other pages there, which ``form_on`` names. ``secret_fields`` are those of the
    form that are kept nowhere.
    """
    fields = info.options.get("needs_confirmation")
    if fields is None:
        return view
    is_here = "GET" in (info.options.get("request_method") or ())
    name = None if is_here else info.options.get("form_on") or ""
    secret_fields = info.options.get("secret_fields") or ()

    def answer(context: Node, request: Request) -> Response:
        if request.method in SAFE_METHODS:
            require_confirmed(request)
        else:
            require_confirmed(request, _page_of_form(request, fields, name), secret_fields)
        return view(context, request)

    return answer


def require_confirmed(
    request: Request, form_page: str | None = None, secret_fields: Collection[str] = ()
) -> Person:
    """Who is signed in, and has shown of late who they are.

    Args:
        request: for a page, or of a form.
        form_page: where the form is, if that is not what was asked for.
        secret_fields: those of the form that are kept nowhere.

    Raises:
        HTTPSeeOther: nobody is, or it is too long ago; it leads to where they do, and then back.
    """
    person = signed_in_or_sign_in(request)
    if not person.has_confirmed(request.uow.now):
        raise to_confirmation(request, form_page, secret_fields)
    return person


def to_confirmation(
    request: Request,
    form_page: str | None = None,
    secret_fields: Collection[str] = (),
    *,
    fresh: bool = False,
) -> HTTPSeeOther:
    """Where to confirm who one is; from there the way leads back, to what was typed.

    ``fresh`` is whether it takes a second factor that is shown there. What the request has changed
    so far is given up.
    """
    if form_page is not None:
        kept_forms.keep(request, form_page, secret_fields)
        return see_other(request, request.paths.confirm(form_page, fresh=fresh), _NOT_DONE)
    return see_other(request, request.paths.confirm(address_of(request), fresh=fresh))


def _page_of_form(request: Request, fields: Collection[str], name: str | None) -> str | None:
    """Where the form is: at the page of this name beside the act, or at the very address."""
    path = request.paths.here(request.environ["PATH_INFO"])
    if name is not None:
        path = f"{path.rpartition('/')[0]}/{name}"
    sent = dict(request.GET.items()) | dict(request.POST.items())
    query = {field: str(sent[field]) for field in fields if field in sent}
    address = f"{path}?{urlencode(query)}" if query else path
    return address if is_local(address) else None
