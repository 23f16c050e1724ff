"""Dependency confusion: whoever asks for a name gets the files of one index, never of another.

A name can come to be published here, be reserved by a draft here, and appear at an upstream, in
any order; meanwhile the operator may claim it, and the upstream may be set up, be taken out again,
or be away. The table has every order of these. After each step all that installers ask is asked.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.registry import accounts, publishing
from greenroom.registry.permissions import Person
from greenroom.registry.upstream_page_fetching import FRESH
from greenroom.upstream_settings import Upstream
from tests import factories
from tests.artifacts import make_wheel
from tests.upstream_server import UpstreamServer, upstream_running
from tests.web.conftest import Site
from tests.web.standing import standing_site

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
PYPI = "up"
EXISTS = "exists upstream (up): from publication on this index answers for it alone."
EXISTS_NOW = "exists upstream (up): from now on this index answers for it alone."

# What can happen to a name.
DRAFT = "draft"  # somebody stages a release here
PUBLISH = "publish"  # it becomes public here: that draft, or a file that is uploaded directly
APPEAR = "appear"  # the upstream gets a project of this name
NAMES = (DRAFT, PUBLISH, APPEAR)
# What can happen beside it.
CLAIM = "claim"
SET_UP = "set up"  # only from here on there is an upstream
TAKE_OUT = "take out"
GO_AWAY = "go away"
COME_BACK = "come back"


def orders() -> Iterator[tuple[str, ...]]:
    """Every order of what happens to a name, and in each place what happens beside it."""
    for count in range(1, len(NAMES) + 1):
        yield from itertools.permutations(NAMES, count)
    for order in itertools.permutations(NAMES):
        for beside in (CLAIM, SET_UP, TAKE_OUT, GO_AWAY):
            for place in range(len(order)):
                yield (*order[:place], beside, *order[place:])
        for place, until in itertools.combinations(range(len(order) + 1), 2):
            yield (*order[:place], GO_AWAY, *order[place:until], COME_BACK, *order[until:])


ORDERS = list(orders())


@dataclass
class Name:
    """A name, what has happened to it, and so who answers for it."""

    name: str
    steps: Sequence[str]
    happened: list[str] = field(default_factory=list)
    # Whether the upstream had it when a draft reserved the name; None where nobody knows.
    found: bool | None = None
    # Whether it had it when it was last asked; None where it never was.
    known: bool | None = None

    def has(self, step: str) -> bool:
        return step in self.happened

    @property
    def has_upstream(self) -> bool:
        if SET_UP in self.steps:
            return self.has(SET_UP)
        return not self.has(TAKE_OUT)

    @property
    def is_away(self) -> bool:
        return self.has(GO_AWAY) and not self.has(COME_BACK)

    @property
    def may_be_asked(self) -> bool:
        """Whether a request for the name may go to the upstream."""
        is_reserved = self.has(DRAFT) and not self.found
        is_here = self.has(PUBLISH) or is_reserved
        return self.has_upstream and not self.has(CLAIM) and not is_here

    @property
    def answers(self) -> str:
        """``here``, ``upstream``, ``nobody``, or ``away``: nobody can say."""
        if self.has(PUBLISH):
            return "here"
        if not self.may_be_asked:
            return "nobody"
        has_it = self.known if self.is_away else self.has(APPEAR)
        return {True: "upstream", False: "nobody", None: "away"}[has_it]

    @property
    def drafted(self) -> str:
        """The version of the draft that is open; empty where none is."""
        if not self.has(DRAFT):
            return ""
        if not self.has(PUBLISH):
            return "9.0"
        return "10.0" if self.happened.index(PUBLISH) < self.happened.index(DRAFT) else ""


class World:
    """An index and its upstream, in which one name after the other lives its life."""

    def __init__(self, site: Site, upstream: UpstreamServer, folder: Path) -> None:
        self.site, self.upstream, self.folder = site, upstream, folder
        self.plain = site.services
        self.token = site.token(site.user("root", administrator=True))

    def settle(self, name: Name) -> None:
        """The index as the steps so far have set it up; what was fresh no longer is."""
        settings = self.plain.settings
        if name.has_upstream:
            behind = (Upstream(PYPI, self.upstream.url),)
            networks = (ip_network("127.0.0.0/8"),)
            settings = replace(settings, upstreams=behind, upstream_networks=networks)
        if name.has(CLAIM):
            settings = replace(settings, claimed_names=(f"{name.name}*",))
        services = replace(self.plain, settings=settings)
        self.site.services = self.site.wsgi.services = services
        self.site.clock.advance(FRESH + timedelta(minutes=1))

    def do(self, name: Name, step: str) -> None:
        """Let something happen, as people do it: by requests."""
        could_ask = name.may_be_asked
        name.happened.append(step)
        if step == APPEAR:
            self.upstream.add(self.file(name, "1.0"))
        elif step == GO_AWAY:
            self.upstream.go_away()
        elif step == COME_BACK:
            self.upstream.come_back()
        self.settle(name)
        if step == DRAFT:
            if could_ask:
                name.found = name.known = self.would_say(name)
            answer = self.site.upload(self.file(name, name.drafted), self.token, staged=True)
            assert answer.status_int == 201, answer.text
            assert (EXISTS in answer.text) is (name.found is True and not name.has(PUBLISH))
        elif step == PUBLISH:
            self.publish(name, could_ask=could_ask)

    def would_say(self, name: Name) -> bool | None:
        """Whether the upstream has a name, as far as anybody could find out now."""
        if not name.is_away:
            return name.has(APPEAR)
        return True if name.known else None

    def publish(self, name: Name, *, could_ask: bool) -> None:
        if not name.has(DRAFT):
            answer = self.site.upload(self.file(name, "9.0"), self.token)
            assert answer.status_int == 200, answer.text
            assert (EXISTS_NOW in answer.text) is (could_ask and self.would_say(name) is True)
            return
        with self.site.services.writing() as uow:
            draft = factories.find_draft(uow, name.name, "9.0")
            assert draft is not None
            publishing.publish(uow, Person(accounts.get_user(uow.db, "root")), draft)

    def file(self, name: Name, version: str) -> Path:
        return make_wheel(self.folder / version, name.name, version)

    def ask(self, name: Name) -> None:
        """All that an installer asks; the first answer may be what was known before."""
        page = self.upstream.page(name.name)
        before = self.upstream.asked(page)
        for _ in range(2):
            self.site.app.get(f"/simple/{name.name}/", headers=JSON, status="*")
            for running in list(self.site.services.asking._running.values()):
                running.result(60)
        assert self.offered(name, f"/simple/{name.name}/") == self.expected(name)
        assert self.page_says(name) == name.answers
        self.check_draft(name)
        if not name.may_be_asked:
            assert self.upstream.asked(page) == before
        if name.may_be_asked and not name.is_away:
            name.known = name.has(APPEAR)

    def expected(self, name: Name) -> list[str] | int:
        """Which versions are offered, or with which status nothing is."""
        if name.answers == "here":
            return ["9.0"]
        if name.answers == "upstream":
            return ["1.0"]
        return {"nobody": 404, "away": 503}[name.answers]

    def offered(self, name: Name, address: str) -> list[str] | int:
        """Which versions a page offers, in both forms alike, or the status that it has."""
        said = self.site.app.get(address, headers=JSON, status="*")
        shown = self.site.app.get(address, headers={"Accept": "text/html"}, status="*")
        assert said.status_int == shown.status_int
        if said.status_int != 200:
            return said.status_int
        files = [file["filename"] for file in json.loads(said.body)["files"]]
        assert [link.get_text() for link in shown.html.find_all("a")] == files
        return [filename.split("-")[1] for filename in files]

    def page_says(self, name: Name) -> str:
        """What the page for people and the JSON API say: whose project it is."""
        page = self.site.app.get(f"/project/{name.name}/", status="*")
        api = self.site.app.get(f"/pypi/{name.name}/json", status="*")
        assert (api.status_int == 200) is (name.answers == "here")
        if page.status_int != 200:
            return {404: "nobody", 503: "away"}[page.status_int]
        return "upstream" if "is not a project of this index" in page.text else "here"

    def check_draft(self, name: Name) -> None:
        """At a draft's address there is what is here, and nothing else."""
        if not name.drafted:
            return
        with self.site.services.reading() as uow:
            draft = factories.find_draft(uow, name.name, name.drafted)
            assert draft is not None
            slug = draft.slug
        own = self.offered(name, f"/draft/{slug}/simple/{name.name}/")
        world = self.offered(name, f"/draft/{slug}/full/simple/{name.name}/")
        assert own == [name.drafted]
        assert world == (["9.0", "10.0"] if name.has(PUBLISH) else [name.drafted])

    def end(self, name: Name) -> None:
        """Let the upstream be there for the next one."""
        if name.is_away:
            self.upstream.come_back()
        if name.has(APPEAR):
            self.upstream.remove(name.name)


CASES = [
    *(("sqlite", number) for number in range(len(ORDERS))),
    # What is asked of the database depends on what has happened to the name alone.
    *(("postgresql", number) for number, order in enumerate(ORDERS) if len(order) <= len(NAMES)),
]


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("confusion")
    with standing_site(request, folder, request.param) as site, upstream_running() as upstream:
        yield World(site, upstream, folder)


@pytest.mark.parametrize(
    ("world", "number"),
    CASES,
    indirect=["world"],
    ids=[f"{kind} {' '.join(ORDERS[number])}" for kind, number in CASES],
)
def test_a_name_is_answered_by_one_index(world: World, number: int) -> None:
    name = Name(f"thing-{number}", ORDERS[number])
    world.settle(name)
    try:
        world.ask(name)
        for step in name.steps:
            world.do(name, step)
            world.ask(name)
    finally:
        world.end(name)
