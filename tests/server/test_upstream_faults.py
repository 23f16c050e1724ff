"""A real index in front of a real upstream with which everything is wrong, one thing at a time.

Whatever it is: what was read before is still read, what cannot be had is refused with a sentence
and a time to come back, nothing wrong is ever passed on, others are answered meanwhile, and
everything goes on by itself when the upstream is as it was.
"""

import hashlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from sqlalchemy import DateTime, update

from greenroom.models.base import Base
from tests import processes
from tests.artifacts import make_wheel
from tests.clients.peers import project_of
from tests.clients.upstreams import in_front_of
from tests.serving import Server, new_database, plain_environment
from tests.test_background import wait_until
from tests.upstream_server import (
    EVERYTHING,
    CutOff,
    Drops,
    Endless,
    Fault,
    Held,
    OtherBytes,
    Redirects,
    Says,
    Status,
    UpstreamServer,
    upstream_running,
)
from tests.web.conftest import form_fields

JSON = "application/vnd.pypi.simple.v1+json"
THREADS = 16  # of a process that answers: src/greenroom/server/serve.py
MANY = 3 * THREADS
WAIT = 120  # seconds after which a test that waits for an answer has failed
LARGE = 600_000
HELD_AT = 200_000
LOCAL = "local"
NOWHERE = "http://localhost:9/simple/"  # of no upstream; nobody listens there


@dataclass
class Front:
    """An index with an upstream behind it, and what is asked of it."""

    server: Server
    upstream: UpstreamServer
    folder: Path
    token: str = ""
    uploaded: int = 0
    made: int = 0

    def new(self) -> "Theirs":
        """A project of the upstream that nobody has asked for."""
        self.made += 1
        path = make_wheel(self.folder, f"theirs-{self.made}", payload=bytes(LARGE))
        self.upstream.add(path)
        return Theirs(f"theirs-{self.made}", path.name, path.read_bytes())

    def get(self, path: str, accept: str = JSON, **options: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self.server.url}{path}"
        return requests.get(url, headers={"Accept": accept}, timeout=WAIT, **options)

    def page(self, project: str) -> requests.Response:
        return self.get(f"/simple/{project}/")

    def names(self, project: str) -> list[str]:
        """The files on a page, which is there."""
        page = self.page(project)
        assert page.status_code == 200, page.text
        return [file["filename"] for file in page.json()["files"]]

    def file(self, project: str) -> str:
        """The address of the only file of a project."""
        page = self.page(project)
        assert page.status_code == 200, page.text
        [file] = page.json()["files"]
        address: str = urljoin(page.url, file["url"])
        return address

    def is_there_for_others(self) -> None:
        """Reads and writes that have nothing to do with the upstream are answered."""
        self.uploaded += 1
        wheel = make_wheel(self.folder, LOCAL, f"1.{self.uploaded}")
        fields = [(name, value) for name, value in form_fields(wheel).items() if name != "content"]
        with wheel.open("rb") as content:
            answer = requests.post(
                f"{self.server.url}/legacy/",
                data=fields,
                files={"content": (wheel.name, content)},
                auth=("__token__", self.token),
                timeout=WAIT,
            )
        assert answer.status_code == 200, answer.text
        assert wheel.name in self.names(LOCAL)
        assert self.get(f"/pypi/{LOCAL}/json").status_code == 200
        assert self.get("/user/ada/", "text/html").status_code == 200

    def log(self) -> str:
        return (self.server.home.parent / "serve.log").read_text()


@dataclass(frozen=True)
class Theirs:
    """A project of the upstream, with one wheel."""

    name: str
    wheel: str
    content: bytes


@contextmanager
def running(
    folder: Path,
    upstream: UpstreamServer,
    mode: str = "cache",
    *,
    workers: int = 1,
    database_url: str | None = None,
) -> Iterator[Front]:
    """An index in front of this upstream, in which there is a user and nothing else."""
    with in_front_of(
        upstream.url, folder, mode, workers=workers, database_url=database_url
    ) as server:
        server.user("ada")
        front = Front(server, upstream, folder / "dist", server.token("ada"))
        yield front
        failed = [line for line in front.log().splitlines() if "Traceback" in line]
        assert failed == []


