"""Caches in front of an index that can be purged: real servers, which write down what they hear."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

WAIT = 120  # seconds after which a test that waits for a request has failed


class Cache:
    """A cache that can be purged.

    ``answers`` are what it answers first, None something that is not HTTP; then ``usual``.
    """

    def __init__(self) -> None:
        self.requests: Queue[tuple[str, str, str | None, str | None]] = Queue()
        self.answers: list[int | None] = []
        self.usual = 200
        self.purged: list[str] = []
        cache = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # what a client sends that follows a redirect
                self.do_POST()

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                keys, token = self.headers.get("Surrogate-Key"), self.headers.get("Authorization")
                answer = cache.answers.pop(0) if cache.answers else cache.usual
                if answer == 200:
                    cache.purged.append(keys or "")
                cache.requests.put((self.command, self.path, keys, token))
                if answer is None:
                    self.wfile.write(b"this is not HTTP\r\n\r\n")
                    return
                self.send_response(answer)
                if 300 <= answer < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/purge"

    def next(self) -> tuple[str, str, str | None, str | None]:
        """The next request that arrives."""
        return self.requests.get(timeout=WAIT)


@contextmanager
def cache_running() -> Iterator[Cache]:
    """A cache that listens until the block ends."""
    made = Cache()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()
