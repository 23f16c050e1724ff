"""Every view that is registered, asked with every method it answers to: by nobody, and signed in.

``ADDRESSES`` has an address of each kind of resource. A new kind has to be put in; a new view of a
kind that is there is asked without further ado.
"""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from greenroom.registry import accounts, drafts, release_sets, upload_sessions
from greenroom.registry.permissions import Person
from greenroom.registry.release_sets import Reference
from greenroom.registry.upload_sessions import HTTP_POST_BYTES, Announcement
from greenroom.web.http.draft_nodes import DraftFile, EndedDraft, EndedSet
from greenroom.web.http.traversal import Node, Root
from greenroom.web.http.urls import published_file_path
from greenroom.web.index.draft.resources import (
    ArrivingFile,
    DraftFiles,
    DraftSimpleIndex,
    DraftSimpleProject,
    FullSimpleIndex,
    FullSimpleProject,
    FullUpstreamProject,
    SetFile,
    SetFullSimpleIndex,
    SetFullSimpleProject,
    SetFullUpstreamProject,
    SetMetadata,
    SetSimpleIndex,
    SetSimpleProject,
    StagedFile,
    StagedMetadata,
)
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
from greenroom.web.pages.draft.resources import DraftArchive, DraftPage, EndedContents, SetPage
from greenroom.web.pages.help.resources import Help, HelpPage
from greenroom.web.pages.manage.resources import (
    Manage,
    ManagedArchive,
    ManagedDraft,
    ManagedHistory,
    ManagedProject,
    ManagedPublishers,
    ManagedRelease,
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
from greenroom.web.uploads.draft_lookup.resources import Api, ApiDraft, ApiSet, ApiSets, Approval
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
from tests.web.conftest import Site, authorization
from tests.web.standing import KINDS, StockedSite, fetch, state, stocked_site, with_settings

PROJECT = "/manage/project/Example/"

ADDRESSES: dict[type[Node], str] = {
    Root: "/",
    Account: "/account/",
    Notifications: "/account/notifications/",
    Admin: "/admin/",
    AdminDrafts: "/admin/drafts/",
    AdminHealth: "/admin/health/",
    AdminInvitations: "/admin/invitations/",
    AdminJob: "/admin/jobs/1/",
    AdminJobs: "/admin/jobs/",
    AdminNames: "/admin/names/",
    AdminProject: "/admin/projects/Example/",
    AdminProjects: "/admin/projects/",
    AdminReport: "/admin/reports/1/",
    AdminReports: "/admin/reports/",
    AdminSettings: "/admin/settings/",
    AdminStorage: "/admin/storage/",
    AdminUpstream: "/admin/upstream/",
    AdminUpstreamProjects: "/admin/upstream/projects/",
    AdminUpstreamRefusal: "/admin/upstream/refusals/1/",
    AdminUpstreamRefusals: "/admin/upstream/refusals/",
    AdminUpstreamRule: "/admin/upstream/rules/1/",
    AdminUpstreamRules: "/admin/upstream/rules/",
    AdminUser: "/admin/users/ada/",
    AdminUsers: "/admin/users/",
    Audience: "/_/oidc/audience",
    BurnToken: "/_/oidc/burn-token",
    Api: "/api/",
    ApiDraft: "/api/drafts/example/3.0",
    ApiSet: "/api/sets/{set_key}/",
    ApiSets: "/api/sets/",
    Approval: "/api/releases/example/1.0/approval",
    Discovery: f"/.well-known/pytp/{'0' * 64}",
    DraftFiles: "/draft/{open}/files/",
    DraftPage: "/draft/{open}/",
    DraftArchive: "/draft/{open}/contents/example-3.0.tar.gz/",
    DraftSimpleIndex: "/draft/{open}/simple/",
    DraftSimpleProject: "/draft/{open}/simple/example/",
    FullSimpleIndex: "/draft/{open}/full/simple/",
    FullSimpleProject: "/draft/{open}/full/simple/example/",
    DraftedReleasePage: "/project/Example/3.0/",
    EndedContents: "/draft/{discarded}/contents/example-3.0.tar.gz/",
    EndedDraft: "/draft/{discarded}/simple/",
    EndedSet: "/draft/{ended_set}/simple/",
    ArrivingFile: "/draft/{open}/files/example-3.0-py2-none-any.whl",
    Feeds: "/rss/",
    Invitations: "/account/invitations/",
    Help: "/help/",
    HelpPage: "/help/errors/",
    LegacyUpload: "/legacy/",
    Manage: "/manage/",
    ManagedArchive: f"{PROJECT}draft/3.0/contents/example-3.0.tar.gz/",
    ManagedDraft: f"{PROJECT}draft/3.0/",
    ManagedHistory: f"{PROJECT}history/",
    ManagedProject: PROJECT,
    ManagedPublishers: f"{PROJECT}publishers/",
    ManagedRelease: f"{PROJECT}release/1.0/",
    ManagedSet: "/manage/sets/{set_key}/",
    ManagedSets: "/manage/sets/",
    MintToken: "/_/oidc/mint-token",
    PendingPublishers: "/account/publishers/",
    ProjectFeeds: "/rss/project/example/",
    ProjectPage: "/project/Example/",
    PublishedFile: "{file}",
    PublishedMetadata: "{file}.metadata",
    Pypi: "/pypi",
    PypiProject: "/pypi/example/",
    PypiRelease: "/pypi/example/1.0/",
    ReleaseArchive: "/project/Example/1.0/contents/example-1.0-py3-none-any.whl/",
    ReleasePage: "/project/Example/1.0/",
    Search: "/search/",
    SecondFactors: "/account/second-factors/",
    Sessions: "/account/sessions/",
    SetFile: "/draft/{set}/files/example-3.0.tar.gz",
    SetFullSimpleIndex: "/draft/{set}/full/simple/",
    SetFullSimpleProject: "/draft/{set}/full/simple/example/",
    SetMetadata: "/draft/{set}/files/example-3.0-py3-none-any.whl.metadata",
    SetPage: "/draft/{set}/",
    SetSimpleIndex: "/draft/{set}/simple/",
    SetSimpleProject: "/draft/{set}/simple/example/",
    Sets: "/upload/2.0/set/",
    SetOfSessions: "/upload/2.0/set/{set_key}/",
    ShortAddress: "/p/example/1.0/",
    SimpleIndex: "/simple/",
    SimpleProject: "/simple/example/",
    DraftFile: "/draft/{open}/files/example-3.0.tar.gz",
    Metrics: "/_metrics",
    Reported: "/_/secrets/reported",
    Sitemap: "/sitemap.xml",
    StagedFile: "/draft/{open}/files/example-3.0.tar.gz",
    StagedMetadata: "/draft/{open}/files/example-3.0-py3-none-any.whl.metadata",
    TeamPage: "/account/teams/wool/",
    Teams: "/account/teams/",
    Tokens: "/account/tokens/",
    UnpublishedProject: "/project/hidden/",
    FullUpstreamProject: "/draft/{open}/full/simple/elsewhere/",
    SetFullUpstreamProject: "/draft/{set}/full/simple/elsewhere/",
    UpstreamProject: "/simple/elsewhere/",  # there, where there is an upstream
    UpstreamProjectPage: "/project/elsewhere/",
    UploadRoot: "/upload/2.0/",
    PublishingSession: "/upload/2.0/session/{session}/",
    FileUploadSession: "/upload/2.0/session/{session}/file/{upload}/",
    MovedFile: "/upstream/up/thing/files.example/thing-1.0.tar.gz",
    UpstreamFile: "/upstream/up/thing/files.example/thing-1.0.tar.gz",
    UserPage: "/user/ada/",
    WebhookNode: f"{PROJECT}webhooks/1/",
    Webhooks: f"{PROJECT}webhooks/",
}
KEPT_FROM_OTHERS = ("no-store", "private, no-store", "private, no-cache")
MOVED = {(PypiProject, ""), (PypiRelease, ""), (ShortAddress, "")}
"""Views that only say where a page is."""

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@pytest.fixture(scope="module", params=KINDS)
def stocked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StockedSite]:
    with stocked_site(request, tmp_path_factory.mktemp("stocked"), request.param) as stocked:
        with stocked.site.services.writing() as uow:
            draft = drafts.by_slug(uow.db, stocked.slugs["open"])
            assert draft is not None
            upload = upload_sessions.announce(
                uow,
                Person(accounts.get_user(uow.db, "ada")),
                draft,
                Announcement(
                    "example-3.0-py2-none-any.whl", 10, {"sha256": "0" * 64}, HTTP_POST_BYTES
                ),
                (HTTP_POST_BYTES,),
            )
            ada = Person(accounts.get_user(uow.db, "ada"))
            made = release_sets.add(uow, ada, draft, Reference("together"))
            ended = release_sets.create(uow, ada, "ended")
            release_sets.discard(uow, ada, ended)
            stocked.slugs.update(set=made.slug, set_key=made.key, ended_set=ended.slug)
            factories.make_team(uow, accounts.get_user(uow.db, "ada"), "wool")
            factories.add_webhooks(uow, "example")
            stocked.slugs.update(session=draft.key, upload=upload.key)
        yield stocked


