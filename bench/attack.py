"""Connections that cost a server something and give it nothing: slow, silent, idle, insistent.

An attack runs in a thread of its own, beside whoever asks as everybody does.
"""

import asyncio
import contextlib
import enum
import re
import socket
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from urllib.parse import urlsplit

from bench.asking import BOUNDARY, Account, get

ONE_ADDRESS = ("127.0.0.66",)
MANY_ADDRESSES = tuple(f"127.0.{1 + number // 250}.{1 + number % 250}" for number in range(500))
SIGN_IN = "/account/login"

_PAUSE = 1.0  # seconds between two bytes
_SIP = 64  # what a slow reader takes at once
_SMALL_BUFFER = 4096
_PIPELINED = 200
_DRAINS_WITHIN = 5
_CONNECTS_WITHIN = 30
_HEAD = 4096
_LONG_BODY = 1024 * 1024


class Kind(enum.StrEnum):
    """What a connection does."""

    SILENT = "says nothing"
    HEADER = "a header byte now and then"
    BODY = "a body that drips"
    FILE = "a slow reader of a large file"
    PAGE = "a slow reader of pages"
    IDLE = "idle after an answer"
    SIGN_IN = "signs in over and over"


# The others do what everybody may: stay connected, and try to sign in.
HAVE_TO_END = frozenset({Kind.SILENT, Kind.HEADER, Kind.BODY, Kind.FILE, Kind.PAGE})


@dataclass(frozen=True)
class Target:
    """What is attacked: an index that has a large file, a page, and somebody who uploads."""

    url: str
    account: Account
    file: str
    page: str
    attempts: int = 1000

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port


@dataclass
class Connection:
    """One connection of an attack, and what has become of it."""

    kind: Kind
    source: str
    refused: bool = False
    ended: bool = False
    statuses: list[int] = field(default_factory=list)

    @property
    def fate(self) -> str:
        """How it has ended, in a word."""
        if self.refused:
            return "not let in"
        if not self.ended:
            return "open"
        return str(self.statuses[-1]) if self.statuses else "cut off"


class Attack:
    """Connections of some kinds from some addresses, which live until they are told to end."""

    def __init__(
        self, target: Target, kinds: Sequence[Kind], connections: int, sources: Sequence[str]
    ) -> None:
        self._target = target
        pairs = zip(range(connections), cycle(kinds), cycle(sources), strict=False)
        self.connections = [Connection(kind, source) for _, kind, source in pairs]
        self._form = _sign_in_form(target) if Kind.SIGN_IN in kinds else b""
        self._numbers = count()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._begun = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Attack until the block ends; then see which slow readers had been cut off."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            self._begun.wait(60)
            yield
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join()

    def fates(self) -> dict[Kind, Counter[str]]:
        """How the connections of each kind have ended."""
        counted: dict[Kind, Counter[str]] = {}
        for connection in self.connections:
            counted.setdefault(connection.kind, Counter())[connection.fate] += 1
        return counted

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._attack())
        finally:
            self._loop.close()

    async def _attack(self) -> None:
        acts: dict[Kind, Callable[[Connection, Stream], Coroutine[None, None, None]]] = {
            Kind.SILENT: self._keep_silent,
            Kind.HEADER: self._drip_header,
            Kind.BODY: self._drip_body,
            Kind.FILE: self._read_file_slowly,
            Kind.PAGE: self._read_pages_slowly,
            Kind.IDLE: self._idle,
            Kind.SIGN_IN: self._sign_in,
        }
        tasks = []
        for connection in self.connections:
            tasks.append(asyncio.create_task(self._live(connection, acts[connection.kind])))
            # A few at a time, as the queue of those who wait to be let in is short.
            await asyncio.sleep(0.002)
        self._begun.set()
        await asyncio.gather(*tasks)
        await self._stop.wait()

    async def _live(
        self,
        connection: Connection,
        act: "Callable[[Connection, Stream], Coroutine[None, None, None]]",
    ) -> None:
        stream = Stream(connection.source)
        try:
            await stream.connect(self._target.address)
            await act(connection, stream)
        except OSError:
            connection.ended = True
            connection.refused = not stream.connected
        finally:
            stream.close()

    async def _keep_silent(self, connection: Connection, stream: "Stream") -> None:
        await self._wait_for_answer(connection, stream, b"")

    async def _drip_header(self, connection: Connection, stream: "Stream") -> None:
        await stream.send(b"GET /simple/ HTTP/1.1\r\nHost: index.example\r\nX-Slow: ")
        await self._wait_for_answer(connection, stream, b"x")

    async def _drip_body(self, connection: Connection, stream: "Stream") -> None:
        account = self._target.account
        await stream.send(
            f"POST {account.path} HTTP/1.1\r\nHost: {urlsplit(self._target.url).netloc}\r\n"
            f"Authorization: {account.authorization}\r\nContent-Length: {_LONG_BODY}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="a"'
            "\r\n\r\n".encode()
        )
        await self._wait_for_answer(connection, stream, b"x")

    async def _wait_for_answer(self, connection: Connection, stream: "Stream", drop: bytes) -> None:
        """Send a drop now and then until an answer comes, or the connection ends."""
        while not self._stop.is_set():
            received = await stream.receive(65536, _PAUSE)
            if received is not None:
                if (status := _status(received)) is not None:
                    connection.statuses.append(status)
                connection.ended = True
                return
            await stream.send(drop)

    async def _read_file_slowly(self, connection: Connection, stream: "Stream") -> None:
        await self._read_slowly(connection, stream, self._target.file, 1)

    async def _read_pages_slowly(self, connection: Connection, stream: "Stream") -> None:
        # More than the kernel takes in one piece off the server's hands.
        await self._read_slowly(connection, stream, self._target.page, _PIPELINED)

    async def _read_slowly(
        self, connection: Connection, stream: "Stream", path: str, times: int
    ) -> None:
        await stream.send(self._question(path) * times)
        begun, total = b"", 0
        while not self._stop.is_set():
            received = await stream.receive(_SIP, _PAUSE)
            if received == b"":
                break
            total += len(received or b"")
            if len(begun) < _HEAD:
                begun += received or b""
            await asyncio.sleep(_PAUSE)
        # What the kernel still has is not from a server that has hung up meanwhile.
        total += await stream.drain(_DRAINS_WITHIN)
        if (status := _status(begun)) not in (None, 200):
            connection.statuses.append(status or 0)
        connection.ended = total < times * _size(begun)

    async def _idle(self, connection: Connection, stream: "Stream") -> None:
        await stream.send(self._question(self._target.page))
        while not self._stop.is_set():
            if await stream.receive(65536, _PAUSE) == b"":
                connection.ended = True
                return

    async def _sign_in(self, connection: Connection, stream: "Stream") -> None:
        for _ in range(self._target.attempts):
            await stream.send(self._form)
            received = None
            while received is None:
                if self._stop.is_set():
                    return
                received = await stream.receive(1024 * 1024, _PAUSE)
            if not received:
                connection.ended = True
                return
            if (status := _status(received)) is not None:
                connection.statuses.append(status)
            await asyncio.sleep(_PAUSE)
        await self._stop.wait()

    def _question(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(self._target.url).netloc}\r\n\r\n".encode()


