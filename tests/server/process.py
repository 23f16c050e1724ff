"""The server as a client meets it: a process of its own, spoken to through sockets.

Run as a program, this file is the server under test, with an application of a few lines.
"""

import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

import requests

from greenroom import logs, request_notes
from greenroom.request_notes import Wait
from greenroom.server import serve, supervisor
from greenroom.server.access_log import AccessLog
from greenroom.server.front import Watched
from greenroom.server.supervisor import Kept, Order
from greenroom.server.timing import Timing
from greenroom.server.worker import Served
from tests import processes
from tests.processes import Process

MIB = 1024**2
PIECE = 64 * 1024
REASON = "File already exists ('demo-1.0.tar.gz', with blake2_256 hash '…'.)".replace("…", "ab")


# --- the server under test ----------------------------------------------------------------------


@dataclass(frozen=True)
class Setup:
    """What the server process is told on its command line."""

    workers: int = 1
    threads: int = 8
    host: str = "127.0.0.1"
    port: int = 0
    background: bool = False
    broken: bool = False
    breaks: bool = False  # after the first time it cannot be made
    log: bool = False
    keeps: bool = False
    loading: str = ""  # a file: who loads says so, and waits while it is there
    adopts: bool = True  # whether the system gives orphans to the supervisor
    folder: str = ""  # is to be removed at the end
    timing: dict[str, float] = field(default_factory=dict)


