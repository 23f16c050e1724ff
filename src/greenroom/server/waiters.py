"""Requests that wait until something changes: each costs a socket, and all together one look.

The application has said of each what it waits for, and by which mark that stood. While anybody
waits, all that is waited for is looked at about once a second, in a thread of its own; whose mark
is another one is woken, and the application is asked again. It alone knows what to answer.
"""

import asyncio
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

import structlog
from msgspec import Struct

from greenroom.request_notes import Wait

log = structlog.get_logger("greenroom")

LOOK_EVERY = 1.0
"""Seconds between two looks."""

MOST = 4096
"""So many wait at once in a process; who comes then is answered at once."""


class Marks(Protocol):
    """Where it can be seen how what is waited for stands."""

    def look(self, topics: Collection[str], *, anew: bool) -> Mapping[str, str] | None:
        """The marks by topic, without those that are gone; None: all are as at the last look.

        Args:
            topics: what is waited for.
            anew: whether there is somebody who waits since the last look.

        Raises:
            Exception: it cannot be said now.
        """
        ...


class _Waiter(Struct, frozen=True, eq=False):
    mark: str
    woken: asyncio.Future[None]


class Waiters:
    """Who waits, in a process. For the event loop's thread alone."""

    def __init__(self, marks: Marks | None, loop: asyncio.AbstractEventLoop) -> None:
        """Nobody waits. Without ``marks`` nobody can."""
        self._marks = marks
        self._loop = loop
        self._waiting: dict[str, set[_Waiter]] = {}
        self._of_this_process: set[asyncio.Future[None]] = set()
        self._count = 0
        self._is_anew = False
        self._looked_at = float("-inf")
        self._look: asyncio.Task[None] | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._is_failing = False

    def __len__(self) -> int:
        return self._count

    @property
    def has_room(self) -> bool:
        """Whether one more may wait."""
        return self._marks is not None and self._count < MOST

    async def wait(self, wait: Wait, woken: asyncio.Future[None]) -> None:
        """Wait until what is waited for has changed, or as long as it says, or until all are woken.

        Args:
            wait: for what, and for how long.
            woken: to be done by whoever wants to end it before.
        """
        timer = self._loop.call_later(wait.pause, wake, woken)
        if wait.done is not None:
            await self._wait_until_done(wait.done, woken, timer)
            return
        waiter = _Waiter(wait.mark, woken)
        self._waiting.setdefault(wait.topic, set()).add(waiter)
        self._count += 1
        self._is_anew = True
        try:
            await woken
        finally:
            timer.cancel()
            self._count -= 1
            others = self._waiting[wait.topic]
            others.discard(waiter)
            if not others:
                del self._waiting[wait.topic]

    async def _wait_until_done(
        self, done: "Future[None]", woken: asyncio.Future[None], timer: asyncio.TimerHandle
    ) -> None:
        done.add_done_callback(lambda _: self._wake_from_afar(woken))
        self._of_this_process.add(woken)
        self._count += 1
        try:
            await woken
        finally:
            timer.cancel()
            self._count -= 1
            self._of_this_process.discard(woken)

    def _wake_from_afar(self, woken: asyncio.Future[None]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(wake, woken)

    def wake_all(self) -> None:
        """Have everybody answered now: the server stops."""
        for woken in self._of_this_process:
            wake(woken)
        for waiters in self._waiting.values():
            for waiter in waiters:
                wake(waiter.woken)

    def look(self) -> None:
        """Begin to look, where somebody waits, the last look has ended, and it is time."""
        if not self._waiting or (self._look is not None and not self._look.done()):
            return
        now = self._loop.time()
        if now - self._looked_at >= LOOK_EVERY:
            self._looked_at = now
            self._look = self._loop.create_task(self._look_once())

    async def _look_once(self) -> None:
        assert self._marks is not None  # noqa: S101 - else nobody waits
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "waiters")
        topics, anew, self._is_anew = list(self._waiting), self._is_anew, False
        look = self._marks.look
        try:
            marks = await self._loop.run_in_executor(
                self._executor, lambda: look(topics, anew=anew)
            )
        except Exception as error:
            self._is_anew = True
            if not self._is_failing:
                log.warning("what is waited for cannot be looked at", reason=type(error).__name__)
            self._is_failing = True
            return
        self._is_failing = False
        if marks is not None:
            self._wake_changed(topics, marks)

    def _wake_changed(self, topics: Collection[str], marks: Mapping[str, str]) -> None:
        for topic in topics:
            for waiter in self._waiting.get(topic, ()):
                if waiter.mark != marks.get(topic):
                    wake(waiter.woken)


def wake(woken: asyncio.Future[None]) -> None:
    """Let whoever waits for this go on, if they still do."""
    if not woken.done():
        woken.set_result(None)