class Stream:
    """A socket of an event loop, with a small buffer for what comes."""

    def __init__(self, source: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        self._socket.setblocking(False)
        self._socket.bind((source, 0))
        self.connected = False

    async def connect(self, address: tuple[str, int]) -> None:
        """Connect.

        Raises:
            OSError: nobody let it in, or not in time.
        """
        async with asyncio.timeout(_CONNECTS_WITHIN):
            await asyncio.get_running_loop().sock_connect(self._socket, address)
        self.connected = True

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        if data:
            await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def receive(self, most: int, seconds: float) -> bytes | None:
        """What has come, nothing at the end, None when nothing came in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().sock_recv(self._socket, most)
        return None

    async def drain(self, seconds: float) -> int:
        """Read on to the end, or until nothing came for so long; gives how many bytes came."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
        total = 0
        with contextlib.suppress(OSError):
            while received := await self.receive(1024 * 1024, seconds):
                total += len(received)
        return total

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _status(answer: bytes) -> int | None:
    """The status of an answer that begins here."""
    found = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    return int(found[1]) if found else None


def _size(answer: bytes) -> int:
    """How long an answer is that begins here; very long where that cannot be told."""
    head, _, _ = answer.partition(b"\r\n\r\n")
    found = re.search(rb"\r\ncontent-length: (\d+)", head.lower())
    return len(head) + 4 + int(found[1]) if found else 2**40


def _sign_in_form(target: Target) -> bytes:
    """A whole request that tries a password, with the session and the token that a page gave."""
    page = get(target.url, SIGN_IN)
    token = re.search(rb'name="csrf_token" value="([^"]+)', page.body)
    assert token is not None
    fields = {"username": "nobody-here", "password": "x" * 20, "csrf_token": token[1].decode()}
    body = urllib.parse.urlencode(fields)
    cookie = page.headers["set-cookie"].partition(";")[0]
    return (
        f"POST {SIGN_IN} HTTP/1.1\r\nHost: {urlsplit(target.url).netloc}\r\n"
        f"Origin: {target.url}\r\nReferer: {target.url}{SIGN_IN}\r\nCookie: {cookie}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