@contextmanager
def new_upstream() -> Iterator[UpstreamServer]:
    """An upstream whose pages have to be asked for again each time."""
    with upstream_running() as made:
        made.cache_control = "max-age=0"
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with new_upstream() as upstream, running(tmp_path_factory.mktemp("shared"), upstream) as front:
        yield front


@pytest.fixture
def front(shared: Front) -> Iterator[Front]:
    """One that keeps files. All is well with it before each test, and after it, for others."""
    yield shared
    shared.upstream.heal()
    shared.upstream.has_ranges = True
    theirs = shared.new()
    wait_until(lambda: shared.page(theirs.name).status_code == 200)
    assert "Traceback" not in shared.log()


def is_refused(answer: requests.Response, *statuses: int) -> None:
    """It says why, and when to come back, and is nothing that anybody keeps."""
    assert answer.status_code in (statuses or (502, 503, 504)), (answer.status_code, answer.text)
    assert len(answer.text) > 20
    assert answer.headers.get("Cache-Control") == "no-store"
    assert int(answer.headers["Retry-After"]) > 0


# Pages

PAGE_FAULTS: dict[str, Callable[[], Fault]] = {
    "cut off": lambda: CutOff(40),
    "no answer": Drops,
    "another content type": lambda: Says(content_type="application/pdf"),
    "HTML of something else": lambda: Says(b"Welcome to this hotel.", "text/html"),
    "broken JSON": lambda: Says(b'{"files": [', JSON),
    "JSON of another kind": lambda: Says(b'{"meta": {"api-version": "2.0"}, "files": {}}', JSON),
    "too long": Endless,
    "429": lambda: Status(429, retry_after=2),
    "500": lambda: Status(500),
    "503": lambda: Status(503, retry_after=2),
    "403": lambda: Status(403),
    "elsewhere": lambda: Redirects(NOWHERE),
    "in a circle": lambda: Redirects("/simple/circle/"),
}


@pytest.mark.parametrize("fault", PAGE_FAULTS)
def test_a_page_with_which_something_is_wrong(fault: str, front: Front) -> None:
    seen, unseen, upstream = front.new(), front.new(), front.upstream
    assert front.names(seen.name) == [seen.wheel]
    upstream.fail(EVERYTHING, PAGE_FAULTS[fault]())

    refused = front.page(unseen.name)
    is_refused(refused)
    assert "(up)" in refused.text
    for _ in range(3):
        is_refused(front.page(unseen.name))
        assert front.names(seen.name) == [seen.wheel]
    front.is_there_for_others()

    upstream.heal()
    wait_until(lambda: front.page(unseen.name).status_code == 200)
    assert front.names(unseen.name) == [unseen.wheel]
    assert front.names(seen.name) == [seen.wheel]


def test_an_upstream_that_says_when_to_come_back_is_left_alone_until_then(tmp_path: Path) -> None:
    with new_upstream() as upstream, running(tmp_path, upstream) as front:
        seen, unseen = front.new(), front.new()
        assert front.names(seen.name) == [seen.wheel]
        upstream.fail(EVERYTHING, Status(429, retry_after=3600))
        first = front.page(unseen.name)
        is_refused(first, 503)
        assert 3000 < int(first.headers["Retry-After"]) <= 3600
        upstream.heal()
        upstream.forget()
        for name in (unseen.name, "another", "a-third"):
            is_refused(front.page(name), 503)
        assert front.names(seen.name) == [seen.wheel]
        assert upstream.requests == []


def test_what_is_not_there_is_not_there_and_is_there_later(front: Front) -> None:
    for _ in range(5):
        assert front.page("later").status_code == 404
    assert front.upstream.asked(front.upstream.page("later")) == 1
    front.upstream.add(make_wheel(front.folder, "later"))
    set_back(front.server, timedelta(hours=1))
    wait_until(lambda: front.page("later").status_code == 200)


def test_pages_that_are_waited_for_hold_nobody_up(front: Front) -> None:
    """Far more of them than there are threads, each for another project."""
    upstream, seen = front.upstream, front.new()
    names = [front.new().name for _ in range(MANY)]
    assert front.names(seen.name)
    held = Held(after=10)
    upstream.fail(EVERYTHING, held)
    with ThreadPoolExecutor(MANY) as readers:
        waiting = [readers.submit(front.page, name) for name in names]
        held.wait()

        front.is_there_for_others()
        assert front.names(seen.name)
        assert not any(future.done() for future in waiting)
        assert upstream.most_connections < MANY

        held.release()
        assert {future.result().status_code for future in waiting} == {200}
    assert [upstream.asked(upstream.page(name)) for name in names] == [1] * MANY


