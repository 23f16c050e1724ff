"""The process that supervises the others, and never loads the application.

When workers are missing, it forks a loader: a process that makes the application, forks the
workers, reports which they are, and ends. Processes whose parent has ended become children of this
one. So the workers share the memory of what was loaded with each other and with nobody else, and
this process, which holds what must stay (the socket that listens, and what loaders leave to it),
is small.

Where the system does not give orphans to a process of ours, which only Linux does, this process is
the loader itself.
"""

import contextlib
import json
import mmap
import os
import queue
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

CANNOT_START = 3
"""The exit status of a worker that another one in its place would share."""

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_AT_ONCE = (signal.SIGINT, signal.SIGQUIT)
_PARTING = 2.0
"""Seconds that workers have to end which were told to end at once."""
_LOAD_EVERY = 1.0
"""Seconds from a loader to the next, so that workers that end again and again leave time."""
_LARGEST_REPORT = 64 * 1024
_MOST_FILES = 16
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Kept:
    """What the first loader leaves to the supervisor, which gives it to the loaders after it.

    Attributes:
        facts: what they have to know.
        files: descriptors of files, which stay open for as long as the server runs.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """A worker that has ended.

    Attributes:
        pid: which process it was.
        reason: why, in words; empty where it has ended as it should.
    """

    pid: int
    reason: str


class Heartbeats:
    """When each worker was last known to be well, in memory that all processes share."""

    def __init__(self, workers: int) -> None:
        """Have room for so many workers, which are counted from 0."""
        self._memory = memoryview(mmap.mmap(-1, workers * 8)).cast("d")

    def beat(self, worker: int) -> None:
        """Note that a worker is well now."""
        self._memory[worker] = time.monotonic()

    def silence(self, worker: int) -> float:
        """For how many seconds nothing was heard of a worker."""
        return time.monotonic() - self._memory[worker]


class Report:
    """What a loader tells the supervisor: which workers it has forked, and what is to be kept."""

    def __init__(self) -> None:
        self._read, self._written = socket.socketpair(type=socket.SOCK_DGRAM)
        self._read.setblocking(False)

    def write(self, workers: Mapping[int, int], kept: Kept) -> None:
        """Tell it, once.

        Args:
            workers: the processes, by the numbers of the workers.
            kept: what is to be kept; its files may be closed here afterwards.
        """
        text = json.dumps([list(workers.items()), dict(kept.facts), list(kept.files)])
        socket.send_fds(self._written, [text.encode()], list(kept.files.values()))

    def read(self) -> tuple[dict[int, int], Kept] | None:
        """What was told, with descriptors of this process; None where nothing was."""
        with self._read, self._written:
            try:
                text, descriptors, *_ = socket.recv_fds(self._read, _LARGEST_REPORT, _MOST_FILES)
            except BlockingIOError:
                return None
        workers, facts, names = json.loads(text)
        return dict(workers), Kept(facts, dict(zip(names, descriptors, strict=True)))


@dataclass(frozen=True)
class Order:
    """What a loader is asked for.

    Attributes:
        workers: the numbers of the workers that it is to fork.
        supervisor: the process that supervises.
        heartbeats: where they note that they are well.
        kept: what the first loader has left; None: this is the first.
        ended: the workers that have ended since the last one.
        report: where it tells what it has done.
    """

    workers: Sequence[int]
    supervisor: int
    heartbeats: Heartbeats
    kept: Kept | None
    ended: Sequence[Ended]
    report: Report


@dataclass(frozen=True)
class _Loader:
    pid: int
    report: Report


class Supervisor:
    """Has workers started, replaces those that end, and ends them when it is told to."""

    def __init__(
        self,
        load: Callable[[Order], None],
        listener: socket.socket,
        at_end: Callable[[Kept], None],
        *,
        workers: int,
        graceful: float,
        heartbeat: float,
    ) -> None:
        """Start nothing yet.

        Args:
            load: what a loader does: it forks workers and reports them. Why it cannot, it says
                itself before it raises SystemExit.
            listener: the socket that loaders get, which is closed before the workers end.
            at_end: called when all have ended, with what the first loader has left.
            workers: how many workers there are to be.
            graceful: the seconds that they may take to end.
            heartbeat: a worker of which nothing was heard for so many seconds is replaced.
        """
        self._load = load
        self._listener = listener
        self._at_end = at_end
        self._numbers = range(workers)
        self._graceful = graceful
        self._heartbeat = heartbeat
        self._heartbeats = Heartbeats(workers)
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._workers: dict[int, int] = {}  # their numbers, by process
        self._silent: set[int] = set()  # those that are killed for it
        self._ended: list[Ended] = []
        self._loader: _Loader | None = None
        self._next_load = float("-inf")
        self._adopts = False
        self._kept: Kept | None = None
        self._failure: int | str | None = None

    def run(self) -> None:
        """Supervise until a signal says to stop.

        Raises:
            SystemExit: the application could not be loaded, or a worker could not begin.
        """
        self._adopts = _adopt_orphans()
        self._catch_signals()
        number = None
        try:
            while self._failure is None and number not in _STOPPING:
                self._start_missing()
                number = self._next_signal(1.0)
                self._reap()
                self._kill_silent()
        finally:
            self._stop(at_once=number == signal.SIGQUIT)
            if self._kept is not None:
                self._at_end(self._kept)
        if self._failure is not None and number not in _STOPPING:
            raise SystemExit(self._failure)

    def _catch_signals(self) -> None:
        for number in (*_STOPPING, signal.SIGCHLD):
            was_started_through_nohup = signal.getsignal(number) is signal.SIG_IGN
            if number != signal.SIGHUP or not was_started_through_nohup:
                signal.signal(number, self._note_signal)

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.put(number)

    def _next_signal(self, seconds: float) -> int | None:
        """The next signal; None where none comes within so many seconds."""
        try:
            return self._signals.get(timeout=seconds)
        except queue.Empty:
            return None

    def _start_missing(self) -> None:
        """Have a loader fork the workers that are missing, unless one does so already."""
        missing = [number for number in self._numbers if number not in self._workers.values()]
        now = time.monotonic()
        if not missing or self._loader is not None or now < self._next_load:
            return
        self._next_load = now + _LOAD_EVERY
        report = Report()
        order = Order(
            missing, os.getpid(), self._heartbeats, self._kept, tuple(self._ended), report
        )
        if not self._adopts:
            self._load(order)
            self._take(report)
            return
        pid = os.fork()
        if pid == 0:
            _ignore_what_is_for_the_supervisor()
            end_with(lambda: self._load(order))
        self._loader = _Loader(pid, report)

    def _take(self, report: Report) -> None:
        """Take what a loader has forked and left."""
        read = report.read()
        if read is None:
            return
        workers, kept = read
        self._workers.update({pid: number for number, pid in workers.items()})
        self._ended.clear()
        if self._kept is None:
            self._kept = kept

    def _reap(self) -> None:
        """Take note of processes that have ended.

        While there is a loader, nobody knows yet which workers it has forked, and of none is taken
        note.
        """
        if self._loader is not None and not self._loader_has_ended(self._loader):
            return
        for pid, status in _ended_children():
            if self._workers.pop(pid, None) is None:
                continue  # a worker that has ended had started it
            if status == CANNOT_START:
                self._failure = 1
            is_silent = pid in self._silent
            self._silent.discard(pid)
            self._ended.append(Ended(pid, "it was silent" if is_silent else _reason(status)))

    def _loader_has_ended(self, loader: _Loader) -> bool:
        pid, status = os.waitpid(loader.pid, os.WNOHANG)
        if pid == 0:
            return False
        self._loader = None
        self._take(loader.report)
        code = os.waitstatus_to_exitcode(status)
        if code > 0:  # it has said why
            self._failure = code
        elif code < 0 and self._kept is None:
            self._failure = f"Error: The process that loads the index has ended: {_reason(code)}."
        elif code < 0:
            self._ended.append(Ended(loader.pid, _reason(code)))
        return True

    def _kill_silent(self) -> None:
        """Kill the workers that do not say that they are well."""
        for pid, number in self._workers.items():
            if self._heartbeats.silence(number) > self._heartbeat:
                self._silent.add(pid)
                os.kill(pid, signal.SIGKILL)

    def _stop(self, *, at_once: bool) -> None:
        """End all processes: what is in flight has its time, unless another signal comes."""
        self._listener.close()
        if self._loader is not None:
            os.kill(self._loader.pid, signal.SIGKILL)
            os.waitpid(self._loader.pid, 0)
            self._take(self._loader.report)
            self._loader = None
        self._tell(signal.SIGQUIT if at_once else signal.SIGTERM)
        until = time.monotonic() + (_PARTING if at_once else self._graceful)
        while self._workers and time.monotonic() < until:
            if self._next_signal(0.1) in _AT_ONCE:
                self._tell(signal.SIGQUIT)
                until = min(until, time.monotonic() + _PARTING)
            self._reap()
        self._tell(signal.SIGKILL)

    def _tell(self, number: signal.Signals) -> None:
        """Send a signal to the workers, none of which was waited for yet."""
        for pid in self._workers:
            os.kill(pid, number)


def _adopt_orphans() -> bool:
    """Become the parent of processes started below this one whose parent ends.

    False where the system has nothing like it.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    adopted: int = ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return adopted == 0


def _ignore_what_is_for_the_supervisor() -> None:
    """Leave signals alone that a terminal, or what runs services, sends to all processes."""
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def end_with(act: Callable[[], object]) -> NoReturn:
    """End this process, which was forked, with what is done here, and say how it has failed.

    Going up the stack would run the rest of the parent's code a second time; and leaving through
    the interpreter's exit would wait for threads that have had their time.
    """
    status = 1
    try:
        act()
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        else:
            status = end.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _ended_children() -> Iterator[tuple[int, int]]:
    """The children that have ended, with their exit status, which is negative for a signal."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            pid, status = ended
            yield pid, os.waitstatus_to_exitcode(status)


def _reason(status: int) -> str:
    """Why a process has ended, by its exit status; nothing where it has ended well."""
    if status < 0:
        return f"signal {-status} ({signal.strsignal(-status)})"
    return f"status {status}" if status else ""
