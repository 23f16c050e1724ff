"""What somebody has typed is in its form once more, after they have shown again who they are.

That something is kept stands in the browser's session, so that no page asks the database for it in
vain. What it is stands in the database, sealed: it is in no address, no log and no cache.
"""

from collections.abc import Callable, Collection
from functools import partial
from typing import Protocol, TypedDict
from urllib.parse import unquote, urlsplit

from pyramid.config import Configurator
from pyramid.response import Response

from greenroom.registry import kept_forms
from greenroom.registry.kept_forms import KeptForm
from greenroom.web.http import authentication
from greenroom.web.http.late_writes import after_answer
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node
from greenroom.web.pages.caching import UNKEPT
from greenroom.web.pages.filled_forms import filled

_IS_KEPT = "form-is-kept"
_NEVER_KEPT = frozenset(
    {"csrf_token", "password", "current", "new", "credential", "sealed", "content_digest"}
)
"""Secrets, and what a page says of itself: the page that is shown then says it anew."""

View = Callable[[Node, Request], Response]


class ViewOptions(TypedDict, total=False):
    """What a view says of itself, as far as it matters here."""

    renderer: object


class ViewInfo(Protocol):
    """What Pyramid tells a view deriver of the view."""

    options: ViewOptions


def includeme(config: Configurator) -> None:
    """Let every page that has the form show what was typed into it."""
    config.add_view_deriver(with_kept_form)


def with_kept_form(view: View, info: ViewInfo) -> View:
    """Answer with the view; its form has what was typed into it, where that is kept."""
    renderer = info.options.get("renderer")
    if not str(getattr(renderer, "name", renderer)).endswith(".jinja2"):
        return view

    def answer(context: Node, request: Request) -> Response:
        response = view(context, request)
        if request.method == "GET" and authentication.has_session(request):
            _fill(request, response)
        return response

    return answer


def keep(request: Request, page: str, secret_fields: Collection[str] = ()) -> None:
    """Keep what was typed into the form that was sent, to be shown once on this page.

    The unit of work of the request ends without a change. Nothing is kept where nothing was typed.
    """
    person, never = request.signed_in, _NEVER_KEPT.union(secret_fields)
    fields = [
        (name, value)
        for name, value in request.POST.items()
        if isinstance(value, str) and name not in never
    ]
    if person is None or person.session is None or not fields:
        return
    form = KeptForm(unquote(urlsplit(page).path), unquote(request.path), fields)
    request.give_up_unit_of_work()
    with request.services.writing() as uow:
        kept_forms.keep(uow, person.session, form)
    request.session[_IS_KEPT] = True


def _fill(request: Request, response: Response) -> None:
    """Put into the page what is kept for it, once its person has shown who they are."""
    if not request.session.get(_IS_KEPT) or response.status_int != 200:
        return
    person = request.signed_in
    if person is None or person.session is None or not person.has_confirmed(request.uow.now):
        return
    kept = kept_forms.find(request.uow, person.session)
    if kept is not None and kept.page != unquote(request.path):
        return
    page = filled(response.text, kept.action, kept.fields) if kept is not None else None
    if page is not None:
        response.text = page
        response.headers["Cache-Control"] = UNKEPT
    del request.session[_IS_KEPT]
    after_answer(request, partial(kept_forms.forget, session=person.session))
