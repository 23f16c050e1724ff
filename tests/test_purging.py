"""Purging: what a cache in front of the index is told, by real requests to a real server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

import pytest

from greenroom.purging import purger
from greenroom.settings import Settings

WAIT = 30  # seconds after which a test that waits for a request has failed


class Cache:
    """A cache that can be purged; ``answers`` are what it answers first, then 200."""

    def __init__(self) -> None:
        self.requests: Queue[tuple[str, str, str | None, str | None]] = Queue()
        self.answers: list[int | None] = []
        cache = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = self.headers
                cache.requests.put(
                    (
                        self.command,
                        self.path,
                        headers.get("Surrogate-Key"),
                        headers.get("Authorization"),
                    )
                )
                answer = cache.answers.pop(0) if cache.answers else 200
                if answer is None:
                    self.wfile.write(b"this is not HTTP\r\n\r\n")
                    return
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/purge"

    def next(self) -> tuple[str, str, str | None, str | None]:
        """The next request that arrives."""
        return self.requests.get(timeout=WAIT)


@pytest.fixture
def cache() -> Iterator[Cache]:
    made = Cache()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_the_keys_are_sent_with_the_token(cache: Cache) -> None:
    purge = purger(Settings(purge_url=cache.url, purge_token="secret"))
    purge(frozenset({"project/example", "all-projects"}))
    assert cache.next() == ("POST", "/purge", "all-projects project/example", "Bearer secret")


def test_without_a_token_none_is_sent(cache: Cache) -> None:
    purger(Settings(purge_url=cache.url))(frozenset({"all-projects"}))
    assert cache.next() == ("POST", "/purge", "all-projects", None)


def test_purges_are_sent_in_order(cache: Cache) -> None:
    purge = purger(Settings(purge_url=cache.url))
    for number in range(5):
        purge(frozenset({f"project/{number}"}))
    assert [cache.next()[2] for _ in range(5)] == [f"project/{number}" for number in range(5)]


@pytest.mark.parametrize("answer", [500, 403, None], ids=["500", "403", "no HTTP"])
def test_a_purge_that_fails_is_tried_again(cache: Cache, answer: int | None) -> None:
    cache.answers = [answer]
    purge = purger(Settings(purge_url=cache.url))
    purge(frozenset({"all-projects"}))
    assert cache.next() == cache.next()
    purge(frozenset({"project/next"}))
    assert cache.next()[2] == "project/next"


def test_without_a_url_nothing_is_sent(cache: Cache) -> None:
    purger(Settings(purge_token="secret"))(frozenset({"all-projects"}))
    assert cache.requests.empty()
