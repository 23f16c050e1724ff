"""``/simple/<project>/`` of names that an index behind this one answers for."""

import json
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from bs4 import BeautifulSoup
from msgspec.structs import replace
from pypi_simple import ProjectPage
from sqlalchemy import select

from greenroom import request_notes
from greenroom.models import UpstreamPage
from greenroom.other_indexes.pages import PageFile
from greenroom.settings import Settings
from greenroom.upstream_settings import Upstream
from greenroom.web.http.urls import upstream_file_path
from tests.artifacts import make_sdist, make_wheel
from tests.upstream_server import EVERYTHING, Status, UpstreamServer, upstream_running
from tests.web.conftest import Site, authorization

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[UpstreamServer]:
    with upstream_running() as running:
        running.add(make_wheel(tmp_path, "thing", "1.0"), requires_python=">=3.9")
        running.add(make_sdist(tmp_path, "thing", "1.0"), yanked="Broken.")
        yield running


@pytest.fixture
def settings(settings: Settings, upstream: UpstreamServer) -> Settings:
    behind = (Upstream("up", upstream.url),)
    return replace(settings, upstreams=behind, upstream_networks=LOOPBACK)


def test_a_name_that_is_not_here_is_answered_from_the_upstream(
    site: Site, upstream: UpstreamServer
) -> None:
    answer = site.app.get("/simple/thing/", headers=JSON)
    page = json.loads(answer.body)

    assert page["meta"] == {"api-version": "1.4", "tracks": [f"{upstream.url}thing/"]}
    assert "alternate-locations" not in page
    assert (page["name"], page["versions"]) == ("thing", ["1.0"])
    wheel, sdist = page["files"]
    assert wheel["url"] == upstream.origin + upstream.file(wheel["filename"])
    assert wheel["requires-python"] == ">=3.9"
    assert wheel["core-metadata"] == wheel["data-dist-info-metadata"] != {}
    assert (wheel["yanked"], sdist["yanked"]) == (False, "Broken.")
    assert sdist["upload-time"] == "2026-01-02T03:04:05.678900Z"
    assert "X-PyPI-Last-Serial" not in answer.headers
    assert answer.headers["Surrogate-Key"] == "project/thing"


def test_both_forms_say_the_same(site: Site, upstream: UpstreamServer) -> None:
    html = site.app.get("/simple/thing/").text
    found = ProjectPage.from_html("thing", html, base_url="http://index.example/simple/thing/")
    said = json.loads(site.app.get("/simple/thing/", headers=JSON).body)

    assert "SERIAL" not in html
    for one, other in zip(found.packages, said["files"], strict=True):
        assert (one.filename, one.url) == (other["filename"], other["url"])
        assert one.digests == other["hashes"]
        assert (one.requires_python, one.is_yanked) == (
            other["requires-python"],
            other["yanked"] is not False,
        )


def markers(html: str) -> list[tuple[str, str]]:
    """What the elements ``meta`` of a page say of where else the project is (PEP 708)."""
    soup = BeautifulSoup(html, "html.parser")
    names = ("pypi:tracks", "pypi:alternate-locations")
    metas = [(str(each.get("name")), str(each["content"])) for each in soup.find_all("meta")[1:]]
    return [meta for meta in metas if meta[0] in names]


@pytest.mark.parametrize("speaks_json", [True, False])
@pytest.mark.parametrize("path", ["/simple/thing/", "/draft/{slug}/full/simple/thing/"])
def test_a_page_says_whose_project_it_is_and_where_else_it_is(
    site: Site, upstream: UpstreamServer, tmp_path: Path, account: str, path: str, speaks_json: bool
) -> None:
    path = path.format(slug=site.stage(make_wheel(tmp_path / "ours", "mine", "8.0")))
    upstream.speaks_json = speaks_json
    base = upstream.url
    upstream.project("thing").alternates = ["../../cpu/thing/", "https://gpu.example/a&b/Thing/"]

    said = json.loads(site.app.get(path, headers=JSON).body)
    assert said["meta"]["tracks"] == [f"{base}thing/"]
    # Of whoever asks the upstream its own page is one of them, too.
    alternates = [
        *(f"{upstream.origin}/cpu/thing/", "https://gpu.example/a&b/Thing/", f"{base}thing/")
    ]
    assert said["alternate-locations"] == alternates
    assert markers(site.app.get(path).text) == [
        ("pypi:tracks", f"{base}thing/"),
        *(("pypi:alternate-locations", url) for url in alternates),
    ]


