"""Whether the public answers that a process keeps still hold, while others publish."""

import asyncio
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from greenroom.server.answers import Answers

log = structlog.get_logger("greenroom")

PATIENCE = 5.0
"""Seconds that a request waits to hear whether what is kept still holds."""

STALE_PATIENCE = 0.5
"""The same, where that could not be said before, and something older can be sent."""


LOOK_EVERY = 5.0
"""Seconds after which it is looked though nobody asks, so that it is known since when it cannot."""


class Source(Protocol):
    """Where it can be seen that something public has changed."""

    @property
    def is_instant(self) -> bool:
        """Whether looking takes microseconds, so that the event loop can do it."""
        ...

    @property
    def mark(self) -> str:
        """Of the state at the last look: the same in all processes that have seen the same."""
        ...

    def look(self) -> Iterable[str] | None:
        """The surrogate keys of what has changed since the last look; None: maybe everything.

        The mark is another one as well where it gives anything else than no keys.

        Raises:
            Exception: it cannot be said now.
        """
        ...


class Changes:
    """Drops answers when what they show has changed.

    Where looking takes long, one look at a time is done for all requests that wait for it: an
    answer may be sent when a look that began after its request came has not dropped it.
    """

    def __init__(self, source: Source, answers: Answers, stale_seconds: float = 0) -> None:
        """See :class:`greenroom.server.worker.Served` for ``stale_seconds``."""
        self._source = source
        self._answers = answers
        self._stale_seconds = stale_seconds
        self._held_at = float("-inf")
        self._is_failing = False
        self._looked_at = float("-inf")
        self._unasked: asyncio.Task[bool] | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._next: asyncio.Future[bool] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_instant(self) -> bool:
        """Whether :meth:`look_now` may be called."""
        return self._source.is_instant

    @property
    def staleness(self) -> int | None:
        """For how many seconds nobody has known whether what is kept still holds.

        None: for longer than it may be sent without knowing.
        """
        age = time.monotonic() - self._held_at
        return int(age) if age <= self._stale_seconds else None

    def keep_informed(self) -> None:
        """Look, where nobody has asked for that for some seconds, and it may matter."""
        if not self._stale_seconds or time.monotonic() - self._looked_at < LOOK_EVERY:
            return
        if self.is_instant:
            self.look_now()
        elif self._unasked is None or self._unasked.done():
            self._unasked = asyncio.create_task(self.look())

    def look_now(self) -> bool:
        """Drop what has changed.

        Returns:
            Whether what is kept holds now: not when it cannot be said.
        """
        self._looked_at = time.monotonic()
        try:
            keys = self._source.look()
        except Exception as error:
            self._fail(error)
            return False
        self._apply(keys)
        return True

    async def holds(self) -> bool:
        """Drop what has changed, at once where that can be; see :meth:`look_now`."""
        return self.look_now() if self.is_instant else await self.look()

    async def look(self) -> bool:
        """Drop what has changed; like :meth:`look_now`, but others are served meanwhile."""
        self._looked_at = time.monotonic()
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._look_for_all())
        waiting = self._next
        hurries = self._is_failing and self.staleness is not None
        patience = STALE_PATIENCE if hurries else PATIENCE
        done, _ = await asyncio.wait((waiting,), timeout=patience)
        if not done:
            self._fail(TimeoutError())
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
                    self._fail(error)
                    waiting.set_result(False)
        finally:
            self._task = None

    def _fail(self, error: Exception) -> None:
        """Take note that it cannot be said now; what is too old by then is forgotten."""
        if not self._is_failing:
            log.warning("what is public cannot be looked at", reason=type(error).__name__)
        self._is_failing = True
        if self.staleness is None:
            self._answers.clear()

    def _apply(self, keys: Iterable[str] | None) -> None:
        self._held_at = time.monotonic()
        if self._is_failing:
            self._is_failing = False
            log.info("what is public can be looked at again")
        moved = frozenset(keys) if keys is not None else None
        if moved is None:
            self._answers.clear()
        elif moved:
            self._answers.drop(moved)
        if moved is None or moved:
            self._answers.reach(self._source.mark)
