"""The list of pages, and the pages."""

from pyramid.view import view_config

from greenroom.web import help_pages
from greenroom.web.page_caching import cache_publicly
from greenroom.web.request import Request
from greenroom.web.resources import Help, HelpPage


@view_config(context=Help, request_method="GET", renderer="help/help.jinja2")
def pages(context: Help, request: Request) -> dict[str, object]:
    """Every page, with what it is about."""
    cache_publicly(request, "help")
    return {"pages": [help_pages.page(name) for name in help_pages.NAMES]}


@view_config(context=HelpPage, request_method="GET", renderer="help/page.jinja2")
def page(context: HelpPage, request: Request) -> dict[str, object]:
    """One page."""
    cache_publicly(request, "help")
    return {
        "page": help_pages.page(context.__name__),
        "pages": [help_pages.page(name) for name in help_pages.NAMES],
    }