def test_a_project_that_the_upstream_has_of_another_index_is_of_that_one(
    site: Site, upstream: UpstreamServer
) -> None:
    owners = ["https://one.example/simple/Thing/", "https://two.example/simple/thing"]
    upstream.project("thing").tracks = [*owners, "https://one.example/simple/", "ftp://x/thing/"]

    said = json.loads(site.app.get("/simple/thing/", headers=JSON).body)
    assert said["meta"]["tracks"] == owners
    assert "alternate-locations" not in said
    assert markers(site.app.get("/simple/thing/").text) == [("pypi:tracks", url) for url in owners]


def test_of_several_upstreams_the_one_that_answers_says_where_it_is(
    site: Site, upstream: UpstreamServer, tmp_path: Path
) -> None:
    with upstream_running() as other:
        other.add(make_wheel(tmp_path / "other", "thing", "7.0"))
        other.project("thing").alternates = ["https://third.example/simple/thing/"]
        address = other.url.replace("http://", "http://ada:secret@")
        behind = (Upstream("up", upstream.url), Upstream("other", address))
        settings = replace(site.services.settings, upstreams=behind)
        both = Site(replace(site.services, settings=settings), site.clock)
        first = json.loads(both.app.get("/simple/thing/", headers=JSON).body)
        upstream.remove("thing")
        site.clock.advance(timedelta(minutes=11))
        both.app.get("/simple/thing/")
        _settle(both)
        second = json.loads(both.app.get("/simple/thing/", headers=JSON).body)

    assert first["meta"]["tracks"] == [f"{upstream.url}thing/"]
    assert "alternate-locations" not in first
    assert second["meta"]["tracks"] == [f"{other.url}thing/"]
    assert second["alternate-locations"] == [
        "https://third.example/simple/thing/",
        f"{other.url}thing/",
    ]


def test_it_is_asked_once_and_again_when_it_is_no_longer_fresh(
    site: Site, upstream: UpstreamServer, tmp_path: Path
) -> None:
    page = upstream.page("thing")
    for _ in range(3):
        site.app.get("/simple/thing/")
    assert upstream.asked(page) == 1

    site.clock.advance(timedelta(minutes=11))
    before = site.app.get("/simple/thing/").body
    _settle(site)
    assert site.app.get("/simple/thing/").body == before
    assert [asked.headers.get("if-none-match") is not None for asked in
            upstream.requests_of(page)] == [False, True]  # fmt: skip

    upstream.add(make_wheel(tmp_path, "thing", "2.0"))
    site.clock.advance(timedelta(minutes=11))
    assert b"thing-2.0" not in site.app.get("/simple/thing/").body
    _settle(site)
    assert b"thing-2.0" in site.app.get("/simple/thing/").body


def _settle(site: Site) -> None:
    """Wait until nothing is asked any more."""
    for running in list(site.services.asking._running.values()):
        running.result(60)


def test_what_the_upstream_has_not_is_not_there(site: Site, upstream: UpstreamServer) -> None:
    for _ in range(2):
        site.app.get("/simple/other/", status=404)
    assert upstream.asked(upstream.page("other")) == 1


def test_an_upstream_that_is_away_is_an_outage_with_its_name(
    site: Site, upstream: UpstreamServer
) -> None:
    upstream.fail(EVERYTHING, Status(503, retry_after=40))
    answer = site.app.get("/simple/thing/", status=503)

    assert answer.headers["Retry-After"] == "40"
    assert "(up)" in answer.text


def test_other_spellings_are_redirected_as_on_pages_of_our_own(
    site: Site, upstream: UpstreamServer
) -> None:
    for path in ("/simple/Thing/", "/simple/thing", "/simple/THING"):
        answer = site.app.get(path, status=301)
        assert (answer.location or "").endswith("/simple/thing/")
    assert upstream.asked() == 0
    for path in ("/simple/-/", "/simple/a b/", f"/simple/{'a' * 300}/", "/simple/..%2fx/"):
        site.app.get(path, status=404)
    assert upstream.asked() == 0


