"""Whether the public answers that a process keeps still hold, while others publish."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from greenroom.server.answers import Answers

log = structlog.get_logger("greenroom")

PATIENCE = 5.0
"""Seconds that a request waits to hear whether what is kept still holds."""


class Source(Protocol):
    """Where it can be seen that something public has changed."""

    @property
    def is_instant(self) -> bool:
        """Whether looking takes microseconds, so that the event loop can do it."""
        ...

    def look(self) -> Iterable[str] | None:
        """The surrogate keys of what has changed since the last look; None: maybe everything.

        Raises:
            Exception: it cannot be said now.
        """
        ...


class Changes:
    """Drops answers when what they show has changed.

    Where looking takes long, one look at a time is done for all requests that wait for it: an
    answer may be sent when a look that began after its request came has not dropped it.
    """

    def __init__(self, source: Source, answers: Answers) -> None:
        self._source = source
        self._answers = answers
        self._executor: ThreadPoolExecutor | None = None
        self._next: asyncio.Future[bool] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_instant(self) -> bool:
        """Whether :meth:`look_now` may be called."""
        return self._source.is_instant

    def look_now(self) -> bool:
        """Drop what has changed.

        Returns:
            Whether what is kept holds now: not when it cannot be said.
        """
        try:
            self._apply(self._source.look())
        except Exception as error:
            self._answers.clear()
            log.warning("what is public cannot be looked at", reason=type(error).__name__)
            return False
        return True

    async def look(self) -> bool:
        """Drop what has changed; like :meth:`look_now`, but others are served meanwhile."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._look_for_all())
        waiting = self._next
        done, _ = await asyncio.wait((waiting,), timeout=PATIENCE)
        return bool(done) and waiting.result()

    async def _look_for_all(self) -> None:
        loop = asyncio.get_running_loop()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "changes")
        try:
            while self._next is not None:
                waiting, self._next = self._next, None
                try:
                    self._apply(await loop.run_in_executor(self._executor, self._source.look))
                    waiting.set_result(True)
                except Exception as error:
                    self._answers.clear()
                    log.warning("what is public cannot be looked at", reason=type(error).__name__)
                    waiting.set_result(False)
        finally:
            self._task = None

    def _apply(self, keys: Iterable[str] | None) -> None:
        if keys is None:
            self._answers.clear()
            return
        moved = frozenset(keys)
        if moved:
            self._answers.drop(moved)
