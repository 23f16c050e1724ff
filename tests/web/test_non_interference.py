"""Drafts do not shine through: two indexes, one of which never sees a draft act until it publishes.

After every step, whatever the public can ask answers with the same bytes on both.
"""

import contextlib
import functools
import hashlib
import shutil
import tempfile
import xmlrpc.client
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import webtest
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from msgspec.structs import replace
from sqlalchemy import update
from webob.request import BaseRequest

from greenroom.database import Database
from greenroom.models import Draft, Project, RoleName
from greenroom.registry import (
    accounts,
    draft_checks,
    drafts,
    housekeeping,
    preparations,
    projects,
    publishing,
    release_sets,
    removal,
    roles,
    upload_sessions,
    upload_states,
    upstream_names,
    yanking,
)
from greenroom.registry.draft_checks import Posted
from greenroom.registry.errors import Refusal
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.release_sets import Reference
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.settings import Settings
from greenroom.storage import open_storage
from greenroom.upstream_settings import Upstream
from greenroom.web.application import make_app
from greenroom.web.http.draft_nodes import DraftNode, SetNode
from greenroom.web.http.traversal import Node, Root
from greenroom.web.http.urls import published_file_path
from greenroom.web.index.feeds.resources import Feeds, ProjectFeeds, Sitemap
from greenroom.web.index.files.resources import PublishedFile, PublishedMetadata
from greenroom.web.index.json_api.resources import PypiProject, PypiRelease
from greenroom.web.index.pypi import Pypi
from greenroom.web.index.simple.resources import SimpleIndex, SimpleProject, UpstreamProject
from greenroom.web.index.upstream_files.resources import MovedFile, UpstreamFile
from greenroom.web.operators.metrics.resources import Metrics
from greenroom.web.pages.account.resources import (
    Account,
    Invitations,
    Notifications,
    PendingPublishers,
    SecondFactors,
    Sessions,
    TeamPage,
    Teams,
    Tokens,
)
from greenroom.web.pages.admin.resources import (
    Admin,
    AdminDrafts,
    AdminHealth,
    AdminInvitations,
    AdminJob,
    AdminJobs,
    AdminNames,
    AdminProject,
    AdminProjects,
    AdminReport,
    AdminReports,
    AdminSettings,
    AdminStorage,
    AdminUpstream,
    AdminUpstreamProjects,
    AdminUpstreamRefusal,
    AdminUpstreamRefusals,
    AdminUpstreamRule,
    AdminUpstreamRules,
    AdminUser,
    AdminUsers,
)
from greenroom.web.pages.help.resources import Help, HelpPage
from greenroom.web.pages.manage.resources import (
    Manage,
    ManagedArchive,
    ManagedDraft,
    ManagedProject,
    ManagedProjectPart,
    ManagedSet,
    ManagedSets,
)
from greenroom.web.pages.project.resources import (
    DraftedReleasePage,
    ProjectPage,
    ReleaseArchive,
    ReleasePage,
    Search,
    ShortAddress,
    UnpublishedProject,
    UserPage,
)
from greenroom.web.pages.project.resources import UpstreamProject as UpstreamProjectPage
from greenroom.web.pages.webhook_nodes import WebhookNode, Webhooks
from greenroom.web.uploads.draft_lookup.resources import Api, ApiDraft, ApiSet, Approval
from greenroom.web.uploads.legacy.resources import LegacyUpload
from greenroom.web.uploads.pep694.resources import (
    FileUploadSession,
    PublishingSession,
    SetOfSessions,
    Sets,
    UploadRoot,
)
from greenroom.web.uploads.reported_secrets.resources import Reported
from greenroom.web.uploads.trusted_publishing.resources import (
    Audience,
    BurnToken,
    Discovery,
    MintToken,
)
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import SECRET_KEY, FakeClock, MakeDatabase, empty, unflushed
from tests.fuzzing import walk
from tests.upstream_server import UpstreamServer, upstream_running

