"""Turns to work on passwords, so that many who sign in at once hold up nobody else.

Hashing a password takes 64 MiB and a processor for a while. In a process one is worked on at a time
and a few wait; whoever comes then is told to come again, and holds no thread. Where the processors
are busy, what is worked on here comes after everything else.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import TypeVar

from greenroom.registry.errors import TooMany

AT_ONCE = 1
MOST_WAITING = 5
MOST_KNOWN_WAITING = 2
"""Beside those, of people who are signed in or whose browser is known."""
_COME_AGAIN_AFTER = timedelta(seconds=5)

_NICENESS = 10

_T = TypeVar("_T")

_turns = threading.BoundedSemaphore(AT_ONCE)
_places = threading.BoundedSemaphore(AT_ONCE + MOST_WAITING)
_places_of_known = threading.BoundedSemaphore(MOST_KNOWN_WAITING)


@contextmanager
def turn(*, known: bool = False) -> Iterator[None]:
    """Wait for a turn, and have it while in the context.

    Args:
        known: whether somebody asks who is signed in, or whose browser is known: a few of them
            wait in places of their own, which no stranger takes.

    Raises:
        TooMany: too many wait for theirs.
    """
    place = _taken_place(known=known)
    try:
        with _turns:
            yield
    finally:
        place.release()


def _taken_place(*, known: bool) -> threading.BoundedSemaphore:
    for places in (_places_of_known, _places) if known else (_places,):
        if places.acquire(blocking=False):
            return places
    raise TooMany(
        "Many people sign in at this moment: try again in a few seconds.", _COME_AGAIN_AFTER
    )


def in_background(compute: Callable[[], _T]) -> _T:
    """What this computes, in a thread of low priority."""
    return _threads(os.getpid()).submit(compute).result()


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """The threads of this process; a fork has none of those of its parent."""
    return ThreadPoolExecutor(AT_ONCE, "passwords", initializer=_give_way)


def _give_way() -> None:
    if sys.platform == "linux":  # elsewhere threads have no priorities of their own
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
