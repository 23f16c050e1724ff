"""Digests of what is too large to be hashed in passing."""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Protocol

_BLOCK = 1024**2


class Hash(Protocol):
    """What :mod:`hashlib` makes, as far as it is used here."""

    def update(self, data: bytes | bytearray, /) -> None:
        """Take the next bytes."""

    def hexdigest(self) -> str:
        """What comes of them, in hexadecimal."""


class Digests:
    """Several digests of the same bytes.

    What is large is hashed in threads, so that it takes no longer than the slowest digest, beside
    receiving and writing. No more than two blocks of it wait. The threads are those of the process:
    bytes that come slowly occupy none.
    """

    def __init__(self, hashes: Mapping[str, Hash]) -> None:
        """Hash nothing yet.

        Args:
            hashes: what hashes, by name; the slowest first.
        """
        self._hashes = hashes
        self._block = bytearray()
        self._running: list[Future[None]] = []

    def add(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._block += piece
        if len(self._block) < _BLOCK:
            return
        self._wait()
        slowest, *others = self._hashes.values()
        self._running = [
            _threads(os.getpid()).submit(_update, hashes, self._block)
            for hashes in ([slowest], others)
            if hashes
        ]
        self._block = bytearray()

    def finished(self) -> dict[str, str]:
        """In hexadecimal, by name; nothing more may come."""
        self._wait()
        _update(self._hashes.values(), self._block)
        return {name: digest.hexdigest() for name, digest in self._hashes.items()}

    def _wait(self) -> None:
        for running in self._running:
            running.result()
        self._running = []


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """The threads of this process; a fork has none of those of its parent."""
    return ThreadPoolExecutor(2 * (os.cpu_count() or 1), "hashing")


def _update(hashes: Iterable[Hash], block: bytearray) -> None:
    for digest in hashes:
        digest.update(block)