PEOPLE = ("ada", "bob", "eve")
NAMES = ("alpha", "beta")
VERSIONS = ("1.0", "2.0")
JSON = "application/vnd.pypi.simple.v1+json"

# The views that anyone may ask, with addresses that reach them; below, the views that have an
# address of their own for those who know it or are signed in. A new view has to be put in either.
PUBLIC_VIEWS = {
    (Root, ""): ["/"],
    (Root, "_health"): ["/_health"],
    (Root, "_ready"): [],  # it looks at nothing that anybody has put there
    (Root, "robots.txt"): ["/robots.txt"],
    (Metrics, ""): ["/_metrics"],
    (Sitemap, ""): ["/sitemap.xml", "/sitemap.xml?page=1"],
    (Feeds, "updates.xml"): ["/rss/updates.xml"],
    (Feeds, "packages.xml"): ["/rss/packages.xml"],
    (ProjectFeeds, "releases.xml"): [f"/rss/project/{n}/releases.xml" for n in NAMES],
    (Pypi, ""): ["/pypi"],
    (PypiProject, ""): [f"/pypi/{name}/" for name in NAMES],
    (PypiRelease, ""): [f"/pypi/{n}/{v}/" for n in NAMES for v in VERSIONS],
    (ShortAddress, ""): [f"/p/{name}/" for name in NAMES],
    (PypiProject, "json"): [f"/pypi/{name}/json" for name in NAMES],
    (PypiRelease, "json"): [f"/pypi/{n}/{v}/json" for n in NAMES for v in VERSIONS],
    (Audience, ""): ["/_/oidc/audience"],
    (MintToken, ""): ["/_/oidc/mint-token"],
    (BurnToken, ""): ["/_/oidc/burn-token"],
    (Discovery, ""): [f"/.well-known/pytp/{hashlib.sha256(b'/legacy/').hexdigest()}"],
    (LegacyUpload, ""): ["/legacy/"],
    (Reported, ""): ["/_/secrets/reported"],
    (Help, ""): ["/help/"],
    (HelpPage, ""): ["/help/errors/", "/help/upload-2.0/"],
    (UploadRoot, ""): ["/upload/2.0/"],
    (UploadRoot, "openapi.json"): ["/upload/2.0/openapi.json"],
    (SimpleIndex, ""): ["/simple/"],
    (SimpleProject, ""): [f"/simple/{name}/" for name in NAMES],
    (PublishedFile, ""): ["{file}"],
    (PublishedMetadata, ""): ["{file}.metadata"],
    (ProjectPage, ""): [f"/project/{name}/" for name in NAMES],
    (ProjectPage, "badge.svg"): [f"/project/{name}/badge.svg" for name in NAMES],
    (ProjectPage, "report"): [],  # there where the page is, with a token of each browser's own
    (UnpublishedProject, ""): [],
    (UpstreamProjectPage, ""): [],  # where the page of the project is, before there is one here
    (MovedFile, ""): [],  # what it has is on pages of projects
    (UpstreamFile, ""): [],  # what it has is on pages of the upstream
    (UpstreamProject, ""): [],  # where its simple page is
    (ReleasePage, ""): [f"/project/{n}/{v}/" for n in NAMES for v in VERSIONS],
    (DraftedReleasePage, ""): [],
    (ReleaseArchive, ""): [
        f"/project/{n}/{v}/contents/{n}-{v}-py3-none-any.whl/{query}"
        for n in NAMES
        for v in VERSIONS
        for query in ("", f"?member={n}/__init__.py", f"?member={n}/__init__.py&against=1.0")
    ],
    (Search, ""): [
        "/search/",
        *[f"/search/?q={query}" for query in (*NAMES, "a", "S", "W+other", "Sother", "1")],
    ],
    (UserPage, ""): [f"/user/{name}/" for name in PEOPLE],
    (Api, "openapi.json"): ["/api/openapi.json"],
    (ApiDraft, ""): [f"/api/drafts/{n}/{v}" for n in NAMES for v in VERSIONS],
    (ApiDraft, "checks"): [f"/api/drafts/{n}/{v}/checks" for n in NAMES for v in VERSIONS],
    (Approval, ""): [f"/api/releases/{n}/{v}/approval" for n in NAMES for v in VERSIONS],
    (ApiDraft, "review"): [f"/api/drafts/{n}/{v}/review" for n in NAMES for v in VERSIONS],
    (ManagedProject, ""): [f"/manage/project/{name}/" for name in NAMES],
    (ManagedDraft, ""): [f"/manage/project/{n}/draft/{v}/" for n in NAMES for v in VERSIONS],
}
# What the public can call at /pypi.
CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("changelog_last_serial", ()),
    ("changelog_since_serial", (0,)),
    ("list_packages_with_serial", ()),
    *(("package_roles", (name,)) for name in NAMES),
    *(("user_packages", (name,)) for name in PEOPLE),
]
PRIVATE_CONTEXTS = (
    ApiSet,
    Account,
    Admin,
    AdminDrafts,
    AdminHealth,
    AdminInvitations,
    AdminJob,
    AdminJobs,
    AdminNames,
    AdminProject,
    AdminProjects,
    AdminReport,
    AdminReports,
    AdminSettings,
    AdminStorage,
    AdminUpstream,
    AdminUpstreamProjects,
    AdminUpstreamRefusal,
    AdminUpstreamRefusals,
    AdminUpstreamRule,
    AdminUpstreamRules,
    AdminUser,
    AdminUsers,
    DraftNode,
    SetNode,
    Manage,
    ManagedSet,
    ManagedSets,
    ManagedArchive,
    ManagedDraft,
    ManagedProject,
    ManagedProjectPart,
    SecondFactors,
    Sessions,
    Invitations,
    Notifications,
    PendingPublishers,
    TeamPage,
    Teams,
    Tokens,
    PublishingSession,
    FileUploadSession,
    WebhookNode,
    Webhooks,
    Sets,
    SetOfSessions,
)


