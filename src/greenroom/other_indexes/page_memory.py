"""How much memory a process takes for pages of other indexes that it reads at the same time.

While a page arrives, what is larger than a moment's worth lies on disk. What it takes to read it is
many times its size, and is counted. Large pages are read one after the other. Small ones have a
part of the memory for themselves, so that none waits for a large one.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from greenroom import spare_memory
from greenroom.other_indexes.client import MOST_OF_A_PAGE

FACTOR = 8
"""To read a page takes about so many times its size, in JSON and in HTML."""
ON_ARRIVAL = 256 * 1024
"""Bytes of a page that arrives which are in memory; the rest is on disk."""

_SMALL_PART = 4
"""Small pages have this part of the memory for themselves: a quarter."""
_AT_ONCE = 4
"""So many of the largest small pages are read at once."""


class PageMemory:
    """What pages take that are read; any thread may use it.

    Attributes:
        most: bytes of the largest page that may be read.
    """

    def __init__(self, limit: int) -> None:
        """Nothing is taken yet.

        Args:
            limit: in bytes, for all of them.
        """
        spare_memory.keep_no_large_blocks()
        self._for_small = limit // _SMALL_PART
        self._small = self._for_small // _AT_ONCE
        self._taken = 0
        self._given_back = threading.Condition()
        self._large = threading.Lock()
        self.most = max(1, min(MOST_OF_A_PAGE, (limit - self._for_small) // FACTOR))

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Take what it takes to read a page, and give it back; wait until there is so much.

        Args:
            size: of the page, in bytes.
        """
        weight = size * FACTOR
        if weight > self._small:
            with self._large:
                try:
                    yield
                finally:
                    spare_memory.give_back()
            return
        with self._given_back:
            self._given_back.wait_for(lambda: self._taken + weight <= self._for_small)
            self._taken += weight
        try:
            yield
        finally:
            with self._given_back:
                self._taken -= weight
                self._given_back.notify_all()
