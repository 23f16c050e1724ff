"""What one may not read is not there: an index with such projects, and the same without them.

After every step, whatever somebody can ask answers with the same bytes on both.
"""

import contextlib
import functools
import shutil
import tempfile
import xmlrpc.client
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import hypothesis.strategies as st
import sqlalchemy
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace
from sqlalchemy import func, select
from webob.request import BaseRequest

from greenroom.models import Base, Identity, JournalEntry, Project, RoleName, Visibility
from greenroom.registry import accounts, housekeeping, projects, publishing, roles, tokens
from greenroom.registry.errors import Refusal
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.settings import Settings
from greenroom.storage import open_storage
from greenroom.web.http.urls import published_file_path
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock, MakeDatabase, empty
from tests.fuzzing import walk
from tests.web.conftest import Application, Site, authorization
from tests.web.test_non_interference import (
    CALLS,
    JSON,
    NAMES,
    PUBLIC_VIEWS,
    UPKEEP,
    VERSIONS,
    World,
    digest_of,
    files,
)

PEOPLE = ("ada", "bob", "eve")
# One who has no role anywhere, and one whose token is of another project.
STRANGER, ELSEWHERE = "zed", "gamma"
OF_MEMBERS = (Visibility.PRIVATE,)
OF_OTHERS = (Visibility.PRIVATE, Visibility.INTERNAL)
# From which projects these are kept, and so which the other index lacks.
READERS = {
    "anonymous": OF_OTHERS,
    "session of a stranger": OF_MEMBERS,
    "stranger's token that reads": OF_MEMBERS,
    "stranger's token that uploads": OF_OTHERS,
    "owner's token of another project": OF_OTHERS,
    "owner's token that only discards": OF_OTHERS,
    "revoked": OF_OTHERS,
    "expired": OF_OTHERS,
}

Answer = tuple[str, list[tuple[str, str]], bytes]


@functools.cache
def elsewhere() -> Path:
    return make_wheel(Path(tempfile.mkdtemp(prefix="greenroom-files-")), ELSEWHERE)


class PrivateWorld(World):
    """An index that decides by project who reads."""

    @property
    def _settings(self) -> Settings:
        return replace(super()._settings, read="projects")

    def look_at(self, folder: Path) -> None:
        """Have the files of another index, whose rows were copied."""
        services = self._services(FakeClock())
        storage = open_storage(None, folder / "data" / "files")
        self.services = self.router.registry.services = Services(
            services.database, storage, services.settings, services.clock
        )

    def ask(self, path: str, headers: dict[str, str]) -> Answer:
        got = BaseRequest.blank(path, headers=headers).send(self.router)
        return got.status, sorted(got.headers.items()), got.body

    def call_as(self, asked: tuple[str, tuple[Any, ...]], headers: dict[str, str]) -> Answer:
        method, parameters = asked
        body = xmlrpc.client.dumps(parameters, method).encode()
        request = BaseRequest.blank("/pypi", headers={**headers, "Content-Type": "text/xml"})
        request.method, request.body = "POST", body
        got = request.send(self.router)
        return got.status, sorted(got.headers.items()), got.body


def copy_without(seeing: World, unseeing: World, hidden: tuple[Visibility, ...]) -> None:
    """Let another index have all rows of this one but those of projects that are hidden."""
    url = unseeing._settings.sqlalchemy_url
    unseeing.database.close()
    empty(url)
    engine = sqlalchemy.create_engine(url)
    with seeing.database.engine.connect() as source, engine.begin() as target:
        if engine.dialect.name == "postgresql":
            target.exec_driver_sql("SET LOCAL session_replication_role = replica")
        ids = set(source.scalars(select(Project.id).where(Project.visibility.in_(hidden))))
        names = set(source.scalars(select(Project.normalized_name).where(Project.id.in_(ids))))
        gone: dict[str, set[object]] = {"projects": set(ids)}
        for table in Base.metadata.sorted_tables:
            if table.name == Identity.__tablename__:
                continue
            rows = [row._asdict() for row in source.execute(select(table))]
            rows = [row for row in rows if not _is_of(row, gone, names, table.name)]
            gone.setdefault(table.name, set()).update(
                set(source.scalars(select(table.c.id))) - {row["id"] for row in rows}
                if "id" in table.c
                else ()
            )
            if rows:
                target.execute(table.insert(), rows)
    engine.dispose()


