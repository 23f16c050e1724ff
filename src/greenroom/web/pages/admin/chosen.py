"""What a list is chosen by: words, and a state, as its address has them."""

from enum import StrEnum
from typing import TypeVar

from greenroom.registry.errors import NotFound
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.strict_forms import query_value

_State = TypeVar("_State", bound=StrEnum)


def words(request: Request) -> str:
    """What to look for, empty for everything."""
    return query_value(request, "q") or ""


def item(request: Request, name: str) -> str:
    """Which one an act is about: the address of its page has it, and then its form."""
    if request.method in SAFE_METHODS:
        return query_value(request, name) or ""
    return str(request.POST.get(name, ""))


def one_of(request: Request, name: str, states: type[_State]) -> _State | None:
    """Which state the parameter asks for, None for any.

    Raises:
        NotFound: there is no such state.
    """
    text = query_value(request, name) or None
    if text is None:
        return None
    try:
        return states(text)
    except ValueError:
        raise NotFound("There is nothing that stands so.") from None


def kept(**values: object) -> dict[str, str]:
    """The parameters that the addresses of other pages of the list have, too."""
    return {name: str(value) for name, value in values.items() if value}
