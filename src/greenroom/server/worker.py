"""Gunicorn's event-loop worker, changed where an index needs something else.

A worker is a process with an event loop for its connections, and a pool of threads for the
application. These classes override internals of gunicorn, which may change with each new version.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIApplication

from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gasgi import ASGIWorker
from msgspec import Struct, field

from greenroom import logs
from greenroom.server.changes import Source
from greenroom.server.connection import Connection
from greenroom.server.front import Front, Watched
from greenroom.server.shared_answers import SharedAnswers
from greenroom.server.supervisor import CANNOT_START, Heartbeats, Kept
from greenroom.server.timing import Timing
from greenroom.server.waiters import Marks
from greenroom.server.wsgi_pool import Locals
from greenroom.settings import Networks
from greenroom.spare_memory import Spare

log = logging.getLogger(__name__)

BACKLOG = 2048
KEEP_ALIVE = 75
PARTING = 2.0
MAX_REQUEST_LINE = 8190
MAX_HEADERS = 100
MAX_HEADER = 8190
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - files without a name


class Served(Struct, frozen=True):
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
        on_ready: called in the first worker, when it accepts connections, with the address that
            reaches the server from this machine.
        background: runs in a thread of each worker until the event it is given is set, which
            happens when the worker ends.
        on_exit: called with the number of a worker process that has ended, where it is replaced.
        count: told the target of each answer to GET whose content was sent from its beginning, in
            the thread of the event loop. None: nobody counts.
        make_marks: makes, in each worker, what tells how things stand that requests wait for. None:
            no request waits.
        kept: what later loads need of the first one.
        forget: called in the thread of the event loop when nobody asks for anything: lets go of
            what is only kept to be faster. None: there is nothing.
    """

    application: WSGIApplication
    locals: Locals = ()
    make_source: Callable[[], Source] | None = None
    proxies: Networks = ()
    stale_seconds: float = 0
    watched: Watched | None = None
    on_ready: Callable[[str], None] | None = None
    background: Callable[[threading.Event], None] | None = None
    on_exit: Callable[[int], None] | None = None
    count: Callable[[str], None] | None = None
    make_marks: Callable[[], Marks] | None = None
    kept: Kept = field(default_factory=Kept)
    forget: Callable[[], None] | None = None


class Place(Struct, frozen=True):
    """Which worker it is, and what it shares with the other processes.

    Attributes:
        number: counted from 0.
        is_first: whether it is the one that says when the server is ready.
        parents: the processes of which one is the parent for as long as the server runs.
        heartbeats: where it notes that it is well.
        listener: the socket that listens.
        url: the address that reaches the server from this machine.
        threads: how many requests the application works on at once here.
        shared: public answers that the workers share; None: each keeps its own alone.
    """

    number: int
    is_first: bool
    parents: frozenset[int]
    heartbeats: Heartbeats
    listener: socket.socket
    url: str
    threads: int
    shared: SharedAnswers | None = None


def make_config(timing: Timing) -> Config:
    """What gunicorn's worker and connections look at."""
    settings: dict[str, object] = {
        "asgi_lifespan": "off",
        "asgi_loop": "asyncio",
        "http_parser": "python",
        "loglevel": "warning",
        "keepalive": KEEP_ALIVE,
        "graceful_timeout": timing.graceful,
        "limit_request_line": MAX_REQUEST_LINE,
        "limit_request_fields": MAX_HEADERS,
        "limit_request_field_size": MAX_HEADER,
        "forwarded_allow_ips": "",
        "proxy_allow_ips": "",
    }
    if os.access(MEMORY_FOLDER, os.W_OK):
        settings["worker_tmp_dir"] = str(MEMORY_FOLDER)
    config = Config()
    for name, value in settings.items():
        config.set(name, value)
    return config


class Listener(socket.socket):
    """A socket that listens, with a backlog that nobody changes.

    An event loop takes as many connections in a row as it believes the backlog to be. One that
    takes one at a time leaves the others to workers that have nothing to do.
    """

    def listen(self, backlog: int = BACKLOG, /) -> None:
        """Go on listening."""
        super().listen(BACKLOG)


class Worker(ASGIWorker):
    """A process that accepts connections in an event loop."""

    if TYPE_CHECKING:
        asgi: Served  # type: ignore[assignment]  # what gunicorn only hands on
        loop: asyncio.AbstractEventLoop

    def __init__(self, served: Served, place: Place, timing: Timing, config: Config) -> None:
        """Begin nothing yet."""
        app: Any = None  # what is served was loaded before
        super().__init__(place.number, os.getppid(), [place.listener], app, 0, config, _Log(config))
        self._served = served
        self._place = place
        self._timing = timing

    def start(self) -> None:
        """Be the worker, in a process of its own.

        Raises:
            SystemExit: always; with the status CANNOT_START where it could not even begin.
        """
        try:
            self.init_process()
        except Exception:
            log.exception("A worker has failed.")
            sys.exit(1 if self.booted else CANNOT_START)

    def load_wsgi(self) -> None:
        """Take what was loaded before."""
        self.asgi = self._served

    def notify(self) -> None:
        """Note that this worker is well."""
        self._place.heartbeats.beat(self._place.number)

    def init_signals(self) -> None:
        """Listen to the supervisor alone."""
        super().init_signals()
        # A terminal sends these to every process of the group; the supervisor says when to stop.
        for sent_to_all in (signal.SIGINT, signal.SIGHUP):
            self.loop.remove_signal_handler(sent_to_all)
            signal.signal(sent_to_all, signal.SIG_IGN)

    def handle_quit_signal(self) -> None:
        """End at once."""
        logs.finish()
        os._exit(0)

    def run(self) -> None:
        """Serve until a signal, or the end of the supervisor, ends it."""
        stop = threading.Event()
        logs.write_in_background()
        background = self._start_background(stop)
        try:
            self.loop.run_until_complete(self._serve())
        finally:
            stop.set()
            if background is not None:
                background.join(PARTING)
            logs.finish()
        sys.exit(0)

    async def _serve(self) -> None:
        served, place, loop = self._served, self._place, self.loop
        front = Front(
            served.application,
            loop,
            threads=place.threads,
            timing=self._timing,
            locals_=served.locals,
            source=served.make_source() if served.make_source is not None else None,
            proxies=served.proxies,
            stale_seconds=served.stale_seconds,
            watched=served.watched,
            count=served.count,
            marks=served.make_marks() if served.make_marks is not None else None,
            shared=place.shared,
        )
        server = await loop.create_server(
            lambda: Connection(self, front),
            sock=Listener(fileno=place.listener.detach()),
            backlog=1,
        )
        if place.is_first and served.on_ready is not None:
            served.on_ready(place.url)
        spare = Spare(served.forget)
        while self.alive and os.getppid() in place.parents:
            self.notify()
            front.check()
            spare.give_back(front.pool.left, loop.time())
            await asyncio.sleep(0.25)
        server.close()  # who comes now is told at once, and may turn to another server
        await self._finish(front, loop.time() + self._timing.graceful)
        front.report()

    async def _finish(self, front: Front, deadline: float) -> None:
        """Wait for what is in flight."""
        while front.connections and self.loop.time() < deadline:
            front.end_idle()
            front.check()
            self.notify()
            await asyncio.sleep(0.05)

    def _start_background(self, stop: threading.Event) -> threading.Thread | None:
        background = self._served.background
        if background is None:
            return None
        thread = threading.Thread(
            target=_guarded, args=(background, stop), name="background", daemon=True
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
