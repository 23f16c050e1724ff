"""What a person reads on a page, and what it cost to make."""

from collections.abc import Iterator
from contextlib import contextmanager

import webtest
from bs4 import Tag

from tests.transactions import statements_of
from tests.web.conftest import Site


def the(selector: str, response: webtest.TestResponse) -> Tag:
    """The first element that a CSS selector finds; there must be one."""
    return inside(response.html, selector)


def inside(element: Tag, selector: str) -> Tag:
    """The first element in another one that a CSS selector finds; there must be one."""
    found = element.select_one(selector)
    assert found is not None, f"nothing is {selector}"
    return found


def attribute(element: Tag, name: str) -> str:
    """An attribute that an element must have, and that is no list of words."""
    value = element[name]
    assert isinstance(value, str)
    return value


def text(response: webtest.TestResponse) -> str:
    """The words of the page's main part, with single spaces."""
    return " ".join(the("main", response).get_text(" ").split())


def heading(response: webtest.TestResponse) -> str:
    """The words of the page's title."""
    return " ".join(the("main h1", response).get_text(" ").split())


def banner(response: webtest.TestResponse) -> str:
    """The words of the banners, empty where there is none."""
    found = response.html.select("main .banner")
    return " ".join(" ".join(part.get_text(" ").split()) for part in found)


def commands(response: webtest.TestResponse) -> list[str]:
    """The lines that the page offers to copy."""
    return [code.get_text() for code in response.html.select(".command code")]


def links(response: webtest.TestResponse) -> list[str]:
    """Where the page's main part links to."""
    return [attribute(anchor, "href") for anchor in response.html.select("main a[href]")]


@contextmanager
def counted_statements(site: Site) -> Iterator[list[str]]:
    """The statements that the database is sent meanwhile."""
    with statements_of(site.services.database) as statements:
        yield statements