# What the operator does to what is published: yanking, deleting, closing.
UPKEEP: dict[str, Callable[[UnitOfWork, Project, str], object]] = {
    "archive": lambda uow, project, _: projects.archive(uow, OPERATOR, project, "done"),
    "unarchive": lambda uow, project, _: projects.unarchive(uow, OPERATOR, project),
    "quarantine": lambda uow, project, _: projects.quarantine(uow, OPERATOR, project),
    "lift quarantine": lambda uow, project, _: projects.lift_quarantine(uow, OPERATOR, project),
    "yank": lambda uow, project, v: yanking.yank_release(uow, OPERATOR, project, v, "why"),
    "unyank": lambda uow, project, v: yanking.unyank_release(uow, OPERATOR, project, v),
    "remove release": lambda uow, project, v: removal.remove_release(uow, OPERATOR, project, v),
    "remove project": lambda uow, project, _: removal.remove_project(uow, OPERATOR, project),
}


class World:
    """One index, its application, and what tests do to it.

    It is made once and begins anew for each walk: templates and statements stay compiled.
    """

    services: Services

    def __init__(
        self, folder: Path, database_url: str, upstream: UpstreamServer | None = None
    ) -> None:
        self.folder = folder
        self.upstream = upstream
        self.database = unflushed(Database(database_url))
        self.router = make_app(self._settings, services=self._services(FakeClock()))
        self.app = webtest.TestApp(self.router)

    @property
    def _settings(self) -> Settings:
        settings = Settings(
            data=self.folder / "data",
            database_url=self.database.engine.url.render_as_string(hide_password=False),
            secret_key=SECRET_KEY,
            url="http://index.example",
        )
        if self.upstream is None:
            return settings
        behind = (Upstream("up", self.upstream.url),)
        networks = (ip_network("127.0.0.0/8"),)
        return replace(settings, upstreams=behind, upstream_networks=networks)

    def _services(self, clock: FakeClock) -> Services:
        settings = self._settings
        return Services(self.database, open_storage(None, settings.files), settings, clock)

    def begin(self, clock: FakeClock) -> None:
        """Nothing has happened here, and nobody is here but ``PEOPLE``."""
        self.database.close()
        empty(self._settings.sqlalchemy_url)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.services = self.router.registry.services = self._services(clock)
        with self.services.writing() as uow:
            for name in PEOPLE:
                factories.make_user(uow, name)

    def get(self, path: str, accept: str) -> tuple[str, list[tuple[str, str]], bytes]:
        # Without WebTest, which takes as long as the application: these are very many.
        got = BaseRequest.blank(path, headers={"Accept": accept}).send(self.router)
        return got.status, sorted(got.headers.items()), got.body

    def call(self, method: str, parameters: tuple[Any, ...]) -> bytes:
        body = xmlrpc.client.dumps(parameters, method)
        return self.app.post("/pypi", body, content_type="text/xml", status=200).body

    def settle(self) -> None:
        """Wait until no upstream is asked any more."""
        for running in list(self.services.asking._running.values()):
            running.result(60)

    def close(self) -> None:
        self.services.asking.close()
        self.database.close()