def test_a_page_that_many_wait_for_is_asked_for_once(front: Front) -> None:
    theirs, held = front.new(), Held()
    front.upstream.fail(EVERYTHING, held)
    with ThreadPoolExecutor(MANY) as readers:
        waiting = [readers.submit(front.page, theirs.name) for _ in range(MANY)]
        held.wait()
        front.is_there_for_others()
        assert not any(future.done() for future in waiting)
        held.release()
        [content] = {future.result().content for future in waiting}
    assert theirs.wheel.encode() in content
    assert front.upstream.asked(front.upstream.page(theirs.name)) == 1


# Files

FILE_FAULTS: dict[str, Callable[[], Fault]] = {
    "cut off": lambda: CutOff(40),
    "no answer": Drops,
    "another digest": OtherBytes,
    "another length": lambda: Says(b"Welcome to this hotel."),
    "too long": Endless,
    "404": lambda: Status(404),
    "429": lambda: Status(429, retry_after=2),
    "500": lambda: Status(500),
    "503": lambda: Status(503, retry_after=2),
    "elsewhere": lambda: Redirects(NOWHERE),
}


@pytest.mark.parametrize("fault", FILE_FAULTS)
def test_a_file_with_which_something_is_wrong(fault: str, front: Front) -> None:
    upstream, kept, theirs = front.upstream, front.new(), front.new()
    upstream.has_ranges = False  # or it could be put together
    address, kept_address = front.file(theirs.name), front.file(kept.name)
    assert got_whole(front, kept_address) == kept.content
    path = upstream.file(theirs.wheel)
    for each in (path, f"{path}.metadata"):
        upstream.fail(each, FILE_FAULTS[fault]())

    assert got_whole(front, address) is None
    assert got_whole(front, f"{address}.metadata") is None
    front.is_there_for_others()
    assert got_whole(front, kept_address) == kept.content
    assert front.names(theirs.name) == [theirs.wheel]

    upstream.heal()
    wait_until(lambda: got_whole(front, address) is not None)
    wait_until(lambda: got_whole(front, f"{address}.metadata") is not None)
    before = upstream.asked(path)
    assert got_whole(front, address) == theirs.content
    assert upstream.asked(path) == before


def got_whole(front: Front, address: str) -> bytes | None:
    """A file, as far as a client can see all of it; None where it is refused or cut off."""
    try:
        answer = front.get(address, "*/*")
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        return None
    if answer.status_code == 200:
        return answer.content
    is_refused(answer)
    return None


def test_a_file_of_another_content_type_is_the_file(front: Front) -> None:
    theirs = front.new()
    front.upstream.fail(front.upstream.file(theirs.wheel), Says(content_type="text/html"))
    answer = front.get(front.file(theirs.name), "*/*")
    assert answer.content == theirs.content
    assert "html" not in answer.headers["Content-Type"]


def test_a_file_that_is_cut_off_goes_on_by_range(front: Front) -> None:
    theirs = front.new()
    path = front.upstream.file(theirs.wheel)
    address = front.file(theirs.name)
    front.upstream.fail(path, CutOff(HELD_AT), times=2)

    assert got_whole(front, address) == theirs.content

    ranges = [asked.headers.get("range") for asked in front.upstream.requests_of(path)]
    assert ranges == [None, f"bytes={HELD_AT}-", f"bytes={2 * HELD_AT}-"]


