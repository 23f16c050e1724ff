"""Answers that reach a client which is still sending.

An index refuses many an upload by its headers alone: a bad token, a size above the limit. The
answer is written while the client still sends its body, for most clients read an answer only when
they have sent everything. A server that closes the connection there and then makes the kernel
reset it, and the client sees a broken pipe instead of the sentence that tells what is wrong.

``Lingering`` therefore writes the answer first, and then reads on and throws away for a while
(RFC 9112 §9.6), until the body has ended, or the client is silent, or a limit is reached.
"""

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from wsgiref.types import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

CONNECTION = "gunicorn.socket"
PIECE = 256 * 1024


@dataclass(frozen=True)
class Patience:
    """How long the rest of an unwanted body is read.

    Attributes:
        idle: seconds without a byte after which the client is taken to wait for us.
        longest: seconds in all. A slow line needs minutes for a large wheel.
        most: bytes in all.
    """

    idle: float = 5.0
    longest: float = 300.0
    most: int = 4 * 1024**3


class Lingering:
    """WSGI middleware that reads the rest of a request body after its answer was sent.

    Requests without a body pass untouched, so that ``wsgi.file_wrapper`` keeps its fast path. On
    servers that do not show the connection in the environment it does nothing.
    """

    def __init__(self, application: WSGIApplication, patience: Patience | None = None) -> None:
        self._application = application
        self._patience = patience or Patience()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as the application does, and linger when the answer is closed."""
        connection = environ.get(CONNECTION)
        body: InputStream = environ["wsgi.input"]
        answer = self._application(environ, start_response)
        if not isinstance(connection, socket.socket) or not _has_body(environ):
            return answer
        return _LingeringAnswer(answer, body, connection, self._patience)


class _LingeringAnswer:
    """What the application answered; closing it reads what is left of the request."""

    def __init__(
        self,
        answer: Iterable[bytes],
        body: InputStream,
        connection: socket.socket,
        patience: Patience,
    ) -> None:
        self._answer = answer
        self._body = body
        self._connection = connection
        self._patience = patience

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                close()
        finally:
            _read_away(self._body, self._connection, self._patience)


def _has_body(environ: WSGIEnvironment) -> bool:
    return "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0") not in (
        "",
        "0",
    )


def _read_away(body: InputStream, connection: socket.socket, patience: Patience) -> None:
    """Read ``body`` to its end, within ``patience``.

    A read returns when it has all it asked for, however slowly that trickles in. The alarm ends
    such a read: after it the connection looks finished to us.
    """
    alarm = threading.Timer(patience.longest, _stop_reading, [connection])
    alarm.daemon = True
    alarm.start()
    left = patience.most
    try:
        connection.settimeout(patience.idle)
        while left > 0 and (piece := body.read(min(PIECE, left))):
            left -= len(piece)
    except Exception:  # noqa: S110 - whatever broke, the answer is sent and nobody listens
        pass
    finally:
        alarm.cancel()


def _stop_reading(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