def routes(site: Site) -> list[tuple[type[Node], str, str]]:
    """Context, name and method of every view of ours."""
    found = []
    for entry in site.wsgi.router.registry.introspector.get_category("views"):
        view = entry["introspectable"]
        context, methods = view["context"], view["request_methods"]
        if isinstance(context, type) and issubclass(context, Node):
            named = [methods] if isinstance(methods, str) else methods or ["GET", "PUT"]
            found += [(context, view["name"], method) for method in named]
    return found


def address(stocked: StockedSite, context: type[Node], name: str) -> str:
    wheel = next(
        path for file, path in stocked.files.items() if file == "example-1.0-py3-none-any.whl"
    )
    file = published_file_path(factories.artifact_of(wheel).sha256, wheel.name)
    path = ADDRESSES[context].format_map(stocked.slugs | {"file": f"/{file}"})
    return f"{path}/{name}" if name and context.is_leaf else path + name


def test_there_is_an_address_for_every_view(stocked: StockedSite) -> None:
    contexts = {context for context, _, _ in routes(stocked.site)}

    assert contexts - set(ADDRESSES) == set()
    assert len(routes(stocked.site)) > 60


@pytest.mark.parametrize("signed_in", [False, True])
def test_every_route_has_the_headers_and_none_fails(stocked: StockedSite, signed_in: bool) -> None:
    cookie = {}
    if signed_in:
        browser = stocked.site.sign_in()
        cookie = {"Cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items())}
    for context, name, method in routes(stocked.site):
        path = address(stocked, context, name)

        answer = fetch(stocked.site, path, method=method, headers=cookie)

        where = (method, path, answer.status)
        assert answer.status_int < 500, where
        is_moved = (context, name) in MOVED
        assert answer.status_int == 301 if is_moved else answer.status_int not in (301, 308), where
        assert EVERYWHERE.items() <= dict(answer.headers).items(), where
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'"), where
        assert "frame-ancestors 'none'" in policy, where
        assert "unsafe" not in policy, where
        assert "Referrer-Policy" in answer.headers, where
        if answer.status_int == 200 and answer.content_type != "text/html":
            assert "sandbox" in policy, where
        is_page = answer.content_type == "text/html" and not path.startswith("/simple/")
        if signed_in and answer.status_int == 200 and is_page:
            assert answer.headers["Cache-Control"].startswith("private"), where
        if path.startswith("/draft/"):
            assert answer.headers["Cache-Control"] == "private, no-store", where
            assert answer.headers["X-Robots-Tag"] == "noindex, nofollow", where


@pytest.mark.parametrize("signed_in", [False, True])
def test_no_cache_keeps_the_host_that_a_client_names(stocked: StockedSite, signed_in: bool) -> None:
    site = with_settings(stocked.site, url=None)
    cookie = {}
    if signed_in:
        browser = stocked.site.sign_in()
        cookie = {"Cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items())}
    named = 0
    for context, name, method in routes(stocked.site):
        path = address(stocked, context, name)

        answer = fetch(site, path, method=method, headers=cookie | {"Host": "evil.example"})

        if "evil.example" in f"{answer.text if answer.charset else ''}{dict(answer.headers)}":
            named += 1
            where = (method, path, answer.status)
            assert answer.headers["Cache-Control"] in KEPT_FROM_OTHERS, where
            assert "Surrogate-Key" not in answer.headers, where
    assert named > 10


def test_no_route_changes_anything_for_somebody_without_credentials(stocked: StockedSite) -> None:
    """None but those that begin a session, which need no more than a form of this index."""

    before = state(stocked.site)
    for context, name, method in routes(stocked.site):
        if method not in ("GET", "HEAD", "OPTIONS"):
            answer = fetch(stocked.site, address(stocked, context, name), method=method)
            is_asked_to_sign_in = str(answer.location).endswith("/account/login")
            assert answer.status_int >= 400 or is_asked_to_sign_in, (method, context, name)

    assert state(stocked.site) == before


# What shows nothing of any project, or asks by itself who is there, also where strangers read
# nothing: every other view of the table above is for members then.
OPEN_TO_STRANGERS = (
    Account,
    Api,
    ApiDraft,
    ApiSet,
    FileUploadSession,
    Help,
    HelpPage,
    Invitations,
    LegacyUpload,
    Metrics,
    Notifications,
    PendingPublishers,
    PublishingSession,
    SecondFactors,
    Sessions,
    TeamPage,
    Teams,
    Sets,
    SetOfSessions,
    Tokens,
    UploadRoot,
)
OF_MACHINES = {(Root, "_health"), (Root, "_ready"), (Root, "robots.txt")}


def is_open(context: type[Node], name: str, method: str) -> bool:
    is_upload = issubclass(context, DraftFile) and method == "DELETE"
    return context in OPEN_TO_STRANGERS or (context, name) in OF_MACHINES or is_upload


def test_strangers_read_nothing_of_an_index_of_members(stocked: StockedSite) -> None:
    site = with_settings(stocked.site, read="members", draft_links="members")
    for context, name, method in routes(site):
        path = address(stocked, context, name)

        answer = fetch(site, path, method=method)

        where = (method, path, answer.status)
        sends_to_sign_in = "/account/login" in str(answer.location)
        is_asked = answer.status_int == 401 or (answer.status_int == 303 and sends_to_sign_in)
        assert is_asked or is_open(context, name, method), where
        if answer.status_int == 401:
            assert answer.headers["WWW-Authenticate"].startswith("Basic "), where
        assert b"xample 1.0" not in answer.body, where
        # Who is sent to sign in is told what they have asked for.
        said = answer.body.replace(quote(path, safe="").encode(), b"")
        assert b"example-" not in said, where


def test_drafts_are_open_to_who_holds_their_address_as_before(stocked: StockedSite) -> None:
    site = with_settings(stocked.site, read="members")
    for path in ("/draft/{open}/", "/draft/{open}/simple/", "/draft/{open}/simple/example/"):
        assert fetch(site, path.format_map(stocked.slugs)).status_int == 200


def test_members_read_an_index_of_members_and_no_cache_keeps_it(stocked: StockedSite) -> None:
    site = with_settings(stocked.site, read="members", draft_links="members")
    browser = stocked.site.sign_in()
    session = {"Cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items())}
    token = authorization(stocked.reading)
    for context, name, method in routes(site):
        path = address(stocked, context, name)
        for headers in (session, token):
            answer = fetch(site, path, method=method, headers=headers)
            where = (method, path, answer.status)
            control = answer.headers.get("Cache-Control", "no-store")
            if not is_open(context, name, method):
                assert "public" not in control, where
                assert "s-maxage" not in control, where
                assert "Surrogate-Key" not in answer.headers, where
        if method == "GET" and context in (SimpleIndex, SimpleProject, PublishedFile, PypiProject):
            known = fetch(stocked.site, path)
            assert (answer.status, answer.body) == (known.status, known.body), where
            assert "Authorization" in (answer.vary or ()), where
