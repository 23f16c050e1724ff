"""HTTP, as this index speaks it with an index behind it: bounded, and with nobody else.

A request goes to the upstream itself or to a host that the operator has listed, and nowhere else by
redirects. A host is looked up once, and what that gives is judged and then connected to. What the
upstream's address has of credentials goes to that host alone. Connections are kept for the next
request, at most so many to a host.
"""

import http.client
import socket
import ssl
import threading
import time
import weakref
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from msgspec import Struct

from greenroom import __version__, connections
from greenroom.connections import PORTS, Address, Network, Timed, UnknownHost
from greenroom.other_indexes.errors import (
    AddressRefused,
    BrokenOff,
    NoAnswer,
    TooLong,
    UpstreamFailed,
)
from greenroom.upstream_settings import Upstream

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
"""So long nothing may come."""
PAGE_SECONDS = 60.0
"""So long a page may take as a whole."""
MOST_OF_A_PAGE = 64 * 2**20
"""Bytes of a page, once they are unpacked."""
MOST_CONNECTIONS = 16
"""To one host, of one process."""
PIECE = 64 * 1024

_MOST_UNPACKED = 256 * 1024

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_KEPT_SECONDS = 30.0
_USER_AGENT = f"greenroom/{__version__}"
_LONGEST_URL = 8000
_LONGEST_WAIT = 86400
Place = tuple[str, str, int]
"""Scheme, host and port."""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Answer:
    """What a host has answered: all but the bytes, which come while they are asked for.

    Attributes:
        status: as in HTTP.
        url: of what has answered, after redirects, without credentials.
        headers: of the answer.
    """

    def __init__(self, url: str, response: http.client.HTTPResponse, shown: str) -> None:
        self.url = url
        self.status = response.status
        self.headers = response.headers
        self._response = response
        self._shown = shown
        self.is_complete = False

    @property
    def length(self) -> int | None:
        """How many bytes come, where that is said before."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

    def pieces(self) -> Iterator[bytes]:
        """The bytes as they come, packed as they are.

        Raises:
            BrokenOff: they end before their end.
            NoAnswer: they do not come in time.
        """
        with _understood(self._shown):
            while piece := self._response.read1(PIECE):
                yield piece
            if self._response.length:  # some that were announced are missing
                raise BrokenOff(f"{self._shown} breaks off in the middle.")
        self.is_complete = True
        self._response.close()

    def unpacked(self, most: int = MOST_OF_A_PAGE) -> Iterator[bytes]:
        """The bytes as they come, unpacked, a little at a time.

        Raises:
            TooLong: they are more than ``most``.
            BrokenOff: they end before their end, or are packed in another way than it is said.
            NoAnswer: they do not come in time.
        """
        unpacking = _unpacking(self.headers.get("Content-Encoding", ""), self._shown)
        size = 0
        for piece in self.pieces():
            for found in unpacking.pieces(piece):
                size += len(found)
                if size > most:
                    raise TooLong(f"{self._shown} is longer than {most / 2**20:.4g} MiB.")
                yield found
        unpacking.end()

    def content(self, most: int = MOST_OF_A_PAGE) -> bytes:
        """All bytes, unpacked; what :meth:`unpacked` raises is raised."""
        return b"".join(self.unpacked(most))

    def retry_after(self, now: datetime) -> float | None:
        """After how many seconds it wants to be asked again (RFC 9110, 10.2.3)."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit() and len(text) < 9:
            return float(min(int(text), _LONGEST_WAIT))
        try:
            moment = parsedate_to_datetime(text) if text else None
        except ValueError:
            moment = None
        if moment is None:
            return None
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return min(max(0.0, (moment - now).total_seconds()), _LONGEST_WAIT)


class _Idle(Struct):
    """A connection that waits for the next request."""

    connection: http.client.HTTPConnection
    sock: socket.socket
    since: float