@functools.cache
def files() -> dict[tuple[str, str], list[Path]]:
    """What can be uploaded: an sdist and two wheels of each release, each with two contents."""
    folder = Path(tempfile.mkdtemp(prefix="greenroom-files-"))
    return {
        (name, version): [
            path
            for salt in ("", "other")
            for path in (
                make_sdist(folder / salt, name, version, salt=salt, summary=f"S{salt}"),
                make_wheel(folder / salt, name, version, salt=salt, summary=f"W{salt}"),
                make_wheel(folder / salt, name, version, salt=salt, tag="cp39-cp39-win32"),
            )
        ]
        for name in NAMES
        for version in VERSIONS
    }


@functools.cache
def digest_of(path: Path) -> str:
    return factories.artifact_of(path).sha256


def addresses(sent: Iterable[Path]) -> list[tuple[str, str]]:
    """All that the public can ask of these files and else, with the Accept headers that matter."""
    blobs = [f"/{published_file_path(digest_of(path), path.name)}" for path in sent]
    templates = [path for paths in PUBLIC_VIEWS.values() for path in paths]
    paths = [path for path in templates if "{file}" not in path]
    paths += [path.format(file=blob) for path in templates if "{file}" in path for blob in blobs]
    paths += ["/draft/0123456789012345678901/", "/nothing/", "/project/nothing/"]
    html = [(path, "text/html") for path in paths]
    return html + [(path, JSON) for path in paths if path.startswith("/simple/")]


TOGETHER = Reference("together", "ada")


def _let_all_publish(uow: UnitOfWork) -> None:
    """A project that began with a draft takes no direct uploads, which only its people notice."""
    uow.db.execute(update(Project).values(auto_publish_releases=True))


