"""What the connections of a process share: kept answers, the application's threads, limits."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from wsgiref.types import WSGIApplication

from greenroom.server.addresses import Addresses
from greenroom.server.answers import Answer, Answers, Wanted, preferred_coding
from greenroom.server.changes import Changes, Source
from greenroom.server.wsgi_pool import Locals, WsgiPool
from greenroom.settings import Networks

# Whoever sends one of these is not answered from what is kept.
MOST_HEADS = 4096
LONGEST_HEAD = 2048

_PERSONAL = {b"authorization", b"cookie", b"range"}


_A_DAY = 86400
# What answers say of the day before holds from then on.
_DAY_BEGINS = 3600


def _day() -> int:
    """Which day it is, counted from an hour after midnight of UTC."""
    return int(time.time() - _DAY_BEGINS) // _A_DAY


class Open(Protocol):
    """A connection, as far as it is dealt with together with the others."""

    def check(self, now: float) -> None:
        """Cut the client off if it has had its time."""

    def end_if_idle(self) -> None:
        """Close the connection if nothing is asked on it."""


@dataclass(frozen=True)
class Timing:
    """How long the server waits for what; all in seconds.

    Attributes:
        head: the head of a request has to arrive within so long.
        stall: a client that neither sends nor takes a byte for so long is disconnected. The
            transfer as a whole may take as long as it takes.
        window: so long at a time is looked at how much a client sends or takes.
        least: bytes a second that it sends or takes in each of these.
        discard: without a byte for so long, a client that was answered is taken to send no more.
        graceful: what is in flight may take so long after the signal to stop.
        heartbeat: a worker whose event loop is silent for so long is replaced.
    """

    head: float = 15.0
    stall: float = 60.0
    window: float = 20.0
    least: float = 512.0
    discard: float = 5.0
    graceful: int = 60
    heartbeat: int = 120


class Front:
    """What the connections of a process share. For the event loop's thread alone."""

    def __init__(
        self,
        application: WSGIApplication,
        loop: asyncio.AbstractEventLoop,
        *,
        threads: int,
        timing: Timing,
        locals_: Locals,
        source: Source | None,
        proxies: Networks,
        count: Callable[[str], None] | None = None,
    ) -> None:
        """See :func:`greenroom.server.serve.serve`."""
        self.timing = timing
        self.addresses = Addresses(proxies)
        self.answers = Answers()
        self.connections: set[Open] = set()
        self.heads: dict[bytes, tuple[Wanted, bool]] = {}
        self.pool = WsgiPool(application, threads, loop, locals_)
        self.count = count
        self._day = _day()
        self._changes = Changes(source, self.answers) if source is not None else None

    def wanted(
        self, method: str | None, target: str, headers: Sequence[tuple[bytes, bytes]]
    ) -> Wanted | None:
        """What a request without a body asks for, if that may be answered from what is kept."""
        if self._changes is None or method not in ("GET", "HEAD") or "?" in target:
            return None
        accept = scheme = host = b""
        coding = etags = None
        for name, value in headers:
            if name in _PERSONAL:
                return None
            if name == b"accept":
                accept += value
            elif name == b"accept-encoding":
                coding = value if coding is None else coding + b"," + value
            elif name == b"if-none-match":
                etags = value if etags is None else etags + b"," + value
            elif name == b"x-forwarded-proto":
                scheme = value
            elif name == b"host":
                host = value
        return Wanted(
            target.encode("latin-1"), (accept, scheme, host), preferred_coding(coding), etags
        )

    def remember(self, head: bytes, wanted: Wanted, *, is_head: bool) -> None:
        """Remember what was read in the head of a request, which has no body."""
        if len(head) > LONGEST_HEAD:
            return
        if len(self.heads) >= MOST_HEADS:
            self.heads.clear()
        self.heads[head] = wanted, is_head

    def find_now(self, wanted: Wanted) -> Answer | None:
        """The answer that is kept, if it holds now and that can be said at once."""
        changes = self._changes
        if changes is None or not changes.is_instant or not changes.look_now():
            return None
        return self.answers.find(wanted)

    async def find(self, wanted: Wanted) -> Answer | None:
        """The answer that is kept, if it holds now."""
        changes = self._changes
        assert changes is not None  # noqa: S101 - else nothing is wanted
        if changes.is_instant:
            return self.find_now(wanted)
        return self.answers.find(wanted) if await changes.look() else None

    def check(self) -> None:
        """Cut clients off that have had their time, and forget what is a day old."""
        if self._day != _day():
            self._day = _day()
            self.answers.clear()
        now = asyncio.get_running_loop().time()
        for connection in list(self.connections):
            connection.check(now)

    def end_idle(self) -> None:
        """Close the connections on which nothing is asked."""
        for connection in list(self.connections):
            connection.end_if_idle()
