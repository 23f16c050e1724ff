"""Memory that a process has freed and not given back to the system.

The C library of most Linux systems keeps what threads have freed, each thread apart, and returns it
only when it is told to.
"""

import ctypes
from collections.abc import Callable
from contextlib import suppress
from functools import cache

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGE = 2**20


def give_back() -> None:
    """Give it back, where the C library can do so; it takes one or two milliseconds."""
    _malloc_trim()(0)


@cache
def keep_no_large_blocks() -> None:
    """From now on, give large blocks back as soon as they are freed, where the C library can do so.

    If nothing is said, it keeps as much for each thread as the largest one has needed.
    """
    _tell(_M_MMAP_THRESHOLD, _LARGE)


def use_one_arena() -> None:
    """From now on, let all threads take memory from one place, where the C library can do so.

    If nothing is said, it has several, each with room of its own that nobody needs: 14 MiB in a
    worker that has taken some hundred uploads. Threads of Python seldom wait for each other there,
    as they take turns anyway. To be called before there are threads.
    """
    _tell(_M_ARENA_MAX, 1)


def _tell(parameter: int, value: int) -> None:
    """Tell the C library how to deal with memory, where it can be told."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(parameter, value)


@cache
def _malloc_trim() -> Callable[[int], object]:
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return lambda padding: None
    return trim
