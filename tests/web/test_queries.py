"""Reads do a fixed number of queries, whatever the size of the project and of the index."""

import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from greenroom.core_metadata import CoreMetadata
from greenroom.database import Database
from greenroom.models import Draft, File, Project, Release
from greenroom.other_indexes.pages import PageFile, ProjectPage
from greenroom.registry import (
    accounts,
    approvals,
    draft_checks,
    draft_contents,
    drafts,
    expected_files,
    file_facts,
    release_sets,
    required_checks,
    set_schedules,
    silenced_findings,
    unit_of_work,
    upstream_pages,
)
from greenroom.registry.draft_checks import Posted
from greenroom.registry.permissions import Person
from greenroom.registry.release_sets import Reference
from greenroom.registry.upstream_pages import Said
from greenroom.upstream_settings import Upstream
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site, authorization
from tests.web.standing import KINDS, fetch, standing_site

MANY = 20
# A snapshot begins, and SQLite is told how; neither is a query of ours.
_NO_QUERY = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")
JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}


class UnitOfWork:
    """An index with one project, or with many, of one or of many releases and files."""

    def __init__(self, site: Site, folder: Path, count: int) -> None:
        self.site = site
        site.user("ada")
        with site.services.writing() as uow:
            ada = Person(accounts.get_user(uow.db, "ada"))
            wheel, metadata = make_wheel(folder, "big", "1.0"), make_sdist(folder, "big", "1.0")
            big = factories.release(uow, ada, wheel, metadata)
            self.wheel = wheel
            draft = factories.stage(uow, ada, make_wheel(folder, "big", "2.0"))
            self.slug = draft.slug
            self.set = release_sets.add(uow, ada, draft, Reference("all")).slug
            for number in range(1, count):
                factories.release(uow, ada, make_wheel(folder, f"project-{number}"))
                other = factories.stage(uow, ada, make_wheel(folder, f"project-{number}", "2.0"))
                release_sets.add(uow, ada, other, Reference("all"))
                _multiply(uow.db, big, draft, number)
        self.token = site.token()
        credentials = authorization(self.token)
        fetch(site, "/api/drafts/big/9.9", headers=credentials)  # the first use, which is noted

    def address(self, template: str) -> str:
        digest = factories.artifact_of(self.wheel).sha256
        file = f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{self.wheel.name}"
        return template.format(file=file, slug=self.slug, set=self.set)


def _multiply(session: Session, project: Project, draft: Draft, number: int) -> None:
    """One more release with a file, one more file in the first release, one in the draft.

    Rows are enough: what is counted is queries. The bytes are those of the first files.
    """
    published = _any_file(session, draft=False)
    staged = _any_file(session, draft=True)
    release = Release(
        project=project,
        version=f"1.{number}",
        canonical_version=f"1.{number}",
        created=published.created,
        published=published.published,
        core_metadata=CoreMetadata(),
    )
    session.add(release)
    session.flush()
    session.add(_copy(published, release.id, None, f"big-1.{number}-py3-none-any.whl"))
    session.add(_copy(published, published.release_id, None, f"big-1.0-{number}-py3-none-any.whl"))
    session.add(_copy(staged, staged.release_id, draft.id, f"big-2.0-{number}-py3-none-any.whl"))
    session.flush()


def _any_file(session: Session, *, draft: bool) -> File:
    wanted = File.draft_id.is_not(None) if draft else File.draft_id.is_(None)
    found = session.scalars(
        select(File).where(wanted, File.packagetype == "bdist_wheel").order_by(File.id)
    ).first()
    assert found is not None
    return found


