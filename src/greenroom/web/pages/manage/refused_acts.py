"""What is refused of an act on a draft or a release set is said on its page, where the buttons are.

Acts with a page of their own say there what another answer would change; whatever else leaves their
views as a refusal is answered here, with the status that it has everywhere.
"""

from collections.abc import Callable
from typing import Protocol, TypedDict
from urllib.parse import unquote

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from greenroom.registry.errors import NotAuthenticated, Refusal, TooMany
from greenroom.web.http.errors import retry_after
from greenroom.web.http.refusals import PAGE
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.traversal import Node
from greenroom.web.pages.filled_forms import filled
from greenroom.web.pages.manage.drafts import refused_draft_page
from greenroom.web.pages.manage.resources import ManagedDraft, ManagedSet
from greenroom.web.pages.manage.sets import refused_set_page

View = Callable[[Node, Request], Response]


class ViewOptions(TypedDict, total=False):
    """What a view says of itself, as far as it matters here."""

    context: object


class ViewInfo(Protocol):
    """What Pyramid tells a view deriver of the view."""

    options: ViewOptions


def includeme(config: Configurator) -> None:
    """Let every form of a draft or a release set be answered so."""
    config.add_view_deriver(on_its_page)


def on_its_page(view: View, info: ViewInfo) -> View:
    """Answer with the view; what it refuses of a form, with the page of its draft or its set."""
    if info.options.get("context") not in (ManagedDraft, ManagedSet):
        return view

    def answer(context: Node, request: Request) -> Response:
        if request.method in SAFE_METHODS:
            return view(context, request)
        try:
            return view(context, request)
        except NotAuthenticated:
            raise
        except Refusal as refusal:
            response = _page(context, request, refusal)
            if response is None:
                raise
            return response

    return answer


def _page(context: Node, request: Request, refusal: Refusal) -> Response | None:
    """The page with every reason, and with what was typed; None where there is none any more."""
    request.tm.doom()
    found = None
    if isinstance(context, ManagedDraft):
        found = refused_draft_page(context, request)
    elif isinstance(context, ManagedSet):
        found = refused_set_page(context, request)
    if found is None:
        return None
    template, page = found
    request.response.status_int = PAGE.status(type(refusal))
    if isinstance(refusal, TooMany):
        request.response.retry_after = retry_after(refusal)
    page |= {"refused": refusal.details}
    response = render_to_response(template, page, request, response=request.response)
    typed = [(name, value) for name, value in request.POST.items() if isinstance(value, str)]
    response.text = filled(response.text, unquote(request.path), typed) or response.text
    return response