_PARENTS = {"project_id": "projects", "release_id": "releases", "file_id": "files"} | {
    "draft_id": "drafts",
    "upload_id": "upload_sessions",
}


def _is_of(
    row: dict[str, object], gone: dict[str, set[object]], names: set[str], table: str
) -> bool:
    """Whether a row is of a project that is hidden. Its journal is: that of all has nothing."""
    if table == "projects":
        return row["id"] in gone["projects"]
    if table in ("unlisted_journal", "drafts") and row.get("normalized_name") in names:
        return True
    if table == "published_names" and str(row["filename"]).split("-")[0] in names:
        return True
    return any(
        row.get(column) in gone.get(parent, ())
        for column, parent in _PARENTS.items()
        if row.get(column) is not None
    )


class PrivateProjects(RuleBasedStateMachine):
    """``seeing`` has projects of every visibility; ``unseeing`` is made of it without some."""

    seeing: PrivateWorld
    unseeing: PrivateWorld
    something_happened = False
    turn = 0

    @initialize()
    def build(self) -> None:
        self.clock = FakeClock()
        self.sent: set[Path] = set()
        self.seeing.begin(self.clock)
        texts = {}
        with self.seeing.services.writing() as uow:
            zed = factories.make_user(uow, STRANGER)
            ada = accounts.get_user(uow.db, "ada")
            factories.release(uow, ada, elsewhere())
            gamma = projects.get(uow, ELSEWHERE)
            projects.set_visibility(uow, OPERATOR, gamma, Visibility.PUBLIC)
            read = ("read",)
            make = functools.partial(factories.make_token, uow)
            texts["stranger's token that reads"] = make(zed, permissions=read)
            texts["stranger's token that uploads"] = make(zed)
            texts["owner's token of another project"] = make(ada, project=gamma, permissions=read)
            texts["owner's token that only discards"] = make(ada, permissions=("discard",))
            texts["revoked"] = make(ada, permissions=read)
            texts["expired"] = make(ada, permissions=read, expires_in=timedelta(seconds=1))
            found = tokens.actor_of_token(uow, texts["revoked"])
            tokens.revoke(uow, ada, found.token.id)
        self.clock.advance(timedelta(seconds=2))
        self.headers = {name: authorization(text) for name, text in texts.items()}
        browser = Site.sign_in(_Visited(self.seeing), STRANGER)
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        self.headers |= {"anonymous": {}, "session of a stranger": {"Cookie": cookies}}

    # Acts

    @rule(
        who=st.sampled_from(PEOPLE),
        name=st.sampled_from(NAMES),
        version=st.sampled_from(VERSIONS),
        number=st.integers(0, 5),
        staged=st.booleans(),
        visibility=st.sampled_from([None, *Visibility]),
    )
    def upload(
        self,
        who: str,
        name: str,
        version: str,
        number: int,
        staged: bool,
        visibility: Visibility | None,
    ) -> None:
        path = files()[name, version][number]
        self.sent.add(path)
        with self._act(name) as uow:
            person = Person(accounts.get_user(uow.db, who))
            if staged:
                publishing.publish(uow, person, factories.stage(uow, person, path))
            else:
                factories.upload(uow, person, path, staged=False)
        if visibility is not None:
            self.open_to(name, visibility)

    @rule(name=st.sampled_from(NAMES), visibility=st.sampled_from(Visibility))
    def open_to(self, name: str, visibility: Visibility) -> None:
        with self._act(name, changes=True) as uow:
            projects.set_visibility(uow, OPERATOR, projects.get(uow, name), visibility)

    @rule(
        name=st.sampled_from(NAMES),
        person=st.sampled_from(PEOPLE),
        role=st.sampled_from(RoleName),
    )
    def change_role(self, name: str, person: str, role: RoleName) -> None:
        with self._act(name) as uow:
            roles.give(uow, OPERATOR, projects.get(uow, name), person, role)

    @rule(
        name=st.sampled_from(NAMES),
        version=st.sampled_from(VERSIONS),
        act=st.sampled_from(sorted(set(UPKEEP) - {"remove project"})),
    )
    def keep_up(self, name: str, version: str, act: str) -> None:
        with self._act(name) as uow:
            UPKEEP[act](uow, projects.get(uow, name), version)

    @rule()
    def keep_house(self) -> None:
        housekeeping.keep_house(self.seeing.services)

    # What is compared

    @invariant()
    def who_may_not_read_sees_the_same(self) -> None:
        """Strangers always; of the others one after the other."""
        if not self.something_happened:
            return
        self.something_happened = False
        others = [name for name in READERS if name != "anonymous"]
        self.turn += 1
        chosen = ("anonymous", others[self.turn % len(others)], others[-self.turn % len(others)])
        for hidden in {READERS[name] for name in chosen}:
            copy_without(self.seeing, self.unseeing, hidden)
            self.unseeing.look_at(self.seeing.folder)
            self.unseeing.services.clock.now = self.clock.now  # type: ignore[attr-defined]
            for name in chosen:
                if READERS[name] == hidden:
                    self._compare(name)

    def _compare(self, name: str) -> None:
        headers = self.headers[name]
        for path, accept in addresses(sorted(self.sent)):
            asked = {**headers, "Accept": accept}
            expected = self.unseeing.ask(path, asked)
            assert self.seeing.ask(path, asked) == expected, (name, path)
        for call in CALLS:
            expected = self.unseeing.call_as(call, headers)
            assert self.seeing.call_as(call, headers) == expected, (name, call)

    @contextlib.contextmanager
    def _act(self, name: str, *, changes: bool = False) -> Iterator[UnitOfWork]:
        """A unit of work that leaves the journal alone where the project is hidden all the time."""
        with contextlib.suppress(Refusal), self.seeing.services.writing() as uow:
            before = self._standing(uow, name)
            yield uow
            uow.db.flush()
            after = self._standing(uow, name)
            if Visibility.PUBLIC not in (before[0], after[0]):
                assert before[1] == after[1], "a serial shows what must not be seen"
            elif changes and before[0] != after[0]:
                assert before[1] < after[1], "nobody is told that it changed"
            self.something_happened = True

    def _standing(self, uow: UnitOfWork, name: str) -> tuple[str | None, int]:
        project = projects.find(uow, name)
        serial = uow.db.scalar(select(func.max(JournalEntry.id))) or 0
        return project.visibility if project is not None else None, serial


