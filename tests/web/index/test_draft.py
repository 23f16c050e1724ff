"""``/draft/<slug>/…`` as installers and scripts see it: while it lives, and when it has ended."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urljoin

import pytest
from pypi_simple import ProjectPage

from greenroom.models import DraftState, Project
from greenroom.registry import (
    accounts,
    catalogue,
    drafts,
    projects,
    publishing,
)
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.web.index import kept_pages
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site, authorization
from tests.web.standing import StockedSite, fetch, with_settings

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
WHEEL = "example-3.0-py3-none-any.whl"
SDIST = "example-3.0.tar.gz"
DRAFT_HEADERS = {
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
}


def below(stocked: StockedSite, path: str = "", slug: str = "open") -> str:
    return f"/draft/{stocked.slugs[slug]}/{path}"


def test_its_simple_index_lists_this_one_project(stocked: StockedSite) -> None:
    page = json.loads(fetch(stocked.site, below(stocked, "simple/"), headers=JSON).body)
    html = fetch(stocked.site, below(stocked, "simple/")).text

    assert [project["name"] for project in page["projects"]] == ["example"]
    assert html.count("<a ") == 1
    assert '<a href="example/">example</a>' in html


def test_it_lists_only_its_own_files(stocked: StockedSite) -> None:
    page = json.loads(fetch(stocked.site, below(stocked, "simple/example/"), headers=JSON).body)

    assert page["name"] == "example"
    assert page["versions"] == ["3.0"]
    assert [file["filename"] for file in page["files"]] == [WHEEL, SDIST]
    assert [file["requires-python"] for file in page["files"]] == [">=3.11", ">=3.11"]
    assert page["files"][0]["core-metadata"]["sha256"]
    assert page["files"][1]["core-metadata"] is False


@pytest.mark.parametrize("form", ["html", "json"])
def test_links_stay_within_the_draft_and_lead_to_the_bytes(stocked: StockedSite, form: str) -> None:
    address = "http://index.example" + below(stocked, "simple/example/")
    if form == "html":
        text = fetch(stocked.site, below(stocked, "simple/example/")).text
        page = ProjectPage.from_html("example", text, base_url=address)
    else:
        body = fetch(stocked.site, below(stocked, "simple/example/"), headers=JSON).body
        page = ProjectPage.from_json_data(json.loads(body), base_url=address)

    assert [package.filename for package in page.packages] == [WHEEL, SDIST]
    for package in page.packages:
        assert package.url == "http://index.example" + below(stocked, f"files/{package.filename}")
        path = package.url.removeprefix("http://index.example")
        assert fetch(stocked.site, path).body == stocked.files[package.filename].read_bytes()
        metadata = urljoin(package.url, f"{package.filename}.metadata")
        status = fetch(stocked.site, metadata.removeprefix("http://index.example")).status_int
        assert status == (200 if package.filename == WHEEL else 404)


def test_its_simple_index_is_negotiated_like_the_public_one(stocked: StockedSite) -> None:
    for path in ("simple/", "simple/example/", "full/simple/", "full/simple/released/"):
        address = below(stocked, path)
        html = fetch(stocked.site, address)
        assert html.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "Accept" in html.headers["Vary"]
        assert fetch(stocked.site, address, headers={"Accept": "image/png"}).status_int == 406
        known = {"If-None-Match": html.headers["ETag"]}
        assert fetch(stocked.site, address, headers=known).status_int == 304
        assert fetch(stocked.site, address, method="OPTIONS").status_int == 204
        head = fetch(stocked.site, address, method="HEAD")
        assert (head.status_int, head.body) == (200, b"")
        assert sorted(head.headers.items()) == sorted(html.headers.items())


@pytest.mark.parametrize(
    "name", ["released", "hidden", "nothing", "3.0", "files", "simple", "x" * 500, "%00", "%C3%A9"]
)
def test_other_projects_are_not_in_it(stocked: StockedSite, name: str) -> None:
    response = fetch(stocked.site, below(stocked, f"simple/{name}/"))

    assert response.status_int == 404
    assert response.content_type == "text/plain"


FORMS = [{}, JSON]


@pytest.mark.parametrize("headers", FORMS, ids=["html", "json"])
@pytest.mark.parametrize("slug", ["open", "hidden"])
def test_the_full_index_is_the_public_one_with_the_draft_in_it(
    stocked: StockedSite, slug: str, headers: dict[str, str]
) -> None:
    public = fetch(stocked.site, "/simple/", headers=headers)
    full = fetch(stocked.site, below(stocked, "full/simple/", slug), headers=headers)
    other = fetch(stocked.site, "/simple/released/", headers=headers)
    same = fetch(stocked.site, below(stocked, "full/simple/released/", slug), headers=headers)

    assert full.content_type == public.content_type
    assert DRAFT_HEADERS.items() <= dict(full.headers).items()
    assert DRAFT_HEADERS.items() <= dict(same.headers).items()
    assert same.body.replace(b"../../../../../packages/", b"../../packages/") == other.body
    if slug == "open":
        assert full.body == public.body
    elif headers:
        names = [project["name"] for project in json.loads(full.body)["projects"]]
        listed = [project["name"] for project in json.loads(public.body)["projects"]]
        assert names == [*listed, "hidden"]
        assert "hidden" not in listed
    else:
        assert full.text.replace('\n<a href="hidden/">hidden</a><br />', "") == public.text


def test_other_projects_are_shown_as_they_are_after_every_change(
    site: Site, tmp_path: Path
) -> None:
    site.user()
    slug = site.stage(make_wheel(tmp_path))
    other = make_wheel(tmp_path, "other")

    def same() -> str:
        """The page of the other project, twice: as it is made, and as it is kept."""
        for headers in FORMS:
            public = fetch(site, "/simple/other/", headers=headers)
            for _ in range(2):
                full = fetch(site, f"/draft/{slug}/full/simple/other/", headers=headers)
                assert full.status_int == public.status_int
                links = full.body.replace(b"../../../../../packages/", b"../../packages/")
                assert links == public.body or public.status_int == 404
                assert full.headers.get("X-PyPI-Last-Serial") == public.headers.get(
                    "X-PyPI-Last-Serial"
                )
        return full.text

    acts: list[Callable[[UnitOfWork, Project], object]] = [
        lambda uow, project: projects.quarantine(uow, OPERATOR, project, "Look at it."),
        lambda uow, project: projects.lift_quarantine(uow, OPERATOR, project),
        lambda uow, project: projects.archive(uow, OPERATOR, project, "It is done."),
        lambda uow, project: projects.unarchive(uow, OPERATOR, project),
    ]
    seen = [same()]
    site.release(other)
    seen.append(same())
    site.release(make_wheel(tmp_path, "other", "2.0"))
    seen.append(same())
    for act in acts:
        with site.services.writing() as uow:
            project = projects.find(uow, "other")
            assert project is not None
            act(uow, project)
        seen.append(same())
    assert len(set(seen)) == len(seen)
    site.stage(make_wheel(tmp_path, "other", "3.0"))
    assert same() == seen[-1]
    [kept] = [pages for pages in kept_pages.kept.values() if pages is not None]
    assert b"3.0" not in b"".join(kept._pages.values())


@pytest.mark.parametrize("headers", FORMS, ids=["html", "json"])
def test_what_is_published_and_what_is_staged_stand_together_and_can_be_had(
    stocked: StockedSite, headers: dict[str, str]
) -> None:
    address = below(stocked, "full/simple/example/")
    answer = fetch(stocked.site, address, headers=headers)
    base = "http://index.example" + address
    page = (
        ProjectPage.from_json_data(json.loads(answer.body), base_url=base)
        if headers
        else ProjectPage.from_html("example", answer.text, base_url=base)
    )

    assert [package.filename for package in page.packages] == [
        "example-1.0-py3-none-any.whl",
        "example-1.0.tar.gz",
        "example-2.0rc1-cp312-cp312-manylinux_2_17_x86_64.whl",
        WHEEL,
        SDIST,
    ]
    if headers:
        assert json.loads(answer.body)["versions"] == ["1.0", "2.0rc1", "3.0"]
    for package in page.packages:
        path = package.url.removeprefix("http://index.example")
        assert path.startswith("/draft/" if package.version == "3.0" else "/packages/")
        assert fetch(stocked.site, path).body == stocked.files[package.filename].read_bytes()
        if package.filename.endswith(".whl"):
            assert fetch(stocked.site, f"{path}.metadata").status_int == 200


def test_a_draft_that_adds_to_a_release_is_listed_with_it(site: Site, tmp_path: Path) -> None:
    site.user()
    token = site.token()
    site.upload(make_sdist(tmp_path), token)
    slug = site.upload(make_wheel(tmp_path), token, staged=True).json["session-token"]
    with site.services.writing() as uow:
        project = projects.find(uow, "example")
        assert project is not None
        projects.quarantine(uow, OPERATOR, project, "Look at it.")

    def seen() -> list[str]:
        page = json.loads(fetch(site, f"/draft/{slug}/full/simple/example/", headers=JSON).body)
        return [page["project-status"]["status"], *(file["filename"] for file in page["files"])]

    assert seen() == ["quarantined"]
    with site.services.writing() as uow:
        project = projects.find(uow, "example")
        assert project is not None
        projects.lift_quarantine(uow, OPERATOR, project)
    assert seen() == ["active", "example-1.0-py3-none-any.whl", "example-1.0.tar.gz"]


@pytest.mark.parametrize("read", ["members", "projects"])
def test_who_has_only_the_address_reads_nothing_else_by_it(stocked: StockedSite, read: str) -> None:
    site = with_settings(stocked.site, read=read)
    reads = {"Authorization": authorization(stocked.reading)["Authorization"]}

    def files(name: str, headers: dict[str, str]) -> list[str] | int:
        path = below(stocked, f"full/simple/{name}/")
        answer = fetch(site, path, headers={**JSON, **headers})
        if answer.status_int != 200:
            return answer.status_int
        return [file["filename"] for file in json.loads(answer.body)["files"]]

    def names(headers: dict[str, str]) -> list[str]:
        answer = fetch(site, below(stocked, "full/simple/"), headers={**JSON, **headers})
        assert answer.headers["Cache-Control"] == "private, no-store"
        return [project["name"] for project in json.loads(answer.body)["projects"]]

    assert names(reads) == ["example", "released"]
    assert len(files("example", reads)) == 5  # type: ignore[arg-type]  # a list
    assert files("nothing", reads) == 404
    opened = read == "projects"  # these projects are
    assert names({}) == (["example", "released"] if opened else ["example"])
    assert files("example", {})[-2:] == [WHEEL, SDIST]  # type: ignore[index]  # a list
    assert len(files("example", {})) == (5 if opened else 2)  # type: ignore[arg-type]  # a list
    assert isinstance(files("released", {}), list) == opened
    assert files("nothing", {}) == 401
    assert files("example", authorization("no-token")) == 401
    assert fetch(site, f"/draft/{'A' * 22}/full/simple/example/").status_int == 404


@pytest.mark.parametrize("name", ["Example", "EXAMPLE", "eXample"])
def test_the_project_has_one_address_in_it(stocked: StockedSite, name: str) -> None:
    for index in ("simple", "full/simple"):
        response = fetch(stocked.site, below(stocked, f"{index}/{name}/?a=b"))

        assert response.status_int == 301
        there = "http://index.example" + below(stocked, f"{index}/example/?a=b")
        assert response.location == there
        assert DRAFT_HEADERS.items() <= dict(response.headers).items()


BELOW = [
    "",
    "simple/",
    "simple/example/",
    f"files/{WHEEL}",
    f"files/{WHEEL}.metadata",
    "full/",
    "full/simple/",
    "full/simple/Example",
    "full/simple/released/",
    "full/simple/nothing/",
    "full/simple/%ff/",
    "full/files/",
    "files/",
    "files/nothing.whl",
    "nothing",
    "simple",
    "simple/other/",
    "%ff",
    "%00",
    "../nothing",
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "BREW"])
def test_nobody_keeps_or_follows_anything_below_it(stocked: StockedSite, method: str) -> None:
    for path in BELOW:
        response = fetch(stocked.site, below(stocked, path), method=method)

        assert response.status_int < 500, path
        assert DRAFT_HEADERS.items() <= dict(response.headers).items(), path
        assert "Set-Cookie" not in response.headers, path
        assert "Surrogate-Key" not in response.headers, path


@pytest.mark.parametrize("slug", ["discarded", "expired", "swept", "released", "rotated"])
def test_nobody_keeps_or_follows_a_tombstone(stocked: StockedSite, slug: str) -> None:
    for path in ("", "simple/", "files/x.whl"):
        response = fetch(stocked.site, below(stocked, path, slug))
        assert DRAFT_HEADERS.items() <= dict(response.headers).items(), path


READ = ["", "simple/", "simple/example/", "full/simple/", "full/simple/example/", f"files/{WHEEL}"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_can_only_be_read(stocked: StockedSite, method: str) -> None:
    for path in READ:
        response = fetch(stocked.site, below(stocked, path), method=method)

        if path.startswith("files/") and method == "DELETE":
            assert response.status_int == 401  # with credentials, a file can be taken out
        else:
            assert response.status_int == 405, path
            assert {"GET", "HEAD"} <= set(response.allow or ()), path


UNKNOWN = [
    "A" * 22,
    "A" * 21,
    "A" * 23,
    "",
    "%00" * 22,
    "%C3%A9" * 22,
    "x" * 5000,
    "%27%20or%201=1--",
    "%25" * 22,
]


@pytest.mark.parametrize("path", READ)
def test_an_unknown_address_is_not_there(stocked: StockedSite, path: str) -> None:
    answered = {slug: fetch(stocked.site, f"/draft/{slug}/{path}").status_int for slug in UNKNOWN}

    assert answered == dict.fromkeys(UNKNOWN, 404)


@pytest.mark.parametrize("path", READ)
def test_an_address_that_was_rotated_away_is_as_unknown_as_any(
    stocked: StockedSite, path: str
) -> None:
    rotated = fetch(stocked.site, below(stocked, path, "rotated"))
    unknown = fetch(stocked.site, f"/draft/{'A' * 22}/{path}")

    assert rotated.status_int == 404
    assert rotated.body == unknown.body
    assert dict(rotated.headers) == dict(unknown.headers)


def test_an_address_is_compared_as_a_whole_and_in_its_letter_case(stocked: StockedSite) -> None:
    slug = stocked.slugs["open"]

    for other in (slug.swapcase(), slug[:-1] + "_", slug[1:] + slug[0]):
        assert fetch(stocked.site, f"/draft/{other}/").status_int == 404


ENDED = {
    "released": "The draft of released 1.0 was published.",
    "discarded": "The draft of discarded 1.0 was discarded.",
    "expired": "The draft of expired 1.0 has expired.",
    "swept": "The draft of swept 1.0 has expired.",
}


@pytest.mark.parametrize(("slug", "sentence"), ENDED.items())
def test_an_ended_draft_says_what_happened(stocked: StockedSite, slug: str, sentence: str) -> None:
    for path in (
        "",
        "simple/",
        "simple",
        f"simple/{slug}/",
        "simple/other/",
        "full/simple/",
        f"full/simple/{slug}/",
        "full/simple/example/",
        f"files/{slug}-1.0-py3-none-any.whl",
        f"files/{slug}-1.0-py3-none-any.whl.metadata",
        "files/nothing",
        "nothing/at/all/",
    ):
        read = fetch(stocked.site, below(stocked, path, slug))
        head = fetch(stocked.site, below(stocked, path, slug), method="HEAD")

        assert (read.status_int, head.status_int) == (410, 410), path
        shown = "text/html" if path == "" else "text/plain"
        assert (read.content_type, head.content_type) == (shown, shown), path
        assert sentence in read.text, path
        assert ("/project/released/1.0/" in read.text) == (slug == "released"), path
        assert head.body == b"", path


@pytest.mark.parametrize("slug", ENDED)
def test_an_ended_draft_takes_nothing(stocked: StockedSite, slug: str) -> None:
    for path in ("", "simple/", "files/x.whl"):
        assert fetch(stocked.site, below(stocked, path, slug), method="POST").status_int == 405


def test_the_link_to_the_release_that_was_published_is_whole(stocked: StockedSite) -> None:
    text = fetch(stocked.site, below(stocked, "simple/", "released")).text

    assert text == (
        "The draft of released 1.0 was published.\nhttp://index.example/project/released/1.0/\n"
    )


def test_it_ends_at_the_very_second(site: Site, tmp_path: Path) -> None:
    site.user()
    wheel = make_wheel(tmp_path)
    slug = site.upload(wheel, site.token(), staged=True).json["session-token"]
    paths = [f"/draft/{slug}/{path}" for path in ("", "simple/", f"files/{wheel.name}")]

    site.clock.advance(timedelta(days=14) - timedelta(microseconds=1))
    assert [fetch(site, path).status_int for path in paths] == [200] * 3
    site.clock.advance(timedelta(microseconds=1))

    assert [fetch(site, path).status_int for path in paths] == [410] * 3


def test_times_and_serial_are_those_of_staging(site: Site, tmp_path: Path) -> None:
    site.user()
    slug = site.upload(make_wheel(tmp_path), site.token(), staged=True).json["session-token"]
    site.clock.advance(timedelta(days=1))

    response = fetch(site, f"/draft/{slug}/simple/example/", headers=JSON)

    page = json.loads(response.body)
    assert page["files"][0]["upload-time"] == "2026-06-01T12:00:00.250000Z"
    assert page["meta"]["_last-serial"] == 0
    assert response.headers["X-PyPI-Last-Serial"] == "0"


def test_a_draft_that_lost_its_last_file_is_there_and_empty(site: Site, tmp_path: Path) -> None:
    site.user()
    wheel = make_wheel(tmp_path)
    slug = site.upload(wheel, site.token(), staged=True).json["session-token"]
    with site.services.writing() as uow:
        draft = drafts.by_slug(uow.db, slug)
        assert draft is not None
        actor = Person(accounts.get_user(uow.db, "ada"))
        drafts.remove_file(uow, actor, draft, wheel.name)

    page = json.loads(fetch(site, f"/draft/{slug}/simple/example/", headers=JSON).body)

    assert (page["files"], page["versions"]) == ([], [])
    assert fetch(site, f"/draft/{slug}/files/{wheel.name}").status_int == 404
    assert fetch(site, f"/draft/{slug}/").status_int == 200


def test_a_draft_of_a_published_release_lists_only_what_is_new(site: Site, tmp_path: Path) -> None:
    site.user()
    token = site.token()
    site.upload(make_sdist(tmp_path), token)
    slug = site.upload(make_wheel(tmp_path), token, staged=True).json["session-token"]

    page = json.loads(fetch(site, f"/draft/{slug}/simple/example/", headers=JSON).body)

    assert [file["filename"] for file in page["files"]] == ["example-1.0-py3-none-any.whl"]


def test_publishing_moves_every_file_to_the_public_index(site: Site, tmp_path: Path) -> None:
    site.user()
    token = site.token()
    paths = [make_wheel(tmp_path), make_sdist(tmp_path)]
    slugs = {site.upload(p, token, staged=True).json["session-token"] for p in paths}
    (slug,) = slugs
    with site.services.writing() as uow:
        draft = drafts.by_slug(uow.db, slug)
        assert draft is not None
        publishing.publish(uow, Person(accounts.get_user(uow.db, "ada")), draft)

    page = json.loads(fetch(site, "/simple/example/", headers=JSON).body)

    assert [file["filename"] for file in page["files"]] == [path.name for path in paths]
    assert fetch(site, f"/draft/{slug}/files/{paths[0].name}").status_int == 410
    with site.services.reading() as uow:
        ended = drafts.by_slug(uow.db, slug)
        assert ended is not None
        assert drafts.state(uow, ended) is DraftState.PUBLISHED
        project = catalogue.project(uow.db, "example")
        assert project is not None
        assert factories.public_filenames(uow, "example") == [path.name for path in paths]
