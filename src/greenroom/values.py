"""Values: dataclasses that nobody changes, hundreds of which are made at every start."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class a dataclass with slots whose instances are equal when their fields are.

    What ``@dataclass(frozen=True, slots=True)`` makes, in a quarter of the time and in less memory:
    that compiles six methods for each class, and this but ``__init__``. That nobody assigns to a
    field is seen by the type checker alone.
    """
    made = dataclass(slots=True, eq=False, repr=False)(cls)
    for method in (*_comparing(made), _showing(made)):
        if method.__name__ not in made.__dict__:  # what the class says itself holds
            setattr(made, method.__name__, method)
    return made


def _comparing(cls: type) -> tuple[Callable[..., object], ...]:
    compared = [each.name for each in fields(cls) if each.compare]
    content: Callable[[object], object] = attrgetter(*compared) if compared else type

    def __eq__(self: object, other: object) -> bool:  # noqa: N807
        if other.__class__ is self.__class__:
            return content(self) == content(other)
        return NotImplemented

    def __hash__(self: object) -> int:  # noqa: N807
        return hash(content(self))

    return __eq__, __hash__


def _showing(cls: type) -> Callable[..., object]:
    shown = [each.name for each in fields(cls) if each.repr]

    def __repr__(self: object) -> str:  # noqa: N807
        parts = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{self.__class__.__qualname__}({parts})"

    return __repr__
