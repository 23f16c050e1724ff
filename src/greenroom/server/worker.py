"""Gunicorn's processes, changed where an index needs something else.

The parent makes the application and starts workers, which share its memory as far as they do not
change it; it passes signals on. A worker has an event loop for its connections, and a pool of
threads for the application. These classes override internals of gunicorn, which may change with
each new version.
"""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIApplication

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from gunicorn.workers.gasgi import ASGIWorker

from greenroom import logs
from greenroom.server.changes import Source
from greenroom.server.connection import Connection
from greenroom.server.front import Front, Timing, Watched
from greenroom.server.memory import Spare
from greenroom.server.shared_answers import SharedAnswers
from greenroom.server.waiters import Marks
from greenroom.server.wsgi_pool import Locals
from greenroom.settings import Networks

log = logging.getLogger(__name__)

BACKLOG = 2048
KEEP_ALIVE = 75
PARTING = 2.0
MAX_REQUEST_LINE = 8190
MAX_HEADERS = 100
MAX_HEADER = 8190
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - files without a name


@dataclass(frozen=True)
class Served:
    """What is served.

    Attributes:
        application: answers requests. It has no connection open that processes must not share.
        locals: thread-local state of its framework, which belongs to a request.
        make_source: makes, in each worker, what tells when public answers have changed. None: no
            answer is kept.
        proxies: where trusted proxies are, whose connections are other people's.
        stale_seconds: for so long public answers that are kept are sent while nobody can say
            whether they still hold.
        watched: how requests are logged and counted.
        on_exit: called in the parent, with the number of a worker process that has ended.
        count: told the target of each answer to GET whose content was sent from its beginning, in
            the thread of the event loop. None: nobody counts.
        make_marks: makes, in each worker, what tells how things stand that requests wait for. None:
            no request waits.
    """

    application: WSGIApplication
    locals: Locals = ()
    make_source: Callable[[], Source] | None = None
    proxies: Networks = ()
    stale_seconds: float = 0
    watched: Watched | None = None
    on_exit: Callable[[int], None] | None = None
    count: Callable[[str], None] | None = None
    make_marks: Callable[[], Marks] | None = None


@dataclass(frozen=True)
class Plan:
    """What is served where, and by how many.

    Attributes:
        make_served: makes what is served, before the workers start.
        workers: how many processes.
        threads: how many requests the application works on at once, in a process.
        on_ready: called in the first worker, with ``url``, when it accepts connections.
        background: runs in a thread of each worker until its event is set.
        timing: how long to wait for what.
        listener: the descriptor of the socket that listens.
        url: the address that reaches the server from this machine.
        shared: public answers that the workers share; None: each keeps its own alone.
    """

    make_served: Callable[[], Served]
    workers: int
    threads: int
    on_ready: Callable[[str], None]
    background: Callable[[threading.Event], None] | None
    timing: Timing
    listener: int
    url: str
    shared: SharedAnswers | None = None


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
            "worker_class": _Worker,
            "preload_app": True,
            "asgi_lifespan": "off",
            "asgi_loop": "asyncio",
            "http_parser": "python",
            "logger_class": _Log,
            "child_exit": _tell_of_exit,
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

    def load(self) -> Served:  # type: ignore[override]  # what gunicorn only hands on
        """Make what is served, once, before the workers start."""
        return self.plan.make_served()


def _tell_of_exit(arbiter: Arbiter, worker: ASGIWorker) -> None:
    """Tell, in the parent, that a worker has ended."""
    served = arbiter.app.callable
    if isinstance(served, Served) and served.on_exit is not None:
        served.on_exit(worker.pid)


def run(application: IndexApplication) -> None:
    """Serve until a signal ends it, in the parent and, after the forks, in each worker.

    Args:
        application: what is served, and how.

    Raises:
        SystemExit: with status 1 when a worker could not make its application.
    """
    _allow_many_connections()
    gc.disable()  # what is made here stays
    arbiter = _Arbiter(application)
    # What exists now is shared by the workers as long as nothing writes to it.
    gc.freeze()
    gc.enable()
    parent = os.getpid()
    try:
        arbiter.run()
    except SystemExit as end:
        if os.getpid() != parent:
            _end_worker(end)
        if end.code:
            raise SystemExit(1) from None


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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


class Listener(socket.socket):
    """A socket that listens, with a backlog that nobody changes.

    An event loop takes as many connections in a row as it believes the backlog to be. One that
    takes one at a time leaves the others to workers that have nothing to do.
    """

    def listen(self, backlog: int = BACKLOG, /) -> None:
        """Go on listening."""
        super().listen(BACKLOG)


class _Worker(ASGIWorker):
    """A process that accepts connections in an event loop."""

    if TYPE_CHECKING:
        asgi: Served  # type: ignore[assignment]  # what the application made
        loop: asyncio.AbstractEventLoop
        sockets: list[Any]  # gunicorn's, around those of Python

    def init_signals(self) -> None:
        super().init_signals()
        # A terminal sends these to every process of the group; the parent says when to stop.
        for sent_to_all in (signal.SIGINT, signal.SIGHUP):
            self.loop.remove_signal_handler(sent_to_all)
            signal.signal(sent_to_all, signal.SIG_IGN)

    def handle_quit_signal(self) -> None:
        logs.finish()
        os._exit(0)

    def run(self) -> None:
        plan = self._plan()
        stop = threading.Event()
        logs.write_in_background()
        housekeeper = self._start_background(plan, stop)
        try:
            self.loop.run_until_complete(self._serve())
        finally:
            stop.set()
            if housekeeper is not None:
                housekeeper.join(PARTING)
            logs.finish()
        sys.exit(0)

    async def _serve(self) -> None:
        plan, loop = self._plan(), self.loop
        make_source, make_marks = self.asgi.make_source, self.asgi.make_marks
        front = Front(
            self.asgi.application,
            loop,
            threads=plan.threads,
            timing=plan.timing,
            locals_=self.asgi.locals,
            source=make_source() if make_source is not None else None,
            proxies=self.asgi.proxies,
            stale_seconds=self.asgi.stale_seconds,
            watched=self.asgi.watched,
            count=self.asgi.count,
            marks=make_marks() if make_marks is not None else None,
            shared=plan.shared,
        )
        servers = [
            await loop.create_server(
                lambda: Connection(self, front),
                sock=Listener(fileno=listener.sock.detach()),
                backlog=1,
            )
            for listener in self.sockets
        ]
        if self.age == 1:
            plan.on_ready(plan.url)
        spare = Spare()
        while self.alive and self.ppid == os.getppid():
            self.notify()
            front.check()
            spare.give_back(front.pool.asked, loop.time())
            await asyncio.sleep(0.25)
        for server in servers:  # who comes now is told at once, and may turn to another server
            server.close()
        await self._finish(front, loop.time() + plan.timing.graceful)
        front.report()

    async def _finish(self, front: Front, deadline: float) -> None:
        """Wait for what is in flight."""
        while front.connections and self.loop.time() < deadline:
            front.end_idle()
            front.check()
            self.notify()
            await asyncio.sleep(0.05)

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
