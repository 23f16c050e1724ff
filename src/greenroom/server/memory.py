"""Gives memory back that requests have needed and nobody needs now.

The C library of most Linux systems keeps what threads have freed, each thread apart, and returns it
only when it is told to: up to 5 MiB for each worker.
"""

import ctypes
from collections.abc import Callable
from functools import cache

EVERY = 10.0
"""Seconds; it takes one or two milliseconds."""


@cache
def _malloc_trim() -> Callable[[int], object]:
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return lambda padding: None
    return trim


class Spare:
    """The memory of a process that nobody needs."""

    def __init__(self, trim: Callable[[int], object] | None = None) -> None:
        """Nothing was asked yet.

        Args:
            trim: gives it back; the C library's, if nothing is said.
        """
        self._trim = trim or _malloc_trim()
        self._asked = 0
        self._next = float("-inf")

    def give_back(self, asked: int, now: float) -> None:
        """Give it back, where the last time is long ago and something was asked since.

        Args:
            asked: how many requests the application was given so far.
            now: the time by a clock that only goes forward.
        """
        if asked == self._asked or now < self._next:
            return
        self._asked, self._next = asked, now + EVERY
        self._trim(0)