def test_who_has_a_page_is_not_sent_it_again(site: Site) -> None:
    answer = site.app.get("/simple/thing/", headers=JSON)
    again = site.app.get(
        "/simple/thing/", headers=JSON | {"If-None-Match": answer.headers["ETag"]}, status=304
    )
    assert again.body == b""
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Accept" in answer.headers["Vary"]
    assert site.app.get("/simple/thing/", headers={"Accept": "image/png"}, status=406)
    assert site.app.options("/simple/thing/").headers["Access-Control-Allow-Methods"]
    head = site.app.head("/simple/thing/", headers=JSON)
    assert head.headers["ETag"] == answer.headers["ETag"]


def test_a_page_may_be_kept_as_long_as_it_is_fresh_and_not_for_long(
    site: Site, upstream: UpstreamServer
) -> None:
    upstream.cache_control = "max-age=20"
    answer = site.app.get("/simple/thing/")
    assert answer.request.environ[request_notes.KEEP_FOR] == 20.0
    assert answer.headers["Cache-Control"].startswith("public, max-age=0, s-maxage=20")
    site.clock.advance(timedelta(minutes=1))
    answer = site.app.get("/simple/thing/")
    assert answer.request.environ[request_notes.KEEP_FOR] == 1.0
    _settle(site)
    upstream.cache_control = ""
    site.clock.advance(timedelta(minutes=1))
    site.app.get("/simple/thing/")
    _settle(site)
    answer = site.app.get("/simple/thing/")
    assert answer.request.environ[request_notes.KEEP_FOR] == 30.0


def test_what_is_published_here_is_answered_here_alone(
    site: Site, upstream: UpstreamServer, tmp_path: Path, account: str
) -> None:
    site.app.get("/simple/thing/")
    site.release(make_wheel(tmp_path / "ours", "thing", "0.1"))
    page = json.loads(site.app.get("/simple/thing/", headers=JSON).body)
    assert [file["filename"] for file in page["files"]] == ["thing-0.1-py3-none-any.whl"]
    assert page["meta"]["_last-serial"] > 0
    assert "thing" in site.app.get("/simple/").text


def test_the_list_has_no_project_of_an_upstream(site: Site) -> None:
    site.app.get("/simple/thing/")
    assert "thing" not in site.app.get("/simple/").text


def test_a_draft_is_tried_with_the_upstream_behind_it(
    site: Site, upstream: UpstreamServer, tmp_path: Path, account: str
) -> None:
    upstream.add(make_wheel(tmp_path, "mine", "7.0"))
    slug = site.stage(make_wheel(tmp_path / "ours", "mine", "8.0"))
    base = f"/draft/{slug}/full/simple/"
    theirs = site.app.get(f"{base}thing/", headers=JSON)
    assert [file["url"] for file in json.loads(theirs.body)["files"]] == [
        file["url"]
        for file in json.loads(site.app.get("/simple/thing/", headers=JSON).body)["files"]
    ]
    assert "Surrogate-Key" not in theirs.headers
    own = site.app.get(base, headers=JSON)
    for name in ("Cache-Control", "X-Robots-Tag", "Referrer-Policy"):
        assert theirs.headers.get(name) == own.headers.get(name)
    assert request_notes.KEEP_FOR not in theirs.request.environ

    mine = json.loads(site.app.get(f"{base}mine/", headers=JSON).body)
    assert [file["filename"] for file in mine["files"]] == ["mine-8.0-py3-none-any.whl"]
    site.app.get(f"{base}nothing/", status=404)
    assert "thing" not in site.app.get(base).text


@pytest.mark.parametrize("root", ["/simple/", "/draft/{slug}/full/simple/"])
def test_links_to_files_that_are_kept_lead_below_this_index(
    site: Site, upstream: UpstreamServer, tmp_path: Path, account: str, root: str
) -> None:
    slug = site.stage(make_wheel(tmp_path / "ours", "mine", "8.0"))
    settings = replace(site.services.settings, upstream_mode="cache")
    caching = Site(replace(site.services, settings=settings), site.clock)
    path = f"{root.format(slug=slug)}thing/"
    page = json.loads(caching.app.get(path, headers=JSON).body)
    html = caching.app.get(path).text
    found = ProjectPage.from_html("thing", html, base_url=f"http://index.example{path}")
    host = upstream.origin.removeprefix("http://")
    for file, linked in zip(page["files"], found.packages, strict=True):
        whole = urljoin(f"http://index.example{path}", file["url"])
        assert linked.url == whole
        assert whole == (
            f"http://index.example/upstream/up/thing/{host}{upstream.file(file['filename'])}"
        )
        assert len(caching.app.get(urlsplit(whole).path).body) == file["size"]


