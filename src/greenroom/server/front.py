"""What the connections of a process share: kept answers, the application's threads, limits."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol
from wsgiref.types import WSGIApplication

import structlog
from msgspec import Struct

from greenroom import forwarding
from greenroom.networks import network_of, site_of
from greenroom.server import access_log
from greenroom.server.access_log import AccessLog, Described, Seen
from greenroom.server.addresses import Addresses
from greenroom.server.answers import Answer, Answers, Wanted, preferred_coding, stale
from greenroom.server.changes import Changes, Source
from greenroom.server.leads import Leads
from greenroom.server.refusals import Refusals
from greenroom.server.shared_answers import SharedAnswers
from greenroom.server.tallies import Meter, State, Tallies
from greenroom.server.timing import Timing
from greenroom.server.waiters import Marks, Waiters
from greenroom.server.wsgi_pool import Locals, WsgiPool
from greenroom.settings import Networks

log = structlog.get_logger("greenroom")

MOST_HEADS = 4096
LONGEST_HEAD = 2048
MOST_CLIENTS = 4096
REPORT_SECONDS = 1.0
SAY_REFUSED_SECONDS = 10.0
SAY_UNMETERED_SECONDS = 300.0

# Whoever sends one of these is not answered from what is kept.
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


class Watched(Struct, frozen=True):
    """How the server is watched.

    Attributes:
        access_log: gets a line for each request; None: there are no lines.
        meter: gets what is counted; None: nothing is.
        part_of: which part of the index a path asks, one of a few words.
    """

    access_log: AccessLog | None = None
    meter: Meter | None = None
    part_of: Callable[[str], str] = lambda path: ""


class Known(Struct, frozen=True):
    """What was found in the head of a request without a body."""

    wanted: Wanted
    is_head: bool
    described: Described


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
        stale_seconds: float = 0,
        watched: Watched | None = None,
        count: Callable[[str], None] | None = None,
        marks: Marks | None = None,
        shared: SharedAnswers | None = None,
    ) -> None:
        """See :func:`greenroom.server.serve.serve`."""
        self.timing = timing
        self.watched = watched or Watched()
        self.tallies = Tallies()
        self._loop = loop
        self._proxies = proxies
        self._clients: dict[tuple[str, str], str] = {}
        self._reported = float("-inf")
        self._refused = 0
        self._said_refused = self._said_unmetered = float("-inf")
        self.addresses = Addresses(proxies)
        self._day = _day()
        self.answers = Answers(shared=shared, day=self._day)
        self.leads = Leads()
        self.refusals = Refusals()
        self.waiters = Waiters(marks, loop)
        self.connections: set[Open] = set()
        self.heads: dict[bytes, Known] = {}
        self.pool = WsgiPool(application, threads, loop, locals_)
        self.count = count
        self._changes = Changes(source, self.answers, stale_seconds) if source is not None else None
        self._sharing: asyncio.Task[None] | None = None

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

    def remember(self, head: bytes, known: Known) -> None:
        """Remember what was read in the head of a request, which has no body."""
        if len(head) > LONGEST_HEAD:
            return
        if len(self.heads) >= MOST_HEADS:
            self.heads.clear()
        self.heads[head] = known

    def find_now(self, wanted: Wanted) -> Answer | None:
        """The answer that is kept, if it holds now and that can be said at once.

        Where nobody can say whether it holds, the answer says so, for as long as it may.
        """
        changes = self._changes
        if changes is None or not changes.is_instant:
            return None
        return self._found(wanted, changes, holds=changes.look_now())

    def _found(self, wanted: Wanted, changes: Changes, *, holds: bool) -> Answer | None:
        if holds:
            return self.answers.find(wanted)
        age = changes.staleness
        answer = self.answers.find(wanted, outlasting=True) if age is not None else None
        return stale(answer, age) if answer is not None and age is not None else None

    async def find(self, wanted: Wanted) -> Answer | None:
        """The answer that is kept, if it holds now; see :meth:`find_now`."""
        changes = self._changes
        assert changes is not None  # noqa: S101 - else nothing is wanted
        if changes.is_instant:
            return self.find_now(wanted)
        return self._found(wanted, changes, holds=await changes.look())

    # --- watching ---

    def is_proxy(self, peer: str) -> bool:
        """Whether what this peer says of its clients is believed."""
        return bool(self._proxies) and forwarding.is_within(peer, self._proxies)

    def place(self, peer: str, forwarded_for: str, *, is_proxy: bool) -> str:
        """Whose turn a request takes: of whom a trusted proxy has passed it on, where one has.

        Of IPv6 all of a /48 takes turns as one, as networks in it are easily had. Empty where
        nobody knows.

        Args:
            peer: the address that has connected.
            forwarded_for: what the request has in ``X-Forwarded-For``.
            is_proxy: whether the peer is a trusted proxy.
        """
        client = self._client(peer, forwarded_for) if is_proxy else peer
        return site_of(client) or network_of(client) or client

    def describe(
        self, method: str | None, target: str, headers: Sequence[tuple[bytes, bytes]]
    ) -> Described:
        """What is logged and counted of the head of a request."""
        watched, text = self.watched, ""
        if watched.access_log is not None:
            text = watched.access_log.named(method or "", target)
        forwarded, given = "", None
        if self._proxies:
            given = access_log.given_id(headers)
            forwarded = ",".join(
                value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"
            )
        part = watched.part_of(target) if watched.meter is not None else ""
        return Described(text, part, forwarded, given)

    def note(self, seen: Seen, peer: str, sent: int, received: int, *, is_proxy: bool) -> None:
        """Log and count a request that has ended.

        Args:
            seen: what is known of it.
            peer: who has connected.
            sent: how many bytes were sent.
            received: how many came in.
            is_proxy: whether the peer is a trusted proxy.
        """
        watched, seconds = self.watched, self._loop.time() - seen.began
        if watched.meter is not None:
            self.tallies.add(seen.of.part, seen.status, seconds, received, sent)
        if watched.access_log is not None:
            client = self._client(peer, seen.of.forwarded_for) if is_proxy else peer
            watched.access_log.add(seen, sent, seconds, client)

    def _client(self, peer: str, forwarded_for: str) -> str:
        client = self._clients.get((peer, forwarded_for))
        if client is None:
            if len(self._clients) >= MOST_CLIENTS:
                self._clients.clear()
            client = forwarding.client(peer, forwarded_for, self._proxies)
            self._clients[peer, forwarded_for] = client
        return client

    def note_refused_connection(self, address: str) -> None:
        """An address has too many connections: count it, and say so once in a while."""
        self.tallies.connections_refused += 1
        self._refused += 1
        now = self._loop.time()
        if now - self._said_refused >= SAY_REFUSED_SECONDS:
            log.warning("connections are refused", address=address, count=self._refused)
            self._refused, self._said_refused = 0, now

    def report(self) -> None:
        """Pass on what was counted."""
        meter = self.watched.meter
        if meter is None:
            return
        tallies, self.tallies = self.tallies, Tallies()
        pool, answers = self.pool, self.answers
        state = State(
            threads=pool.most,
            busy=pool.busy,
            waiting=pool.waiting,
            connections=len(self.connections),
            kept_answers=len(answers),
            kept_bytes=answers.size,
        )
        try:
            meter.add(tallies, state)
        except OSError as error:
            if self._loop.time() - self._said_unmetered >= SAY_UNMETERED_SECONDS:
                self._said_unmetered = self._loop.time()
                log.warning("metrics cannot be written", reason=str(error))

    def check(self) -> None:
        """Cut clients off that have had their time, and see what has changed.

        About once a second, what was counted is reported; what is of yesterday is forgotten.
        """
        if self._day != _day():
            self._day = _day()
            self.answers.begin_day(self._day)
        now = self._loop.time()
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            self.report()
        for connection in list(self.connections):
            connection.check(now)
        if self._changes is not None:
            self._changes.keep_informed()
            self._share(self._changes)
        self.waiters.look()

    def _share(self, changes: Changes) -> None:
        """Let the other workers have what was made here, unless that is being done."""
        if self.answers.has_unshared and (self._sharing is None or self._sharing.done()):
            self._sharing = self._loop.create_task(self._share_what_holds(changes))

    async def _share_what_holds(self, changes: Changes) -> None:
        unshared = self.answers.take_unshared()
        if await changes.holds():
            self.answers.share(unshared)

    def end_idle(self) -> None:
        """Close the connections on which nothing is asked; whoever waits is answered."""
        self.waiters.wake_all()
        for connection in list(self.connections):
            connection.end_if_idle()