class TwoIndexes(RuleBasedStateMachine):
    """``seeing`` is where people stage, try and discard; ``unseeing`` only ever sees results."""

    seeing: World
    unseeing: World
    # In the last step. What was refused changed nothing, and that needs no comparing.
    something_happened = False
    # What the index without drafts answers, until something happens there.
    expected: dict[tuple[str, Any], object]
    # The files that anybody has tried to upload.
    sent: set[Path]

    @initialize()
    def build(self) -> None:
        self.clock = FakeClock()
        self.expected = {}
        self.sent = set()
        for world in (self.seeing, self.unseeing):
            world.begin(self.clock)

    # What there is to act on

    @property
    def has_drafts(self) -> bool:
        with self.seeing.services.reading() as uow:
            return bool(drafts.all_live(uow))

    @property
    def has_projects(self) -> bool:
        with self.seeing.services.reading() as uow:
            return any(projects.find(uow, name) for name in NAMES)

    # Acts that both indexes see

    @rule(
        who=st.integers(0, 3),
        name=st.sampled_from(NAMES),
        version=st.sampled_from(VERSIONS),
        number=st.integers(0, 5),
    )
    def upload(self, who: int, name: str, version: str, number: int) -> None:
        path = self._file(name, version, number)
        with self._act() as uow:
            person = self._somebody(uow, name, who)
            factories.upload(uow, actor(uow, person), path, staged=False)
            # What is accepted beside drafts is accepted where there are none.
            with self._act_unseen() as other:
                if projects.find(other, name) is None:
                    roles = self._roles(uow, name)
                    self._publish_unseen(other, person, name, version, roles, [path])
                else:
                    factories.upload(other, actor(other, person), path, staged=False)

    @precondition(lambda self: self.has_projects)
    @rule(
        name=st.sampled_from(NAMES),
        person=st.sampled_from(PEOPLE),
        role=st.sampled_from([*RoleName, None]),
    )
    def change_role(self, name: str, person: str, role: RoleName | None) -> None:
        with self._act() as uow:
            project = projects.get(uow, name)
            self._set_role(uow, name, person, role)
            if project.registered is not None:
                with self._act_unseen() as other:
                    self._set_role(other, name, person, role)

    @precondition(lambda self: self.has_projects)
    @rule(
        name=st.sampled_from(NAMES),
        version=st.sampled_from(VERSIONS),
        act=st.sampled_from(sorted(UPKEEP)),
    )
    def keep_up(self, name: str, version: str, act: str) -> None:
        """Beside drafts it may be refused; what is done there is done where there are none."""
        with self._act() as uow:
            UPKEEP[act](uow, projects.get(uow, name), version)
            with self._act_unseen() as other:
                UPKEEP[act](other, projects.get(other, name), version)

    @rule(hours=st.sampled_from([0.01, 1, 24, 24 * 8, 24 * 20]))
    def wait(self, hours: float) -> None:
        self.expected = {}
        self.clock.advance(timedelta(hours=hours))
        self.something_happened = True

    # Acts on drafts

    @rule(
        who=st.integers(0, 3),
        name=st.sampled_from(NAMES),
        version=st.sampled_from(VERSIONS),
        numbers=st.lists(st.integers(0, 5), min_size=1, max_size=3),
    )
    def stage(self, who: int, name: str, version: str, numbers: list[int]) -> None:
        for number in numbers:
            with self._act() as uow:
                path = self._file(name, version, number)
                person = self._somebody(uow, name, who)
                factories.upload(uow, actor(uow, person), path, staged=True)

    @rule(
        who=st.integers(0, 3),
        name=st.sampled_from(NAMES),
        version=st.sampled_from(VERSIONS),
    )
    def open_new(self, who: int, name: str, version: str) -> None:
        """A draft without files, which reserves the name of a project that is not there."""
        with self._act() as uow:
            person = self._somebody(uow, name, who)
            factories.open_new(uow, actor(uow, person), name, version)

    @precondition(lambda self: self.has_drafts)
    @rule(
        which=st.integers(0, 3),
        who=st.integers(0, 3),
        number=st.integers(0, 5),
        so_far=st.sampled_from(["announced", "sent", "completed"]),
    )
    def upload_in_session(self, which: int, who: int, number: int, so_far: str) -> None:
        with self._act() as uow:
            draft = self._one_of_the_drafts(uow, which)
            person = actor(uow, self._somebody(uow, draft.project_name, who))
            path = self._file(draft.project_name, draft.version, number)
            upload = factories.announce(uow, person, draft, path)
            if so_far != "announced":
                factories.send(uow, person, draft, upload, path.read_bytes())
            if so_far == "completed":
                factories.complete(uow, person, draft, upload)

    @precondition(lambda self: self.has_drafts)
    @rule(
        which=st.integers(0, 3),
        who=st.integers(0, 3),
        act=st.sampled_from(
            ["discard", "rotate", "extend", "remove", "cancel", "check", "comment"]
        ),
    )
    def change_draft(self, which: int, who: int, act: str) -> None:
        with self._act() as uow:
            draft = self._one_of_the_drafts(uow, which)
            person = actor(uow, self._somebody(uow, draft.project_name, who))
            if act == "remove":
                staged = drafts.files(uow.db, draft)
                if staged:
                    drafts.remove_file(uow, person, draft, staged[0].filename)
            elif act == "check":
                draft_checks.post(uow, person, draft, Posted("tests", "passed"))
            elif act == "comment":
                factories.comment(uow, person, draft)
            elif act == "cancel":
                for upload in upload_states.unfinished(uow, draft):
                    upload_sessions.remove(uow, person, draft, upload.filename)
            else:
                {"discard": drafts.discard, "rotate": drafts.rotate, "extend": drafts.extend}[act](
                    uow, person, draft
                )

    @precondition(lambda self: self.has_drafts)
    @rule(
        which=st.integers(0, 3),
        who=st.integers(0, 3),
        last=st.one_of(st.integers(0, 5), st.none()),
    )
    def publish(self, which: int, who: int, last: int | None) -> None:
        """Where nobody saw the draft, its files arrive and are published in one breath."""
        with self._act() as uow:
            draft = self._one_of_the_drafts(uow, which)
            name, version = draft.project_name, draft.version
            person = self._somebody(uow, name, who)
            if last is not None:
                path = self._file(name, version, last)
                factories.upload(uow, actor(uow, person), path, staged=True)
            by_digest = {digest_of(path): path for path in files()[name, version]}
            paths = [by_digest[file.sha256] for file in drafts.files(uow.db, draft)]
            roles = self._roles(uow, name)
            publishing.publish(uow, actor(uow, person), draft)
            with self._act_unseen() as other:
                self._publish_unseen(other, person, name, version, roles, paths)

    @precondition(lambda self: self.has_drafts)
    @rule(
        which=st.integers(0, 3),
        who=st.integers(0, 3),
        act=st.sampled_from(["add", "add", "add", "remove", "rotate", "discard"]),
    )
    def change_set(self, which: int, who: int, act: str) -> None:
        """The one release set that there is, of Ada's."""
        with self._act() as uow:
            draft = self._one_of_the_drafts(uow, which)
            person = actor(uow, self._somebody(uow, draft.project_name, who))
            if act == "add":
                release_sets.add(uow, person, draft, TOGETHER)
                return
            release_set = release_sets.open_for(uow, OPERATOR, TOGETHER)
            if act == "remove":
                release_sets.remove(uow, person, release_set, draft)
            elif act == "rotate":
                release_sets.rotate(uow, person, release_set)
            else:
                release_sets.discard(uow, person, release_set)

    @precondition(lambda self: self.has_drafts)
    @rule(who=st.integers(0, 3))
    def publish_set(self, who: int) -> None:
        """Where nobody saw the set, its releases are published one after the other."""
        with self._act() as uow:
            release_set = release_sets.open_for(uow, OPERATOR, TOGETHER)
            members = release_sets.drafts_of(uow, release_set)
            person = self._somebody(uow, members[0].project_name, who) if members else "ada"
            known = []
            for draft in members:
                name, version = draft.project_name, draft.version
                by_digest = {digest_of(path): path for path in files()[name, version]}
                paths = [by_digest[file.sha256] for file in drafts.files(uow.db, draft)]
                known.append((name, version, self._roles(uow, name), paths))
            publishing.publish_set(uow, actor(uow, person), release_set)
            with self._act_unseen() as other:
                for name, version, working, paths in known:
                    self._publish_unseen(other, person, name, version, working, paths)

    @rule()
    def keep_house(self) -> None:
        housekeeping.keep_house(self.seeing.services)
        self.something_happened = True

    @precondition(lambda self: self.has_drafts)
    @rule()
    def look_at_drafts(self) -> None:
        """Those who hold an address read it, as much as they like."""
        with self.seeing.services.reading() as uow:
            live = drafts.all_live(uow)
            slugs = {draft.slug: [file.filename for file in draft.files] for draft in live}
            for summary in release_sets.all_open(uow):
                named = Reference(summary.name, summary.owner_name)
                slugs[release_sets.open_for(uow, OPERATOR, named).slug] = []
        for slug, names in slugs.items():
            for name in names:
                address = f"/draft/{slug}/files/{name}"
                self.seeing.app.get(address, headers={"User-Agent": "pip/26.0"}, status="*")
            self.seeing.app.get(f"/draft/{slug}/")
            self.seeing.app.get(f"/draft/{slug}/simple/")
        self.something_happened = True

    @invariant()
    def the_public_sees_the_same(self) -> None:
        if not self.something_happened:
            return
        self.something_happened = False
        for method, questions in (("get", addresses(sorted(self.sent))), ("call", CALLS)):
            for asked in questions:
                if asked not in self.expected:
                    self.expected[asked] = getattr(self.unseeing, method)(*asked)
                assert getattr(self.seeing, method)(*asked) == self.expected[asked], asked

    @contextlib.contextmanager
    def _act(self) -> Iterator[UnitOfWork]:
        """A unit of work where people act; what the registry refuses is undone, and all goes on."""
        with contextlib.suppress(Refusal):
            with self.seeing.services.writing() as uow:
                yield uow
                _let_all_publish(uow)
            self.something_happened = True

    @contextlib.contextmanager
    def _act_unseen(self) -> Iterator[UnitOfWork]:
        """The same on the other index, where it must not be refused."""
        self.expected = {}
        try:
            with self.unseeing.services.writing() as uow:
                yield uow
                _let_all_publish(uow)
        except Refusal as refusal:
            raise AssertionError("what is done beside drafts is done without") from refusal

    def _publish_unseen(
        self,
        uow: UnitOfWork,
        person: str,
        name: str,
        version: str,
        roles: dict[str, str],
        paths: list[Path],
    ) -> None:
        is_new = projects.find(uow, name) is None
        opener = actor(uow, next(iter(roles)) if is_new else person)
        draft = factories.open_new(uow, opener, name, version)
        for path in paths:
            factories.upload(uow, opener, path, staged=True)
        if is_new:
            founder, *others = roles
            for somebody in [*others, founder]:
                with contextlib.suppress(Refusal):
                    self._set_role(uow, name, somebody, RoleName(roles[somebody]))
        publishing.publish(uow, actor(uow, person), draft)

    def _file(self, name: str, version: str, number: int) -> Path:
        path = files()[name, version][number]
        self.sent.add(path)
        return path

    def _one_of_the_drafts(self, uow: UnitOfWork, which: int) -> Draft:
        """Rather one with files than one without."""
        live = drafts.all_live(uow)
        with_files = [draft for draft in live if drafts.files(uow.db, draft)]
        return (with_files or live)[which % len(with_files or live)]

    def _somebody(self, uow: UnitOfWork, name: str, who: int) -> str:
        """One of those who work on the project, or now and then a stranger."""
        people = [*self._roles(uow, name), PEOPLE[who % len(PEOPLE)]]
        return people[who % len(people)]

    def _roles(self, uow: UnitOfWork, name: str) -> dict[str, str]:
        project = projects.find(uow, name)
        return {role.user.username: role.name for role in project.roles} if project else {}

    def _set_role(self, uow: UnitOfWork, name: str, person: str, role: RoleName | None) -> None:
        project = projects.get(uow, name)
        if role is None:
            roles.take(uow, OPERATOR, project, person)
        else:
            roles.give(uow, OPERATOR, project, person, role)