class _Visited(Site):
    """A world as a site in which one can sign in."""

    def __init__(self, world: World) -> None:
        self.wsgi = cast("Application", world.router)
        self.services = world.services


def addresses(sent: list[Path]) -> list[tuple[str, str]]:
    blobs = [f"/{published_file_path(digest_of(path), path.name)}" for path in sent]
    templates = [
        path
        for paths in PUBLIC_VIEWS.values()
        for path in paths
        if not path.startswith(("/help", "/upload", "/_"))
    ]
    paths = [path for path in templates if "{file}" not in path]
    paths += [path.format(file=blob) for path in templates if "{file}" in path for blob in blobs]
    paths += [f"/simple/{name.upper()}" for name in NAMES]
    html = [(path, "text/html") for path in paths]
    return html + [(path, JSON) for path in paths if path.startswith("/simple/")]


def run(folder: Path, urls: tuple[str, str], seed: int, walks: int) -> None:
    seeing, unseeing = (PrivateWorld(folder / n, u) for n, u in zip("ab", urls, strict=True))
    unseeing.begin(FakeClock())
    machine = type("Machine", (PrivateProjects,), {"seeing": seeing, "unseeing": unseeing})
    try:
        walk(machine, seed, walks=walks, steps=14, at_least=10)
    finally:
        seeing.close()
        unseeing.close()


def test_what_is_private_leaves_no_trace_on_sqlite(migrated_sqlite: Path, tmp_path: Path) -> None:
    copies = (tmp_path / "seeing.sqlite", tmp_path / "unseeing.sqlite")
    for copy in copies:
        shutil.copy(migrated_sqlite, copy)
    run(tmp_path, (f"sqlite:///{copies[0]}", f"sqlite:///{copies[1]}"), seed=3, walks=2)


def test_what_is_private_leaves_no_trace_on_postgresql(
    new_migrated_postgresql: MakeDatabase, tmp_path: Path
) -> None:
    run(tmp_path, (new_migrated_postgresql(), new_migrated_postgresql()), seed=5, walks=1)
