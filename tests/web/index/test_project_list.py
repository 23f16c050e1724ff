"""The list of all projects is kept in segments: whatever happens, it is what a new one would be."""

import gzip
import random
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.database import Database
from greenroom.models import JournalEntry, Project
from greenroom.registry import accounts, catalogue, journal, projects, removal
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.web.http import gzip_pieces
from greenroom.web.http.gzip_pieces import Piece
from greenroom.web.index import project_list as lists
from greenroom.web.index import simple_rendering
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Site
from tests.web.reading import counted_statements
from tests.web.standing import fetch

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
GZIP = {"Accept-Encoding": "gzip, deflate"}
ROUNDS = 24


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "_SEGMENT", 3)


@pytest.fixture
def other(services: Services) -> Iterator[Services]:
    """What another process has: the same data through a database object of its own."""
    database = Database(services.settings.sqlalchemy_url)
    yield replace(services, database=database)
    database.close()


class Life:
    """Random public changes, by the functions that entry points call."""

    def __init__(self, services: Services, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.services = services
        self.folder = folder
        self.made = 0

    def step(self) -> None:
        acts = [self.publish, self.publish, self.publish, self.add, self.remove]
        acts += [self.empty, self.quarantine]
        with self.services.writing() as uow:
            ada = Person(accounts.get_user(uow.db, "ada"))
            listed = catalogue.projects(uow.db)
            act = self.chance.choice(acts) if listed else self.publish
            name = self.chance.choice(listed).name if listed else ""
            project = catalogue.project(uow.db, name)
            act(uow, ada, project)

    def publish(self, uow: UnitOfWork, ada: Person, project: Project | None) -> None:
        self.made += 1
        name = f"{self.chance.choice('abcz')}-{self.chance.randrange(10**6)}.X"
        wheel = make_wheel(self.folder, name)
        if self.made == 1:
            factories.stage(uow, ada, make_wheel(self.folder, "hidden"))
        factories.release(uow, ada, wheel)

    def add(self, uow: UnitOfWork, ada: Person, project: Project | None) -> None:
        assert project is not None
        self.made += 1
        if not project.quarantined:
            factories.release(uow, ada, make_wheel(self.folder, project.name, f"2.{self.made}"))

    def remove(self, uow: UnitOfWork, ada: Person, project: Project | None) -> None:
        assert project is not None
        removal.remove_project(uow, OPERATOR, project)

    def empty(self, uow: UnitOfWork, ada: Person, project: Project | None) -> None:
        assert project is not None
        for release in catalogue.releases(uow.db, project):
            removal.remove_release(uow, OPERATOR, project, release.version)

    def quarantine(self, uow: UnitOfWork, ada: Person, project: Project | None) -> None:
        assert project is not None
        if project.quarantined:
            projects.lift_quarantine(uow, OPERATOR, project)
        else:
            projects.quarantine(uow, OPERATOR, project)


def rendered(services: Services) -> tuple[bytes, bytes]:
    """The list in both forms, from the database alone."""
    with services.reading() as uow:
        listed, serial = catalogue.projects(uow.db), journal.last_serial(uow.db)
    return (
        simple_rendering.projects_html(listed, serial),
        simple_rendering.projects_json(listed, serial),
    )


def assert_is_right(site: Site) -> None:
    html, json = rendered(site.services)
    for headers, body in (({}, html), (JSON, json)):
        plain = fetch(site, "/simple/", headers=headers)
        packed = fetch(site, "/simple/", headers=headers | GZIP)
        assert plain.body == body
        assert gzip.decompress(packed.body) == body
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.headers["ETag"] != plain.headers["ETag"]
        assert int(packed.headers["Content-Length"]) == len(packed.body)
        assert {"Accept", "Accept-Encoding"} == set(plain.vary or ()) == set(packed.vary or ())
        for response, more in ((plain, {}), (packed, GZIP)):
            asked = headers | more | {"If-None-Match": response.headers["ETag"]}
            assert fetch(site, "/simple/", headers=asked).status_int == 304


def test_the_list_is_what_the_database_has(site: Site, other: Services, tmp_path: Path) -> None:
    site.user("ada")
    life = Life(site.services, tmp_path, seed=1)
    elsewhere = Site(other, site.clock)
    assert_is_right(site)
    for number in range(ROUNDS):
        site.clock.advance(timedelta(hours=3))  # there is a limit for an hour and for a day
        life.step()
        if number % 4 == 0:
            assert_is_right(site)
        if number % 7 == 0:
            assert_is_right(elsewhere)
    assert_is_right(elsewhere)
    assert_is_right(site)


def test_a_publication_renews_its_own_segment_only(
    site: Site, account: str, tmp_path: Path
) -> None:
    site.release(*(make_wheel(tmp_path, f"p{number}") for number in range(9)))
    with site.services.reading() as uow:
        before = lists.project_list(site.services.database, uow.db)
    site.release(make_wheel(tmp_path, "p4x"))

    with counted_statements(site) as seen, site.services.reading() as uow:
        after = lists.project_list(site.services.database, uow.db)

    assert [a is b for a, b in zip(before.segments, after.segments, strict=True)] == [
        True,
        False,
        True,
    ]
    queries = [statement for statement in seen if statement.startswith("SELECT")]
    assert len(queries) == 3, queries  # the newest entry, those since, the projects of these


def test_what_is_known_is_read_with_one_query(site: Site, account: str, tmp_path: Path) -> None:
    site.release(make_wheel(tmp_path, "example"))
    fetch(site, "/simple/")

    with counted_statements(site) as seen:
        fetch(site, "/simple/", headers=JSON | GZIP)

    assert len([statement for statement in seen if statement.startswith("SELECT")]) == 1


def test_a_segment_that_grows_is_divided_and_one_that_is_empty_goes(
    site: Site, account: str, tmp_path: Path
) -> None:
    site.release(make_wheel(tmp_path, "m"))
    for number in range(8):
        site.release(make_wheel(tmp_path, f"a{number}"))
        assert_is_right(site)
    with site.services.reading() as uow:
        grown = lists.project_list(site.services.database, uow.db)
    for number in range(8):
        with site.services.writing() as uow:
            removal.remove_project(uow, OPERATOR, projects.get(uow, f"a{number}"))
        assert_is_right(site)
    with site.services.reading() as uow:
        shrunk = lists.project_list(site.services.database, uow.db)

    assert len(grown.segments) > 2
    assert len(shrunk.segments) == 1


def test_another_history_is_no_newer_state(site: Site, account: str, tmp_path: Path) -> None:
    site.release(make_wheel(tmp_path, "example"))
    assert_is_right(site)
    with site.services.writing() as uow:
        # As after a restored backup: as many entries, and others.
        uow.db.get_one(Project, 1).normalized_name = "renamed"
        for entry in uow.db.scalars(select(JournalEntry)):
            entry.action = "restored"
            entry.normalized_name = "renamed"
    assert_is_right(site)
    site.release(make_wheel(tmp_path, "next"))
    assert_is_right(site)


def test_a_snapshot_of_before_a_publication_keeps_its_list(
    site: Site, account: str, tmp_path: Path
) -> None:
    site.release(make_wheel(tmp_path, "example"))
    with site.services.reading() as early:
        serial = journal.last_serial(early.db)
        site.release(make_wheel(tmp_path, "later"))
        fetch(site, "/simple/")

        seen = lists.project_list(site.services.database, early.db)

        assert seen.serial == serial
        assert [p.name for segment in seen.segments for p in segment.projects()] == ["example"]
    assert_is_right(site)


@pytest.mark.parametrize(
    "accepted", [None, "", "identity", "br", "gzip;q=0", "gzip;q=0.1, identity"]
)
def test_who_does_not_ask_for_gzip_gets_none(
    site: Site, account: str, tmp_path: Path, accepted: str | None
) -> None:
    site.release(make_wheel(tmp_path, "example"))
    headers = {} if accepted is None else {"Accept-Encoding": accepted}

    response = fetch(site, "/simple/", headers=headers)

    assert "Content-Encoding" not in response.headers
    assert response.body == rendered(site.services)[0]


@pytest.mark.parametrize("count", [1, 2, 17])
def test_pieces_are_one_stream(count: int) -> None:
    chance = random.Random(count)
    raw = [chance.randbytes(chance.choice([0, 1, 5, 1000, 70_000])) for _ in range(count)]
    pieces = [Piece(part) for part in raw]
    whole = b"".join(raw)
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)

    assert reader.decompress(b"".join(gzip_pieces.gzipped(pieces))) == whole
    assert reader.eof
    assert reader.unused_data == b""
    assert gzip_pieces.crc32(pieces) == zlib.crc32(whole)
