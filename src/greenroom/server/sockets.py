"""A client's connection: how long it may be silent, and how it is closed."""

import contextlib
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PARTING = 2.0


class PatientSocket(socket.socket):
    """A client's connection on which every wait ends: with a byte, or after ``stall`` seconds.

    Where gunicorn asks for a socket that blocks for ever it gets one that raises ``TimeoutError``
    when nothing at all has moved for that long.
    """

    def __init__(self, accepted: socket.socket, stall: float) -> None:
        family, kind, protocol = accepted.family, accepted.type, accepted.proto
        super().__init__(family, kind, protocol, fileno=accepted.detach())
        self._stall = stall
        self.settimeout(stall)

    def setblocking(self, flag: bool, /) -> None:
        """Wait for at most the stall time, or not at all."""
        self.settimeout(self._stall if flag else 0.0)

    def sendall(self, data: "ReadableBuffer", flags: int = 0, /) -> None:
        """Send everything; the time limit counts anew with each part that went out.

        Raises:
            TimeoutError: the client took nothing for the stall time.
        """
        left = memoryview(data).cast("B")
        while left:
            left = left[self.send(left, flags) :]


def part(connection: socket.socket) -> None:
    """Say goodbye and wait a moment for the client's, so that what it was sent last arrives.

    Gunicorn does this too, but in the loop that accepts connections; when it comes to it after
    this, the connection is silent and there is nothing to wait for.
    """
    deadline = time.monotonic() + PARTING
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(PARTING)
        while connection.recv(65536) and time.monotonic() < deadline:
            pass
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
