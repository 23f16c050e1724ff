"""Two machines on one database and one bucket, with one upstream behind them.

What one of them keeps the other sends, and lets go of; whoever asks gets the right bytes from
either, or a sentence.
"""

import hashlib
import http.client
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from greenroom.registry import upstream_files
from tests.artifacts import make_wheel
from tests.clients import maintainer
from tests.clients.upstreams import in_front_of
from tests.s3_server import s3_server
from tests.serving import Server, command, new_database
from tests.test_background import wait_until
from tests.upstream_server import Held, UpstreamServer, upstream_running

JSON = "application/vnd.pypi.simple.v1+json"
WAIT = 120  # seconds after which a test that waits for an answer has failed
READERS = 8  # of each machine
LARGE, HELD_AT = 600_000, 200_000


@dataclass
class Between:
    """Stands between a machine and its bucket.

    Attributes:
        before: what is done before an object is read.
        fails: whether nothing is answered but that it does not work.
    """

    behind: str
    url: str = ""
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    fails: bool = False


@contextmanager
def between(endpoint: str) -> Iterator[Between]:
    made = Between(urlsplit(endpoint).netloc)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            act = None
            if self.command == "GET":
                act = made.before.pop(urlsplit(self.path).path.rpartition("/")[2], None)
            if act is not None:
                act()
            if made.fails:
                self._answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
                return
            connection = http.client.HTTPConnection(made.behind, timeout=WAIT)
            connection.request(self.command, self.path, content, dict(self.headers))
            answer = connection.getresponse()
            self._answer(answer.status, dict(answer.headers), answer.read())
            connection.close()

        do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - called so

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            length = headers.get("Content-Length", str(len(body)))
            for name, value in (headers | {"Content-Length": length}).items():
                if name.lower() not in ("connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Theirs:
    """A project of the upstream, with one wheel."""

    name: str
    wheel: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass
class Stage:
    """Both machines, and what they share. The second one has something before its bucket."""

    upstream: UpstreamServer
    machines: list[Server]
    between: Between
    settings: Mapping[str, str]
    database_url: str | None
    folder: Path
    made: int = 0

    def new(self, size: int = LARGE) -> Theirs:
        """A project of the upstream that nobody has asked for."""
        self.made += 1
        name = f"theirs-{self.made}"
        path = make_wheel(self.folder, name, payload=bytes(size))
        self.upstream.add(path)
        return Theirs(name, path.name, path.read_bytes())

    def path(self, theirs: Theirs) -> str:
        return self.upstream.file(theirs.wheel)

    def address(self, theirs: Theirs, machine: Server) -> str:
        """Where the file of a project is."""
        url = f"{machine.url}/simple/{theirs.name}/"
        page = requests.get(url, headers={"Accept": JSON}, timeout=WAIT)
        assert page.status_code == 200, page.text
        [file] = page.json()["files"]
        found: str = urljoin(url, file["url"])
        return found

    def get(self, theirs: Theirs, machine: Server, **headers: str) -> requests.Response:
        return requests.get(self.address(theirs, machine), headers=headers, timeout=WAIT)

    def is_had(self, theirs: Theirs, *machines: Server) -> None:
        """The right bytes come from these machines, or from both."""
        for machine in machines or self.machines:
            answer = self.get(theirs, machine)
            assert answer.status_code == 200, answer.text
            assert answer.content == theirs.content

    def is_kept(self, theirs: Theirs, what: str = "") -> bool:
        """Whether its file is, or what has a longer name."""
        with self.machines[0].services() as services:
            kept = [each.filename for each in upstream_files.all_of(services, theirs.name)]
            return theirs.wheel + what in kept

    def keep(self, theirs: Theirs) -> None:
        """Let it be fetched by the first machine, and kept."""
        self.is_had(theirs, self.machines[0])
        wait_until(lambda: self.is_kept(theirs))
        self.upstream.forget()

    def evict(self, *arguments: str) -> None:
        """Let go of files, through the first machine."""
        self.machines[0].greenroom("upstream", "evict", *arguments)

    def log(self) -> str:
        return "".join((each.home.parent / "serve.log").read_text() for each in self.machines)


@pytest.fixture(scope="module")
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    url = new_database(request, "postgresql")
    with ExitStack() as stack:
        upstream = stack.enter_context(upstream_running())
        s3 = stack.enter_context(s3_server())
        stack.enter_context(mock.patch.dict(os.environ, s3.environment))
        front = stack.enter_context(between(s3.endpoint))
        machines = []
        for name, endpoint in (("one", s3.endpoint), ("other", front.url)):
            more = {
                **s3.environment,
                "GREENROOM_STORAGE_URL": s3.url,
                "GREENROOM_S3_ENDPOINT": endpoint,
            }
            folder = tmp_path_factory.mktemp(name)
            machine = in_front_of(
                upstream.url, folder, "cache", database_url=url, more=more, workers=1
            )
            machines.append(stack.enter_context(machine))
        machines[0].user(maintainer.NAME)
        yield Stage(upstream, machines, front, more, url, tmp_path_factory.mktemp("dist"))


@pytest.fixture
def stage(shared: Stage) -> Iterator[Stage]:
    yield shared
    shared.upstream.heal()
    shared.between.before.clear()
    shared.between.fails = False
    theirs = shared.new()
    for machine in shared.machines:
        wait_until(lambda machine=machine: shared.get(theirs, machine).status_code == 200)  # type: ignore[misc]
    for wrong in ("Traceback", "is damaged"):
        assert wrong not in shared.log()


def test_a_file_that_both_are_asked_for_at_once_comes_once_to_each(stage: Stage) -> None:
    theirs, held = stage.new(), Held(HELD_AT)
    addresses = [stage.address(theirs, machine) for machine in stage.machines]
    stage.upstream.fail(stage.path(theirs), held)
    begun = threading.Semaphore(0)

    def read(address: str) -> bytes:
        with requests.get(address, timeout=WAIT, stream=True) as answer:
            assert answer.status_code == 200, answer.text
            begin = answer.raw.read(HELD_AT // 2)
            begun.release()
            return bytes(begin + answer.raw.read())

    with ThreadPoolExecutor(2 * READERS) as readers:
        waiting = [readers.submit(read, address) for address in addresses * READERS]
        held.wait(2)
        for _ in waiting:
            assert begun.acquire(timeout=WAIT), "not everybody has got what has come"
        held.release()
        assert all(future.result() == theirs.content for future in waiting)

    assert stage.upstream.asked(stage.path(theirs)) == 2
    wait_until(lambda: stage.is_kept(theirs))
    with stage.machines[0].services() as services:
        found = list(upstream_files.all_of(services, theirs.name))
        assert [(each.filename, each.sha256) for each in found] == [(theirs.wheel, theirs.sha256)]
        with services.storage.open(theirs.sha256) as blob:
            assert b"".join(blob) == theirs.content
    stage.is_had(theirs)
    assert stage.upstream.asked(stage.path(theirs)) == 2


def test_what_one_has_fetched_the_other_sends(stage: Stage) -> None:
    theirs = stage.new()
    stage.keep(theirs)
    stage.upstream.go_away()
    stage.is_had(theirs)
    part = stage.get(theirs, stage.machines[1], Range="bytes=100-199")
    stage.upstream.come_back()
    assert (part.status_code, part.content) == (206, theirs.content[100:200])
    assert stage.upstream.requests == []


@pytest.mark.parametrize("size", [0, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("which", ["project", "least used", "all"])
def test_what_one_lets_go_of_the_other_fetches_anew(which: str, size: int, stage: Stage) -> None:
    theirs = stage.new(size)
    stage.keep(theirs)
    stage.is_had(theirs)
    options = {
        "project": ["--project", theirs.name],
        "least used": ["--to", "1"],
        "all": ["--all", "--yes"],
    }

    stage.evict(*options[which])

    assert not stage.is_kept(theirs)
    with stage.machines[0].services() as services:
        assert theirs.sha256 not in services.storage
    for machine in reversed(stage.machines):
        stage.is_had(theirs, machine)
        for range_ in ("bytes=10-19", "bytes=-5"):
            assert stage.get(theirs, machine, Range=range_).status_code == 206
        assert stage.get(theirs, machine, If_None_Match=f'"{theirs.sha256}"').status_code in (
            200,
            304,
        )


@pytest.mark.parametrize("range_", ["", "bytes=100-"])
def test_what_is_let_go_of_while_it_is_looked_for_is_fetched_anew(
    range_: str, stage: Stage
) -> None:
    theirs, one, other = stage.new(), *stage.machines
    stage.keep(theirs)
    evicted = threading.Event()

    def evict() -> None:
        with one.services() as services:
            upstream_files.let_go_of_all(services, theirs.name)
        evicted.set()

    stage.between.before[theirs.sha256] = evict  # once it is found in the bucket

    answer = stage.get(theirs, other, **({"Range": range_} if range_ else {}))

    assert evicted.is_set()
    assert answer.status_code in (200, 206), answer.text
    assert answer.content == theirs.content[100 if range_ else 0 :]
    assert stage.upstream.asked(stage.path(theirs)) == 1


def test_metadata_that_is_let_go_of_while_a_file_is_judged_by_it_is_fetched_anew(
    stage: Stage, tmp_path: Path
) -> None:
    theirs, one = stage.new(), stage.machines[0]
    stage.keep(theirs)
    address = stage.address(theirs, one)
    metadata = requests.get(f"{address}.metadata", timeout=WAIT).content
    wait_until(lambda: stage.is_kept(theirs, ".metadata"))
    stage.upstream.forget()

    def evict() -> None:
        with one.services() as services:
            upstream_files.let_go_of_all(services, theirs.name)

    stage.between.before[hashlib.sha256(metadata).hexdigest()] = evict
    more = {**stage.settings, "GREENROOM_UPSTREAM_LICENSES": "MIT"}
    with in_front_of(
        stage.upstream.url,
        tmp_path,
        "cache",
        database_url=stage.database_url,
        more=more,
        workers=1,
    ) as strict:
        stage.is_had(theirs, strict)
    assert stage.between.before == {}
    path = stage.path(theirs)
    assert (stage.upstream.asked(f"{path}.metadata"), stage.upstream.asked(path)) == (1, 1)


def test_what_is_let_go_of_while_it_is_sent_is_sent_to_its_end(stage: Stage) -> None:
    theirs = stage.new(8 * LARGE)
    stage.keep(theirs)
    address = stage.address(theirs, stage.machines[1])
    with requests.get(address, timeout=WAIT, stream=True) as answer:
        begin = answer.raw.read(1000)
        stage.evict("--project", theirs.name)
        assert begin + answer.raw.read() == theirs.content


@pytest.mark.parametrize("how", ["published", "staged", "adopted"])
def test_what_is_of_the_index_as_well_is_never_let_go_of(how: str, stage: Stage) -> None:
    theirs = stage.new()
    stage.keep(theirs)
    if how == "adopted":
        adopt = ["upstream", "adopt", theirs.name, "1.0", "--owner", maintainer.NAME]
        assert "Files that came: 1." in stage.machines[1].greenroom(*adopt)
    else:
        act = maintainer.release if how == "published" else maintainer.stage
        with stage.machines[1].services() as services:
            act(services, stage.folder / theirs.wheel)

    stage.evict("--all", "--yes")
    stage.machines[0].greenroom("housekeeping")

    with stage.machines[1].services() as services, services.storage.open(theirs.sha256) as blob:
        assert b"".join(blob) == theirs.content
    if how != "staged":
        stage.upstream.forget()
        stage.is_had(theirs)
        assert stage.upstream.requests == []


def test_a_wrong_byte_in_the_bucket_is_found_and_mended(stage: Stage) -> None:
    wrong, gone, right = stage.new(), stage.new(), stage.new()
    stage.evict("--all", "--yes")
    for theirs in (wrong, gone, right):
        stage.keep(theirs)
    spoil(stage, wrong)
    with stage.machines[0].services() as services:
        services.storage.delete(gone.sha256)

    mended = command(stage.machines[1].environment, "upstream", "verify")

    assert mended.returncode == 0, mended.stderr
    assert f"{wrong.wheel}: Its content is missing, or another one." in mended.stdout
    assert f"{gone.wheel}: Its content is missing, or another one." in mended.stdout
    assert "Files checked: 3. Wrong or missing: 2. Fetched again: 2. Let go: 0." in mended.stdout
    stage.upstream.forget()
    for theirs in (wrong, gone, right):
        stage.is_had(theirs)
    assert stage.upstream.requests == []


def test_a_wrong_byte_that_cannot_be_mended_is_sent_to_nobody(stage: Stage) -> None:
    theirs = stage.new()
    stage.evict("--all", "--yes")
    stage.keep(theirs)
    spoil(stage, theirs)
    stage.upstream.go_away()

    lost = command(stage.machines[1].environment, "upstream", "verify")

    assert lost.returncode == 1
    assert "Wrong or missing: 1. Fetched again: 0. Let go: 1." in lost.stdout
    for machine in stage.machines:
        refused = stage.get(theirs, machine)
        assert refused.status_code == 503
        assert "cannot be asked now" in refused.text
    stage.upstream.come_back()
    for machine in stage.machines:
        wait_until(lambda machine=machine: stage.get(theirs, machine).status_code == 200)  # type: ignore[misc]
    stage.is_had(theirs)


def spoil(stage: Stage, theirs: Theirs) -> None:
    """Let one byte of it in the bucket be another one."""
    content = bytearray(theirs.content)
    content[HELD_AT] ^= 1
    path = stage.folder / "spoilt"
    path.write_bytes(content)
    with stage.machines[0].services() as services:
        services.storage.put(path, theirs.sha256)


def test_what_cannot_be_put_into_the_bucket_is_sent_and_put_there_later(stage: Stage) -> None:
    theirs, other, held = stage.new(), stage.machines[1], Held(HELD_AT)
    address = stage.address(theirs, other)
    stage.upstream.fail(stage.path(theirs), held)
    with requests.get(address, timeout=WAIT, stream=True) as answer:
        begin = answer.raw.read(HELD_AT // 2)
        stage.between.fails = True
        held.release()
        assert begin + answer.raw.read() == theirs.content

    wait_until(lambda: "a file of an upstream cannot be kept" in stage.log())
    assert not stage.is_kept(theirs)
    refused = requests.get(address, timeout=WAIT)
    assert (refused.status_code, refused.headers["Cache-Control"]) == (503, "no-store")
    stage.between.fails = False
    wait_until(lambda: requests.get(address, timeout=WAIT).status_code == 200)
    wait_until(lambda: stage.is_kept(theirs))
    stage.is_had(theirs)
    # What had come was not asked for again.
    assert stage.upstream.asked(stage.path(theirs)) == 1