class TwoIndexesBeforeAnUpstream(TwoIndexes):
    """The same where an index behind both has a project that is called like one of theirs."""

    @invariant()
    def the_public_sees_the_same(self) -> None:
        # What an upstream has said is fresh for as long on both: everybody asks of everything.
        for world in (self.seeing, self.unseeing):
            for _ in range(2):
                for name in NAMES:
                    world.get(f"/simple/{name}/", JSON)
                world.settle()
        super().the_public_sees_the_same()

    @contextlib.contextmanager
    def _act(self) -> Iterator[UnitOfWork]:
        """As requests do it: what the upstream has is found out before, in no unit of work."""
        known = {name: upstream_names.ask(self.seeing.services, name) for name in NAMES}
        assert known == {"alpha": "up", "beta": ""}
        token = preparations._KNOWN.set(known)
        try:
            with super()._act() as uow:
                yield uow
        finally:
            preparations._KNOWN.reset(token)


def actor(uow: UnitOfWork, username: str) -> Actor:
    return Person(accounts.get_user(uow.db, username))


def run(
    folder: Path, urls: tuple[str, str], seed: int, upstream: UpstreamServer | None = None
) -> None:
    """Walk. The seeds below are, of sixteen, those whose walks do the most different things."""
    seeing, unseeing = (World(folder / n, u, upstream) for n, u in zip("ab", urls, strict=True))
    kind = TwoIndexes if upstream is None else TwoIndexesBeforeAnUpstream
    machine = type("Machine", (kind,), {"seeing": seeing, "unseeing": unseeing})
    try:
        walk(machine, seed, walks=6 if upstream is None else 3, steps=20, at_least=15)
    finally:
        seeing.close()
        unseeing.close()