def _copy(file: File, release_id: int, draft_id: int | None, filename: str) -> File:
    kept = {
        column.key: getattr(file, column.key)
        for column in File.__table__.columns
        if column.key not in ("id", "release_id", "draft_id", "filename")
    }
    return File(release_id=release_id, draft_id=draft_id, filename=filename, **kept)


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """The queries that are sent to the database meanwhile."""
    seen: list[str] = []

    def listen(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.lstrip().upper().startswith(_NO_QUERY):
            seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", listen)
    yield seen
    event.remove(database.engine, "before_cursor_execute", listen)


@pytest.fixture(scope="module", params=KINDS)
def indexes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[UnitOfWork, UnitOfWork]]:
    """Two indexes: one with one of everything, one with many."""
    small, large = tmp_path_factory.mktemp("small"), tmp_path_factory.mktemp("large")
    with (
        standing_site(request, small, request.param) as one,
        standing_site(request, large, request.param) as many,
    ):
        yield UnitOfWork(one, small / "dist", 1), UnitOfWork(many, large / "dist", MANY)


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/simple/", 2),  # the projects, the serial
        ("/simple/big/", 2),  # the project, its files
        ("{file}", 1),
        ("{file}.metadata", 1),
        # the project, its roles, releases, files, metadata, downloads
        ("/pypi/big/json", 6),
        ("/pypi/big/1.0/json", 6),
        ("/rss/updates.xml", 2),  # the releases, their authors
        ("/rss/packages.xml", 3),  # the projects, their releases, their authors
        ("/rss/project/big/releases.xml", 3),  # the project, its releases, their authors
        ("/sitemap.xml", 1),
        ("/sitemap.xml?page=1", 2),
        ("/draft/{slug}/simple/", 2),  # the draft with its project and release, its files
        ("/draft/{slug}/simple/big/", 2),
        ("/draft/{slug}/full/simple/", 4),  # the draft, the serial, the projects, the draft's
        ("/draft/{slug}/full/simple/big/", 4),  # the draft, the project, its files, the draft's
        ("/draft/{slug}/files/big-2.0-py3-none-any.whl", 2),
        ("/draft/{slug}/files/big-2.0-py3-none-any.whl.metadata", 3),
        # no draft, the set, its drafts with their projects, roles; the files, who is invited
        ("/draft/{set}/", 7),
        ("/draft/{set}/simple/", 5),
        ("/draft/{set}/simple/big/", 6),
        ("/draft/{set}/files/big-2.0-py3-none-any.whl", 4),
        # the project, its roles, the file, its metadata; of a member the releases to compare with
        ("/project/big/1.0/contents/big-1.0-py3-none-any.whl/", 5),
        ("/project/big/1.0/contents/big-1.0-py3-none-any.whl/?member=big/__init__.py", 5),
        ("/draft/{slug}/contents/big-2.0-py3-none-any.whl/", 3),
        ("/search/?q=big", 3),  # how broad, which in what order, their releases with projects
        ("/search/?q=example", 3),
        ("/search/", 3),  # which by name, their releases with projects, how many
        ("/search/?q=bog", 4),  # and names that are near
        ("/", 2),  # which are new, their releases with projects
        # token, user, project, roles, draft, files, uploaders, uploads, release set
        ("/api/drafts/big/2.0", 9),
        # token, user, project, roles, draft, files; required (twice), results, installations
        ("/api/drafts/big/2.0/checks", 10),
        ("/api/releases/big/1.0/approval", 3),  # the project, the release, its approvals
        # token, user, project, roles, draft; releases, files of both, facts, members, details of
        # both, silences, uploads; what may be in the way, its release set too; who staged it; and
        # afterwards what writes the job: the draft, its releases, which jobs wait
        ("/api/drafts/big/2.0/review", 28),
        ("/api/openapi.json", 0),
        ("/help/", 0),
        ("/help/errors/", 0),
        ("/upload/2.0/openapi.json", 0),
        ("/simple/nothing/", 1),
        ("/draft/nothing/", 0),
        ("/draft/AAAAAAAAAAAAAAAAAAAAAA/", 2),  # no draft has it, and no release set
        ("/legacy/", 0),
    ],
)
@pytest.mark.parametrize("headers", [{}, JSON], ids=["html", "json"])
def test_a_read_does_as_many_queries_on_a_large_index_as_on_a_small_one(
    indexes: tuple[UnitOfWork, UnitOfWork], path: str, most: int, headers: dict[str, str]
) -> None:
    counts = []
    for index in indexes:
        credentials = authorization(index.token) if path.startswith("/api") else {}
        with statements(index.site.services.database) as seen:
            fetch(index.site, index.address(path), headers=headers | credentials)
        counts.append(len(seen))

    assert counts[0] == counts[1], "\n".join(seen)
    assert counts[0] <= most, "\n".join(seen)


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/simple/theirs/", 3),  # who answers, what was said, what is refused
        ("/simple/big/", 3),  # who answers, the project, its files
        ("/draft/{slug}/full/simple/theirs/", 4),  # and the draft
        ("/simple/", 2),
        ("{file}", 1),
    ],
)
def test_so_it_does_with_an_upstream_behind_it(
    indexes: tuple[UnitOfWork, UnitOfWork], path: str, most: int
) -> None:
    counts = []
    for index, files in zip(indexes, (1, MANY), strict=True):
        site = _with_upstream(index.site, files)
        with statements(site.services.database) as seen:
            fetch(site, index.address(path), headers=JSON)
        counts.append(len(seen))

    assert counts[0] == counts[1], "\n".join(seen)
    assert counts[0] <= most, "\n".join(seen)


