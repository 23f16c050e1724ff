"""A client's connection: gunicorn's event-loop protocol, with our answers, deadlines and caps.

Gunicorn reads and frames requests. What is answered, and how it is written, is decided here: public
answers that are kept are sent from memory or from their files, everything else is answered by the
WSGI application. The status line carries the reason that the application gave it, because upload
clients print nothing else.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import sys
import termios
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import structlog
from gunicorn.asgi import protocol
from gunicorn.asgi.parser import CallbackRequest, PythonProtocol

from greenroom import request_notes
from greenroom.request_notes import Wait, Waited
from greenroom.server import answers
from greenroom.server.access_log import GONE, SLOW, Described, Seen, new_id
from greenroom.server.answers import Answer, Wanted
from greenroom.server.environ import make_environ
from greenroom.server.front import Front, Known
from greenroom.server.leads import Lead, follow
from greenroom.server.refusals import REFUSALS
from greenroom.server.waiters import wake
from greenroom.server.wsgi_pool import ArrivingFile, Busy, Exchange, FileBody

SENT_AT_ONCE = 64 * 1024
SMALL_BODY = 64 * 1024
PIECE_OF_A_FILE = 1024**2
PAUSE = 1.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 0.25
"""Seconds between two looks at a file that grows."""
MOST_PIPELINED = 8 * 1024
DISCARDED = 4 * 1024**3
DISCARDED_OF_STRANGERS = 8 * 1024**2
DISCARDING_SECONDS = 300.0

# A table of gunicorn's for the sizes of chunks, which are written here: two and a half MiB.
getattr(protocol, "_CHUNK_PREFIXES", {}).clear()

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FIRST = re.compile(rb"bytes 0-")
_NO_BODY = ("204", "304")
_MAY_WAIT = Waited()
_NOTHING_YET = 204


if TYPE_CHECKING:

    class _Receiver(Protocol):
        expect_continue: bool
        request: CallbackRequest
        _complete: bool

        async def receive(self) -> dict[str, Any]: ...
        def signal_disconnect(self) -> None: ...

    class _Parser(PythonProtocol):
        _buffer: bytearray
        _state: str

    class _GunicornProtocol(protocol.ASGIProtocol):
        """What is used of gunicorn's protocol that it does not declare."""

        _awaiting_request: bool
        _body_receiver: _Receiver
        _callback_parser: _Parser
        _closed: bool
        _current_request: CallbackRequest | None
        _flow_control: protocol.FlowControl
        _keepalive: float
        _keepalive_handle: asyncio.TimerHandle | None
        _request_ready: asyncio.Event
        transport: asyncio.Transport

        def _close_transport(self) -> None: ...
        def _keepalive_timeout(self) -> None: ...
        def _on_headers_complete(self) -> bool: ...
        def _safe_write(self, data: bytes) -> None: ...
        def _send_error_response(
            self, status: int, message: str, extra_headers: Sequence[tuple[str, str]] = ()
        ) -> None: ...
        def _will_close(self, request: CallbackRequest, response_requires_close: bool) -> bool: ...

    def _date_header() -> bytes: ...

else:
    _GunicornProtocol = protocol.ASGIProtocol
    _date_header = protocol._get_cached_date_header


