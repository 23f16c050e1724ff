"""Memory that a process has freed and not given back to the system.

The C library of most Linux systems keeps what threads have freed, each thread apart, and returns it
only when it is told to.
"""

import ctypes
from collections.abc import Callable
from functools import cache

_M_MMAP_THRESHOLD = -3
_LARGE = 2**20


def give_back() -> None:
    """Give it back, where the C library can do so; it takes one or two milliseconds."""
    _malloc_trim()(0)


@cache
def keep_no_large_blocks() -> None:
    """From now on, give large blocks back as soon as they are freed, where the C library can do so.

    If nothing is said, it keeps as much for each thread as the largest one has needed.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
    except (AttributeError, OSError, TypeError):
        return


@cache
def _malloc_trim() -> Callable[[int], object]:
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return lambda padding: None
    return trim
