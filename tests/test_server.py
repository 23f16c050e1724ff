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
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
import requests

from greenroom.server.serve import Timing, serve

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
    timing: dict[str, float] = field(default_factory=dict)


def tiny(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    number = int(environ["QUERY_STRING"] or 0)
    if path == "/refuse":
        start_response(f"400 {REASON}", [("Content-Length", "2")])
        return [b"no"]
    if path == "/download":
        start_response("200 OK", [("Content-Length", str(number))])
        return itertools.repeat(bytes(PIECE), number // PIECE)
    if path == "/gulp":
        start_response("200 OK", [("Content-Length", str(number))])
        return [bytes(number)]
    if path == "/file":
        start_response("200 OK", [("Content-Length", str(Path(__file__).stat().st_size))])
        sent: Iterable[bytes] = environ["wsgi.file_wrapper"](Path(__file__).open("rb"))  # noqa: SIM115
        return sent
    text = {"/count": count, "/slow": slow, "/who": who, "/scheme": scheme}[path](environ, number)
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text.encode()]


def count(environ: WSGIEnvironment, _: int) -> str:
    received = 0
    while piece := environ["wsgi.input"].read(PIECE):
        received += len(piece)
    return str(received)


def slow(_: WSGIEnvironment, milliseconds: int) -> str:
    time.sleep(milliseconds / 1000)
    return str(os.getpid())


def who(environ: WSGIEnvironment, _: int) -> str:
    return str(os.getpid())


def scheme(environ: WSGIEnvironment, _: int) -> str:
    return f"{environ['wsgi.url_scheme']} {environ['REMOTE_ADDR']}"


def say(text: str) -> None:
    os.write(sys.stdout.fileno(), f"{text}\n".encode())  # in one piece, as many threads write


def in_background(stop: threading.Event) -> None:
    say(f"background of {os.getpid()} begins")
    stop.wait()
    say(f"background of {os.getpid()} ends")


def broken() -> WSGIApplication:
    raise RuntimeError("this application cannot be made")


def main() -> None:
    setup = Setup(**json.loads(sys.argv[1]))
    defaults = Timing()
    serve(
        broken if setup.broken else lambda: tiny,
        host=setup.host,
        port=setup.port,
        workers=setup.workers,
        threads=setup.threads,
        on_ready=say,
        background=in_background if setup.background else None,
        timing=Timing(
            stall=setup.timing.get("stall", defaults.stall),
            graceful=int(setup.timing.get("graceful", defaults.graceful)),
            heartbeat=int(setup.timing.get("heartbeat", defaults.heartbeat)),
        ),
    )
    say(f"served by {os.getpid()}")


# --- meeting it ---------------------------------------------------------------------------------


@dataclass
class Server:
    """A running server process."""

    process: subprocess.Popen[str]
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


def start(setup: Setup) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, json.dumps(asdict(setup))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@contextlib.contextmanager
def serving(setup: Setup | None = None) -> Iterator[Server]:
    with start(setup or Setup()) as process:
        try:
            assert process.stdout is not None
            lines = (line.strip() for line in process.stdout)
            yield Server(process, next(line for line in lines if line.startswith("http")))
        finally:
            stop(process)


def stop(process: subprocess.Popen[str]) -> None:
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
    headers = {} if chunked else {"Content-Length": str(size)}
    connection.request("POST", path, body=pieces, headers=headers, encode_chunked=chunked)
    return connection


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def answer_on(connection: socket.socket) -> http.client.HTTPResponse:
    """The head of the answer that comes on a connection, with the body to be read."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer


# --- what is sent and answered ------------------------------------------------------------------


def test_the_reason_phrase_reaches_the_client_as_written(server: Server) -> None:
    answer = requests.get(server.url + "/refuse", timeout=30)
    assert (answer.status_code, answer.reason) == (400, REASON)


def test_a_connection_serves_many_requests(server: Server) -> None:
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("GET", "/who")
        assert connection.getresponse().read()
        assert connection.sock is first
    connection.close()


def test_forwarded_headers_are_not_believed(server: Server) -> None:
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "1.2.3.4", "Script-Name": "/x"}
    assert requests.get(server.url + "/scheme", headers=forged, timeout=30).text == "http 127.0.0.1"


def test_expect_continue_is_answered_before_the_body(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(
            b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert answer_on(connection).read() == b"3"


def test_a_body_in_chunks_is_taken(server: Server) -> None:
    pieces = (bytes(1000) for _ in range(1000))
    assert requests.post(server.url + "/count", data=pieces, timeout=30).text == "1000000"


def test_a_file_is_sent_whole(server: Server) -> None:
    answer = requests.get(server.url + "/file", timeout=30)
    assert answer.content == Path(__file__).read_bytes()


def test_too_long_a_header_is_refused(server: Server) -> None:
    answer = requests.get(server.url + "/who", headers={"X": "x" * 9000}, timeout=30)
    assert answer.status_code == 431


# --- refusals while the client still sends ------------------------------------------------------


def test_who_announces_much_and_sends_little_is_answered_at_once(server: Server) -> None:
    with server.connect() as connection:
        began = time.monotonic()
        connection.sendall(
            b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 2147483648\r\n\r\na little"
        )
        answer = answer_on(connection)
        assert (answer.status, answer.reason, answer.read()) == (400, REASON, b"no")
        assert time.monotonic() - began < 4


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_a_refusal_reaches_a_client_that_sends_everything_first(
    server: Server, chunked: bool
) -> None:
    connection = upload(server, "/refuse", 200 * MIB, chunked=chunked)
    answer = connection.getresponse()
    assert (answer.status, answer.reason, answer.read()) == (400, REASON, b"no")

    connection.request("GET", "/who")
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("keep", ["keep-alive", "close"])
def test_a_refusal_reaches_requests(server: Server, keep: str) -> None:
    answer = requests.post(
        server.url + "/refuse", data=bytes(200 * MIB), headers={"Connection": keep}, timeout=60
    )
    assert (answer.status_code, answer.reason) == (400, REASON)


def test_clients_that_do_not_hang_up_do_not_hold_up_others(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            connection = stack.enter_context(server.connect())
            connection.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert answer_on(connection).read()
        began = time.monotonic()
        server.get("/who")
        assert time.monotonic() - began < 3


# --- slow and silent clients --------------------------------------------------------------------


def test_a_transfer_may_take_longer_than_every_timeout() -> None:
    with serving(Setup(timing={"stall": 2, "heartbeat": 2})) as server:
        pid = server.get("/who")
        with server.connect() as connection:
            connection.sendall(b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n\r\n")
            for _ in range(24):
                time.sleep(0.25)
                connection.sendall(b"x")
            assert answer_on(connection).read() == b"24"
        assert server.get("/who") == pid


def test_an_answer_may_be_taken_slowly() -> None:
    with serving(Setup(timing={"stall": 1})) as server, server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        size = 16 * MIB
        connection.sendall(f"GET /gulp?{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = answer_on(connection)
        for _ in range(8):
            time.sleep(0.4)
            size -= len(answer.read(MIB))
        assert len(answer.read()) == size


@pytest.mark.parametrize(
    "beginning",
    [
        b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
        b"GET /who HTTP/1.1\r\nHos",
    ],
    ids=["in the body", "in the head"],
)
def test_a_silent_client_loses_its_thread(beginning: bytes) -> None:
    with serving(Setup(threads=1, timing={"stall": 0.5})) as server:
        with server.connect() as connection:
            connection.sendall(beginning)
            time.sleep(0.1)
            assert server.get("/who")
            assert connection.recv(100) == b""
        server.process.terminate()
        assert server.wait()[2] == ""


# --- processes ----------------------------------------------------------------------------------


def test_each_worker_serves_and_has_its_background() -> None:
    with serving(Setup(workers=3, background=True)) as server:
        pids: set[str] = set()

        def all_seen() -> bool:
            with ThreadPoolExecutor(12) as pool:
                pids.update(pool.map(server.get, ["/slow?50"] * 12))
            return len(pids) == 3

        assert within(20, all_seen)
        server.process.terminate()
        status, output, errors = server.wait()
    assert (status, errors) == (0, "")
    assert {f"background of {pid} ends" for pid in pids} <= set(output.splitlines())
    assert output.splitlines()[-1] == f"served by {server.process.pid}"


@pytest.mark.parametrize("group", [False, True], ids=["parent", "everyone"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_is_in_flight_is_finished(number: signal.Signals, group: bool) -> None:
    with serving() as server:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(server.get, "/slow?2500")
            time.sleep(0.5)
            server.signal(number, group=group)
            assert within(2, lambda: not _listens(server))
            assert answer.result()
        status, _, errors = server.wait()
        assert (status, errors) == (0, "")


def test_a_second_interrupt_stops_at_once() -> None:
    with serving() as server, server.connect() as connection:
        connection.sendall(b"GET /slow?20000 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.5)
        began = time.monotonic()
        server.signal(signal.SIGINT)
        time.sleep(0.5)
        server.signal(signal.SIGINT)
        assert server.wait()[0] == 0
        assert time.monotonic() - began < 5


def test_a_worker_that_dies_is_replaced() -> None:
    with serving() as server:
        first = server.get("/who")
        os.kill(int(first), signal.SIGKILL)
        assert within(10, lambda: _other_worker(server, first))


def test_a_port_in_use_is_told_in_a_sentence(server: Server) -> None:
    with start(Setup(port=server.address[1])) as second:
        output, errors = second.communicate(timeout=30)
    assert (second.returncode, output) == (1, "")
    sentence = f"Cannot listen on 127.0.0.1, port {server.address[1]}: Address already in use.\n"
    assert errors == sentence


def test_an_unknown_host_is_told_in_a_sentence() -> None:
    with start(Setup(host="192.0.2.1")) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.startswith("Cannot listen on 192.0.2.1, port 0: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("workers", [1, 3])
def test_an_application_that_cannot_be_made_ends_the_server(workers: int) -> None:
    with start(Setup(workers=workers, broken=True)) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (1, "")
    assert "this application cannot be made" in errors
    assert "HaltServer" not in errors


def test_every_address_is_announced_as_one_that_can_be_opened() -> None:
    with serving(Setup(host="0.0.0.0")) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert server.get("/who")


# --- memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["up", "down"])
def test_memory_does_not_grow_with_a_transfer(direction: str) -> None:
    size = 256 * MIB
    with serving() as server:
        pid = int(server.get("/who"))
        before = peak_memory(pid)
        if direction == "up":
            connection = upload(server, "/count", size, chunked=False)
            assert connection.getresponse().read() == str(size).encode()
            connection.close()
        else:
            with requests.get(f"{server.url}/download?{size}", stream=True, timeout=60) as answer:
                assert sum(map(len, answer.iter_content(MIB))) == size
        assert peak_memory(pid) - before < 64 * MIB


def peak_memory(pid: int) -> int:
    """The most memory that a process has had so far, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _listens(server: Server) -> bool:
    try:
        server.connect().close()
    except OSError:
        return False
    return True


def _other_worker(server: Server, first: str) -> bool:
    try:
        return server.get("/who") != first
    except requests.RequestException:
        return False


if __name__ == "__main__":
    main()
