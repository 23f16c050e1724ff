"""``greenroom upstream adopt`` beside a running server: what it copies stays, whatever happens."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from greenroom.registry import upstream_files
from greenroom.storage.local import blob_path
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.clients import lockers, maintainer
from tests.clients.conftest import DATABASES
from tests.clients.installers import Installation, pip
from tests.clients.upstreams import MODES, in_front_of
from tests.preloaded import Process
from tests.serving import Server, new_database, preloaded
from tests.test_background import wait_until
from tests.upstream_server import (
    EVERYTHING,
    Held,
    HeldFile,
    OtherBytes,
    Status,
    UpstreamServer,
    upstream_running,
)

JSON = "application/vnd.pypi.simple.v1+json"
WAIT = 120  # seconds after which a test that waits for an answer has failed
NEWER = "thing-2.0-py3-none-any.whl"
SDIST = "thing-1.0.tar.gz"
WHEEL = "thing-1.0-py3-none-any.whl"
FOR_WINDOWS = "thing-1.0-cp39-cp39-win_amd64.whl"
RELEASE = sorted([SDIST, WHEEL, FOR_WINDOWS])
EVERYTHING_OF_IT = sorted([*RELEASE, NEWER])
NOT_OF_THE_INDEX = ("audit", "storage", "jobs", "upstream_", "file_facts", "file_comparisons")
"""Tables of what was done and asked and of what jobs look at, and the bytes in the storage."""


@dataclass
class Front:
    """An index with an upstream behind it."""

    server: Server
    upstream: UpstreamServer
    folder: Path

    def start(self, *arguments: str) -> Process:
        """Begin to adopt, in a process of its own."""
        with self._log.open("w") as log:
            return preloaded().start(
                ["upstream", "adopt", *arguments], self.server.environment, log
            )

    def adopt(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return finished(self.start(*arguments), self._log)

    @property
    def _log(self) -> Path:
        return self.folder / "adopt.log"

    def get(self, path: str, accept: str = JSON) -> requests.Response:
        url = urljoin(self.server.url, path)
        return requests.get(url, headers={"Accept": accept}, timeout=WAIT)

    def files(self, project: str = "thing") -> dict[str, str]:
        """The addresses of the files on a page, by name."""
        page = self.get(f"/simple/{project}/")
        assert page.status_code == 200, page.text
        return {file["filename"]: urljoin(page.url, file["url"]) for file in page.json()["files"]}

    def rows(self) -> Mapping[str, list[str]]:
        """All that is of this index, but for what was done."""
        with self.server.services() as services, services.reading() as uow:
            found = factories.everything(uow)
        return {name: rows for name, rows in found.items() if not name.startswith(NOT_OF_THE_INDEX)}

    def audited(self) -> list[str]:
        """What the audit log says of adopting, the oldest first."""
        lines = self.server.greenroom("audit", "--act", "release-adopt", "--json")
        return [json.loads(line)["detail"] for line in lines.splitlines()]


def finished(process: Process, log: Path) -> "subprocess.CompletedProcess[str]":
    """What comes of a command."""
    out = process.stdout.read()
    status = process.wait(WAIT)
    process.stdout.close()
    return subprocess.CompletedProcess("adopt", status, out, log.read_text())


@contextmanager
def stocked(folder: Path) -> Iterator[UpstreamServer]:
    """An upstream that has two releases of a project."""
    folder = folder / "theirs"
    with upstream_running([make_wheel(folder, "thing", "2.0")]) as running:
        running.add(make_wheel(folder, "thing", "1.0"))
        running.add(make_wheel(folder, "thing", "1.0", tag="cp39-cp39-win_amd64"))
        running.add(make_sdist(folder, "thing", "1.0"), yanked="Does not build.")
        yield running


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[UpstreamServer]:
    with stocked(tmp_path) as running:
        yield running


@contextmanager
def running(
    folder: Path,
    upstream: UpstreamServer,
    mode: str,
    url: str | None = None,
    *,
    workers: int = 1,
    more: Mapping[str, str] | None = None,
) -> Iterator[Front]:
    settings = {"GREENROOM_CLAIMED_NAMES": "acme-*", **(more or {})}
    with in_front_of(
        upstream.url, folder, mode, database_url=url, more=settings, workers=workers
    ) as server:
        server.user(maintainer.NAME)
        yield Front(server, upstream, folder)


@pytest.fixture
def front(upstream: UpstreamServer, tmp_path: Path) -> Iterator[Front]:
    with running(tmp_path, upstream, "redirect") as front:
        yield front


@pytest.mark.parametrize(("mode", "database"), [*zip(MODES, DATABASES, strict=True)])
def test_what_is_adopted_is_installed_when_the_upstream_is_gone(
    mode: str,
    database: str,
    upstream: UpstreamServer,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    contents = {name: upstream._file(name).content for name in RELEASE}
    where = {name: upstream.origin + upstream.file(name) for name in RELEASE}
    url = new_database(request, database)
    with running(tmp_path, upstream, mode, url, workers=2) as front:
        before = front.files()
        assert sorted(before) == EVERYTHING_OF_IT
        folder = Installation(front.server, tmp_path / "locked", f"{front.server.url}/simple/")
        assert lockers.uv(folder, "thing<2").versions == {"thing": "1.0"}

        result = front.adopt("Thing", "1.0.0", "--owner", "ada", "--reason", "Our builds need it.")

        assert (result.returncode, result.stderr) == (0, "")
        *came, said = result.stdout.splitlines()
        assert sorted(came) == RELEASE
        assert said == (
            "Adopted thing 1.0.0 from up. Files that came: 3. Here before: 0. "
            "This index answers for thing alone."
        )
        found = front.files()  # at once, though the server has sent another page a moment ago
        assert sorted(found) == RELEASE
        upstream.go_away()
        upstream.forget()

        for name, address in found.items():
            assert address.startswith(f"{front.server.url}/packages/")
            assert front.get(address, "*/*").content == contents[name]
        home = Installation(front.server, tmp_path / "here", f"{front.server.url}/simple/")
        python = pip(home, "thing", "--no-cache-dir")
        version = front.server.run(*python, "-c", "import thing; print(thing.__version__)")
        assert version.stdout == "1.0\n"
        if mode == "cache":
            was_moved(front, before)
            folder.run("uv", "sync", "--frozen", "--no-cache", "--python", sys.executable)
        assert upstream.requests == []
        is_shown(front, where)


def was_moved(front: Front, before: Mapping[str, str]) -> None:
    """What lock files have from before leads to what was adopted, and to nothing else."""
    for name in RELEASE:
        answer = front.get(before[name], "*/*")
        assert answer.content == front.upstream._file(name).content
        assert answer.url == front.files()[name]
        metadata = front.get(f"{before[name]}.metadata", "*/*")
        assert metadata.status_code == (404 if name == SDIST else 200)
    assert front.get(before[NEWER], "*/*").status_code == 404
    for other in (
        before[WHEEL].replace("/upstream/up/", "/upstream/down/"),
        before[WHEEL].replace("/thing/", "/acme-thing/"),
        before[WHEEL].replace(urlsplit(front.upstream.origin).netloc, "files.example"),
        before[WHEEL].replace("/packages/", "/packages/x/"),
    ):
        assert front.get(other, "*/*").status_code == 404


def is_shown(front: Front, where: Mapping[str, str]) -> None:
    """Where each file comes from is said to people and to programs, and who had it adopted."""
    digests = {name: front.upstream._file(name).sha256 for name in where}
    said = front.get("/pypi/thing/1.0/json", "application/json").json()["adopted_from"]
    assert {each["filename"]: each["url"] for each in said} == where
    assert {each["filename"]: each["digests"]["sha256"] for each in said} == digests
    assert {(each["upstream"], each["by"]) for each in said} == {("up", "operator")}
    page = front.get("/project/thing/1.0/", "text/html").text
    assert "Adopted from" in page
    assert all(address in page for address in where.values())
    assert front.audited() == ["thing 1.0.0, for ada: Our builds need it."]


def test_a_second_time_says_what_there_is_and_changes_nothing(front: Front) -> None:
    first = front.adopt("thing", "1.0", "--owner", "ada")
    assert first.returncode == 0, first.stderr
    before = front.rows()

    for is_away in (False, True):
        if is_away:
            front.upstream.go_away()
        front.upstream.forget()
        again = front.adopt("thing", "1.0", "--owner", "ada")
        assert again.returncode == 0, again.stderr
        assert again.stdout == (
            "Nothing was changed: all files of thing 1.0 that up has are here already (3).\n"
        )
        assert front.rows() == before
    assert front.upstream.requests == []  # of what is here nothing is fetched

    front.upstream.come_back()
    more = front.adopt("thing", "2.0", "--owner", "ada")
    assert "Files that came: 1. Here before: 0." in more.stdout
    assert sorted(front.files()) == EVERYTHING_OF_IT


@dataclass(frozen=True)
class Refused:
    """Something that is not adopted: why, and what is done before."""

    arguments: tuple[str, ...]
    sentence: str
    before: Callable[[Front], object] = lambda front: None


def wrong(filename: str) -> Callable[[Front], object]:
    return lambda front: front.upstream.fail(front.upstream.file(filename), OtherBytes())


def no_distribution(front: Front) -> None:
    junk = HeldFile("junk-1.0-py3-none-any.whl", b"Welcome to this hotel.", None)
    front.upstream.project("junk").files.append(junk)


def released(front: Front) -> None:
    front.upstream.add(make_wheel(front.folder / "theirs", "own", "1.0"))
    with front.server.services() as services:
        maintainer.release(services, make_wheel(front.folder, "own", "0.1"))


def staged(front: Front) -> None:
    front.upstream.add(make_wheel(front.folder / "theirs", "drafted", "1.0"))
    with front.server.services() as services:
        maintainer.stage(services, make_wheel(front.folder, "drafted", "0.1"))


def away(front: Front) -> None:
    front.upstream.fail(EVERYTHING, Status(503))


NOT_THE_DIGEST = "does not have the digest (sha256) that up says"
REFUSED = {
    "no such project": Refused(("nothing", "1.0"), "No index behind this one has the project"),
    "no such version": Refused(("thing", "3.0"), "up has no files of thing 3.0."),
    "no name": Refused(("../thing", "1.0"), "is an invalid value for Name"),
    "no version": Refused(("thing", "one"), "is an invalid value for Version"),
    "no such owner": Refused(("thing", "1.0", "--owner", "nobody"), "There is no user 'nobody'"),
    "claimed": Refused(("acme-tools", "1.0"), "which this one keeps for its own"),
    "of this index": Refused(("own", "1.0"), "are never mixed into it", released),
    "of a draft": Refused(("drafted", "1.0"), "Drafts reserve the name", staged),
    "digest of the last file": Refused(("thing", "1.0"), NOT_THE_DIGEST, wrong(SDIST)),
    "digest of the first file": Refused(("thing", "1.0"), NOT_THE_DIGEST, wrong(WHEEL)),
    "no distribution": Refused(("junk", "1.0"), "Invalid distribution file", no_distribution),
    "no file": Refused(("thing", "1.0"), "was not had from up: ", away),
    "no page": Refused(("unseen", "1.0"), "/simple/unseen/ answers with status 503.", away),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("shared")
    with stocked(folder) as upstream, running(folder, upstream, "cache") as front:
        yield front


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_adopted_is_said_and_changes_nothing(what: str, shared: Front) -> None:
    refused, front = REFUSED[what], shared
    assert sorted(front.files()) == EVERYTHING_OF_IT
    refused.before(front)
    before, audited = front.rows(), front.audited()

    result = front.adopt("--owner", "ada", *refused.arguments)

    front.upstream.heal()
    assert result.returncode == 1
    *logged, line = result.stderr.splitlines()
    assert not any("Traceback" in each for each in logged)
    assert line.startswith("Error: ")
    assert refused.sentence in line
    assert front.rows() == before
    assert sorted(front.files()) == EVERYTHING_OF_IT
    # Where it was begun, the audit log says what became of it.
    added = front.audited()[len(audited) :]
    assert [("not adopted: " in each) for each in added] in ([], [False, True])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_who_is_stopped_in_the_middle_has_adopted_nothing(
    number: signal.Signals, front: Front
) -> None:
    before, last = front.rows(), Held(after=10)
    front.upstream.fail(front.upstream.file(SDIST), last)
    process = front.start("thing", "1.0", "--owner", "ada")
    last.wait()

    os.killpg(process.pid, number)

    assert process.wait(WAIT) != 0
    process.stdout.close()
    assert front.rows() == before
    last.release()
    assert sorted(front.files()) == EVERYTHING_OF_IT
    assert front.get("/pypi/thing/json").status_code == 404
    again = front.adopt("thing", "1.0", "--owner", "ada")
    assert "Files that came: 3. Here before: 0." in again.stdout
    assert sorted(front.files()) == RELEASE
    verified = json.loads(front.server.greenroom("storage", "verify", "--json"))
    assert (verified["missing"], verified["wrong"]) == ([], [])


def test_files_that_are_too_much_together_are_not_adopted_in_part(
    upstream: UpstreamServer, tmp_path: Path
) -> None:
    sizes = [len(upstream._file(name).content) for name in RELEASE]
    room = {"GREENROOM_MAX_PROJECT_SIZE": str(sum(sizes) - 1)}
    with running(tmp_path, upstream, "redirect", more=room) as front:
        before = front.rows()

        result = front.adopt("thing", "1.0", "--owner", "ada")

        assert result.returncode == 1
        assert "Project size too large" in result.stderr
        assert front.rows() == before
        assert sorted(front.files()) == EVERYTHING_OF_IT


@pytest.mark.parametrize("act", [maintainer.release, maintainer.stage])
def test_a_name_that_somebody_takes_meanwhile_is_not_adopted(
    act: Callable[..., object], front: Front
) -> None:
    """Also where it is the one whose the project was to be."""
    held = Held(after=10)
    front.upstream.fail(front.upstream.file(SDIST), held)
    process = front.start("thing", "1.0", "--owner", "ada")
    held.wait()
    with front.server.services() as services:
        act(services, make_wheel(front.folder, "thing", "0.1"))
    before = front.rows()

    held.release()
    result = finished(process, front._log)

    assert result.returncode == 1
    said = "never mixed" if act is maintainer.release else "Drafts reserve the name 'thing'"
    assert said in result.stderr
    assert front.rows() == before


def test_two_who_adopt_at_once_adopt_once(front: Front) -> None:
    held = Held(after=10)
    front.upstream.fail(front.upstream.file(SDIST), held)
    with (front.folder / "one").open("w") as one, (front.folder / "two").open("w") as two:
        processes = [
            preloaded().start(
                ["upstream", "adopt", "thing", "1.0", "--owner", "ada"],
                front.server.environment,
                log,
            )
            for log in (one, two)
        ]
    held.wait(2)
    held.release()

    said = [finished(each, front.folder / "one").stdout for each in processes]

    assert sorted("Files that came: 3." in text for text in said) == [False, True]
    assert sorted("Nothing was changed" in text for text in said) == [False, True]
    assert sorted(front.files()) == RELEASE


def test_what_is_kept_is_adopted_from_here_unless_it_is_wrong(
    upstream: UpstreamServer, tmp_path: Path
) -> None:
    with running(tmp_path, upstream, "cache") as front:
        for name, address in front.files().items():
            assert front.get(address, "*/*").content == upstream._file(name).content
        sha256 = upstream._file(SDIST).sha256
        with front.server.services() as services:
            # The last byte is sent a moment before all of them are kept.
            wait_until(lambda: len(list(upstream_files.all_of(services))) == len(front.files()))
            path = blob_path(services.settings.files, sha256)
            whole = path.read_bytes()
            path.unlink()
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        before = front.rows()

        refused = front.adopt("thing", "1.0", "--owner", "ada")

        assert refused.returncode == 1
        assert "run 'greenroom upstream verify' first" in refused.stderr
        assert front.rows() == before
        front.server.greenroom("upstream", "verify")
        upstream.go_away()
        assert "Files that came: 3." in front.adopt("thing", "1.0", "--owner", "ada").stdout
        front.server.greenroom("upstream", "evict", "--all", "--yes")
        for name, address in front.files().items():
            assert front.get(address, "*/*").content == upstream._file(name).content
