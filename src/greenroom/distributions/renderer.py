"""The process that renders descriptions, from when it is needed: one for a server."""

import atexit
import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple

from greenroom.distributions import rendering

_PARTING = 2.0
"""Seconds that the process has to end by itself."""
_MARGIN = 5.0
"""Seconds that it has to import what renders, and to fork, besides the time of the rendering."""
_LOOK_AGAIN = 0.2
"""Seconds after which it is looked whether it is still there, as long as it has not begun."""
_LONGEST_ANSWER = rendering.ANSWER.size + 4 * rendering.MAX_HTML


class _Broken(Exception):
    """The process did not begin with what it was asked for."""


class _Post(NamedTuple):
    """What the process is reached by.

    Attributes:
        orders: where it is given orders.
        taken: where it takes them. We keep that, too, so that they outlast it.
        mark: a file that it has locked as long as it is there.
    """

    orders: socket.socket
    taken: socket.socket
    mark: BinaryIO

    def close(self) -> None:
        """Let it go."""
        for part in self:
            part.close()


class Renderer:
    """Has descriptions rendered by forks of one process (``rendering.py``), a few at once.

    Any thread may ask. A process that is gone is started anew. It ends when all those have ended
    that may give it orders, however they end: its socket is closed then.
    """

    def __init__(self, program: Path | None = None, at_once: int | None = None) -> None:
        """Start nothing yet.

        Args:
            program: what is run by Python; ``rendering.py``, if nothing is said.
            at_once: how many descriptions are rendered at the same time for each process that
                asks; as many as there are processors, if nothing is said.
        """
        self._program = program or Path(rendering.__file__)
        self._at_once = at_once or _processors()
        self._process: subprocess.Popen[bytes] | None = None
        self._post: _Post | None = None
        self._is_shared = False
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(self._at_once)

    @property
    def pid(self) -> int | None:
        """The process, where this one has started it and it is there."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def share(self) -> None:
        """Let all that is forked from this process from now on have the same one render.

        Else each has one of its own. Whoever needs it first starts it.
        """
        self._is_shared = True
        self._opened()

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
        """End the process, if there is one that nobody else may need."""
        with self._lock:
            post, self._post = self._post, None
            if post is not None:
                post.close()
            if not self._is_shared:
                self._end()

    def go_on_in_child(self) -> None:
        """Leave the process to the one that this one was forked from, unless it is shared."""
        self._begin()
        if self._process is not None:
            self._process.returncode = 0  # it is not ours to wait for
            self._process = None
        if self._post is not None and not self._is_shared:
            self._post.close()
            self._post = None

    def _ask(self, order: bytes, request: bytes, seconds: float) -> tuple[int, str] | None:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, self._lock:
                post = self._opened()
                if not self._is_there(post):
                    self._start(post)
                socket.send_fds(post.orders, [order], [theirs.fileno()])
            self._wait_until_begun(ours, time.monotonic() + seconds)
            ours.settimeout(seconds)
            return _parsed(_exchange(ours, request))

    def _opened(self) -> _Post:
        if self._post is None:
            mark = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the sockets
            self._post = _Post(*socket.socketpair(), mark)
            self._post.orders.settimeout(_MARGIN)
        return self._post

    def _is_there(self, post: _Post) -> bool:
        """Whether the process is there, which another one of ours may have started."""
        return self.pid is not None or _is_locked(post.mark)

    def _start(self, post: _Post) -> None:
        """Start the process; it ends at once where another one of ours was faster."""
        self._process = subprocess.Popen(  # noqa: S603 - nothing here is anybody's input
            [sys.executable, "-I", "-X", "utf8", str(self._program)],
            stdin=post.taken.fileno(),
            stdout=post.mark.fileno(),
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
        )

    def _wait_until_begun(self, asked: socket.socket, deadline: float) -> None:
        """Wait until somebody has taken the order.

        Raises:
            _Broken: who has taken it is gone, or nobody is there, or has the time.
        """
        asked.settimeout(_LOOK_AGAIN)
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                if _has_begun(asked):
                    return
                raise _Broken
            with self._lock:
                if self._post is None or not self._is_there(self._post):
                    raise _Broken
        with self._lock:
            self._end(at_once=True)
        raise _Broken

    def _end(self, *, at_once: bool = False) -> None:
        """End the process that this one has started, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(0 if at_once else _PARTING)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


def _has_begun(asked: socket.socket) -> bool:
    """Whether it is said that an order was taken, and not that who has taken it is gone."""
    try:
        return asked.recv(len(rendering.BEGUN)) == rendering.BEGUN
    except ConnectionResetError:
        return False


def _is_locked(mark: BinaryIO) -> bool:
    """Whether the process has locked it for itself."""
    try:
        fcntl.lockf(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    fcntl.lockf(mark, fcntl.LOCK_UN)
    return False


def _processors() -> int:
    """How many there are for this process."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _exchange(asked: socket.socket, request: bytes) -> bytes:
    """Send all, and receive all."""
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
    if len(answer) < rendering.ANSWER.size:
        return None
    outcome, length = rendering.ANSWER.unpack_from(answer)
    content = answer[rendering.ANSWER.size :]
    return (outcome, content.decode("utf-8", "replace")) if len(content) == length else None


RENDERER = Renderer()
"""The one of this process: to have more would only take memory."""
os.register_at_fork(after_in_child=RENDERER.go_on_in_child)
atexit.register(RENDERER.close)
