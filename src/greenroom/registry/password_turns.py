"""Turns to work on passwords, so that many who sign in at once hold up nobody else.

Hashing a password takes 64 MiB and a processor for a while. In a process two are worked on at once
and a few wait; whoever comes then is told to come again, and holds no thread.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from greenroom.registry.errors import TooMany

AT_ONCE = 2
MOST_WAITING = 4
_COME_AGAIN_AFTER = timedelta(seconds=5)

_turns = threading.BoundedSemaphore(AT_ONCE)
_places = threading.BoundedSemaphore(AT_ONCE + MOST_WAITING)


@contextmanager
def turn() -> Iterator[None]:
    """Wait for a turn, and have it while in the context.

    Raises:
        TooMany: too many wait for theirs.
    """
    if not _places.acquire(blocking=False):
        raise TooMany(
            "Many people sign in at this moment: try again in a few seconds.", _COME_AGAIN_AFTER
        )
    try:
        with _turns:
            yield
    finally:
        _places.release()