def arrives_for_all(front: Front) -> None:
    """A file that many ask for comes once, and all of them get what has come of it."""
    theirs = front.new()
    path, address, held = front.upstream.file(theirs.wheel), front.file(theirs.name), Held(HELD_AT)
    front.upstream.fail(path, held)
    begun = threading.Semaphore(0)

    def read() -> bytes:
        with front.get(address, "*/*", stream=True) as answer:
            assert answer.status_code == 200, answer.text
            begin = answer.raw.read(HELD_AT // 2)
            begun.release()
            return bytes(begin + answer.raw.read())

    with ThreadPoolExecutor(MANY) as readers:
        waiting = [readers.submit(read) for _ in range(MANY)]
        held.wait()
        for _ in range(MANY):
            assert begun.acquire(timeout=WAIT), "not everybody has got what has come"
        front.is_there_for_others()
        assert not any(future.done() for future in waiting)
        held.release()
        assert all(future.result() == theirs.content for future in waiting)
    assert front.upstream.asked(path) == 1


def test_a_file_that_many_ask_for_is_sent_to_all_while_it_arrives(front: Front) -> None:
    arrives_for_all(front)


def test_many_files_that_are_waited_for_hold_nobody_up(front: Front) -> None:
    upstream, many = front.upstream, [front.new() for _ in range(MANY)]
    paths = [upstream.file(theirs.wheel) for theirs in many]
    addresses, held = [front.file(theirs.name) for theirs in many], Held()
    for path in paths:
        upstream.fail(path, held)
    with ThreadPoolExecutor(MANY) as readers:
        waiting = [readers.submit(got_whole, front, address) for address in addresses]
        held.wait()

        front.is_there_for_others()
        assert upstream.most_connections < MANY

        held.release()
        assert [future.result() for future in waiting] == [theirs.content for theirs in many]
    assert [upstream.asked(path) for path in paths] == [1] * MANY


# Gone, and back


def set_back(server: Server, by: timedelta) -> None:
    """Let everything that is written down of upstreams be older by so much."""
    with server.services() as services, services.writing() as uow:
        for name, table in Base.metadata.tables.items():
            moments = [each for each in table.columns if _is_moment(each)]
            if not name.startswith("upstream_") or not moments:
                continue
            for row in uow.db.execute(table.select()).mappings().all():
                older = {each.name: row[each] - by for each in moments if row[each] is not None}
                if older:
                    [key] = table.primary_key.columns
                    uow.db.execute(update(table).where(key == row[key]).values(older))


def _is_moment(column: Any) -> bool:
    kind = getattr(column.type, "impl", column.type)
    return isinstance(kind, DateTime) or isinstance(column.type, DateTime)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_upstream_that_is_gone_for_an_hour_and_for_more_than_a_day_and_back(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = new_database(request, database)

    @contextmanager
    def again() -> Iterator[Front]:
        """In processes that know nothing but what is written down."""
        with in_front_of(upstream.url, tmp_path, "cache", workers=1, database_url=url) as server:
            yield Front(server, upstream, tmp_path / "dist")

    with upstream_running() as upstream:
        with again() as front:
            seen, unseen = front.new(), front.new()
            page, address = front.page(seen.name).json(), front.file(seen.name)
            assert got_whole(front, address) == seen.content
            assert front.page("none").status_code == 404
            set_back(front.server, timedelta(hours=1))
            upstream.go_away()

        with again() as front:
            stale = front.page(seen.name)
            assert (stale.status_code, stale.json()) == (200, page)
            assert got_whole(front, front.file(seen.name)) == seen.content
            is_refused(front.page(unseen.name), 503)
            set_back(front.server, timedelta(days=1))

        with again() as front:
            is_refused(front.page(seen.name), 503)
            is_refused(front.page(unseen.name), 503)
            upstream.come_back()
            for one in (seen, unseen):
                wait_until(lambda one=one: front.page(one.name).status_code == 200)  # type: ignore[misc]
            assert front.page(seen.name).json() == page
            assert front.names(unseen.name) == [unseen.wheel]
            assert got_whole(front, front.file(seen.name)) == seen.content


def test_a_page_that_is_as_it_was_is_not_sent_again(front: Front) -> None:
    seen, upstream = front.new(), front.upstream
    assert front.names(seen.name) == [seen.wheel]
    path = upstream.page(seen.name)
    upstream.forget()
    set_back(front.server, timedelta(minutes=30))

    def is_asked_again() -> bool:
        assert front.names(seen.name) == [seen.wheel]
        return upstream.asked(path) > 0

    wait_until(is_asked_again)
    assert all("if-none-match" in asked.headers for asked in upstream.requests_of(path))
    upstream.add(make_wheel(front.folder, seen.name, "2.0"))
    set_back(front.server, timedelta(minutes=30))
    wait_until(lambda: len(front.names(seen.name)) == 2)


# Many at once

INSTALLS = 100
BY_UV = 10  # of them; the others ask for the same in the same order, at a tenth of the cost
PACKAGES = 40
WORKERS = 2


def test_a_hundred_installs_at_once_from_a_cold_cache_fetch_each_file_once(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    wheels = packages(tmp_path / "theirs")
    contents = {wheel.name: wheel.read_bytes() for wheel in wheels}
    with upstream_running(wheels) as upstream, ExitStack() as stack:
        url = new_database(request, "postgresql")
        front = stack.enter_context(running(tmp_path, upstream, workers=WORKERS, database_url=url))
        readers = stack.enter_context(ThreadPoolExecutor(INSTALLS))
        by_uv = [start_install(front, tmp_path / f"install-{n}") for n in range(BY_UV)]
        others = [readers.submit(read_all, front, wheels) for _ in range(INSTALLS - BY_UV)]
        for process in by_uv:
            output, _ = process.communicate(timeout=3 * WAIT)
            assert process.returncode == 0, output
        assert all(future.result() == contents for future in others)

        arrives_for_all(front)  # of two processes
        for wheel in wheels:
            path = upstream.file(wheel.name)
            assert upstream.asked(upstream.page(project_of(wheel))) <= WORKERS
            assert (upstream.asked(path), upstream.asked(f"{path}.metadata")) == (1, 1), wheel.name
    for number in range(BY_UV):
        found = list((tmp_path / f"install-{number}" / "packages").glob("*.dist-info"))
        assert len(found) == PACKAGES


def read_all(front: Front, wheels: Sequence[Path]) -> dict[str, bytes]:
    """The files by their names, each after its page and its metadata, as installers ask."""
    found = {}
    connection = HTTPConnection(urlsplit(front.server.url).netloc, timeout=3 * WAIT)

    def get(path: str) -> bytes:
        connection.request("GET", path, headers={"Accept": JSON if "simple" in path else "*/*"})
        answer = connection.getresponse()
        assert answer.status == 200, (path, answer.status, answer.reason)
        return answer.read()

    with closing(connection):
        for wheel in wheels:
            page = f"/simple/{project_of(wheel)}/"
            [file] = json.loads(get(page))["files"]
            path = urljoin(page, file["url"])
            metadata = hashlib.sha256(get(f"{path}.metadata")).hexdigest()
            assert file["core-metadata"]["sha256"] == metadata
            found[file["filename"]] = get(path)
    return found


def packages(folder: Path) -> list[Path]:
    """What is installed: a package that needs all others, which are a few kilobytes each."""
    names = [f"many-{number:02}" for number in range(1, PACKAGES)]
    needs = [("Requires-Dist", name) for name in names]
    return [
        make_wheel(folder, "many-00", metadata_extra=needs),
        *(make_wheel(folder, name, payload=name.encode() * 1000) for name in names),
    ]


def start_install(front: Front, folder: Path) -> processes.Process:
    """Begin to install them, with nothing in any cache of the client."""
    folder.mkdir()
    command: Sequence[str] = [
        *("uv", "pip", "install", "--no-cache", "--python", sys.executable),
        *("--target", str(folder / "packages"), "--link-mode", "copy", "many-00"),
    ]
    environment = plain_environment(folder / "home") | {
        "UV_DEFAULT_INDEX": f"{front.server.url}/simple/",
        "UV_CONCURRENT_DOWNLOADS": "4",
        "UV_HTTP_TIMEOUT": str(WAIT),
    }
    del environment["UV_CACHE_DIR"]
    return processes.start(
        command, env=environment, cwd=folder, stderr=subprocess.STDOUT, is_client=True
    )


# Redirect mode: files are asked for there


def test_files_come_from_the_upstream_itself_where_only_pages_come_from_here(
    tmp_path: Path,
) -> None:
    with new_upstream() as upstream, running(tmp_path, upstream, "redirect") as front:
        theirs, local = front.new(), re.escape(upstream.origin)
        address = front.file(theirs.name)
        assert re.fullmatch(rf"{local}/packages/.*/{re.escape(theirs.wheel)}", address)
        assert front.get(address, "*/*").content == theirs.content
        upstream.go_away()
        assert front.file(theirs.name) == address
