"""How many small requests the index answers in a second, and what of that time is its own.

    python -m bench.request_rate [--url URL] [--seconds S] [--path PATH ...]

The same server is measured with an application that does nothing. The ratio of the two says what
the index adds, on this machine as on another. Without --url it runs an index of its own.
"""

import argparse
import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

from bench.running_index import running_index, running_module
from greenroom.server.serve import serve

PROCESSES = 2
CONNECTIONS = 4
PATHS = ["/_health", "/simple/", "/"]


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--url")
    arguments.add_argument("--seconds", type=float, default=3.0)
    arguments.add_argument("--path", action="append", dest="paths")
    arguments.add_argument("--serve-nothing", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.serve_nothing:
        serve_nothing()
        return
    with running_module("bench.request_rate", "--serve-nothing") as url:
        bare = rate(url, "/", options.seconds)
    print(f"{'nothing':10} {bare:8.0f} requests/s")
    with _index(options.url) as url:
        for path in options.paths or PATHS:
            measured = rate(url, path, options.seconds)
            print(f"{path:10} {measured:8.0f} requests/s, {measured / bare:6.1%} of nothing's")


@contextlib.contextmanager
def _index(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with running_index() as uow:
        yield uow.url


def rate(url: str, path: str, seconds: float) -> float:
    """Requests per second over some connections that are kept alive."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        warm = [pool.submit(_ask, url, path, 0.5) for _ in range(PROCESSES)]
        for asked in warm:
            asked.result()
        counted = [pool.submit(_ask, url, path, seconds) for _ in range(PROCESSES)]
        return sum(asked.result() for asked in counted) / seconds


def _ask(url: str, path: str, seconds: float) -> int:
    """Ask over and over; returns how many answers came."""
    stop = threading.Event()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = [pool.submit(_ask_on_one_connection, url, path, stop) for _ in range(CONNECTIONS)]
        time.sleep(seconds)
        stop.set()
        return sum(answer.result() for answer in answers)


def _ask_on_one_connection(url: str, path: str, stop: threading.Event) -> int:
    parts = urlsplit(url)
    question = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: */*\r\n\r\n".encode("ascii")
    count = 0
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not stop.is_set():
            connection.sendall(question)
            _read_answer(connection)
            count += 1
    return count


def _read_answer(connection: socket.socket) -> None:
    """Read an answer that says its length."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _received(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"The answer was {head.splitlines()[0].decode('latin-1')}.")
    headers = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:])
    left = int(headers[b"content-length"]) - len(body)
    while left > 0:
        left -= len(_received(connection))


def _received(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise SystemExit("The server has closed the connection.")
    return piece


def serve_nothing() -> None:
    """Serve an application that does nothing, as `greenroom serve` serves the index."""
    serve(
        lambda: nothing,
        host="127.0.0.1",
        port=0,
        workers=2,
        on_ready=lambda url: print(url, flush=True),
    )


def nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The application that does nothing."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]


if __name__ == "__main__":
    main()
