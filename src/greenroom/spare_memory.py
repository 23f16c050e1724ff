"""Memory that a process has freed and not given back to the system.

The C library of most Linux systems keeps what threads have freed, each thread apart, and returns it
only when it is told to.
"""

from collections.abc import Callable
from functools import cache

from greenroom.c_library import c_function

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGE = 2**20

EVERY = 10.0
QUIET = 1.0
"""Both in seconds; it takes one or two milliseconds."""


def give_back() -> None:
    """Give it back, where the C library can do so; it takes one or two milliseconds."""
    c_function("malloc_trim")(0)


@cache
def keep_no_large_blocks() -> None:
    """From now on, give large blocks back as soon as they are freed, where the C library can do so.

    If nothing is said, it keeps as much for each thread as the largest one has needed.
    """
    c_function("mallopt")(_M_MMAP_THRESHOLD, _LARGE)


def use_one_arena() -> None:
    """From now on, let all threads take memory from one place, where the C library can do so.

    If nothing is said, it has several, each with room of its own that nobody needs: 14 MiB in a
    worker that has taken some hundred uploads. Threads of Python seldom wait for each other there,
    as they take turns anyway. To be called before there are threads.
    """
    c_function("mallopt")(_M_ARENA_MAX, 1)


class Spare:
    """Gives back what was needed and nobody needs now: up to 15 MiB for each worker."""

    def __init__(
        self,
        forget: Callable[[], object] | None = None,
        give_back: Callable[[], object] = give_back,
    ) -> None:
        """Nothing was done yet.

        Args:
            forget: called before, when nothing has just ended: lets go of what is kept
                to be faster the next time. None: it keeps nothing.
            give_back: gives memory back to the system.
        """
        self._forget = forget
        self._give_back = give_back
        self._done = self._given_after = 0
        self._since = self._next = float("-inf")

    def give_back(self, done: int, now: float) -> None:
        """Give it back as soon as it is quiet, and now and then while it is not.

        Args:
            done: how often something has ended so far that needs memory.
            now: the time in seconds, by a clock that only goes forward.
        """
        if done != self._done:
            self._done, self._since = done, now
        if done == self._given_after:
            return
        is_quiet = now - self._since >= QUIET
        if not is_quiet and now < self._next:
            return
        if is_quiet:
            self._given_after = done
            if self._forget is not None:
                self._forget()
        self._next = now + EVERY
        self._give_back()
