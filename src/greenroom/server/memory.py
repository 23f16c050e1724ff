"""Gives memory back that requests have needed and nobody needs now: up to 5 MiB for each worker."""

from collections.abc import Callable

from greenroom import spare_memory

EVERY = 10.0
"""Seconds; it takes one or two milliseconds."""


class Spare:
    """The memory of a process that nobody needs."""

    def __init__(self, give_back: Callable[[], object] = spare_memory.give_back) -> None:
        """Nothing was asked yet.

        Args:
            give_back: gives it back.
        """
        self._give_back = give_back
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
        self._give_back()
