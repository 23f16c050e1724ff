"""The threads of the application: which of the requests that come at once begin."""

import asyncio
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from greenroom.server.wsgi_pool import FRESH_SECONDS, MOST_FRESH, Exchange, WsgiPool

THREADS = 8
MANY = 30


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time passes when a test says so."""

    now = 0.0

    def time(self) -> float:
        return self.now


class Application:
    """Answers when it is open; knows the threads in which it was asked."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.threads: set[str] = set()

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        self.threads.add(threading.current_thread().name)
        self.open.wait()
        start("200 OK", [])
        return [b"there"]


async def finish(exchanges: list[Exchange]) -> list[bytes]:
    for exchange in exchanges:
        while not exchange.finished:
            await exchange.news()
    return [exchange.take_output() for exchange in exchanges]


def test_short_requests_that_come_at_once_take_few_threads() -> None:
    application, loop = Application(), Clock()
    application.open.set()
    pool = WsgiPool(application, THREADS, loop)

    async def ask() -> list[bytes]:
        return await finish([pool.begin({}, str(number)) for number in range(MANY)])

    assert loop.run_until_complete(ask()) == [b"there"] * MANY
    assert len(application.threads) <= MOST_FRESH
    pool.close()
    loop.close()


def test_what_takes_longer_holds_up_no_others() -> None:
    application, loop = Application(), Clock()
    pool = WsgiPool(application, THREADS, loop)
    exchanges = [pool.begin({}, str(number)) for number in range(THREADS + 1)]
    assert (pool.busy, pool.waiting) == (MOST_FRESH, THREADS + 1 - MOST_FRESH)

    for begun in range(MOST_FRESH, THREADS, MOST_FRESH):
        assert pool.busy == begun
        loop.now += 2 * FRESH_SECONDS
        loop.run_until_complete(asyncio.sleep(0))
    assert (pool.busy, pool.waiting) == (THREADS, 1)

    application.open.set()
    assert loop.run_until_complete(finish(exchanges)) == [b"there"] * (THREADS + 1)
    assert (pool.busy, pool.waiting) == (0, 0)
    pool.close()
    loop.close()


def test_who_comes_later_begins_beside_what_takes_long() -> None:
    application, loop = Application(), Clock()
    pool = WsgiPool(application, THREADS, loop)
    slow = [pool.begin({}, str(number)) for number in range(MOST_FRESH)]
    loop.now += 2 * FRESH_SECONDS
    later = [pool.begin({}, "another") for _ in range(MOST_FRESH)]
    assert (pool.busy, pool.waiting) == (2 * MOST_FRESH, 0)

    application.open.set()
    assert loop.run_until_complete(finish(slow + later)) == [b"there"] * (2 * MOST_FRESH)
    pool.close()
    loop.close()