def test_drafts_leave_no_trace_in_public_on_sqlite(migrated_sqlite: Path, tmp_path: Path) -> None:
    copies = (tmp_path / "seeing.sqlite", tmp_path / "unseeing.sqlite")
    for copy in copies:
        shutil.copy(migrated_sqlite, copy)
    run(tmp_path, (f"sqlite:///{copies[0]}", f"sqlite:///{copies[1]}"), seed=12)


def test_drafts_leave_no_trace_in_public_on_postgresql(
    new_migrated_postgresql: MakeDatabase, tmp_path: Path
) -> None:
    run(tmp_path, (new_migrated_postgresql(), new_migrated_postgresql()), seed=7)


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[UpstreamServer]:
    """An index that has ``alpha``, and nothing else."""
    with upstream_running([make_wheel(tmp_path / "upstream", "alpha", "0.5")]) as running:
        yield running


def test_they_leave_none_before_an_upstream_on_sqlite(
    migrated_sqlite: Path, tmp_path: Path, upstream: UpstreamServer
) -> None:
    copies = (tmp_path / "seeing.sqlite", tmp_path / "unseeing.sqlite")
    for copy in copies:
        shutil.copy(migrated_sqlite, copy)
    urls = (f"sqlite:///{copies[0]}", f"sqlite:///{copies[1]}")
    run(tmp_path, urls, seed=12, upstream=upstream)


