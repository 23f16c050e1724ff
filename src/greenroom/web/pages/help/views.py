"""The list of pages, and the pages."""

from pyramid.view import view_config

from greenroom.web.http.request import Request
from greenroom.web.pages.caching import cache_publicly
from greenroom.web.pages.help import markdown
from greenroom.web.pages.help.resources import Help, HelpPage


@view_config(context=Help, request_method="GET", renderer="pages/help/help.jinja2")
def pages(context: Help, request: Request) -> dict[str, object]:
    """Every page, with what it is about."""
    cache_publicly(request, "help")
    return {"pages": [markdown.page(name) for name in markdown.NAMES]}


@view_config(context=HelpPage, request_method="GET", renderer="pages/help/page.jinja2")
def page(context: HelpPage, request: Request) -> dict[str, object]:
    """One page."""
    cache_publicly(request, "help")
    shown = markdown.page(context.__name__)
    return {
        "page": shown,
        "body": shown.about(request.urls.home()) if shown.has_examples else shown.body,
        "pages": [markdown.page(name) for name in markdown.NAMES],
    }