def test_what_is_refused_is_marked_with_the_reason_and_linked_to_where_it_is_said(
    site: Site, upstream: UpstreamServer
) -> None:
    settings = replace(site.services.settings, upstream_wheels_only="true")
    strict = Site(replace(site.services, settings=settings), site.clock)
    wheel, sdist = json.loads(strict.app.get("/simple/thing/", headers=JSON).body)["files"]
    assert wheel["url"].startswith(upstream.origin)
    assert sdist["url"].startswith("../../upstream/up/thing/")
    assert "not a wheel" in sdist["yanked"]

    held = upstream.projects["thing"].files
    upstream.projects["thing"].files = [file for file in held if file.metadata is None]
    site.clock.advance(timedelta(minutes=11))
    strict.app.get("/simple/thing/")
    _settle(strict)
    [sdist] = json.loads(strict.app.get("/simple/thing/", headers=JSON).body)["files"]
    assert sdist["yanked"] == "Broken."  # as it is there: installers are to try, and to be told
    assert sdist["url"].startswith("../../upstream/up/thing/")


@pytest.mark.parametrize("read", ["members", "projects"])
def test_where_not_everybody_reads_upstreams_are_for_members(
    site: Site, upstream: UpstreamServer, tmp_path: Path, account: str, read: str
) -> None:
    site.release(make_wheel(tmp_path / "ours", "ours"))
    settings = replace(site.services.settings, read=read)
    private = Site(replace(site.services, settings=settings), site.clock)
    slug = site.stage(make_wheel(tmp_path / "ours", "mine", "8.0"))
    upstream.forget()
    for path in ("/simple/thing/", "/simple/nothing/", f"/draft/{slug}/full/simple/thing/"):
        private.app.get(path, status=401)
    assert upstream.asked() == 0

    for token, status in (
        (private.token(permissions=["read"]), 200),
        (private.token(project="ours", permissions=["read"]), 200),
        (private.token(permissions=["stage"]), 404),
    ):
        answer = private.app.get("/simple/thing/", headers=authorization(token), status=status)
        control = answer.headers["Cache-Control"]
        assert "public" not in control or status == 404
        assert "Surrogate-Key" not in answer.headers


def test_who_uses_a_page_is_noted(site: Site) -> None:
    site.app.get("/simple/thing/")
    with site.services.reading() as uow:
        before = uow.db.scalars(select(UpstreamPage.used)).one()
    site.clock.advance(timedelta(hours=2))
    site.app.get("/simple/thing/")
    _settle(site)
    with site.services.reading() as uow:
        assert uow.db.scalars(select(UpstreamPage.used)).one() > before


def test_a_page_without_sizes_is_of_the_version_that_has_none(
    site: Site, upstream: UpstreamServer
) -> None:
    upstream.speaks_json = False
    page = json.loads(site.app.get("/simple/thing/", headers=JSON).body)
    assert page["meta"]["api-version"] == "1.0"
    assert "size" not in page["files"][0]
    assert 'content="1.0"' in site.app.get("/simple/thing/").text


def test_the_address_of_a_file_is_quoted_so_that_it_can_be_mapped_back() -> None:
    def path(url: str, filename: str = "a-1.tar.gz") -> str:
        return upstream_file_path("up", "a", PageFile(filename, url, {}))

    assert path("https://Files.example/x/a-1.tar.gz") == "upstream/up/a/files.example/x/a-1.tar.gz"
    assert path("https://u:p@h.example:8443//x/../a-1.tar.gz") == (
        "upstream/up/a/h.example:8443/x/a-1.tar.gz"
    )
    assert path("https://h.example/x%20y/a-1.tar.gz?t=1/2&u") == (
        "upstream/up/a/h.example/x%20y/%253Ft%253D1%252F2%2526u/a-1.tar.gz"
    )
    assert path("https://h.example/get/7") == "upstream/up/a/h.example/get/7/a-1.tar.gz"
