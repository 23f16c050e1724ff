"""Receivers of webhooks: real servers on loopback, which write down what they hear."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPMessage
from queue import Queue

WAIT = 120
"""Seconds after which a test that waits for a request has failed."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """An answer in HTTP."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Heard:
    """A request: what it asked for, its header in lower case, and its body."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


Behaviour = Callable[[socket.socket], None]


@dataclass
class Receiver:
    """What listens on loopback.

    Attributes:
        port: where.
        answers: what it answers first, or does instead; then OK.
        heard: all requests, the oldest first.
    """

    port: int
    answers: list[bytes | Behaviour] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    arrivals: "Queue[Heard]" = field(default_factory=Queue)
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it is told of events; its path is a secret."""
        return f"http://127.0.0.1:{self.port}/hooks/very-secret-path?key=hidden"

    def serve(self, connection: socket.socket) -> None:
        """One request."""
        with suppress(OSError, ValueError), closing(connection):  # or no HTTP, but TLS
            connection.settimeout(WAIT)
            heard = _request(connection)
            self.heard.append(heard)
            self.arrivals.put(heard)
            act = self.answers.pop(0) if self.answers else OK
            if isinstance(act, bytes):
                connection.sendall(act)
            else:
                act(connection)

    def hang(self, connection: socket.socket) -> None:
        """Say nothing until the end."""
        self.gone.wait(WAIT)

    def drip(self, connection: socket.socket) -> None:
        """Say a little now and then, and never come to an end."""
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not self.gone.wait(0.05):
            connection.sendall(b"X-More: 1\r\n")

    def flood(self, connection: socket.socket) -> None:
        """Say more than anybody wants to hear, until nobody listens."""
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not self.gone.is_set():
            connection.sendall(b"x" * 65536)


def _request(connection: socket.socket) -> Heard:
    with connection.makefile("rb") as stream:
        method, target, _ = stream.readline().decode("latin-1").split(" ", 2)
        headers = HTTPMessage()
        while line := stream.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name] = value.strip()
        body = stream.read(int(headers.get("Content-Length", "0")))
    return Heard(method, target, {k.lower(): v for k, v in headers.items()}, body)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver, until the block ends."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        made = Receiver(listening.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(target=made.serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.gone.set()
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join()