def _with_upstream(site: Site, count: int) -> Site:
    """The same index with an upstream behind it that has said what it has."""
    upstream = Upstream("up", "https://up.example/simple/")
    settings = replace(site.services.settings, upstreams=(upstream,))
    services = replace(site.services, settings=settings)
    files = tuple(
        PageFile(f"theirs-{number}.tar.gz", f"https://up.example/theirs-{number}.tar.gz", {})
        for number in range(count)
    )
    with services.writing() as uow:
        for name in ("theirs", *(f"theirs-{number}" for number in range(count))):
            said = Said(f"{upstream.url}{name}/", timedelta(days=1))
            upstream_pages.keep(uow, upstream, name, ProjectPage(name, files), said)
    upstream_pages.forget_what_was_read()
    return Site(services, site.clock)


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/account/", 2),  # the session with its user, how many invitations wait for them
        ("/account/sessions/", 4),  # and how many there are, and some of them
        ("/help/", 2),
    ],
)
def test_who_is_signed_in_takes_one_query_and_what_waits_another(
    indexes: tuple[UnitOfWork, UnitOfWork], path: str, most: int
) -> None:
    for index in indexes:
        browser = index.site.sign_in()
        with statements(index.site.services.database) as seen:
            browser.get(path)
        assert len(seen) == most, "\n".join(seen)
        assert all(statement.startswith("SELECT") for statement in seen)


@pytest.mark.parametrize(
    ("method", "parameters", "most"),
    [
        ("changelog_last_serial", (), 1),
        ("changelog_since_serial", (0,), 1),
        ("list_packages_with_serial", (), 1),
        ("package_roles", ("big",), 2),  # the project, its roles
        ("user_packages", ("ada",), 2),  # the user, the roles
    ],
)
def test_a_call_does_as_many_queries_on_a_large_index_as_on_a_small_one(
    indexes: tuple[UnitOfWork, UnitOfWork],
    method: str,
    parameters: tuple[int | str, ...],
    most: int,
) -> None:
    counts = []
    body = xmlrpc.client.dumps(parameters, method).encode()
    xml = {"Content-Type": "text/xml"}
    for index in indexes:
        with statements(index.site.services.database) as seen:
            fetch(index.site, "/pypi", method="POST", headers=xml, body=body)
        counts.append(len(seen))

    assert counts[0] == counts[1] == most, "\n".join(seen)


