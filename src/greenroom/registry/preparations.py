"""What has to be done before an act can go on, because it takes long, and locks are held there."""

from abc import abstractmethod
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

from greenroom.registry.unit_of_work import Services

_T = TypeVar("_T")


class NotPrepared(Exception):
    """Something has to be done first, where no lock is held. The act has changed nothing."""

    @abstractmethod
    def prepare(self, services: Services) -> None:
        """Do it, so that the act gets further when it is begun again."""


def with_preparations(services: Services, act: Callable[[], _T]) -> _T:
    """What an act gives that has units of work of its own; it is begun again where it has to be.

    What was found out for it (:func:`found_out`) is known until it is done, and then forgotten.
    """
    known = _KNOWN.get()
    within = _KNOWN.set({} if known is None else known)
    try:
        while True:
            try:
                return act()
            except NotPrepared as missing:
                missing.prepare(services)
    finally:
        _KNOWN.reset(within)


def found_out() -> dict[str, str | None] | None:
    """What was found out for the act that is being done; None where nobody would find it out."""
    return _KNOWN.get()


_KNOWN: ContextVar[dict[str, str | None] | None] = ContextVar("found_out", default=None)