class Client:
    """Asks one upstream, and the hosts that its files may be at. Any thread may use it."""

    def __init__(
        self,
        upstream: Upstream,
        hosts: Sequence[str] = (),
        networks: Sequence[Network] = (),
        *,
        connections_: int = MOST_CONNECTIONS,
    ) -> None:
        """Nothing is connected yet.

        Args:
            upstream: which index.
            hosts: where else its files may be: names, with a port where only that one is meant.
            networks: in which hosts may be besides the Internet.
            connections_: how many may be open to a host.
        """
        self.upstream = upstream
        self._base = urlsplit(upstream.url)
        self._hosts = frozenset(host.lower() for host in hosts)
        self._networks = tuple(networks)
        self._most = connections_
        self._lock = threading.Lock()
        self._idle: dict[Place, list[_Idle]] = {}
        self._turns: dict[Place, threading.BoundedSemaphore] = {}
        # Connections that nobody will use again are closed, and not left to whoever finds them.
        weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def get(
        self,
        url: str,
        headers: Mapping[str, str] = _NO_HEADERS,
        *,
        seconds: float | None = PAGE_SECONDS,
        is_packed: bool = False,
    ) -> Iterator[Answer]:
        """Ask for an address, follow redirects, and give what is answered, whatever its status is.

        Args:
            url: absolute.
            headers: besides those of every request; ``Range`` for a part of a file.
            seconds: how long all of it may take; None: as long as something comes.
            is_packed: whether the bytes may come packed, which :meth:`Answer.content` unpacks.

        Raises:
            AddressRefused: it leads to where nothing is asked.
            NoAnswer: nobody answers, or not in time.
            BrokenOff: the answer is no HTTP, or ends too early.
        """
        until = time.monotonic() + (seconds if seconds is not None else _LONGEST_WAIT)
        sent = {
            "User-Agent": _USER_AGENT,
            "Accept-Encoding": "gzip" if is_packed else "identity",
            **headers,
        }
        asked: set[str] = set()
        while url not in asked and len(asked) <= _MOST_REDIRECTS:
            asked.add(url)
            parts = self.check(url)
            with self._asked(parts, sent, until) as answer:
                target = answer.headers.get("Location")
                if answer.status not in _REDIRECTS or target is None:
                    yield answer
                    return
            url = _joined(url, target)
        raise AddressRefused(f"{shown(url)} redirects in a circle.")

    def check(self, url: str) -> SplitResult:
        """The parts of an address that may be asked, as far as its text shows that.

        Raises:
            AddressRefused: it may not.
        """
        try:
            parts = urlsplit(url)
            port = PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
            host = (parts.hostname or "").lower()
        except ValueError:
            port, host = 0, ""
        if not port or not host or len(url) > _LONGEST_URL or not _is_plain(url):
            raise AddressRefused("The address is none that begins with http:// or https://.")
        if parts.scheme == "http" and self._base.scheme == "https":
            raise AddressRefused(f"{shown(url)} is without TLS, and the upstream is not.")
        own = self.upstream.host
        own_ports = {self._base.port or PORTS[self._base.scheme], PORTS["https"]}
        if (host == own and port in own_ports) or self._hosts & {host, f"{host}:{port}"}:
            return parts
        raise AddressRefused(
            f"{host}:{port} is no host that is asked for files of {self.upstream.name}: the "
            "operator can add it to GREENROOM_UPSTREAM_HOSTS."
        )

    def close(self) -> None:
        """Let go of the connections that wait."""
        with self._lock:
            _close_all(self._idle)

    @contextmanager
    def _asked(
        self, parts: SplitResult, headers: Mapping[str, str], until: float
    ) -> Iterator[Answer]:
        """One request to one host, on a connection that is kept if all of its answer is read."""
        key = _place(parts)
        url = urlunsplit((parts.scheme, _netloc(parts), parts.path, parts.query, ""))
        with self._lock:
            turn = self._turns.setdefault(key, threading.BoundedSemaphore(self._most))
        if not turn.acquire(timeout=max(0.0, min(until - time.monotonic(), PAGE_SECONDS))):
            raise NoAnswer(f"{shown(url)}: too many requests wait for this host.", is_wide=False)
        try:
            with _understood(shown(url)):
                used, response = self._send(key, parts, headers, until)
            answer = Answer(url, response, shown(url))
            is_kept = False
            try:
                yield answer
                is_kept = _is_reusable(answer, response)
            finally:
                if is_kept:
                    self._keep(key, used)
                else:
                    used.sock.close()
        finally:
            turn.release()

    def _send(
        self,
        key: Place,
        parts: SplitResult,
        headers: Mapping[str, str],
        until: float,
    ) -> tuple[_Idle, http.client.HTTPResponse]:
        """Send a request; once more on a new connection where one that was kept is closed."""
        while True:
            used = self._take(key)
            is_new = used is None
            used = used or self._connected(key, until)
            try:
                return used, self._send_on(used, parts, headers, until)
            except (ConnectionError, http.client.RemoteDisconnected, ssl.SSLError):
                used.sock.close()
                if is_new:
                    raise
            except BaseException:
                used.sock.close()
                raise

    def _send_on(
        self, used: _Idle, parts: SplitResult, headers: Mapping[str, str], until: float
    ) -> http.client.HTTPResponse:
        connection = used.connection
        connection.sock = Timed(used.sock, until, READ_SECONDS)
        path = parts.path or "/"
        target = f"{path}?{parts.query}" if parts.query else path
        connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", _netloc(parts))
        for name, value in {**headers, **self._credentials(parts)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse()

    def _credentials(self, parts: SplitResult) -> dict[str, str]:
        """What the upstream wants, for requests to itself."""
        base = self._base
        if base.username is None or _place(parts) != _place(base):
            return {}
        login = f"{unquote(base.username)}:{unquote(base.password or '')}"
        return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}

    def _connected(self, key: Place, until: float) -> _Idle:
        scheme, host, port = key
        addresses = self._judged(host, port)
        soon = min(until, time.monotonic() + CONNECT_SECONDS)
        sock = connections.connect(addresses, port, soon)
        if scheme == "https":
            sock = connections.with_tls(sock, host, soon)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = http.client.HTTPConnection(host, port)
        return _Idle(connection, sock, time.monotonic())

    def _judged(self, host: str, port: int) -> list[Address]:
        """Where a host is, once all of that was judged."""
        found = connections.look_up(host, port)
        if not all(connections.may_reach(address, self._networks) for address in found):
            raise AddressRefused(
                f"{host} is at an address that is not of the Internet: the operator can allow its "
                "network with GREENROOM_UPSTREAM_NETWORKS."
            )
        return found

    def _take(self, key: Place) -> _Idle | None:
        """A connection that waits, and was not closed meanwhile as far as can be seen."""
        now = time.monotonic()
        while True:
            with self._lock:
                waiting = self._idle.get(key)
                used = waiting.pop() if waiting else None
            if used is None:
                return None
            if now - used.since < _KEPT_SECONDS:
                return used
            used.sock.close()

    def _keep(self, key: Place, used: _Idle) -> None:
        used.since = time.monotonic()
        with self._lock:
            waiting = self._idle.setdefault(key, [])
            if len(waiting) < self._most:
                waiting.append(used)
                return
        used.sock.close()