def tiny(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    number = int(environ["QUERY_STRING"] or 0)
    if path == "/refuse":
        start_response(f"400 {REASON}", [("Content-Length", "2")])
        return [b"no"]
    if path == "/forbidden":
        refused.append(path)
        start_response("403 Forbidden", [("Content-Length", "2")])
        return [b"no"]
    if path == "/download":
        start_response("200 OK", [("Content-Length", str(number))])
        return itertools.repeat(bytes(PIECE), number // PIECE)
    if path == "/gulp":
        start_response("200 OK", [("Content-Length", str(number))])
        return [bytes(number)]
    if path == "/large-file":
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the server closes it
        file.truncate(number)
        start_response("200 OK", [("Content-Length", str(number))])
        large: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
        return large
    if path == "/file":
        start_response("200 OK", [("Content-Length", str(Path(__file__).stat().st_size))])
        sent: Iterable[bytes] = environ["wsgi.file_wrapper"](Path(__file__).open("rb"))  # noqa: SIM115
        return sent
    if path == "/hold":
        asked.append(path)
        waited = request_notes.waited(environ)
        assert waited is not None
        left = waited.left if waited.topic is not None else number / 1000
        if left and waited.since in ("", marks.mark):
            wait = Wait("topic", marks.mark, since=marks.mark, left=left, pause=left)
            environ[request_notes.WAIT] = wait
        start_response("200 OK", [("Content-Length", str(len(marks.mark)))])
        return [marks.mark.encode()]
    if path.startswith("/public/"):
        return public(environ, start_response)
    texts = {
        "/asked": count_asked,
        "/change": change,
        "/count": count,
        "/locked": locked,
        "/slow": slow,
        "/who": who,
        "/open": open_gate,
        "/scheme": scheme,
        "/refused": count_refused,
    }
    text = texts[path](environ, number)
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text.encode()]


def count(environ: WSGIEnvironment, _: int) -> str:
    received = 0
    while piece := environ["wsgi.input"].read(PIECE):
        received += len(piece)
    return str(received)


class Marks:
    """What is waited for: one topic. With the mark ``broken``, nobody can say how it stands."""

    mark = "first"

    def look(self, topics: Collection[str], *, anew: bool) -> Mapping[str, str] | None:
        if self.mark == "broken":
            raise OSError("it cannot be said")
        return dict.fromkeys(topics, self.mark)


marks = Marks()
asked: list[str] = []


def change(_: WSGIEnvironment, number: int) -> str:
    marks.mark = f"mark {number}" if number else "broken"
    return marks.mark


def count_asked(_: WSGIEnvironment, __: int) -> str:
    return str(len(asked))


gate = threading.Event()


def public(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """What may be kept, if its name says so; it comes once the gate is open."""
    path = environ["PATH_INFO"]
    asked.append(path)
    if path == "/public/waits":
        environ[request_notes.WAIT] = Wait("topic", "first", since="", left=60, pause=60)
    else:
        assert gate.wait(60)
    headers = [("Content-Length", "5"), ("Cache-Control", "public")]
    if path == "/public/kept":
        headers += [("Surrogate-Key", "it"), ("ETag", '"it"')]
    start_response("404 Not Found" if path == "/public/missing" else "200 OK", headers)
    return [b"there"]


def open_gate(_: WSGIEnvironment, milliseconds: int) -> str:
    time.sleep(milliseconds / 1000)
    gate.set()
    return ""


class Unchanging:
    """Says at once that nothing public has changed."""

    is_instant = True
    mark = ""

    def look(self) -> Iterable[str]:
        return ()


lock = threading.Lock()
refused: list[str] = []


def locked(environ: WSGIEnvironment, number: int) -> str:
    assert lock.acquire(timeout=5)
    try:
        return count(environ, number)
    finally:
        lock.release()


def slow(_: WSGIEnvironment, milliseconds: int) -> str:
    time.sleep(milliseconds / 1000)
    return str(os.getpid())


def who(environ: WSGIEnvironment, _: int) -> str:
    return str(os.getpid())


def count_refused(_: WSGIEnvironment, __: int) -> str:
    return str(len(refused))


def scheme(environ: WSGIEnvironment, _: int) -> str:
    return f"{environ['wsgi.url_scheme']} {environ['REMOTE_ADDR']}"


def say(text: str) -> None:
    os.write(sys.stdout.fileno(), f"{text}\n".encode())  # in one piece, as many threads write


def in_background(stop: threading.Event) -> None:
    say(f"background of {os.getpid()} begins")
    stop.wait()
    say(f"background of {os.getpid()} ends")


def main() -> None:
    setup = Setup(**json.loads(sys.argv[1]))

    if not setup.adopts:
        supervisor._adopt_orphans = lambda: False

    def load(order: Order) -> Served:
        while setup.loading and Path(setup.loading).exists():
            say(f"loader {os.getpid()}")
            time.sleep(0.1)
        if setup.broken or (order.kept is not None and "breaks" in order.kept.facts):
            raise RuntimeError("this application cannot be made")
        return Served(
            tiny,
            watched=Watched(AccessLog(logs.write_line)) if setup.log else None,
            make_marks=lambda: marks,
            make_source=Unchanging if setup.keeps else None,
            on_ready=say,
            background=in_background if setup.background else None,
            kept=Kept(
                {"breaks": ""} if setup.breaks else {},
                folders=[setup.folder] if setup.folder else [],
            ),
        )

    def start_workers(order: Order) -> None:
        serve.start(
            order,
            load,
            host=setup.host,
            port=setup.port,
            workers=setup.workers,
            threads=setup.threads,
            timing=replace(Timing(), **setup.timing),  # type: ignore[arg-type]  # some are whole
        )

    supervisor.Supervisor(start_workers).run()
    say(f"served by {os.getpid()}")


# --- meeting it ---------------------------------------------------------------------------------


@dataclass
class Server:
    """A running server process."""

    process: Process
    url: str

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=30)

    def get(self, path: str) -> str:
        answer = requests.get(self.url + path, timeout=30)
        answer.raise_for_status()
        return answer.text

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        (os.killpg if group else os.kill)(self.process.pid, number)

    def wait(self) -> tuple[int, str, str]:
        output, errors = self.process.communicate(timeout=30)
        return self.process.returncode, output, errors


def start(setup: Setup, errors: str = "") -> Process:
    """Start it; ``errors`` is a file that is its standard error."""
    command = [sys.executable, "-m", "tests.server.process", json.dumps(asdict(setup))]
    if errors:
        command = ["sh", "-c", 'exec "$@" 2>"$0"', errors, *command]
    return processes.start(command, cwd=Path(__file__).parents[2], start_new_session=True)


@contextlib.contextmanager
def serving(setup: Setup | None = None, errors: str = "") -> Iterator[Server]:
    with start(setup or Setup(), errors) as process:
        try:
            assert process.stdout is not None
            lines = (line.strip() for line in process.stdout)
            yield Server(process, next(line for line in lines if line.startswith("http")))
        finally:
            stop(process)


def stop(process: Process) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def upload(server: Server, path: str, size: int, *, chunked: bool) -> http.client.HTTPConnection:
    """Send `size` bytes, all of them before the answer is looked at."""
    connection = http.client.HTTPConnection(*server.address, timeout=60)
    pieces = itertools.repeat(bytes(MIB), size // MIB)
    headers = {"Authorization": "x"} | ({} if chunked else {"Content-Length": str(size)})
    connection.request("POST", path, body=pieces, headers=headers, encode_chunked=chunked)
    return connection


def answer_on(connection: socket.socket, method: str = "GET") -> http.client.HTTPResponse:
    """The head of the answer that comes on a connection, with the body to be read."""
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    return answer


if __name__ == "__main__":
    main()
