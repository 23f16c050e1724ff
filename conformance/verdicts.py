"""What a check can come to, other than that the server does as the text says."""

from typing import Any, TypeVar

_T = TypeVar("_T")


class Violation(Exception):
    """The server does not do what the text says."""


class NotApplicable(Exception):
    """The server does not offer what the text makes optional, or a choice was not given to us."""


class NotArranged(Exception):
    """Something before the point that the case is about went wrong: another case is about that."""


def expect(holds: object, sentence: str) -> None:
    """Nothing, if it holds.

    Raises:
        Violation: it does not; the sentence says what is wrong.
    """
    if not holds:
        raise Violation(sentence)


def of_kind(value: object, kind: type[_T], what: str) -> _T:
    """The value, which must be of this kind.

    Raises:
        Violation: it is not.
    """
    # In JSON, true is no number.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise Violation(f"{what} is {shown(value)}, not a {_JSON[kind]}")
    return value


def member(body: dict[str, Any], key: str, kind: type[_T]) -> _T:
    """What a JSON object has under a key, which must be there and of this kind.

    Raises:
        Violation: it is not.
    """
    if key not in body:
        raise Violation(f"the key {key!r} is missing")
    return of_kind(body[key], kind, repr(key))


def shown(value: object) -> str:
    """A value for a sentence, not too long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


_JSON: dict[type[Any], str] = {
    str: "string",
    int: "number",
    list: "list",
    dict: "mapping",
    object: "value",
}
