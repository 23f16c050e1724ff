"""The process that renders descriptions: one for each process of ours, from when it is needed."""

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from greenroom.distributions import rendering

_PARTING = 2.0
"""Seconds that the process has to end by itself."""
_MARGIN = 5.0
"""Seconds that it has to import what renders, and to fork, besides the time of the rendering."""
_LONGEST_ANSWER = rendering.ANSWER.size + 4 * rendering.MAX_HTML + 1


class _Broken(Exception):
    """The process did not begin with what it was asked for."""


class Renderer:
    """Has descriptions rendered by forks of one process (``rendering.py``), a few at once.

    Any thread may ask. A process that is gone is started anew, and so is one for a process that was
    forked from ours. It ends with ours, however that ends: its socket is closed then.
    """

    def __init__(self, program: Path | None = None, at_once: int | None = None) -> None:
        """Start nothing yet.

        Args:
            program: what is run by Python; ``rendering.py``, if nothing is said.
            at_once: how many descriptions are rendered at the same time; as many as there are
                processors, if nothing is said.
        """
        self._program = program or Path(rendering.__file__)
        self._at_once = at_once or _processors()
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(self._at_once)

    @property
    def pid(self) -> int | None:
        """The process, where one was started."""
        return self._process.pid if self._process is not None else None

    def render(
        self, text: str, *, is_restructuredtext: bool, variant: str, seconds: float
    ) -> tuple[int, str] | None:
        """What becomes of a description.

        Args:
            text: the description.
            is_restructuredtext: whether it is that, or else Markdown.
            variant: of Markdown.
            seconds: how long the rendering may take.

        Returns:
            ``rendering.RENDERED`` and HTML, or ``rendering.DOES_NOT_RENDER`` and the first warning.
            None, if the rendering was stopped or broke down, or no process can be started.
        """
        order = rendering.ORDER.pack(is_restructuredtext, seconds)
        request = f"{variant}\n{text}".encode("utf-8", "replace")
        with self._free:
            for _ in range(2):
                try:
                    return self._ask(order, request, seconds + _MARGIN)
                except _Broken:
                    continue
                except (OSError, subprocess.SubprocessError):
                    return None
        return None

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end(self._orders)

    def abandon(self) -> None:
        """Leave the process to the one that this one was forked from."""
        self._begin()
        if self._orders is not None:
            self._orders.close()
        if self._process is not None:
            self._process.returncode = 0  # it is not ours to wait for
        self._orders = self._process = None

    def _ask(self, order: bytes, request: bytes, seconds: float) -> tuple[int, str] | None:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                orders = self._hand_over(order, theirs)
            ours.settimeout(seconds)
            answer = _exchange(ours, request)
        if not answer:
            self._give_up(orders)
            raise _Broken
        return _parsed(answer)

    def _hand_over(self, order: bytes, theirs: socket.socket) -> socket.socket:
        """Give the process an order; gives back where it was given."""
        with self._lock:
            orders = self._orders
            if orders is None:
                orders = self._start()
            try:
                socket.send_fds(orders, [order], [theirs.fileno()])
            except OSError as error:
                self._end(orders)
                raise _Broken from error
            return orders

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - nothing here is anybody's input
                    [sys.executable, "-I", "-X", "utf8", str(self._program)],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={},
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        ours.settimeout(_MARGIN)
        self._orders = ours
        return ours

    def _give_up(self, orders: socket.socket) -> None:
        with self._lock:
            self._end(orders)

    def _end(self, orders: socket.socket | None) -> None:
        """End the process that takes these orders, unless another one has taken its place."""
        if orders is None or orders is not self._orders:
            return
        process = self._process
        self._orders = self._process = None
        orders.close()
        if process is None:
            return
        try:
            process.wait(_PARTING)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


def _processors() -> int:
    """How many there are for this process."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _exchange(asked: socket.socket, request: bytes) -> bytes:
    """Send all, and receive all: nothing where the process has not even begun."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
        asked.sendall(request)
        asked.shutdown(socket.SHUT_WR)
    received = bytearray()
    # A process that dies while something is on its way to it resets the connection.
    with contextlib.suppress(ConnectionResetError, TimeoutError):
        while len(received) < _LONGEST_ANSWER and (piece := asked.recv(1 << 16)):
            received += piece
    return bytes(received)


def _parsed(answer: bytes) -> tuple[int, str] | None:
    answer = answer.removeprefix(rendering.BEGUN)
    if len(answer) < rendering.ANSWER.size:
        return None
    outcome, length = rendering.ANSWER.unpack_from(answer)
    content = answer[rendering.ANSWER.size :]
    return (outcome, content.decode("utf-8", "replace")) if len(content) == length else None


RENDERER = Renderer()
"""The one of this process: to have more would only take memory."""
os.register_at_fork(after_in_child=RENDERER.abandon)
atexit.register(RENDERER.close)
