"""Runs a WSGI application in a bounded pool of threads that no client can occupy.

Each request runs in a greenlet of one of the threads. Where the application reads a body that has
not arrived yet, or gives more of an answer than its client takes, the greenlet is suspended and its
thread goes on with another request: a slow client costs a socket and a little memory.

What runs is told to the event loop by an :class:`Exchange`; all its methods but those of the
application's side are for the loop's thread.
"""

import asyncio
import contextlib
import io
import logging
import os
import queue
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Protocol, cast
from wsgiref.types import WSGIApplication, WSGIEnvironment

import greenlet
import structlog

from greenroom import request_notes

log = logging.getLogger(__name__)

HIGH_WATER = 256 * 1024
MOST_FRESH = 2
FRESH_SECONDS = 0.005
"""So many requests, of those that run, may have begun no longer ago than this; others wait so long.

Most are answered by then. Threads take turns at running Python, so that more of them at once would
take longer, and each of them needs a connection to the database. What takes long holds nobody up.
"""
MOST_WAITING = 1024
MOST_WAITING_OF_ONE = 512
"""As many as one address has connections: alone it is never told that the index is busy."""

Headers = list[tuple[str, str]]
Locals = tuple[tuple[object, str, Callable[[], object]], ...]
"""Attributes of thread-local objects that belong to a request: object, name, what makes the first
value. They are put aside with a request that is suspended."""


class Busy(Exception):
    """More requests wait than may."""


class BodyBroken(ConnectionAbortedError):
    """The rest of a request body does not come."""


class FileBody:
    """What an application answers with to have a file sent (PEP 3333, ``wsgi.file_wrapper``)."""

    def __init__(self, file: BinaryIO, block_size: int = 8192) -> None:
        self.file = file
        self._block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.file.read(self._block_size), b"")

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class ArrivingFile(FileBody):
    """What an application answers with to have a file sent that still grows (``request_notes``)."""

    def __init__(self, file: BinaryIO, end: int, may_grow: Callable[[], bool]) -> None:
        super().__init__(file)
        self.end = end
        self.may_grow = may_grow

    @property
    def available(self) -> int:
        """How many bytes the file has of what is to be sent."""
        return min(os.fstat(self.file.fileno()).st_size, self.end)


class _Closable(Protocol):
    def close(self) -> None: ...


