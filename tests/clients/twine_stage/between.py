"""What stands between a client and an index: connections that break, and what makes another."""

import http.client
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_PIECE = 16 * 1024
_OTHER_MECHANISMS = re.compile(rb'"mechanisms":\[[^]]*\]')
_OFFSET = re.compile(rb"\r\nUpload-Offset: (\d+)\r\n")


class Wire:
    """Passes connections on, and does to them what a test asks for.

    Attributes:
        breaks_after: a connection breaks when so many bytes of it have gone to the index. Once.
        stalls_after: then what comes is lost, and nobody is told until one of them hangs up.
        heard: all bytes that came from clients.
    """

    def __init__(self, index_url: str) -> None:
        parts = urlsplit(index_url)
        self.index = (parts.hostname or "", parts.port or 80)
        self.breaks_after: int | None = None
        self.stalls_after: int | None = None
        self.stalled = threading.Event()
        self.heard = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def offsets(self) -> list[int]:
        """From where clients sent bytes of a file, each time."""
        return [int(number) for number in _OFFSET.findall(self.heard)]

    def close(self) -> None:
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                index = socket.create_connection(self.index)
                self._open += [client, index]
                threading.Thread(target=self._to_index, args=(client, index), daemon=True).start()
                threading.Thread(target=self._to_client, args=(index, client), daemon=True).start()

    def _to_index(self, client: socket.socket, index: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while piece := client.recv(_PIECE):
                if self.stalls_after is not None and passed > self.stalls_after:
                    self.stalled.set()
                    while client.recv(_PIECE):
                        pass
                    break
                self.heard += piece
                index.sendall(piece)
                passed += len(piece)
                if self.breaks_after is not None and passed > self.breaks_after:
                    self.breaks_after = None
                    _reset(client)
                    break
        _end(client, index)

    def _to_client(self, index: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while piece := index.recv(_PIECE):
                client.sendall(piece)
        _end(client, index)


def _reset(connection: socket.socket) -> None:
    """Break it off; whoever is in the middle of sending learns of it, and does not wait."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _end(*connections: socket.socket) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire_to(index_url: str) -> Iterator[Wire]:
    wire = Wire(index_url)
    try:
        yield wire
    finally:
        wire.close()


@dataclass(frozen=True)
class Kind:
    """What another index does differently.

    Attributes:
        upload_2: whether it has Upload 2.0 at all.
        knows_staging: whether it knows staged legacy uploads; else it takes the flag for nothing.
        resumable: whether it offers more than the mechanism that every index has.
        parallel: whether it takes several files of a session at the same time.
        lists: whether anybody may read its simple index.
    """

    upload_2: bool = True
    knows_staging: bool = True
    resumable: bool = True
    parallel: bool = True
    lists: bool = True


CURRENT = Kind()
CLOSED = Kind(upload_2=False, lists=False)
OLD = Kind(upload_2=False)
OLDER = Kind(upload_2=False, knows_staging=False)
PLAIN = Kind(resumable=False)
SERIAL = Kind(parallel=False)


@contextmanager
def another_index(index_url: str, kind: Kind) -> Iterator[tuple[str, list[str]]]:
    """Ours, behind something that makes another of it; gives its address and what it was asked."""
    asked: list[str] = []
    arriving: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if len(body) < length:
                self.close_connection = True
                return
            if self.path.startswith("/simple/") and not kind.lists:
                self._send(401, "Unauthorized", [("Content-Type", "text/plain")], b"Who are you?")
                return
            if self.path.startswith("/upload/") and not kind.upload_2:
                self._send(404, "Not Found", [("Content-Type", "text/html")], b"<h1>No</h1>")
                return
            if self.path.endswith("/upload") and arriving and not kind.parallel:
                self._send(409, "Conflict", [("Content-Type", "text/plain")], b"One at a time.")
                return
            self._forward(body)

        do_GET = do_POST = do_DELETE = do_HEAD = do_PATCH = _answer  # noqa: N815

        def _forward(self, body: bytes) -> None:
            path = self.path if kind.knows_staging else self.path.partition("?")[0]
            connection = http.client.HTTPConnection(urlsplit(index_url).netloc)
            connection.request(self.command, path, body, dict(self.headers.items()))
            response = connection.getresponse()
            content = response.read()
            if not kind.resumable:
                content = _OTHER_MECHANISMS.sub(b'"mechanisms":["http-post-bytes"]', content)
            if self.path.endswith("/upload") and response.status == 202:
                arriving.add("a file")
            if self.path.endswith("/complete"):
                arriving.clear()
            self._send(response.status, response.reason, response.getheaders(), content)
            connection.close()

        def _send(
            self, status: int, reason: str, headers: list[tuple[str, str]], content: bytes
        ) -> None:
            self.send_response_only(status, reason)
            for name, value in headers:
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
