"""The HTTP server: gunicorn's threaded workers, set up for an index.

Why gunicorn: upload clients print the reason phrase of the status line and nothing else, so the
sentence of a refusal has to travel there, and gunicorn sends it as the application wrote it.
Three things it does differently from what an index needs are changed here:

- a client that stalls in the middle of a request or an answer loses its thread after a minute,
  however long the transfer as a whole may take;
- the last bytes of a closing connection are waited for in the request's own thread, not in the
  loop that accepts connections;
- Ctrl-C stops as gracefully as SIGTERM does; a second one stops at once.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from wsgiref.types import WSGIApplication

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker

from greenroom.server.lingering_close import Lingering

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

log = logging.getLogger(__name__)

BACKLOG = 2048
KEEP_ALIVE = 75
MAX_REQUEST_LINE = 8190
MAX_HEADERS = 100
MAX_HEADER = 8190
PARTING = 2.0
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
class _Plan:
    application_factory: Callable[[], WSGIApplication]
    workers: int
    threads: int
    on_ready: Callable[[str], None]
    background: Callable[[threading.Event], None] | None
    timing: Timing
    listener: int
    url: str


def serve(
    application_factory: Callable[[], WSGIApplication],
    *,
    host: str,
    port: int,
    workers: int,
    threads: int = 32,
    on_ready: Callable[[str], None],
    background: Callable[[threading.Event], None] | None = None,
    timing: Timing | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight and return.

    The application is made in each worker, after the fork: no connection that the caller has open
    is shared by accident. `on_ready` and `background` run in workers too, for the same reason.

    Forwarded headers are not looked at here: whom to believe is the application's affair.

    Args:
        application_factory: makes the WSGI application, once per worker.
        host: the address or name to listen on.
        port: the port; 0 takes a free one.
        workers: how many processes.
        threads: how many requests a process handles at once.
        on_ready: called once, in the first worker, when its application is made, with the
            address that reaches the server from this machine.
        background: runs in a thread of each worker until the event it is given is set, which
            happens when the worker ends.
        timing: how long to wait for what.

    Raises:
        SystemExit: with a sentence when the address cannot be listened on, and with status 1 when
            a worker could not make its application.
    """
    listener = _listen(host, port)
    plan = _Plan(
        application_factory,
        workers,
        threads,
        on_ready,
        background,
        timing or Timing(),
        listener=listener.fileno(),
        url=_address(listener),
    )
    server = _Server(plan)
    listener.detach()  # gunicorn owns it from here
    _run(_Arbiter(server))


def _run(arbiter: Arbiter) -> None:
    """Run to the end, in the parent and, after the forks, in each worker."""
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


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SystemExit(f"Cannot listen on {host}, port {port}: {reason}.") from None
    return listener


def _address(listener: socket.socket) -> str:
    """The address that reaches `listener` from this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - only compared
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(BaseApplication):
    """What gunicorn asks for: settings, and the application on demand."""

    def __init__(self, plan: _Plan) -> None:
        self.plan = plan
        super().__init__()

    def load_config(self) -> None:
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
        return Lingering(self.plan.application_factory())


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

    def _plan(self) -> _Plan:
        assert isinstance(self.app, _Server)  # noqa: S101 - for the type checker
        return self.app.plan

    def _start_background(self, plan: _Plan, stop: threading.Event) -> threading.Thread | None:
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
            _part(conn.sock)
        return keep


def _guarded(background: Callable[[threading.Event], None], stop: threading.Event) -> None:
    try:
        background(stop)
    except Exception:
        log.exception("The background thread has ended.")


def _part(connection: socket.socket) -> None:
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


class PatientSocket(socket.socket):
    """A client's connection on which every wait ends: with a byte, or after `stall` seconds.

    Where gunicorn asks for a socket that blocks for ever it gets one that raises `TimeoutError`
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