class Exchange:
    """One request and its answer, between the event loop and the application.

    Attributes:
        status: the status line's code and reason, once the application has said them.
        headers: likewise.
        output: pieces of the answer that are to be sent; taken away by who sends them.
        file: the file that is the answer, instead of pieces.
        wants_body: the application waits for more of the request body.
        finished: the application has given all of its answer.
        failed: it has raised an exception, which is logged.
        body_broken: the rest of the request body does not come.
    """

    def __init__(self, pool: "WsgiPool", environ: WSGIEnvironment, address: str) -> None:
        self.address = address
        self.status: str | None = None
        self.headers: Headers = []
        self.output: deque[bytes] = deque()
        self.file: FileBody | None = None
        self.wants_body = False
        self.finished = False
        self.failed = False
        self._pool = pool
        self._environ = environ
        self._body_ended = False
        self.body_broken = False
        self._pieces: deque[bytes] = deque()
        self._waits_for_room = False
        self._unsent = 0
        self._thread: _Thread | None = None
        self._greenlet: greenlet.greenlet | None = None
        self._locals: list[object] = [make() for _, _, make in pool.locals]
        self._news = asyncio.Event()
        self._abandoned = False

    # --- the loop's side ---

    async def news(self) -> None:
        """Wait until the application wants something, or has given something."""
        await self._news.wait()
        self._news.clear()

    def feed(self, piece: bytes) -> None:
        """Give the application the next bytes of the body; it goes on."""
        self._pieces.append(piece)
        self._go_on()

    def feed_last(self, piece: bytes) -> None:
        """Give the application the last bytes of the body."""
        if piece:
            self._pieces.append(piece)
        self.end_body()

    def end_body(self, *, broken: bool = False) -> None:
        """Tell the application that no more of the body comes; ``broken``: though more should."""
        self._body_ended = True
        self.body_broken = broken
        self._go_on()

    def take_output(self) -> bytes:
        """What is to be sent now."""
        pieces = [self.output.popleft() for _ in range(len(self.output))]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def sent(self) -> None:
        """Tell the application that there is room for more of the answer."""
        if self._waits_for_room and not self.output:
            self._waits_for_room = False
            self._resume()

    def abandon(self) -> None:
        """Nobody waits for the answer any more: let the application end as soon as it can."""
        self._abandoned = True
        if self._thread is None:  # it has not begun, and will not
            self.finished = self.failed = True
            self._news.set()
            return
        if self.wants_body:
            self.end_body(broken=True)
        self.output.clear()
        self.sent()

    def _go_on(self) -> None:
        if self.wants_body:
            self.wants_body = False
            self._resume()

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._abandoned

    def pin(self, thread: "_Thread") -> None:
        """Say in which thread it runs, from its beginning to its end."""
        self._thread = thread

    @property
    def thread(self) -> "_Thread":
        """The thread that it is pinned to, once it has begun."""
        assert self._thread is not None  # noqa: S101 - for the type checker
        return self._thread

    def hear(self, say: Callable[[], None]) -> None:
        """Take note of why it has left its thread."""
        say()
        self._news.set()

    def _resume(self) -> None:
        self._pool.go_on(self, self.thread)

    # --- the application's side ---

    def run(self) -> None:
        """Begin, or go on, in the thread of this request."""
        for (holder, name, _), value in zip(self._pool.locals, self._locals, strict=True):
            setattr(holder, name, value)
        if self._greenlet is None:
            self._greenlet = greenlet.greenlet(self._answer)
        self._greenlet.switch()
        if self._greenlet.dead:
            self._greenlet = None
        else:
            self._locals = [getattr(holder, name) for holder, name, _ in self._pool.locals]

    def read_body(self) -> bytes:
        """The next piece of the body, waiting for it; empty at the end.

        Raises:
            BodyBroken: it does not come.
        """
        while not self._pieces:
            if self.body_broken:
                raise BodyBroken("The client has stopped sending.")
            if self._body_ended:
                return b""
            self._pause(self._want_body)
        return self._pieces.popleft()

    def _pause(self, say: Callable[[], None]) -> None:
        """Leave the thread to others until the loop says to go on."""
        # The loop hears of it when this greenlet is suspended, so that it cannot be resumed before.
        self.thread.after_switch = lambda: self._pool.tell(self, say)
        parent = greenlet.getcurrent().parent
        assert parent is not None  # noqa: S101 - it runs in a greenlet of its own
        parent.switch()

    def _answer(self) -> None:
        # A greenlet has context variables of its own: the lines of this request get its id.
        request_id = request_notes.request_id(self._environ)
        if request_id is not None:
            structlog.contextvars.bind_contextvars(request_id=request_id)
        result: Iterable[bytes] | None = None
        try:
            result = self._pool.application(self._environ, self._start)
            if isinstance(result, FileBody):
                self.file, result = result, None
            else:
                self._give_all(result)
        except BaseException as error:
            self.failed = True
            # Whoever breaks an answer off, or a body, has said why.
            if not (self._abandoned or isinstance(error, ConnectionAbortedError)):
                log.exception("The application has failed.")
        finally:
            self._close(result)
            self.thread.after_switch = lambda: self._pool.tell(self, self._end)

    def _start(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: object = None,
        /,
    ) -> Callable[[bytes], object]:
        self.status, self.headers = status, list(headers)
        return self._give

    def _give(self, piece: bytes) -> None:
        if piece:
            self._unsent += len(piece)
            self.output.append(piece)

    def _give_all(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self._give(piece)
            if self._abandoned:
                return
            if self._unsent >= HIGH_WATER and not isinstance(pieces, Sequence):
                self._pause(self._wait_for_room)
                self._unsent = 0

    def _close(self, result: Iterable[bytes] | None) -> None:
        if hasattr(result, "close"):
            try:
                cast("_Closable", result).close()
            except Exception:
                log.exception("The answer could not be closed.")

    # What the loop hears of why it has left its thread:

    def _want_body(self) -> None:
        self.wants_body = True

    def _wait_for_room(self) -> None:
        self._waits_for_room = True

    def _end(self) -> None:
        self.finished = True

    @property
    def input(self) -> BinaryIO:
        """The body, as the application reads it."""
        return cast("BinaryIO", io.BufferedReader(_Input(self), 64 * 1024))


class _Input(io.RawIOBase):
    """The body as a raw stream."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._rest:
            self._rest = memoryview(self._exchange.read_body())
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Thread(threading.Thread):
    """One thread of the pool, with the requests that are pinned to it.

    Attributes:
        after_switch: what is to be told of the request that has just left the thread.
        load: how many requests were given to it and have not left it; for the loop.
        began: when it was given the last one that has begun in it; for the loop.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.after_switch: Callable[[], None] | None = None
        self.load = 0
        self.began = float("-inf")
        self._due: queue.SimpleQueue[Exchange | None] = queue.SimpleQueue()

    def post(self, exchange: Exchange | None) -> None:
        """Have a request begin or go on; None ends the thread."""
        self._due.put(exchange)

    def run(self) -> None:
        while (exchange := self._due.get()) is not None:
            exchange.run()
            after, self.after_switch = self.after_switch, None
            if after is not None:
                after()


class WsgiPool:
    """A WSGI application and the threads that run it; made and used in the event loop's thread.

    Requests that find no thread idle wait, and come up by turns of their addresses; one address
    never has all threads. So no address keeps the others from being answered. They also wait, for
    milliseconds, where others have just begun (:data:`MOST_FRESH`).

    Attributes:
        application: what answers.
        locals: thread-local state of its framework.
        left: how often a request has left its thread so far, done or to wait.
    """

    def __init__(
        self,
        application: WSGIApplication,
        threads: int,
        loop: asyncio.AbstractEventLoop,
        locals_: Locals = (),
    ) -> None:
        """Nothing runs before the first request.

        Args:
            application: what answers.
            threads: how many requests it works on at once.
            loop: where the exchanges are used.
            locals_: thread-local state of the application's framework.
        """
        self.application = application
        self.locals = locals_
        self.left = 0
        self._loop = loop
        self._most = threads
        self._most_of_one = max(1, threads * 3 // 4)
        self._idle: list[_Thread] = []
        self._threads: list[_Thread] = []
        self._waiting: dict[str, deque[Exchange]] = {}
        self._count_waiting = 0
        self._running: Counter[str] = Counter()
        self._news: deque[tuple[Exchange, Callable[[], None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def begin(
        self, environ: WSGIEnvironment, address: str, *, body: bytes = b"", complete: bool = True
    ) -> Exchange:
        """Have the application answer a request.

        Args:
            environ: the request; what concerns its body is added.
            address: whose request it is: addresses take turns.
            body: what has arrived of the body.
            complete: whether that is all of it.

        Raises:
            Busy: too many wait already.
        """
        exchange = Exchange(self, environ, address)
        # A small body is there as a whole. What reads a larger one has a buffer, which lives on for
        # as long as the request, until that is found as garbage.
        environ["wsgi.input"] = io.BytesIO(body) if complete else exchange.input
        environ["wsgi.file_wrapper"] = FileBody
        environ[request_notes.ARRIVING_FILE] = ArrivingFile
        if complete:
            exchange.end_body()
        elif body:
            exchange.feed(body)
        line = self._waiting.get(address)
        has_turn = line is None and self._running[address] < self._most_of_one
        if has_turn and self._fresh_until() is None:
            thread = self._free_thread()
            if thread is not None:
                self._start(exchange, thread)
                return exchange
        if self._count_waiting >= MOST_WAITING or (line and len(line) >= MOST_WAITING_OF_ONE):
            raise Busy
        self._waiting.setdefault(address, deque()).append(exchange)
        self._count_waiting += 1
        self._start_waiting()
        return exchange

    @property
    def most(self) -> int:
        """How many threads there may be."""
        return self._most

    @property
    def busy(self) -> int:
        """How many threads work on a request now."""
        return len(self._threads) - len(self._idle)

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return self._count_waiting

    def close(self) -> None:
        """End the threads when they are done with what they do."""
        for thread in self._threads:
            thread.post(None)

    def go_on(self, exchange: Exchange, thread: _Thread) -> None:
        """Have a request begin, or go on, in this thread."""
        if not thread.load:
            with contextlib.suppress(ValueError):
                self._idle.remove(thread)
        thread.load += 1
        self._running[exchange.address] += 1
        thread.post(exchange)

    def _free_thread(self) -> _Thread | None:
        if self._idle:
            return self._idle[-1]  # the one that worked last, whose memory is in the caches
        if len(self._threads) >= self._most:
            return None
        thread = _Thread(f"request {len(self._threads)}")
        thread.start()
        self._threads.append(thread)
        return thread

    def _start(self, exchange: Exchange, thread: _Thread) -> None:
        exchange.pin(thread)
        thread.began = self._loop.time()
        self.go_on(exchange, thread)

    def _fresh_until(self) -> float | None:
        """Until when too many of what runs have just begun; None: they are few."""
        now = self._loop.time()
        until = [thread.began + FRESH_SECONDS for thread in self._threads if thread.load]
        fresh = sorted(moment for moment in until if moment > now)
        return fresh[-MOST_FRESH] if len(fresh) >= MOST_FRESH else None

    def _start_waiting(self) -> None:
        """Let those who wait begin, as far as there are threads, and few others have just begun."""
        while self._count_waiting and (self._idle or len(self._threads) < self._most):
            until = self._fresh_until()
            if until is not None:
                if self._timer is None:
                    self._timer = self._loop.call_at(until, self._look_again)
                return
            exchange = self._take_waiting()
            if exchange is None:
                return
            thread = None if exchange.is_abandoned else self._free_thread()
            if thread is not None:
                self._start(exchange, thread)

    def _look_again(self) -> None:
        self._timer = None
        self._start_waiting()

    def tell(self, exchange: Exchange, say: Callable[[], None]) -> None:
        """Have the loop hear that a request has left its thread; ``say`` runs there.

        This one is called in the threads.
        """
        self._news.append((exchange, say))
        try:
            self._loop.call_soon_threadsafe(self._hear)
        except RuntimeError:  # the loop is closed: the process ends
            log.debug("a request ended after the server")

    def _hear(self) -> None:
        while self._news:
            exchange, say = self._news.popleft()
            self.left += 1
            address, thread = exchange.address, exchange.thread
            self._running[address] -= 1
            if not self._running[address]:
                del self._running[address]
            thread.load -= 1
            exchange.hear(say)
            if not thread.load:
                self._idle.append(thread)
                self._start_waiting()

    def _take_waiting(self) -> Exchange | None:
        for address in self._waiting:
            if self._running[address] < self._most_of_one:
                break
        else:
            return None
        line = self._waiting.pop(address)
        exchange = line.popleft()
        self._count_waiting -= 1
        if line:
            self._waiting[address] = line  # behind the others
        return exchange
