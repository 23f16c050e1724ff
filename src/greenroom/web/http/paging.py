"""Long lists, a page at a time."""

import re
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from msgspec import Struct
from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound

from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value

_NUMBER = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)

Item = TypeVar("Item")
Shown = TypeVar("Shown")


class Page(Struct, Generic[Item], frozen=True):
    """One page of a list. ``parameter`` is what its number is called in the address."""

    items: Sequence[Item]
    number: int
    count: int
    total: int
    parameter: str

    def showing(self, shown: Callable[[Item], Shown]) -> "Page[Shown]":
        """The same page with what is ``shown`` of each item."""
        items = [shown(item) for item in self.items]
        return Page(items, self.number, self.count, self.total, self.parameter)


def page_number(request: Request, parameter: str = "page") -> int:
    """Which page the address asks for, counted from 1.

    Raises:
        HTTPBadRequest: it is no such number.
    """
    text = query_value(request, parameter)
    if text is None:
        return 1
    if _NUMBER.fullmatch(text) is None:
        raise HTTPBadRequest(f"The {parameter!r} in the address is no page number.")
    return int(text)


def page_of(
    request: Request, items: Sequence[Item], size: int, parameter: str = "page"
) -> Page[Item]:
    """The page of the list that the address asks for.

    Raises:
        HTTPNotFound: the list has no such page.
        HTTPBadRequest: the address has no page number.
    """
    number = page_number(request, parameter)
    shown = items[(number - 1) * size : number * size]
    return page_from(shown, number, size, len(items), parameter)


def page_from(
    shown: Sequence[Item], number: int, size: int, total: int, parameter: str = "page"
) -> Page[Item]:
    """A page whose items were fetched on their own.

    Raises:
        HTTPNotFound: the list has no such page.
    """
    count = max(1, -(-total // size))
    if number > count:
        raise HTTPNotFound
    return Page(shown, number, count, total, parameter)
