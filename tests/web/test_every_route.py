"""Every view that is registered, asked with every method it answers to: by nobody, and signed in.

``ADDRESSES`` has an address of each kind of resource. A new kind has to be put in; a new view of a
kind that is there is asked without further ado.
"""

from collections.abc import Iterator

import pytest

from greenroom.registry import accounts, drafts, upload_sessions
from greenroom.registry.permissions import Person
from greenroom.registry.upload_sessions import HTTP_POST_BYTES, Announcement
from greenroom.web.http.draft_nodes import DraftFile, EndedDraft
from greenroom.web.http.traversal import Node, Root
from greenroom.web.http.urls import published_file_path
from greenroom.web.index.draft.resources import (
    ArrivingFile,
    DraftFiles,
    DraftSimpleIndex,
    DraftSimpleProject,
    StagedFile,
    StagedMetadata,
)
from greenroom.web.index.feeds.resources import Feeds, ProjectFeeds, Sitemap
from greenroom.web.index.files.resources import PublishedFile, PublishedMetadata
from greenroom.web.index.json_api.resources import PypiProject, PypiRelease
from greenroom.web.index.pypi import Pypi
from greenroom.web.index.simple.resources import SimpleIndex, SimpleProject
from greenroom.web.operators.metrics.resources import Metrics
from greenroom.web.pages.account.resources import Account, Tokens
from greenroom.web.pages.admin.resources import Admin
from greenroom.web.pages.draft.resources import DraftPage
from greenroom.web.pages.help.resources import Help, HelpPage
from greenroom.web.pages.manage.resources import (
    Manage,
    ManagedDraft,
    ManagedHistory,
    ManagedProject,
    ManagedRelease,
)
from greenroom.web.pages.project.resources import (
    DraftedReleasePage,
    ProjectPage,
    ReleasePage,
    Search,
    ShortAddress,
    UnpublishedProject,
    UserPage,
)
from greenroom.web.uploads.draft_lookup.resources import ApiDraft
from greenroom.web.uploads.legacy.resources import LegacyUpload
from greenroom.web.uploads.pep694.resources import FileUploadSession, PublishingSession, UploadRoot
from tests import factories
from tests.web.conftest import Site
from tests.web.standing import KINDS, StockedSite, fetch, state, stocked_site, with_settings

PROJECT = "/manage/project/Example/"

ADDRESSES: dict[type[Node], str] = {
    Root: "/",
    Account: "/account/",
    Admin: "/admin/",
    ApiDraft: "/api/drafts/example/3.0",
    DraftFiles: "/draft/{open}/files/",
    DraftPage: "/draft/{open}/",
    DraftSimpleIndex: "/draft/{open}/simple/",
    DraftSimpleProject: "/draft/{open}/simple/example/",
    DraftedReleasePage: "/project/Example/3.0/",
    EndedDraft: "/draft/{discarded}/simple/",
    ArrivingFile: "/draft/{open}/files/example-3.0-py2-none-any.whl",
    Feeds: "/rss/",
    Help: "/help/",
    HelpPage: "/help/errors/",
    LegacyUpload: "/legacy/",
    Manage: "/manage/",
    ManagedDraft: f"{PROJECT}draft/3.0/",
    ManagedHistory: f"{PROJECT}history/",
    ManagedProject: PROJECT,
    ManagedRelease: f"{PROJECT}release/1.0/",
    ProjectFeeds: "/rss/project/example/",
    ProjectPage: "/project/Example/",
    PublishedFile: "{file}",
    PublishedMetadata: "{file}.metadata",
    Pypi: "/pypi",
    PypiProject: "/pypi/example/",
    PypiRelease: "/pypi/example/1.0/",
    ReleasePage: "/project/Example/1.0/",
    Search: "/search/",
    ShortAddress: "/p/example/1.0/",
    SimpleIndex: "/simple/",
    SimpleProject: "/simple/example/",
    DraftFile: "/draft/{open}/files/example-3.0.tar.gz",
    Metrics: "/_metrics",
    Sitemap: "/sitemap.xml",
    StagedFile: "/draft/{open}/files/example-3.0.tar.gz",
    StagedMetadata: "/draft/{open}/files/example-3.0-py3-none-any.whl.metadata",
    Tokens: "/account/tokens/",
    UnpublishedProject: "/project/hidden/",
    UploadRoot: "/upload/2.0/",
    PublishingSession: "/upload/2.0/session/{session}/",
    FileUploadSession: "/upload/2.0/session/{session}/file/{upload}/",
    UserPage: "/user/ada/",
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
    return ADDRESSES[context].format_map(stocked.slugs | {"file": f"/{file}"}) + name


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