class Connection(_GunicornProtocol):
    """One connection, from its beginning to its end."""

    def __init__(self, worker: Any, front: Front) -> None:
        super().__init__(worker)
        self._front = front
        self._loop: asyncio.AbstractEventLoop = worker.loop
        self._address = ""
        self._written = 0
        self._received = 0
        # Since when the head of a request has been coming in; None while none is awaited.
        self._head_since: float | None = None
        # Since when it is the client's turn, and how much had moved then; None while it is ours.
        self._turn_since: float | None = None
        self._moved_before = 0
        self._turn_ended = float("-inf")
        self._window_since = 0.0
        self._moved_at_window = 0
        self._moved_at = 0.0
        # What came last, if it was the beginning of a request.
        self._whole: bytes | None = None
        self._answered_at = 0.0
        self._has_ended = False
        self._exchange: Exchange | None = None
        self._waiting: asyncio.Future[None] | None = None
        # Done when the request that waits for something need not wait longer.
        self._woken: asyncio.Future[None] | None = None
        # Where others wait for the answer to this request.
        self._lead: Lead | None = None
        self._peer = ""
        self._is_proxy = False
        self._noted = 0
        # The request that is being answered.
        self._seen: Seen | None = None

    # --- what gunicorn calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it at once where its address has too many."""
        peer = transport.get_extra_info("peername")
        self._address = self._front.addresses.network_of(peer)
        self._peer = str(peer[0]).partition("%")[0] if peer else ""
        self._is_proxy = self._front.is_proxy(self._peer)
        super().connection_made(transport)
        if not self._front.addresses.take(self._address):
            self._front.note_refused_connection(self._address)
            self._abort()
            return
        self._head_since = self._loop.time()
        self._front.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._note_cut(GONE)
        if self in self._front.connections:
            self._front.connections.discard(self)
            self._front.addresses.give_back(self._address)
        super().connection_lost(exc)
        if self._exchange is not None:
            self._exchange.abandon()
        if self._waiting is not None:
            self._waiting.cancel()
        if self._woken is not None:
            wake(self._woken)
        if self._awaiting_request:
            self._request_ready.set()  # its task ends now, and not when it would be cancelled

    def eof_received(self) -> bool:
        """The client sends no more; it may still wait for its answer."""
        self._has_ended = True
        if self._current_request is None:
            return False
        if self._woken is not None:  # who waits and goes is not waited with
            wake(self._woken)
        if self._body_receiver is not None and not self._body_receiver._complete:
            self._note_cut(GONE)
            self._body_receiver.signal_disconnect()
        return True

    def _will_close(self, request: CallbackRequest, response_requires_close: bool) -> bool:
        """Whether the connection ends with this answer: also where too much was asked at once."""
        parser = self._callback_parser
        floods = parser.is_complete and len(parser._buffer) > MOST_PIPELINED
        return self._has_ended or floods or super()._will_close(request, response_requires_close)

    def _close_transport(self) -> None:
        super()._close_transport()
        # Where the end could not be written, gunicorn leaves the connection open.
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent.

        A request that was read before, byte for byte, is read once: what was found in it is
        remembered. If what it asks for is kept, it is answered here.
        """
        self._received += len(data)
        self._whole = None
        if self._current_request is None:
            parser = self._callback_parser
            if self._awaiting_request and parser._state == "request_line" and not parser._buffer:
                known = self._front.heads.get(data)
                if known is not None and self._answer_at_once(known):
                    return
                self._whole = data
            if self._head_since is None:
                self._head_since = self._loop.time()
        super().data_received(data)

    def _keepalive_timeout(self) -> None:
        idle = self._loop.time() - self._answered_at
        if idle < self._keepalive:  # requests were answered at once since the timer was set
            self._keepalive_handle = self._loop.call_later(
                self._keepalive - idle, self._keepalive_timeout
            )
            return
        super()._keepalive_timeout()

    def _on_headers_complete(self) -> bool:
        self._head_since = None
        return bool(super()._on_headers_complete())

    async def _serve_http_request(
        self,
        request: CallbackRequest,
        sockname: tuple[Any, ...],
        peername: tuple[Any, ...] | None,
    ) -> bool:
        """Answer a request; return whether the connection may serve another."""
        target = request.uri or ""
        described = self._front.describe(request.method, target, request.headers_bytes)
        seen = self._seen = self._begin(described)
        structlog.contextvars.bind_contextvars(request_id=seen.id)
        try:
            return await self._serve(request, described, sockname, peername)
        finally:
            self._end()

    async def _serve(
        self,
        request: CallbackRequest,
        described: Described,
        sockname: tuple[Any, ...],
        peername: tuple[Any, ...] | None,
    ) -> bool:
        wanted = None
        if not (request.content_length or request.chunked):
            wanted = self._front.wanted(request.method, request.uri or "", request.headers_bytes)
        if wanted is not None:
            if await self._answer_with_kept(request, wanted, described):
                return not self._will_close(request, False)
            if self._closed:
                return False
            self._front.tallies.not_found += 1
        if any(
            name == b"expect" and value.lower() != b"100-continue"
            for name, value in request.headers_bytes
        ):
            return self._refuse(417, "This server meets no expectation but 100-continue.\n")
        if wanted is not None and request.method == "GET":
            self._lead = self._front.leads.begin(wanted)
        try:
            return await self._ask(request, wanted, sockname, peername)
        except Busy:
            return self._refuse(503, "The index is busy: try again.\n", ("Retry-After", "5"))
        finally:
            self._let_others_go(has_answered=False)

    async def _ask(
        self,
        request: CallbackRequest,
        wanted: Wanted | None,
        sockname: tuple[Any, ...],
        peername: tuple[Any, ...] | None,
    ) -> bool:
        """Send what the application answers, which is asked again as often as it says so.

        Returns:
            Whether the connection may serve another request.

        Raises:
            Busy: too many wait for the application already.
        """
        waited = self._may_wait(request)
        while True:
            environ = make_environ(request, sockname, peername)
            if wanted is not None:  # what is kept is whole; see _send_answer
                environ.pop("HTTP_IF_NONE_MATCH", None)
            if waited is not None:
                environ[request_notes.WAITED] = waited
            answered = await self._answer(request, wanted, environ)
            if isinstance(answered, bool):
                return answered
            waited = await self._wait(answered)
            if waited is None:
                return False

    async def _answer_with_kept(
        self, request: CallbackRequest, wanted: Wanted, described: Described
    ) -> bool:
        """Answer with what is kept, or will be when a request that wants the same is answered.

        Returns:
            False: the application is to be asked for this request itself.
        """
        lead: Lead | None = None
        while True:
            answer = await self._front.find(wanted)
            if answer is not None and await self._send_kept(request, wanted, answer):
                self._front.tallies.found += 1
                self._remember_head(request, wanted, described)
                if self._callback_parser._buffer:
                    await asyncio.sleep(0)  # others are served before what was asked in advance
                return True
            if lead is not None and lead.has_answered:
                return False  # with nothing that is kept
            lead = self._front.leads.find(wanted)
            if lead is None or self._closed:
                return False
            await self._follow(lead)

    async def _follow(self, lead: Lead) -> None:
        """Wait for another request that wants the same."""
        began = self._loop.time()
        self._woken = self._loop.create_future()
        try:
            await follow(lead, self._woken)
        finally:
            self._woken = None
        if self._seen is not None:
            self._seen.began += min(lead.waited, self._loop.time() - began)

    def _let_others_go(self, *, has_answered: bool) -> None:
        """No request waits for the answer to this one any more; see :class:`Leads`."""
        lead, self._lead = self._lead, None
        if lead is not None:
            self._front.leads.end(lead, has_answered=has_answered)

    # --- waiting until something changes ---

    def _may_wait(self, request: CallbackRequest) -> Waited | None:
        """Whether the application may let the request wait: one that has no body."""
        has_body = bool(request.content_length or request.chunked)
        can = self.worker.alive and self._front.waiters.has_room and not has_body
        return _MAY_WAIT if can else None

    async def _wait(self, wait: Wait) -> Waited | None:
        """Wait; None where the client has gone meanwhile. It is no time that the index takes."""
        if wait.done is None:  # that may be long, and others may not want to wait for it
            self._let_others_go(has_answered=True)
        began = self._loop.time()
        self._woken = self._loop.create_future()
        try:
            await self._front.waiters.wait(wait, self._woken)
        finally:
            self._woken = None
        passed, has_gone = self._loop.time() - began, self._closed or self._has_ended
        if self._lead is not None:
            self._lead.waited += passed
        if self._seen is not None:
            self._seen.began += passed
            self._seen.status = _NOTHING_YET if has_gone else 0
        if has_gone:
            return None
        left = max(0.0, wait.left - passed) if self.worker.alive else 0.0
        return Waited(wait.topic, wait.since, left)

    # --- what is said of requests ---

    def _begin(self, described: Described) -> Seen:
        """A request that is answered from now on."""
        given = described.given_id if self._is_proxy else None
        now = self._loop.time()
        return Seen(given or new_id(), described, now, self._written)

    def _end(self) -> None:
        """The request is answered, as far as it ever will be."""
        seen, self._seen = self._seen, None
        if seen is None:
            return
        sent, received = self._written - seen.written, self._received - self._noted
        self._noted = self._received
        self._front.note(seen, self._peer, sent, received, is_proxy=self._is_proxy)

    def _note_cut(self, why: str) -> None:
        """The request that is being answered, if there is one, ends before its end."""
        if self._seen is None or self._seen.cut:
            return
        if self._woken is not None:  # to go while there is nothing to be told is no mishap
            self._seen.status = _NOTHING_YET
        else:
            self._seen.cut = why

    def _last_headers(self, status: int, *, kept: bool = False) -> bytes:
        """The headers that every answer has, which are those of this one."""
        seen = self._seen
        if seen is None:
            return _date_header()
        seen.status, seen.kept = status, kept
        return b"%bX-Request-Id: %b\r\n" % (_date_header(), seen.id.encode("ascii"))

    # --- deadlines ---

    def check(self, now: float) -> None:
        """Cut the client off if it has had its time. Called about once a second."""
        timing = self._front.timing
        if self._head_since is not None:
            if now - self._head_since > min(timing.head, timing.stall):
                self._time_out()
            return
        if self._turn_since is None:
            return
        moved = self._moved()
        if moved != self._moved_before:
            self._moved_before, self._moved_at = moved, now
        if now - self._moved_at > timing.stall:
            self._give_up()
        elif now - self._window_since > timing.window:
            if moved - self._moved_at_window < timing.least * timing.window:
                self._give_up()
            self._window_since, self._moved_at_window = now, moved

    def end_if_idle(self) -> None:
        """Close the connection where no request is being answered: the server stops."""
        if self._current_request is None and not self._closed:
            self._close_transport()
            self._request_ready.set()

    def _moved(self) -> int:
        """How many bytes the client has sent, and has confirmed to have."""
        waiting = self.transport.get_write_buffer_size() + self._unconfirmed()
        return self._received + self._written - waiting

    def _unconfirmed(self) -> int:
        """What the kernel still holds for the client: it says only late that it has room for more.

        Where it cannot be asked, nothing.
        """
        try:
            descriptor = self.transport.get_extra_info("socket").fileno()
            return int.from_bytes(
                fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)), sys.byteorder
            )
        except (OSError, ValueError):
            return 0

    @contextlib.contextmanager
    def _client_turn(self) -> Iterator[None]:
        now = self._loop.time()
        self._turn_since = self._moved_at = now
        self._moved_before = self._moved()
        if now - self._turn_ended > PAUSE:  # what it has sent or taken before says nothing of now
            self._window_since, self._moved_at_window = now, self._moved_before
        try:
            yield
        finally:
            self._turn_since, self._turn_ended = None, self._loop.time()

    def _time_out(self) -> None:
        """Say that the head of the request took too long, if it has begun."""
        self._head_since = None
        parser = self._callback_parser
        if parser.method is not None or parser._buffer:
            self._send_error_response(408, "The request did not arrive in time.\n")
        self._close_transport()
        self._request_ready.set()

    def _give_up(self) -> None:
        """The client has stopped: end what waits for it."""
        self._turn_since = None
        self._note_cut(SLOW)
        if self._body_receiver is not None and not self._body_receiver._complete:
            self._body_receiver.signal_disconnect()
            self._loop.call_later(5.0, self._abort)
        else:
            self._abort()

    def _abort(self) -> None:
        self._closed = True
        self._flow_control.resume_writing()
        if self._waiting is not None:
            self._waiting.cancel()
        self.transport.abort()

    # --- answers that are kept ---

    def _answer_at_once(self, known: Known) -> bool:
        """Answer here and now, if what is wanted is kept in memory and the client keeps up."""
        if self._flow_control.write_paused or not self.worker.alive or self._closed:
            return False
        wanted = known.wanted
        answer = self._front.find_now(wanted)
        if answer is None:
            return False
        is_known = answer.is_known_by(wanted.etags)
        body = b"" if is_known or known.is_head else answer.body
        if not isinstance(body, bytes):
            return False
        self._seen = self._begin(known.described)
        end = self._last_headers(304 if is_known else 200, kept=True) + b"\r\n"
        self._write((answer.not_modified if is_known else answer.head) + end + body)
        if body:
            self._count(wanted.target.decode("latin-1"))
        self._front.tallies.found += 1
        self._head_since, self._answered_at = None, self._loop.time()
        self._end()
        return True

    def _remember_head(
        self, request: CallbackRequest, wanted: Wanted, described: Described
    ) -> None:
        """Remember what was read, if the request came in one piece, and with nothing else."""
        parser = self._callback_parser
        if self._whole is None or not parser.is_complete or parser._buffer:
            return
        # No other request has the same id.
        if described.given_id is None and not request.should_close():
            known = Known(wanted, request.method == "HEAD", described)
            self._front.remember(self._whole, known)

    async def _send_kept(
        self, request: CallbackRequest, wanted: Wanted, answer: Answer, *, is_new: bool = False
    ) -> bool:
        """Send an answer; return False where its file is not what it was."""
        is_known = answer.is_known_by(wanted.etags)
        end = self._last_headers(304 if is_known else 200, kept=not is_new)
        if self._will_close(request, False):
            end += b"Connection: close\r\n"
        if is_known:
            self._write(answer.not_modified + end + b"\r\n")
        elif request.method == "HEAD":
            self._write(answer.head + end + b"\r\n")
        elif isinstance(answer.body, bytes):
            self._count(request.uri)
            await self._write_all(answer.head + end + b"\r\n", answer.body)
        else:
            try:
                file = answer.body.open("rb")
            except OSError:
                self._front.answers.forget(wanted)
                return False
            with file:
                if os.fstat(file.fileno()).st_size != answer.length:  # it is damaged
                    self._front.answers.forget(wanted)
                    return False
                self._write(answer.head + end + b"\r\n")
                self._count(request.uri)
                await self._send_file(file, 0, answer.length)
        return True

    # --- answers of the application ---

    async def _answer(
        self, request: CallbackRequest, wanted: Wanted | None, environ: dict[str, Any]
    ) -> bool | Wait:
        """Send what the application answers, or give what it wants the request to wait for."""
        age = self._front.answers.age
        begun, complete, broken = await self._receive_small_body(request)
        if self._seen is not None:
            environ[request_notes.REQUEST_ID] = self._seen.id
            self._seen.notes = environ
        forwarded_for = environ.get("HTTP_X_FORWARDED_FOR", "")
        place = self._front.place(self._peer, forwarded_for, is_proxy=self._is_proxy)
        exchange = self._front.pool.begin(environ, place, body=begun, complete=complete)
        self._exchange = exchange
        try:
            if broken:
                exchange.end_body(broken=True)
            while not (exchange.finished or exchange.output):
                await self._listen(exchange)
            if self._closed:
                return False
            if exchange.failed and not exchange.output:
                return self._refuse_as_failed(exchange)
            wait = request_notes.wait(environ)
            if wait is not None:
                return wait
            if not (exchange.status or "").startswith("200"):
                self._let_others_go(has_answered=True)
            await self._hold_back_refusal(exchange.status or "", place)
            seconds = request_notes.keep_for(environ)
            return await self._send_answer(request, wanted, age, exchange, seconds)
        finally:
            self._exchange = None
            exchange.abandon()
            if exchange.file is not None:
                exchange.file.close()

    async def _hold_back_refusal(self, status: str, place: str) -> None:
        """Wait with a refusal, where there are many of them; not for a server that stops."""
        if not status.startswith(REFUSALS):
            return
        until = self._loop.time() + self._front.refusals.wait(place, self._loop.time())
        while self._loop.time() < until and self.worker.alive and not self._closed:
            await asyncio.sleep(min(PAUSE, until - self._loop.time()))

    async def _receive_small_body(self, request: CallbackRequest) -> tuple[bytes, bool, bool]:
        """What the application begins with: a small body as a whole.

        It may hold locks when it reads one, and must not wait for a client then. What says that it
        is larger is only for views that know how to wait.

        Returns:
            The body so far, whether it is complete, and whether no more of it comes.
        """
        if not request.content_length and not request.chunked:
            return b"", True, False
        body = bytearray()
        if (request.content_length or 0) > SMALL_BODY:
            return b"", False, False
        while len(body) <= SMALL_BODY:
            with self._client_turn():
                message = await self._body_receiver.receive()
            if message["type"] == "http.disconnect":
                return bytes(body), False, True
            body += message["body"]
            if not message["more_body"]:
                return bytes(body), True, False
        return bytes(body), False, False

    async def _listen(self, exchange: Exchange) -> None:
        """Wait for the application, and give it the body that it waits for."""
        if exchange.wants_body:
            with self._client_turn():
                message = await self._body_receiver.receive()
            if message["type"] == "http.disconnect":
                exchange.end_body(broken=True)
                return
            if not message["more_body"]:
                exchange.feed_last(message["body"])
            elif message["body"]:
                exchange.feed(message["body"])
            return
        exchange.sent()
        await exchange.news()

    async def _send_answer(
        self,
        request: CallbackRequest,
        wanted: Wanted | None,
        age: int,
        exchange: Exchange,
        seconds: float | None,
    ) -> bool:
        status, headers = exchange.status or "500 Internal Server Error", exchange.headers
        lines = _checked(status, headers)
        whole = exchange.file is None and exchange.finished
        body = exchange.take_output() if whole else b""
        if wanted is not None and status.startswith("200"):
            kept = body if whole else _file_to_keep(exchange.file)
            if kept is not None and request.method == "GET":
                self._front.answers.keep(wanted, age, status, lines, kept, seconds)
                self._let_others_go(has_answered=True)
                answer = self._front.answers.find(wanted)
                if answer is not None and await self._send_kept(
                    request, wanted, answer, is_new=True
                ):
                    return not self._will_close(request, False)
            self._let_others_go(has_answered=True)
            etag = dict(lines).get(b"etag")
            if etag and wanted.etags is not None and answers.matches(wanted.etags, etag):
                status, lines, body = "304 Not Modified", _of_not_modified(lines), b""
                exchange.abandon()
        return await self._write_answer(request, exchange, status, lines, body)

    async def _write_answer(
        self,
        request: CallbackRequest,
        exchange: Exchange,
        status: str,
        lines: answers.HeaderLines,
        body: bytes,
    ) -> bool:
        """Write status line, headers and content; return whether the connection may go on."""
        omitted = request.method == "HEAD" or status.startswith(_NO_BODY)
        length = next((int(value) for name, value in lines if name == b"content-length"), None)
        chunked = False
        if length is None and not omitted:
            if exchange.file is None and exchange.finished:
                length = len(body)
                lines = [*lines, (b"content-length", b"%d" % length)]
            elif request.version is not None and request.version >= (1, 1):
                chunked = True
                lines = [*lines, (b"transfer-encoding", b"chunked")]
        unread = self._has_unread_body()
        closes = unread or self._will_close(request, length is None and not chunked and not omitted)
        end = self._last_headers(int(status[:3]))
        if closes:
            end += b"Connection: close\r\n"
        start = answers.head(status, lines) + end + b"\r\n"
        if request.method == "GET" and _is_from_the_beginning(status, lines):
            self._count(request.uri)
        if omitted:
            self._write(start)
        elif exchange.file is not None:
            self._write(start)
            if isinstance(exchange.file, ArrivingFile):
                await self._send_arriving(exchange.file)
            else:
                if length is None:
                    length = os.fstat(exchange.file.file.fileno()).st_size
                await self._send_file(exchange.file.file, exchange.file.file.tell(), length)
        elif exchange.finished and not exchange.output:
            await self._write_all(start, body if not chunked else _chunk(body) + b"0\r\n\r\n")
        else:
            self._write(start)
            sent = await self._stream(exchange, chunked=chunked)
            closes = closes or exchange.failed or (length is not None and sent < length)
        if unread:
            await self._discard(status, request)
        return not closes

    async def _stream(self, exchange: Exchange, *, chunked: bool) -> int:
        """Send what the application gives, while it gives it."""
        sent = 0
        while not self._closed:
            if exchange.output:
                piece = exchange.take_output()
                sent += len(piece)
                await self._write_all(b"", _chunk(piece) if chunked else piece)
                exchange.sent()
            elif exchange.finished:
                break
            else:
                await self._listen(exchange)
        if chunked and not exchange.failed:
            self._write(b"0\r\n\r\n")
        return sent

    # --- refusals of the server's own ---

    def _send_error_response(
        self, status: int, message: str, extra_headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Refuse; what could not be read as a request is noted as one of which nothing is known."""
        is_read = self._seen is not None
        seen = self._seen = self._seen or self._begin(self._front.describe("", "", ()))
        seen.status, seen.kept = status, False
        headers = (*extra_headers, ("X-Request-Id", seen.id))
        super()._send_error_response(status, message, headers)
        if not is_read:
            self._end()

    def _refuse(self, status: int, sentence: str, *headers: tuple[str, str]) -> bool:
        self._send_error_response(status, sentence, headers)
        return False

    def _refuse_as_failed(self, exchange: Exchange) -> bool:
        if exchange.body_broken:
            return self._refuse(408, "The request did not arrive in time.\n")
        return self._refuse(500, "Something went wrong in this index.\n")

    # --- bytes ---

    def _count(self, target: str | None) -> None:
        """Say that content was sent to who asked for this."""
        if self._front.count is not None and target is not None:
            self._front.count(target)

    def _write(self, data: bytes) -> None:
        self._safe_write(data)

    def _safe_write(self, data: bytes) -> None:
        self._written += len(data)
        super()._safe_write(data)

    async def _write_all(self, start: bytes, body: bytes) -> None:
        """Write, and wait until the client has taken most of it."""
        if len(body) < SENT_AT_ONCE:
            self._write(start + body)
        else:
            if start:
                self._write(start)
            self._write(body)
        await self._drain()

    async def _drain(self) -> None:
        if self._flow_control.write_paused and not self._closed:
            with self._client_turn():
                await self._flow_control.drain()

    async def _send_file(self, file: BinaryIO, offset: int, count: int) -> None:
        """Let the kernel send ``count`` bytes of a file, as the client takes them."""
        await self._flush()
        if self._closed:
            return
        # Of our own, as the event loop lets nobody else watch the connection's descriptor.
        connection = os.dup(self.transport.get_extra_info("socket").fileno())
        end = offset + count
        try:
            with self._client_turn():
                while offset < end and not self._closed:
                    sent = await self._send_piece(
                        connection, file, offset, min(PIECE_OF_A_FILE, end - offset)
                    )
                    if sent == 0:  # the client is gone, or the file is shorter than it was
                        break
                    offset += sent
                    self._written += sent
                    await asyncio.sleep(0)
        finally:
            os.close(connection)
        if offset < end:
            self._abort()

    async def _send_arriving(self, body: ArrivingFile) -> None:
        """Send a file while it grows; the connection is cut where it does not grow to its end."""
        offset, pause = body.file.tell(), SHORTEST_PAUSE
        while offset < body.end and not self._closed:
            count = body.available - offset
            if count > 0:
                await self._send_file(body.file, offset, count)
                offset, pause = offset + count, SHORTEST_PAUSE
            elif body.may_grow():
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            elif body.available <= offset:  # it has not grown since
                self._abort()

    async def _send_piece(self, connection: int, file: BinaryIO, offset: int, count: int) -> int:
        """Send some bytes of a file, once the client takes any; say how many."""
        while not self._closed:
            try:
                return os.sendfile(connection, file.fileno(), offset, count)
            except BlockingIOError:
                await self._until_writable(connection)
            except OSError:
                return 0
        return 0

    async def _until_writable(self, connection: int) -> None:
        waiting = self._waiting = self._loop.create_future()
        self._loop.add_writer(connection, wake, waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if not self._closed:  # it is this connection's task that is cancelled
                raise
        finally:
            self._waiting = None
            self._loop.remove_writer(connection)

    async def _flush(self) -> None:
        """Wait until the kernel has all that was written."""
        self.transport.set_write_buffer_limits(high=0)
        await self._drain()
        self.transport.set_write_buffer_limits(high=SENT_AT_ONCE)

    # --- bodies that nobody wants ---

    def _has_unread_body(self) -> bool:
        receiver = self._body_receiver
        return (
            receiver is not None
            and not receiver._complete
            and not (receiver.request.content_length == 0 and not receiver.request.chunked)
        )

    async def _discard(self, status: str, request: CallbackRequest) -> None:
        """Read on and throw away, so that a client that sends everything first gets its answer.

        Closing a connection on which bytes arrive makes the kernel reset it, and the client sees a
        broken pipe instead of the sentence (RFC 9112, section 9.6).
        """
        known = any(name == b"authorization" for name, _ in request.headers_bytes)
        stranger = not known or status.startswith(("401", "403"))
        left = DISCARDED_OF_STRANGERS if stranger else DISCARDED
        deadline = self._loop.time() + DISCARDING_SECONDS
        receiver = self._body_receiver
        if receiver.expect_continue:
            return
        while left > 0 and self._loop.time() < deadline and not receiver._complete:
            try:
                message = await asyncio.wait_for(receiver.receive(), self._front.timing.discard)
            except TimeoutError:
                return
            if message["type"] == "http.disconnect" or not message["more_body"]:
                return
            left -= len(message["body"])


def _checked(status: str, headers: list[tuple[str, str]]) -> answers.HeaderLines:
    """The headers as bytes, with names in lower case.

    Raises:
        ValueError: one of them, or the status, would break the answer.
    """
    if _CONTROL.search(status):
        raise ValueError("The status line has a control character.")
    lines = []
    for name, value in headers:
        if _CONTROL.search(value):
            raise ValueError(f"The header {name!r} is not valid.")
        lines.append((_checked_name(name), value.encode("latin-1")))
    return lines


@lru_cache(maxsize=256)  # an application has a few dozen
def _checked_name(name: str) -> bytes:
    if not _HEADER.fullmatch(name):
        raise ValueError(f"The header {name!r} is not valid.")
    return name.lower().encode("latin-1")


def _file_to_keep(body: FileBody | None) -> bytes | Path | None:
    """A small file's bytes, which are read; a larger file's path; None where there is none."""
    if body is None or isinstance(body, ArrivingFile) or body.file.tell():
        return None
    return answers.content_of(body.file)


def _is_from_the_beginning(status: str, lines: answers.HeaderLines) -> bool:
    """Whether an answer has content, and the first byte of it."""
    if not status.startswith("206"):
        return status.startswith("200")
    return any(name == b"content-range" and _FIRST.match(value) for name, value in lines)


def _of_not_modified(lines: answers.HeaderLines) -> answers.HeaderLines:
    return [line for line in lines if not line[0].startswith(b"content-")]


def _expects_what_is_not_done(request: CallbackRequest) -> bool:
    return any(
        name == b"expect" and value.lower() != b"100-continue"
        for name, value in request.headers_bytes
    )


def _is_http11(request: CallbackRequest) -> bool:
    return request.version is not None and request.version >= (1, 1)


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