class Sets:
    """An index with a release set of two drafts, and another one of twelve of the same kind."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        site.user("ada")
        self.keys = {count: self._filled(folder, count) for count in (2, 12)}
        self.token = site.token()
        fetch(site, "/api/drafts/set-2-0/9.9", headers=authorization(self.token))
        self.browser = site.sign_in()

    def _filled(self, folder: Path, count: int) -> str:
        with self.site.services.writing() as uow:
            ada = factories.present(uow, accounts.get_user(uow.db, "ada"))
            for number in range(count):
                name = f"set-{count}-{number}"
                factories.release(uow, ada, make_wheel(folder, name), make_sdist(folder, name))
                factories.stage(uow, ada, make_wheel(folder, name, "2.0"))
                draft = factories.stage(uow, ada, make_sdist(folder, name, "2.0"))
                release_sets.add(uow, ada, draft, Reference(f"of-{count}"))
                self._want_much(uow, ada, draft)
            return release_sets.open_for(uow, ada, Reference(f"of-{count}")).key

    def _want_much(self, uow: unit_of_work.UnitOfWork, ada: Person, draft: Draft) -> None:
        project = draft.project
        assert project is not None
        project.registered = None  # so that its name is looked at, too
        draft_checks.post(uow, ada, draft, Posted("tests", "failed"))
        required_checks.change(uow, ada, project, ["tests", required_checks.INSTALLED])
        approvals.change_rules(uow, ada, project, approvals.Rules(2))
        expected_files.change(uow, ada, project, "manylinux x86_64 cp313")
        silenced_findings.silence(uow, ada, project, "no-sdist", "We have none.")
        digest = draft_contents.digest_of(draft, drafts.files(uow.db, draft))
        approvals.approve(uow, ada, draft, digest)

    def schedule_all(self) -> None:
        """Have both published tomorrow, though something stands in the way."""
        with self.site.services.writing() as uow:
            ada = factories.present(uow, accounts.get_user(uow.db, "ada"))
            for count in self.keys:
                release_set = release_sets.open_for(uow, ada, Reference(f"of-{count}"))
                digest = release_sets.details(uow, ada, release_set).content_digest
                tomorrow = uow.now + timedelta(days=1)
                set_schedules.schedule(uow, ada, release_set, tomorrow, digest)

    def look_into_all(self) -> None:
        with self.site.services.reading() as uow:
            numbers = [draft.id for draft in drafts.all_live(uow)]
        file_facts.analyse(self.site.services, numbers)


@pytest.fixture(scope="module", params=KINDS)
def sets(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sets]:
    folder = tmp_path_factory.mktemp("sets")
    with standing_site(request, folder, request.param) as site:
        yield Sets(site, folder / "dist")


def test_the_review_of_a_set_does_as_many_queries_for_many_drafts_as_for_few(sets: Sets) -> None:
    headers = authorization(sets.token)

    def counts(path: str, *, is_page: bool) -> list[int]:
        found = []
        for count, key in sets.keys.items():
            with statements(sets.site.services.database) as seen:
                address = path.format(key=key)
                if is_page:
                    text = sets.browser.get(address, status=200).text
                else:
                    text = fetch(sets.site, address, headers=headers).text
            assert text.count(f"set-{count}-") >= count
            found.append(len(seen))
        return found

    for _ in range(2):  # while nothing is known of the files, and when all is
        for path, most in (
            ("/api/sets/{key}/review", 43),
            ("/api/sets/{key}/review?format=text", 43),
            ("/manage/sets/{key}/review", 43),
        ):
            few, many = counts(path, is_page=path.startswith("/manage"))
            assert few == many <= most, path
        sets.look_into_all()


def test_the_page_of_a_set_does_as_many_queries_for_many_drafts_as_for_few(sets: Sets) -> None:
    def counts() -> list[int]:
        found = []
        for count, key in sets.keys.items():
            with statements(sets.site.services.database) as seen:
                text = sets.browser.get(f"/manage/sets/{key}/", status=200).text
            assert text.count(f"set-{count}-") >= count
            found.append(len(seen))
        return found

    few, many = counts()
    assert few == many
    sets.schedule_all()
    few, many = counts()
    assert few == many


@pytest.mark.parametrize("path", ["/simple/", "/simple/big/", "/draft/{slug}/simple/big/"])
def test_the_large_index_is_large(indexes: tuple[UnitOfWork, UnitOfWork], path: str) -> None:
    one, many = indexes

    assert fetch(one.site, one.address(path)).text.count("<a ") <= 2
    assert fetch(many.site, many.address(path)).text.count("<a ") >= MANY


def test_no_read_writes(indexes: tuple[UnitOfWork, UnitOfWork]) -> None:
    _, index = indexes
    with statements(index.site.services.database) as seen:
        for path in ("/simple/", "/simple/big/", "{file}", "/draft/{slug}/simple/big/"):
            fetch(index.site, index.address(path))
            fetch(index.site, index.address(path), method="HEAD")
        fetch(index.site, "/api/drafts/big/2.0", headers=authorization(index.token))

    assert all(statement.startswith("SELECT") for statement in seen)


def test_so_does_the_review_where_nobody_knows_which_names_an_upstream_has(sets: Sets) -> None:
    site, found = _with_upstream(sets.site, 0), []
    for count, key in sets.keys.items():
        with statements(site.services.database) as seen:
            address = f"/api/sets/{key}/review?format=text"
            text = fetch(site, address, headers=authorization(sets.token)).text
        assert text.count("exists upstream is not known") == count
        found.append(len(seen))

    assert found[0] == found[1]