def test_they_leave_none_before_an_upstream_on_postgresql(
    new_migrated_postgresql: MakeDatabase, tmp_path: Path, upstream: UpstreamServer
) -> None:
    urls = (new_migrated_postgresql(), new_migrated_postgresql())
    run(tmp_path, urls, seed=7, upstream=upstream)


def test_every_view_is_either_walked_as_public_or_named_as_private(services: Services) -> None:
    app = make_app(services.settings, services=services)
    views = [entry["introspectable"] for entry in app.registry.introspector.get_category("views")]
    walked = set(PUBLIC_VIEWS)
    unknown = {
        (view["context"], view["name"])
        for view in views
        if isinstance(view["context"], type)
        and issubclass(view["context"], Node)
        and (view["context"], view["name"]) not in walked
        and not issubclass(view["context"], PRIVATE_CONTEXTS)
    }

    assert unknown == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_walk_notices_a_draft_that_shows(version: str, services: Services) -> None:
    """The comparison above can fail: a published release is seen at these addresses."""
    app = webtest.TestApp(make_app(services.settings, services=services))
    before = app.get(f"/project/alpha/{version}/", status="*").body

    with services.writing() as uow:
        ada = factories.make_user(uow)
        factories.release(uow, ada, files()["alpha", version][1])

    assert app.get(f"/project/alpha/{version}/", status="*").body != before
