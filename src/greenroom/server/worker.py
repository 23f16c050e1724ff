"""Gunicorn's processes, changed where an index needs something else.

The parent starts workers and passes signals on; a worker accepts connections and answers requests
in threads. These classes override internals of gunicorn, which may change with each new version.
"""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from wsgiref.types import WSGIApplication

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker

from greenroom.server.lingering_close import Lingering
from greenroom.server.sockets import PARTING, PatientSocket, part

log = logging.getLogger(__name__)

BACKLOG = 2048
KEEP_ALIVE = 75
MAX_REQUEST_LINE = 8190
MAX_HEADERS = 100
MAX_HEADER = 8190
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - only the workers' heartbeats, files without a name


@dataclass(frozen=True)
class Timing:
    """How long the server waits for what; all in seconds.

    Attributes:
        stall: a client that neither sends nor takes a byte for so long is disconnected. The
            transfer as a whole may take as long as it takes.
        graceful: what is in flight may take so long after the signal to stop.
        heartbeat: a worker whose accepting loop is silent for so long is replaced. Requests run
            in threads beside that loop and do not hold it up.
    """

    stall: float = 60.0
    graceful: int = 60
    heartbeat: int = 120


@dataclass(frozen=True)
class Plan:
    """What is served where, and by how many.

    Attributes:
        application_factory: makes the WSGI application, once per worker.
        workers: how many processes.
        threads: how many requests a process handles at once.
        on_ready: called in the first worker, with ``url``, when its application is made.
        background: runs in a thread of each worker until its event is set.
        timing: how long to wait for what.
        listener: the descriptor of the socket that listens.
        url: the address that reaches the server from this machine.
    """

    application_factory: Callable[[], WSGIApplication]
    workers: int
    threads: int
    on_ready: Callable[[str], None]
    background: Callable[[threading.Event], None] | None
    timing: Timing
    listener: int
    url: str


class IndexApplication(BaseApplication):
    """What gunicorn asks for: settings, and the application on demand."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__()

    def load_config(self) -> None:
        """Take the settings from the plan."""
        plan = self.plan
        settings: dict[str, object] = {
            "bind": [f"fd://{plan.listener}"],
            "backlog": BACKLOG,
            "workers": plan.workers,
            "threads": plan.threads,
            "worker_class": _Worker,
            "logger_class": _Log,
            "loglevel": "warning",
            "keepalive": KEEP_ALIVE,
            "timeout": plan.timing.heartbeat,
            "graceful_timeout": plan.timing.graceful,
            "limit_request_line": MAX_REQUEST_LINE,
            "limit_request_fields": MAX_HEADERS,
            "limit_request_field_size": MAX_HEADER,
            "forwarded_allow_ips": "",
            "proxy_allow_ips": "",
            "control_socket_disable": True,
            "proc_name": "greenroom",
        }
        if os.access(MEMORY_FOLDER, os.W_OK):
            settings["worker_tmp_dir"] = str(MEMORY_FOLDER)
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:  # type: ignore[override]  # WSGI's environ is a dict
        """Make the application, in each worker."""
        return Lingering(self.plan.application_factory())


def run(application: IndexApplication) -> None:
    """Serve until a signal ends it, in the parent and, after the forks, in each worker.

    Args:
        application: what is served, and how.

    Raises:
        SystemExit: with status 1 when a worker could not make its application.
    """
    arbiter = _Arbiter(application)
    parent = os.getpid()
    try:
        arbiter.run()
    except SystemExit as end:
        if os.getpid() != parent:
            _end_worker(end)
        if end.code:
            raise SystemExit(1) from None


def _end_worker(end: SystemExit) -> None:
    """End this worker process here.

    Going up the stack would run the caller's code a second time, in the worker; and leaving
    through the interpreter's exit would wait for threads that have had their time.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(end.code if isinstance(end.code, int) else 1)


class _Arbiter(Arbiter):
    """The parent process: starts workers, replaces those that die, passes signals on."""

    def init_signals(self) -> None:
        ignores_hangup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().init_signals()
        if ignores_hangup:  # started through nohup
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def stop(self, graceful: bool = True) -> None:
        while True:
            try:
                return super().stop(graceful)
            except HaltServer:  # one more worker could not start, while the first ends the server
                continue

    def handle_int(self) -> None:
        self.handle_term()

    def handle_hup(self) -> None:
        self.handle_term()


class _Worker(ThreadWorker):
    """A process that accepts connections and answers each request in a thread of a pool."""

    def init_signals(self) -> None:
        super().init_signals()
        # A terminal sends these to every process of the group; the parent says when to stop.
        for sent_to_all in (signal.SIGINT, signal.SIGHUP):
            signal.signal(sent_to_all, signal.SIG_IGN)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        sys.exit(0)

    def run(self) -> None:
        plan = self._plan()
        stop = threading.Event()
        if self.age == 1:
            plan.on_ready(plan.url)
        housekeeper = self._start_background(plan, stop)
        try:
            super().run()
        finally:
            stop.set()
            if housekeeper is not None:
                housekeeper.join(PARTING)

    def _plan(self) -> Plan:
        assert isinstance(self.app, IndexApplication)  # noqa: S101 - for the type checker
        return self.app.plan

    def _start_background(self, plan: Plan, stop: threading.Event) -> threading.Thread | None:
        if plan.background is None:
            return None
        thread = threading.Thread(
            target=_guarded, args=(plan.background, stop), name="background", daemon=True
        )
        thread.start()
        return thread

    def set_accept_enabled(self, enabled: bool | None) -> None:
        super().set_accept_enabled(enabled)
        if not self.alive:  # who comes now is told at once, and may turn to another server
            for listener in self.sockets:
                listener.close()

    def enqueue_req(self, conn: TConn) -> None:
        if not isinstance(conn.sock, PatientSocket):
            conn.sock = PatientSocket(conn.sock, self._plan().timing.stall)
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> bool:
        keep = super().handle(conn)
        if keep is False:
            part(conn.sock)
        return keep


def _guarded(background: Callable[[threading.Event], None], stop: threading.Event) -> None:
    try:
        background(stop)
    except Exception:
        log.exception("The background thread has ended.")


class _Log(Logger):
    """Gunicorn's warnings and errors, through the program's own logging."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        for handler in list(self.error_log.handlers):
            self.error_log.removeHandler(handler)
        self.error_log.propagate = True
        self.error_log.addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a record is worth a line: a client that went silent is not."""
    return not (record.exc_info and isinstance(record.exc_info[1], TimeoutError))
