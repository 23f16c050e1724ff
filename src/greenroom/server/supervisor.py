"""The process that supervises the others, and never loads the application.

When workers are missing, it forks a loader: a process that makes the application, forks the
workers, reports which they are, and ends. Processes whose parent has ended become children of this
one. So the workers share the memory of what was loaded with each other and with nobody else, and
this process, which holds what must stay (the socket that listens, and what loaders leave to it),
is small. Where ``greenroom`` starts it, it does not even read its command line: the first loader
does, and says what holds.

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
from types import FrameType, MappingProxyType
from typing import NamedTuple, NoReturn

from greenroom.c_library import c_function

CANNOT_START = 3
"""The exit status of a worker that another one in its place would share."""
LISTENER = "listener"
ANSWERS = "answers"
"""What the socket and the file of shared answers are called among the files that are kept."""
MOST_WORKERS = 512

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_AT_ONCE = (signal.SIGINT, signal.SIGQUIT)
_PARTING = 2.0
"""Seconds that workers have to end which were told to end at once."""
_LOAD_EVERY = 1.0
"""Seconds from a loader to the next, so that workers that end again and again leave time."""
_LARGEST_REPORT = 64 * 1024
_MOST_FILES = 16
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class Kept(NamedTuple):
    """What the first loader leaves to the supervisor, which gives it to the loaders after it.

    Attributes:
        facts: what they have to know.
        files: descriptors of files, which stay open for as long as the server runs.
        folders: what is removed when all have ended.
    """

    facts: Mapping[str, str] = MappingProxyType({})
    files: Mapping[str, int] = MappingProxyType({})
    folders: Sequence[str] = ()

    def remove_folders(self) -> None:
        """Remove the folders, which nobody uses any more."""
        if self.folders:
            import shutil

            for folder in self.folders:
                shutil.rmtree(folder, ignore_errors=True)


class Terms(NamedTuple):
    """How the workers are supervised, which the first loader says.

    Attributes:
        workers: how many there are to be; they are counted from 0.
        graceful: the seconds that they may take to end.
        heartbeat: one of which nothing was heard for so many seconds is replaced.
    """

    workers: int
    graceful: float
    heartbeat: float


class Ended(NamedTuple):
    """A worker that has ended.

    Attributes:
        pid: which process it was.
        reason: why, in words; empty where it has ended as it should.
    """

    pid: int
    reason: str


class Heartbeats:
    """When each worker was last known to be well, in memory that all processes share."""

    def __init__(self) -> None:
        self._memory = memoryview(mmap.mmap(-1, MOST_WORKERS * 8)).cast("d")

    def beat(self, worker: int) -> None:
        """Note that a worker is well now."""
        self._memory[worker] = time.monotonic()

    def silence(self, worker: int) -> float:
        """For how many seconds nothing was heard of a worker."""
        return time.monotonic() - self._memory[worker]


class Told(NamedTuple):
    """What a loader has told.

    Attributes:
        workers: the processes that it has forked, by the numbers of the workers.
        terms: how they are to be supervised.
        kept: what is to be kept, which the first one tells.
    """

    workers: Mapping[int, int]
    terms: Terms
    kept: Kept


class Report:
    """Where a loader tells the supervisor what it has done, once."""

    def __init__(self) -> None:
        self._read, self._written = socket.socketpair(type=socket.SOCK_DGRAM)
        self._read.setblocking(False)

    def write(self, told: Told) -> None:
        """Tell it; files that are to be kept may be closed here afterwards."""
        facts, files, folders = told.kept
        kept = [dict(facts), list(files), list(folders)]
        text = json.dumps([list(told.workers.items()), told.terms, kept])
        socket.send_fds(self._written, [text.encode()], list(files.values()))

    def read(self) -> Told | None:
        """What was told, with descriptors of this process; None where nothing was."""
        with self._read, self._written:
            try:
                text, descriptors, *_ = socket.recv_fds(self._read, _LARGEST_REPORT, _MOST_FILES)
            except BlockingIOError:
                return None
        workers, terms, (facts, names, folders) = json.loads(text)
        files = dict(zip(names, descriptors, strict=True))
        return Told(dict(workers), Terms(*terms), Kept(facts, files, folders))


class Order(NamedTuple):
    """What a loader is asked for.

    Attributes:
        workers: the numbers of the workers that it is to fork. None: it is the first one, and says
            how many there are to be.
        supervisor: the process that supervises.
        heartbeats: where they note that they are well.
        kept: what the first loader has left; None: this is the first.
        ended: the workers that have ended since the last one.
        report: where it tells what it has done.
    """

    workers: Sequence[int] | None
    supervisor: int
    heartbeats: Heartbeats
    kept: Kept | None
    ended: Sequence[Ended]
    report: Report


class _Loader(NamedTuple):
    pid: int
    report: Report


class Supervisor:
    """Has workers started, replaces those that end, and ends them when it is told to."""

    def __init__(self, load: Callable[[Order], None]) -> None:
        """Start nothing yet.

        Args:
            load: what a loader does: it forks workers and reports them. Why it cannot, it says
                itself before it raises SystemExit. A first one that reports nothing has nothing to
                serve, and its status is that of the server.
        """
        self._load = load
        self._heartbeats = Heartbeats()
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._workers: dict[int, int] = {}  # their numbers, by process
        self._silent: set[int] = set()  # those that are killed for it
        self._ended: list[Ended] = []
        self._loader: _Loader | None = None
        self._next_load = float("-inf")
        self._adopts = False
        self._first: Told | None = None
        self._failure: int | str | None = None

    def run(self) -> None:
        """Supervise until a signal says to stop.

        Raises:
            SystemExit: the application could not be loaded, or a worker could not begin; with the
                status 0 where there was nothing to serve.
        """
        _have_standard_streams()
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
            if self._first is not None:
                self._first.kept.remove_folders()
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
        missing = self._missing()
        now = time.monotonic()
        if missing == [] or self._loader is not None or now < self._next_load:
            return
        self._next_load = now + _LOAD_EVERY
        report = Report()
        kept = self._first.kept if self._first is not None else None
        order = Order(missing, os.getpid(), self._heartbeats, kept, tuple(self._ended), report)
        if not self._adopts:
            try:
                self._load(order)
            except SystemExit as end:  # as programs end that read a command line
                if end.code:
                    raise
            self._take(report)
            return
        pid = os.fork()
        if pid == 0:
            _ignore_what_is_for_the_supervisor()
            end_with(lambda: self._load(order))
        self._loader = _Loader(pid, report)

    def _missing(self) -> list[int] | None:
        """The numbers of the workers that are missing; None: all, and nobody knows yet how many."""
        if self._first is None:
            return None
        there = self._workers.values()
        return [number for number in range(self._first.terms.workers) if number not in there]

    def _take(self, report: Report) -> None:
        """Take what a loader has forked and left; a first one that has done neither is the last."""
        told = report.read()
        if told is not None:
            self._workers.update({pid: number for number, pid in told.workers.items()})
            self._ended.clear()
            self._first = self._first or told
        elif self._first is None:
            self._failure = 0

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
        elif code < 0 and self._first is None:
            self._failure = f"Error: The process that loads the index has ended: {_reason(code)}."
        elif code < 0:
            self._ended.append(Ended(loader.pid, _reason(code)))
        return True

    def _kill_silent(self) -> None:
        """Kill the workers that do not say that they are well."""
        if self._first is None:
            return
        for pid, number in self._workers.items():
            if self._heartbeats.silence(number) > self._first.terms.heartbeat:
                self._silent.add(pid)
                os.kill(pid, signal.SIGKILL)

    def _stop(self, *, at_once: bool) -> None:
        """End all processes: what is in flight has its time, unless another signal comes."""
        if self._loader is not None:
            os.kill(self._loader.pid, signal.SIGKILL)
            os.waitpid(self._loader.pid, 0)
            self._take(self._loader.report)
            self._loader = None
        if self._first is None:
            return  # nothing was started
        os.close(self._first.kept.files[LISTENER])
        self._tell(signal.SIGQUIT if at_once else signal.SIGTERM)
        until = time.monotonic() + (_PARTING if at_once else self._first.terms.graceful)
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


def _have_standard_streams() -> None:
    """Have the null device where a standard stream was closed.

    A file that is opened later would be in its place, and get what is meant for people.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the least that is free
            os.set_inheritable(descriptor, True)
            setattr(sys, name, open(descriptor, mode, encoding="utf-8"))  # noqa: SIM115 - stays


def _adopt_orphans() -> bool:
    """Become the parent of processes started below this one whose parent ends.

    False where the system has nothing like it.
    """
    return c_function("prctl")(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def end_with_parent(parent: int) -> None:
    """Have this process, which that one has forked, end when that one does; on Linux alone."""
    c_function("prctl")(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was faster
        os._exit(1)


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
    finally:  # also where nobody can be told
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
