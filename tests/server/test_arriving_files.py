"""A file of an upstream, asked of a real server while it still comes: by many, through deaths."""

import hashlib
import http.client
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from greenroom.other_indexes.pages import PageFile
from greenroom.registry import upstream_files
from tests import upstream_cache
from tests.artifacts import make_wheel
from tests.serving import Server, new_database, serving
from tests.upstream_cache import NAME
from tests.upstream_server import (
    EVERYTHING,
    CutOff,
    Drops,
    Fault,
    Held,
    OtherBytes,
    Out,
    UpstreamServer,
    upstream_running,
)

FILENAME = "thing-1.0-py3-none-any.whl"
CONTENT = os.urandom(3_000_000)
READERS = 100


@dataclass
class Cached:
    """An index that keeps files of an upstream, which has one."""

    server: Server
    upstream: UpstreamServer
    file: PageFile

    @property
    def path(self) -> str:
        return upstream_cache.address(self.file)

    @property
    def path_there(self) -> str:
        return self.upstream.file(FILENAME)

    def connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.server.url)
        assert parts.hostname is not None
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)

    def is_kept(self) -> bool:
        with self.server.services() as services, services.reading() as uow:
            wanted = upstream_files.wanted(NAME, "thing", self.file)
            return upstream_files.find(uow.db, wanted) is not None


@contextmanager
def caching(folder: Path, database_url: str | None = None, **more: str) -> Iterator[Cached]:
    with ExitStack() as stack:
        upstream, held = stack.enter_context(upstream_cache.holding(FILENAME, CONTENT))
        settings = upstream_cache.environment(upstream, **more)
        server = stack.enter_context(serving(folder, database_url, settings=settings))
        file = upstream_cache.page_file(upstream, held)
        with server.services() as services:
            upstream_cache.keep_page(services, upstream, "thing", file)
        yield Cached(server, upstream, file)


def read(cached: Cached, **headers: str) -> tuple[int, bytes]:
    """Ask for the file; what came, as far as it did."""
    with closing(cached.connect()) as connection:
        connection.request("GET", cached.path, headers=headers)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        except http.client.IncompleteRead as error:
            return answer.status, error.partial


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_hundred_who_ask_at_once_are_sent_what_is_fetched_once(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    with caching(tmp_path, new_database(request, database)) as cached:
        held = Held(after=1_000_000)
        cached.upstream.fail(cached.path_there, held)
        with ThreadPoolExecutor(READERS) as threads:
            readers = [threads.submit(read, cached) for _ in range(READERS)]
            held.wait()
            # Nobody holds a thread of the application meanwhile.
            assert cached.server.get("/_health").status == 200
            held.release()
            answers = [reader.result() for reader in readers]

        assert {status for status, _ in answers} == {200}
        digests = {hashlib.sha256(body).hexdigest() for _, body in answers}
        assert digests == {cached.file.hashes["sha256"]}
        assert cached.upstream.asked(cached.path_there) == 1


def test_bytes_are_sent_before_the_file_is_whole(tmp_path: Path) -> None:
    with caching(tmp_path) as cached:
        held = Held(after=1_000_000)
        cached.upstream.fail(cached.path_there, held)
        with closing(cached.connect()) as connection:
            connection.request("GET", cached.path)
            answer = connection.getresponse()
            assert answer.getheader("Content-Length") == str(len(CONTENT))
            assert answer.read(900_000) == CONTENT[:900_000]
            held.release()
            assert answer.read() == CONTENT[900_000:]
        assert cached.upstream.asked(cached.path_there) == 1
        assert read(cached, Range="bytes=-10") == (206, CONTENT[-10:])


def test_a_range_of_what_is_not_here_yet(tmp_path: Path) -> None:
    with caching(tmp_path) as cached:
        assert read(cached, Range="bytes=2000000-2000009") == (206, CONTENT[2_000_000:2_000_010])


def test_nobody_is_sent_all_of_a_wrong_file(tmp_path: Path) -> None:
    with caching(tmp_path) as cached:
        cached.upstream.fail(cached.path_there, OtherBytes())

        for _ in range(2):
            status, body = read(cached)
            assert status == 503 or len(body) < len(CONTENT)

        assert not cached.is_kept()
        cached.upstream.heal()


def test_what_is_cut_off_again_and_again_comes_to_its_end(tmp_path: Path) -> None:
    with caching(tmp_path) as cached:
        cached.upstream.fail(cached.path_there, CutOff(700_000), times=4)

        assert read(cached) == (200, CONTENT)


@dataclass
class _ThenSilent(Fault):
    """So many bytes of the body, and then nothing for as long as somebody listens."""

    after: int
    sent: threading.Event

    def send(self, body: bytes, out: Out) -> None:
        out.write(body[: self.after])
        self.sent.set()
        out.gone.wait(60)


def test_a_killed_server_goes_on_where_it_ended(tmp_path: Path) -> None:
    with caching(tmp_path) as cached:
        silent = _ThenSilent(1_000_000, threading.Event())
        cached.upstream.fail(cached.path_there, silent, times=1)
        with closing(cached.connect()) as connection:
            connection.request("GET", cached.path)
            assert connection.getresponse().read(900_000) == CONTENT[:900_000]
        os.killpg(cached.server.process.pid, signal.SIGKILL)
        cached.server.process.wait(timeout=60)

        settings = upstream_cache.environment(cached.upstream)
        with serving(tmp_path, settings=settings) as server:
            again = Cached(server, cached.upstream, cached.file)
            assert read(again) == (200, CONTENT)

        _, second = cached.upstream.requests_of(cached.path_there)
        assert int(second.headers["range"].removeprefix("bytes=").removesuffix("-")) >= 900_000


def test_an_upstream_that_goes_away_in_the_middle_cuts_and_comes_back(tmp_path: Path) -> None:
    with caching(tmp_path) as cached:
        cached.upstream.fail(cached.path_there, CutOff(1_000_000), times=1)
        cached.upstream.fail(EVERYTHING, Drops())

        status, body = read(cached)

        assert status == 200
        assert body == CONTENT[: len(body)]
        assert len(body) < len(CONTENT)
        assert read(cached)[0] == 503


def test_pip_installs_through_one_address_also_when_the_upstream_is_away(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "there", "thing", "1.0")
    with upstream_running([wheel]) as upstream:
        settings = upstream_cache.environment(upstream)
        with serving(tmp_path, settings=settings) as server:

            def install(target: str) -> None:
                index = ("--index-url", f"{server.url}/simple/", "--no-cache-dir")
                server.run("pip", "install", "thing", *index, "--target", str(tmp_path / target))

            install("first")
            paths = [upstream.file(wheel.name), f"{upstream.file(wheel.name)}.metadata"]
            assert [upstream.asked(path) for path in paths] == [1, 1]
            upstream.go_away()
            install("second")
            upstream.come_back()
