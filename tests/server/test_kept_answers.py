"""Two processes that keep public answers, on one index: whatever is asked of either is true now.

After every act, each address is asked of both, in every form and in changing codings, and compared
with what the application makes of the database at that moment.
"""

import gzip
import http.client
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
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


class Reader:
    """A client of one server that keeps its connection, and remembers entity tags."""

    def __init__(self, server: Server) -> None:
        parts = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=60)
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
        self.readers = [Reader(server) for server in self.servers]
        self.truth = webtest.TestApp(make_app(self.services.settings, services=self.services))
        self.files: set[str] = set()
        self.turns = itertools.cycle(range(len(CODINGS)))
        self.folder = Path(tempfile.mkdtemp(dir=self.servers[0].home))

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
        codings = itertools.cycle(CODINGS)
        for _ in range(next(self.turns)):
            next(codings)
        for address, form in itertools.product(list(self._addresses()), FORMS):
            expected = self.truth.get(address, headers={"Accept": form}, status="*")
            for reader in self.readers:
                status, said, body = reader.get(address, form, next(codings))
                assert (status, body) == (expected.status_int, expected.body), address
                for header in COMPARED:
                    assert said.get(header) == expected.headers.get(header), address

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


def walk_with(servers: Sequence[Server], stack: ExitStack, *, seed: int) -> None:
    services = stack.enter_context(servers[0].services())
    machine = type("Machine", (TwoServers,), {"servers": tuple(servers), "services": services})
    walk(machine, seed, walks=2, steps=12, at_least=8)


def was_looked_at(machine: Path) -> bool:
    """Whether the server could say at every moment what had changed."""
    return "cannot be looked at" not in (machine / "serve.log").read_text()
