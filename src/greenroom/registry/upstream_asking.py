"""What this process has to do with upstreams just now.

Its connections to them, what is being asked, and who did not answer of late and is left alone for
a while.
"""

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

from msgspec import Struct

from greenroom.other_indexes.client import Client
from greenroom.other_indexes.errors import UpstreamFailed, UpstreamUnavailable
from greenroom.other_indexes.page_memory import PageMemory
from greenroom.settings import Settings
from greenroom.upstream_settings import Upstream

MOST_AT_ONCE = 12
"""So many pages are asked for at once, by one process."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_BEFORE_PAUSE = 3
"""So often in a row an upstream may fail before it is left alone as a whole."""
_MOST_REMEMBERED = 10_000


class Failure(Struct, frozen=True):
    """That something was not got.

    Attributes:
        sentence: why.
        until: when it is worth asking again.
        count: how often in a row.
    """

    sentence: str
    until: datetime
    count: int

    def unavailable(self, upstream: str, now: datetime) -> UpstreamUnavailable:
        """What whoever asks is told."""
        wait = max(1, math.ceil((self.until - now).total_seconds()))
        return unavailable(upstream, self.sentence, wait)


def unavailable(
    upstream: str, reason: str = "It takes too long to ask it.", wait: int = 5
) -> UpstreamUnavailable:
    """What whoever asks is told of an upstream that cannot be asked.

    Args:
        upstream: its name in the settings.
        reason: for the log.
        wait: after how many seconds it is worth trying again.
    """
    return UpstreamUnavailable(
        f"The index behind this one that may have this name ({upstream}) does not answer as it "
        f"should: try again in {wait} seconds.",
        reason,
        wait,
    )


class Asking:
    """Connections, what is being asked for, and failures; any thread may use it.

    What is asked for is called by a key: the name of the upstream first.

    Attributes:
        turns: of who asks for a page; who has it, and waits for the memory to read it, has none.
    """

    def __init__(self) -> None:
        """Nothing is connected yet, and no thread runs."""
        self.turns = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._memory: PageMemory | None = None
        self._lock = threading.Lock()
        self._clients: dict[Upstream, Client] = {}
        self._running: dict[tuple[str, ...], Future[None]] = {}
        self._failures: dict[tuple[str, ...], Failure] = {}
        self._executor: ThreadPoolExecutor | None = None

    def client(self, settings: Settings, upstream: Upstream) -> Client:
        """What asks this upstream: one for all of the process, which keeps its connections."""
        with self._lock:
            found = self._clients.get(upstream)
            if found is None:
                hosts, networks = settings.upstream_hosts, settings.upstream_networks
                found = self._clients[upstream] = Client(upstream, hosts, networks)
            return found

    def memory(self, settings: Settings) -> PageMemory:
        """What pages take that this process reads."""
        with self._lock:
            if self._memory is None:
                self._memory = PageMemory(settings.upstream_page_memory)
            return self._memory

    def once(self, key: tuple[str, ...], act: Callable[[], None]) -> "Future[None]":
        """Let a thread of the pool act, or give what is done when a thread that does has done it.

        Args:
            key: of what is asked for: not twice at once.
            act: asks.
        """
        with self._lock:
            running = self._running.get(key)
            if running is not None:
                return running
            if self._executor is None:
                self._executor = ThreadPoolExecutor(2 * MOST_AT_ONCE, "upstream")
            running = self._running[key] = Future()
            self._executor.submit(self._run, key, act, running)
            return running

    def _run(self, key: tuple[str, ...], act: Callable[[], None], done: "Future[None]") -> None:
        error: BaseException | None = None
        try:
            act()
        except BaseException as raised:
            error = raised
        with self._lock:
            self._running.pop(key, None)
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def failure(self, key: tuple[str, ...], now: datetime) -> Failure | None:
        """Why this, or all of its upstream, is not asked for now; None: it is."""
        with self._lock:
            for each in (key[:1], key):
                found = self._failures.get(each)
                # Where the clock has been set back, what was written down says nothing.
                is_now = found is not None and now < found.until <= now + timedelta(days=1)
                if found is not None and is_now and found.count >= _enough(each):
                    return found
        return None

    def note_failure(self, key: tuple[str, ...], error: UpstreamFailed, now: datetime) -> None:
        """That this was not got: it is left alone for a while, which grows each time.

        So is all of the upstream, where it says so itself, or does not answer several times.
        """
        with self._lock:
            self._note(key, error, now, 1)
            if error.is_wide:
                self._note(key[:1], error, now, 1 if error.retry_after is None else _BEFORE_PAUSE)

    def _note(
        self, key: tuple[str, ...], error: UpstreamFailed, now: datetime, weight: int
    ) -> None:
        if len(self._failures) >= _MOST_REMEMBERED:
            self._failures.clear()
        before = self._failures.get(key)
        count = (before.count if before is not None else 0) + weight
        excess = count - 1 if len(key) > 1 else max(0, count - _BEFORE_PAUSE)
        pause = min(_FIRST_PAUSE * 2 ** min(excess, 10), _LONGEST_PAUSE)
        pause = max(pause, error.retry_after or 0)
        self._failures[key] = Failure(str(error), now + timedelta(seconds=pause), count)

    def note_success(self, key: tuple[str, ...]) -> None:
        """That this was got: what failed before counts no more."""
        with self._lock:
            self._failures.pop(key, None)
            self._failures.pop(key[:1], None)

    def close(self) -> None:
        """Let go of the connections that wait."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()


def _enough(key: tuple[str, ...]) -> int:
    """After how many failures in a row it is left alone: one page at once."""
    return 1 if len(key) > 1 else _BEFORE_PAUSE
