"""A file that lies elsewhere, read by ranges: no more of it comes than is asked for."""

from collections.abc import Callable, Iterator
from typing import Protocol

LARGEST_READ = 8 * 1024 * 1024
"""Bytes that are asked for at once: the directory of a zip archive is, and is in memory then."""

_SMALLEST_RANGE = 64 * 1024
_LARGEST_RANGE = 16 * 1024 * 1024


class Pieces(Protocol):
    """The bytes of a range, in pieces of bounded size."""

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """Ask for no more of them."""


OpenRange = Callable[[int, int], Pieces]
"""Opens so many bytes from an offset on."""


class TooMuchAtOnce(ValueError):
    """More bytes were asked for in one piece than are to be in memory."""


class RangedFile:
    """What :mod:`zipfile` and the readers of tar archives need of a file.

    A range that is read on and on becomes longer, so that a long member takes few requests, and
    one that is left is not read to its end.
    """

    def __init__(self, size: int, open_range: OpenRange) -> None:
        """Read a file of this many bytes."""
        self.size = size
        self._open_range = open_range
        self._at = 0  # where the reader is
        self._range: Pieces | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._waiting = b""  # of the range, from here on
        self._waiting_at = 0
        self._length = _SMALLEST_RANGE
        self._tail: bytes | None = None  # which archives say what is in them in
        self._tail_at = max(size - _SMALLEST_RANGE, 0)

    def seekable(self) -> bool:
        """That one can go to any place in it."""
        return True

    def tell(self) -> int:
        """The offset of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset, from the beginning (0), from here (1) or from the end (2).

        Raises:
            OSError: it is before the beginning, which files answer so.
        """
        at = offset + (0, self._at, self.size)[whence]
        if at < 0:
            raise OSError("before the beginning of the file")
        self._at = at
        return at

    def read(self, count: int = -1) -> bytes:
        """The next bytes, or what there is of them.

        Raises:
            TooMuchAtOnce: it is more than :data:`LARGEST_READ`.
        """
        left = max(self.size - self._at, 0)
        count = left if count < 0 else min(count, left)
        if count > LARGEST_READ:
            raise TooMuchAtOnce
        parts: list[bytes] = []
        while count and (part := self._next(count)):
            parts.append(part)
            count -= len(part)
            self._at += len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Ask for nothing more."""
        if self._range is not None:
            self._range.close()
            self._range = None
        self._pieces = iter(())

    def _next(self, count: int) -> bytes:
        """The first bytes of what waits here, at most so many; empty where the file ends early."""
        if self._at >= self._tail_at:
            tail = self._loaded_tail()
            return tail[self._at - self._tail_at :][:count]
        count = min(count, self._tail_at - self._at)
        if not self._is_waiting() and not self._arrives(count):
            return b""
        skipped = self._at - self._waiting_at
        return self._waiting[skipped : skipped + count]

    def _loaded_tail(self) -> bytes:
        if self._tail is None:
            pieces = self._open_range(self._tail_at, self.size - self._tail_at)
            try:
                self._tail = b"".join(pieces)
            finally:
                pieces.close()
        return self._tail

    def _is_waiting(self) -> bool:
        return self._waiting_at <= self._at < self._waiting_at + len(self._waiting)

    def _arrives(self, count: int) -> bool:
        """Have the byte at this place, of the range that is open or of another one."""
        end = self._waiting_at + len(self._waiting)
        is_near = 0 <= self._at - end < _SMALLEST_RANGE
        while is_near and (piece := next(self._pieces, b"")):
            self._waiting_at, self._waiting = end, piece
            end += len(piece)
            if self._is_waiting():
                return True
        # What goes on where the range has ended is read on and on.
        self._length = min(self._length * 4, _LARGEST_RANGE) if is_near else _SMALLEST_RANGE
        self.close()
        length = min(max(count, self._length), self._tail_at - self._at)
        self._range = self._open_range(self._at, length)
        self._pieces = iter(self._range)
        self._waiting_at, self._waiting = self._at, next(self._pieces, b"")
        return bool(self._waiting)
