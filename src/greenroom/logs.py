"""Logs: lines for people on a terminal, JSON for machines. Secrets are never in them.

What the program says through structlog and what libraries say through Python's logging have one
form, and go to standard error. A process that answers requests has a thread that writes, so that
nobody waits for whoever reads the log.
"""

import logging
import os
import select
import stat
import sys
import threading
import time
import traceback
from collections import deque

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from greenroom import redaction
from greenroom.settings import Settings

FLUSH_SECONDS = 0.5
SAY_DROPPED_EVERY = 5.0
PARTING = 2.0
"""What is not written so many seconds after the end is given up."""

MOST_WAITING = 8 * 2**20
"""Bytes of lines that wait to be written; what comes beyond is dropped, counted and said."""

_SOON = 64 * 1024
_LARGEST_WRITE = 64 * 1024
# What is written to a pipe in one piece of this size is not mixed with what others write.
_PIPE_WRITE = select.PIPE_BUF


def configure(settings: Settings) -> None:
    """Send the program's log lines to standard error, in the form that the settings ask for."""
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    # It writes a traceback of each connection that was lost, of which whoever used it tells, too.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _without_secrets,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(_output),  # type: ignore[arg-type]
    )
    handler = logging.StreamHandler(_output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared[:-1], structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_secrets,
                renderer,
            ],
        )
    )
    handler.set_name(__name__)
    root = logging.getLogger()
    for former in [each for each in root.handlers if each.get_name() == __name__]:
        root.removeHandler(former)
    root.addHandler(handler)


def write_in_background() -> None:
    """Have a thread of this process write the lines from now on, until :func:`finish`."""
    _output.writer = Writer(sys.stderr.fileno())
    threading.excepthook = _say_that_a_thread_failed


def finish() -> None:
    """Write what waits; what is said afterwards is written at once."""
    writer, _output.writer = _output.writer, None
    if writer is not None:
        writer.close()


def write_line(line: str) -> None:
    """Write a line that is complete and has no secrets, with the next that are written."""
    writer = _output.writer
    if writer is not None:
        writer.put(line)
    else:
        sys.stderr.write(line)


class _Output:
    """Standard error as it is now, or the thread that writes to it."""

    def __init__(self) -> None:
        self.writer: Writer | None = None

    def write(self, line: str) -> int:
        writer = self.writer
        if writer is not None:
            writer.put(line, soon=True)
        else:
            sys.stderr.write(line)
        return len(line)

    def flush(self) -> None:
        if self.writer is None:
            sys.stderr.flush()


class Writer:
    """A thread that writes lines to a descriptor, many at once."""

    def __init__(self, descriptor: int, most_waiting: int = MOST_WAITING) -> None:
        """Begin the thread.

        Args:
            descriptor: where it writes to, which may block.
            most_waiting: how many bytes of lines may wait.
        """
        self._descriptor = descriptor
        self._most = most_waiting
        self._lock = threading.Lock()
        self._waiting: deque[str] = deque()
        self._size = 0
        self._dropped = 0
        self._said_at = float("-inf")
        self._wake = threading.Event()
        self._is_closing = False
        mode = os.fstat(descriptor).st_mode
        is_shared = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        self._largest = _PIPE_WRITE if is_shared else _LARGEST_WRITE
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def put(self, line: str, *, soon: bool = False) -> None:
        """Have a line written; this never waits for whoever reads the log.

        Args:
            line: with the sign that ends it.
            soon: whether it is not to wait for more.
        """
        with self._lock:
            if self._size >= self._most:
                self._dropped += 1
                return
            self._waiting.append(line)
            self._size += len(line)
        if soon or self._size >= _SOON:
            self._wake.set()

    def close(self) -> None:
        """Write what waits, and end the thread, unless that takes too long."""
        self._is_closing = True
        self._wake.set()
        self._thread.join(PARTING)

    def _run(self) -> None:
        while True:
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
            is_last = self._is_closing
            while lines := self._take():
                self._write_all(lines)
            self._say_what_was_dropped()
            if is_last:
                return

    def _take(self) -> list[str]:
        with self._lock:
            lines = list(self._waiting)
            self._waiting.clear()
            self._size = 0
        return lines

    def _say_what_was_dropped(self) -> None:
        """Say it once in a while: nobody may be able to hear it."""
        now = time.monotonic()
        with self._lock:
            dropped = self._dropped if now - self._said_at > SAY_DROPPED_EVERY else 0
            self._dropped -= dropped
        if dropped:
            self._said_at = now
            structlog.get_logger("greenroom").warning("log lines were dropped", count=dropped)

    def _write_all(self, lines: list[str]) -> None:
        """Write lines, as many at once as are not mixed with those of other processes."""
        batch: list[bytes] = []
        size = 0
        for line in lines:
            data = line.encode("utf-8", "backslashreplace")
            if batch and size + len(data) > self._largest:
                self._write(b"".join(batch))
                batch, size = [], 0
            batch.append(data)
            size += len(data)
        self._write(b"".join(batch))

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [], 1.0)
            except OSError:  # nobody reads any more, or the disk is full
                with self._lock:
                    self._dropped += data.count(b"\n")
                return


_output = _Output()


def _without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Cut secrets in whatever the line is made of."""
    return {key: _cut(value) for key, value in event.items()}


def _cut(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_cut(each) for each in value]
    if isinstance(value, dict):
        return {str(_cut(key)): _cut(each) for key, each in value.items()}
    return redaction.text(str(value))


def _say_that_a_thread_failed(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_type is SystemExit:
        return
    lines = traceback.format_exception(failure.exc_type, failure.exc_value, failure.exc_traceback)
    name = failure.thread.name if failure.thread is not None else ""
    structlog.get_logger("greenroom").error(
        "a thread has failed", thread=name, exception="".join(lines)
    )
