"""Two processes that keep public answers, on one index: whatever is asked of either is true now.

After every act, each address is asked of both, in every form and in changing codings, and compared
with what the application makes of the database at that moment. They are servers of their own, or
workers of one, which share what they keep.
"""

import gzip
import http.client
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar
from urllib.parse import urljoin, urlsplit

import hypothesis.strategies as st
import pytest
import requests
import webtest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from greenroom.registry import accounts, projects, publishing, removal, yanking
from greenroom.registry.errors import Refusal
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.web.application import make_app
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import empty
from tests.fuzzing import walk
from tests.s3_server import s3_server
from tests.serving import Server, new_database, serving
from tests.web.conftest import form_fields

if sys.version_info >= (3, 14):  # pragma: no cover
    from compression import zstd
else:
    from backports import zstd

NAMES = ("alpha", "beta")
VERSIONS = ("1.0", "2.0")
FORMS = ("text/html", "application/vnd.pypi.simple.v1+json")
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.decompress,
    "zstd": zstd.decompress,
}
# Without it, an answer with an address in it is for who asked alone.
SETTINGS = {"GREENROOM_URL": "http://index.example"}
COMPARED = ("content-type", "x-pypi-last-serial", "cache-control", "surrogate-key")

Answer = tuple[int, dict[str, str], bytes]
Expected = Mapping[tuple[str, str], webtest.TestResponse]