def _close_all(idle: dict[Place, list[_Idle]]) -> None:
    for each in (one for several in idle.values() for one in several):
        each.sock.close()
    idle.clear()


def _place(parts: SplitResult) -> Place:
    return parts.scheme, (parts.hostname or "").lower(), parts.port or PORTS[parts.scheme]


def shown(url: str) -> str:
    """An address for people: without credentials, and without a query, which may have some."""
    try:
        parts = urlsplit(url)
        return urlunsplit((parts.scheme, _netloc(parts), parts.path, "", ""))
    except ValueError:
        return "an address that is none"


def _netloc(parts: SplitResult) -> str:
    """The host, and the port where one is written, without credentials."""
    return parts.netloc.rpartition("@")[2]


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url and "\\" not in url


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        raise AddressRefused(f"{shown(url)} redirects to an address that is none.") from None


def _is_reusable(answer: Answer, response: http.client.HTTPResponse) -> bool:
    """Whether the connection may have another request; a short rest of the answer is read."""
    if response.will_close:
        return False
    if not answer.is_complete and response.length is not None and response.length < PIECE:
        with suppress(UpstreamFailed):
            for _ in answer.pieces():
                pass
    return answer.is_complete


@contextmanager
def _understood(what: str) -> Iterator[None]:
    """Whatever fails of a connection, as a sentence.

    Raises:
        UpstreamFailed: it does.
    """
    try:
        yield
    except UpstreamFailed:
        raise
    except UnknownHost:
        raise NoAnswer(f"{what} cannot be reached: its host is not known.") from None
    except TimeoutError:
        raise NoAnswer(f"{what} does not answer in time.") from None
    except ssl.SSLCertVerificationError as error:
        reason = connections.distrust(error)
        raise NoAnswer(f"{what} has a certificate that is not trusted: {reason}.") from None
    except ssl.SSLError as error:
        reason = error.reason or type(error).__name__
        raise NoAnswer(f"{what} does not speak TLS: {reason}.") from None
    except http.client.IncompleteRead:
        raise BrokenOff(f"{what} breaks off in the middle.") from None
    except (http.client.HTTPException, ValueError) as error:
        raise BrokenOff(f"{what} does not answer in HTTP: {type(error).__name__}.") from None
    except (ConnectionResetError, BrokenPipeError):
        raise BrokenOff(f"{what} breaks off.") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise NoAnswer(f"{what} cannot be reached: {reason[:100]}.") from None


class _Plain:
    """What is not packed."""

    def pieces(self, piece: bytes) -> Iterator[bytes]:
        """What a piece is."""
        yield piece

    def end(self) -> None:
        """See that nothing is missing."""


class _Unpack(_Plain):
    """Unpacks gzip, a little at a time, however small it was packed."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def pieces(self, piece: bytes) -> Iterator[bytes]:
        """What a piece is unpacked, in pieces."""
        while piece:
            try:
                found = self._unpacker.decompress(piece, _MOST_UNPACKED)
            except zlib.error:
                raise BrokenOff(f"{self._what} is packed in a way that cannot be read.") from None
            piece = self._unpacker.unconsumed_tail
            if found:
                yield found

    def end(self) -> None:
        """See that nothing is missing."""
        if not self._unpacker.eof:
            raise BrokenOff(f"{self._what} breaks off in the middle.")


def _unpacking(coding: str, what: str) -> _Plain:
    name = coding.strip().lower()
    if name in ("gzip", "x-gzip"):
        return _Unpack(what)
    if name in ("", "identity"):
        return _Plain()
    raise BrokenOff(f"{what} is packed in a way that was not asked for.")
