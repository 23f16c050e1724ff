"""What is kept while nobody can say whether it still holds."""

import asyncio
import threading
from collections.abc import Iterable
from types import SimpleNamespace

import pytest
import structlog

from greenroom.server import changes
from greenroom.server.answers import Wanted
from greenroom.server.front import Front
from greenroom.server.timing import Timing

PAGE = Wanted(b"/page", (b"text/html", b"", b""), "", None)
LINES = [
    (b"cache-control", b"public, max-age=60"),
    (b"etag", b'"1"'),
    (b"surrogate-key", b"page"),
    (b"content-length", b"4"),
]


class Source:
    """Says that nothing has changed; or fails, or hangs."""

    mark = ""

    def __init__(self, *, is_instant: bool = True) -> None:
        self.is_instant = is_instant
        self.fails = False
        self.go_on = threading.Event()
        self.go_on.set()

    def look(self) -> Iterable[str] | None:
        self.go_on.wait(60)
        if self.fails:
            raise OSError("gone")
        return ()


def front_of(source: Source, stale_seconds: float) -> Front:
    loop = asyncio.new_event_loop()  # nothing is asked of the application
    loop.close()
    front = Front(
        lambda environ, start: [],
        loop,
        threads=1,
        timing=Timing(),
        locals_=(),
        source=source,
        proxies=(),
        stale_seconds=stale_seconds,
    )
    front.answers.keep(PAGE, 0, "200 OK", LINES, b"page")
    return front


def test_what_may_be_old_says_so() -> None:
    source = Source()
    front = front_of(source, 300)
    fresh = front.find_now(PAGE)
    assert fresh is not None
    assert b"Warning" not in fresh.head

    source.fails = True
    with structlog.testing.capture_logs() as logs:
        old = front.find_now(PAGE)
        assert front.find_now(PAGE) == old
        source.fails = False
        assert front.find_now(PAGE) == fresh
    assert old is not None
    for head in (old.head, old.not_modified):
        assert b'\r\nAge: 0\r\nWarning: 110 - "Response is Stale"\r\n' in head
        assert b"\r\nCache-Control: no-cache\r\n" in head
        assert b"max-age" not in head
        assert b'\r\nETag: "1"\r\n' in head
    assert (old.body, old.etag) == (fresh.body, fresh.etag)
    assert [line["log_level"] for line in logs] == ["warning", "info"]


def test_what_is_too_old_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(changes, "time", SimpleNamespace(monotonic=lambda: now[0]))
    source = Source()
    front = front_of(source, 300)
    assert front.find_now(PAGE) is not None
    source.fails = True
    now[0] += 300
    assert front.find_now(PAGE) is not None
    now[0] += 1
    assert front.find_now(PAGE) is None
    source.fails = False
    assert front.find_now(PAGE) is None


def test_where_nothing_old_is_wanted_nothing_is_sent() -> None:
    source = Source()
    front = front_of(source, 0)
    assert front.find_now(PAGE) is not None
    source.fails = True
    assert front.find_now(PAGE) is None
    source.fails = False
    assert front.find_now(PAGE) is None


def test_it_is_looked_though_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what was kept on a quiet night is known to have held until the outage began."""
    now = [1000.0]
    monkeypatch.setattr(changes, "time", SimpleNamespace(monotonic=lambda: now[0]))
    source = Source()
    front = front_of(source, 300)

    async def night() -> None:
        for _ in range(10):
            now[0] += 100
            front.check()

    asyncio.run(night())
    source.fails = True
    assert front.find_now(PAGE) is not None


def test_who_asks_a_database_that_hangs_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "PATIENCE", 0.1)
    monkeypatch.setattr(changes, "STALE_PATIENCE", 0.01)
    source = Source(is_instant=False)
    front = front_of(source, 300)

    async def ask() -> None:
        fresh = await front.find(PAGE)
        assert fresh is not None
        source.go_on.clear()
        for _ in range(3):
            old = await front.find(PAGE)
            assert old is not None
            assert b"Warning" in old.head
        source.go_on.set()
        while (await front.find(PAGE)) != fresh:
            await asyncio.sleep(0.01)

    asyncio.run(ask())