class Reader:
    """A client of one server that keeps its connection, and remembers entity tags."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._tags: dict[tuple[str, ...], str] = {}

    def close(self) -> None:
        self._connection.close()

    def get(self, path: str, form: str, coding: str) -> Answer:
        headers = {"Accept": form, "Accept-Encoding": coding}
        status, said, body = self._ask(path, headers)
        if said.get("content-encoding"):
            body = CODINGS[said["content-encoding"]](body)
        self._ask_again(path, headers, status, said.get("etag"))
        return status, said, body

    def _ask_again(self, path: str, headers: dict[str, str], status: int, tag: str | None) -> None:
        """What it had before is confirmed exactly as long as it is the same."""
        place = (path, *headers.values())
        former = self._tags.get(place)
        if former is not None:
            again, _, body = self._ask(path, headers | {"If-None-Match": former})
            assert again == (304 if former == tag else status)
            assert bool(body) == (again != 304)
        if tag is not None:
            self._tags[place] = tag

    def _ask(self, path: str, headers: dict[str, str]) -> Answer:
        self._connection.request("GET", path, headers=headers)
        answer = self._connection.getresponse()
        said = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, said, answer.read()


class TwoServers(RuleBasedStateMachine):
    """Acts of people and of an administrator, by way of either server or beside both."""

    servers: tuple[Server, Server]
    services: Services

    @initialize()
    def begin(self) -> None:
        empty(self.services.settings.sqlalchemy_url, is_in_use=True)
        with self.services.writing() as uow:
            user = factories.make_user(uow, "ada")
            self.token = factories.make_token(uow, user)
        self.readers = [Reader(connection) for connection in self.connections()]
        self.truth = webtest.TestApp(make_app(self.services.settings, services=self.services))
        self.files: set[str] = set()
        self.turns = itertools.cycle(range(len(CODINGS)))
        self.folder = Path(tempfile.mkdtemp(dir=self.servers[0].home))
        # So that each act can do something from the beginning.
        self.upload(1, "alpha", "2.0", 0, staged=False)
        self.upload(0, "alpha", "1.0", 0, staged=True)
        self.upload(0, "beta", "1.0", 0, staged=False)

    def connections(self) -> list[http.client.HTTPConnection]:
        """One to each of the processes."""
        places = [urlsplit(server.url).netloc for server in self.servers]
        return [http.client.HTTPConnection(place, timeout=60) for place in places]

    def teardown(self) -> None:
        for reader in self.readers:
            reader.close()

    @rule(
        which=st.integers(0, 1),
        name=st.sampled_from(NAMES),
        version=st.sampled_from(VERSIONS),
        number=st.integers(0, 2),
        staged=st.booleans(),
    )
    def upload(self, which: int, name: str, version: str, number: int, staged: bool) -> None:
        wheel = make_wheel(self.folder, name, version, build=str(number + 1))
        fields = form_fields(wheel) | ({"staged": "true"} if staged else {})
        answer = requests.post(
            f"{self.servers[which].url}/legacy/",
            data=fields,
            files={"content": (wheel.name, wheel.read_bytes())},
            auth=("__token__", self.token),
            timeout=60,
        )
        assert answer.status_code < 500

    @rule(name=st.sampled_from(NAMES), version=st.sampled_from(VERSIONS))
    def publish(self, name: str, version: str) -> None:
        with self._act() as (uow, ada):
            draft = factories.find_draft(uow, name, version)
            if draft is not None:
                publishing.publish(uow, ada, draft, registers_name=True)

    @rule(name=st.sampled_from(NAMES), version=st.sampled_from(VERSIONS), taken_back=st.booleans())
    def yank(self, name: str, version: str, taken_back: bool) -> None:
        with self._act() as (uow, ada):
            project = projects.get(uow, name)
            if taken_back:
                yanking.unyank_release(uow, ada, project, version)
            else:
                yanking.yank_release(uow, ada, project, version, "broken")

    @rule(name=st.sampled_from(NAMES), version=st.sampled_from(VERSIONS))
    def remove(self, name: str, version: str) -> None:
        with self._act() as (uow, ada):
            removal.remove_release(uow, ada, projects.get(uow, name), version)

    @rule(name=st.sampled_from(NAMES), lifted=st.booleans())
    def quarantine(self, name: str, lifted: bool) -> None:
        with self._act() as (uow, _):
            act = projects.lift_quarantine if lifted else projects.quarantine
            act(uow, OPERATOR, projects.get(uow, name))

    @invariant()
    def both_tell_the_truth(self) -> None:
        expected = {
            (address, form): self.truth.get(address, headers={"Accept": form}, status="*")
            for address, form in itertools.product(list(self._addresses()), FORMS)
        }
        codings = itertools.cycle(CODINGS)
        for _ in range(next(self.turns)):
            next(codings)
        self._compare(expected, codings)

    def _compare(self, expected: Expected, codings: Iterator[str]) -> None:
        for place in expected:
            for reader in self.readers:
                self._compare_one(reader, place, expected, next(codings))

    def _compare_one(
        self, reader: Reader, place: tuple[str, str], expected: Expected, coding: str
    ) -> str:
        """Ask for it, and give the id that the request has."""
        status, said, body = reader.get(*place, coding)
        truth = expected[place]
        assert (status, body) == (truth.status_int, truth.body), place
        for header in COMPARED:
            assert said.get(header) == truth.headers.get(header), place
        return said["x-request-id"]

    def _addresses(self) -> Iterator[str]:
        yield from ("/simple/", "/rss/updates.xml")
        for name in NAMES:
            listed = self.truth.get(f"/simple/{name}/", headers={"Accept": FORMS[1]}, status="*")
            if listed.status_int == 200:
                self.files |= {
                    urljoin(f"/simple/{name}/", file["url"]) for file in listed.json["files"]
                }
            yield from (f"/simple/{name}/", f"/pypi/{name}/json")
        for file in sorted(self.files):
            yield from (file, f"{file}.metadata")

    @contextmanager
    def _act(self) -> Iterator[tuple[UnitOfWork, Actor]]:
        """A change that may be refused."""
        try:
            with self.services.writing() as uow:
                yield uow, Person(accounts.get_user(uow.db, "ada"))
        except Refusal:
            pass


class TwoWorkers(TwoServers):
    """Of one server: one answers after the other has shared what it has made; they take turns.

    Attributes:
        asked: the ids of requests for what may be kept: of who was asked first, and second.
    """

    asked: ClassVar[tuple[list[str], list[str]]]

    def connections(self) -> list[http.client.HTTPConnection]:
        return list(self.servers[0].connect_to_each(2).values())

    def _compare(self, expected: Expected, codings: Iterator[str]) -> None:
        self.readers.reverse()
        for reader, asked in zip(self.readers, self.asked, strict=True):
            for place, truth in expected.items():
                identity = self._compare_one(reader, place, expected, next(codings))
                if truth.status_int == 200:
                    asked.append(identity)
            if reader is self.readers[0]:
                time.sleep(0.3)  # most of it is shared by then


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_workers_share_is_true(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    url = new_database(request, database)
    first: list[str] = []
    second: list[str] = []
    TwoWorkers.asked = first, second
    with serving(tmp_path, url, settings=SETTINGS, workers=2) as server, ExitStack() as stack:
        walk_with((server, server), stack, seed=8, kind=TwoWorkers)
    assert was_looked_at(tmp_path)
    # The application was asked by who came first, and seldom by who came second.
    made = made_anew(tmp_path)
    assert 0 < 2 * len(made.intersection(second)) < len(made.intersection(first))


def test_what_is_kept_on_one_machine_is_true(tmp_path: Path) -> None:
    with ExitStack() as stack:
        servers = [
            stack.enter_context(serving(tmp_path, settings=SETTINGS, workers=1)) for _ in range(2)
        ]
        walk_with(servers, stack, seed=1)
    assert was_looked_at(tmp_path)


def test_what_is_kept_on_two_machines_is_true(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share a database and a store, and nothing else."""
    url = new_database(request, "postgresql")
    with ExitStack() as stack:
        store = stack.enter_context(s3_server())
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        settings = SETTINGS | {
            **store.environment,
            "GREENROOM_STORAGE_URL": store.url,
            "GREENROOM_S3_ENDPOINT": store.endpoint,
        }
        machines = [tmp_path / "one", tmp_path / "other"]
        servers = [
            stack.enter_context(serving(machine, url, settings=settings, workers=1))
            for machine in machines
        ]
        walk_with(servers, stack, seed=2)
    assert all(map(was_looked_at, machines))


def walk_with(
    servers: Sequence[Server],
    stack: ExitStack,
    *,
    seed: int,
    kind: type[TwoServers] = TwoServers,
) -> None:
    services = stack.enter_context(servers[0].services())
    machine = type("Machine", (kind,), {"servers": tuple(servers), "services": services})
    walk(machine, seed, walks=4, steps=8, at_least=6)


def made_anew(machine: Path) -> set[str]:
    """The ids of the requests for which the application was asked."""
    lines = [line for line in (machine / "serve.log").read_text().splitlines() if '"kept"' in line]
    return {line["request_id"] for line in map(json.loads, lines) if not line["kept"]}


def was_looked_at(machine: Path) -> bool:
    """Whether the server could say at every moment what had changed."""
    return "cannot be looked at" not in (machine / "serve.log").read_text()
