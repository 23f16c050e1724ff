"""``/simple/`` and ``/simple/<project>/``: what installers and mirrors read."""

import json

import pytest
from pypi_simple import ProjectPage
from sqlalchemy import update

from greenroom.models import Release
from tests.web.standing import StockedSite, fetch

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}


def test_the_list_has_every_project_that_has_something_published(stocked: StockedSite) -> None:
    page = json.loads(fetch(stocked.site, "/simple/", headers=JSON).body)

    assert [project["name"] for project in page["projects"]] == ["example", "released"]
    assert page["meta"]["_last-serial"] == max(p["_last-serial"] for p in page["projects"])


def test_the_html_list_links_to_the_projects(stocked: StockedSite) -> None:
    response = fetch(stocked.site, "/simple/")

    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<a href="example/">example</a>' in response.text
    assert "hidden" not in response.text


def test_a_project_lists_its_files_by_version_and_name(stocked: StockedSite) -> None:
    page = json.loads(fetch(stocked.site, "/simple/example/", headers=JSON).body)

    assert page["versions"] == ["1.0", "2.0rc1"]
    assert [file["filename"] for file in page["files"]] == [
        "example-1.0-py3-none-any.whl",
        "example-1.0.tar.gz",
        "example-2.0rc1-cp312-cp312-manylinux_2_17_x86_64.whl",
    ]
    assert page["files"][0]["size"] == stocked.files["example-1.0-py3-none-any.whl"].stat().st_size
    assert page["files"][0]["requires-python"] == ">=3.9"


def test_links_lead_to_the_bytes_and_to_the_metadata(stocked: StockedSite) -> None:
    address = "http://index.example/simple/example/"
    html = fetch(stocked.site, "/simple/example/").text
    for package in ProjectPage.from_html("example", html, base_url=address).packages:
        path = package.url.removeprefix("http://index.example")
        content = stocked.files[package.filename].read_bytes()
        assert fetch(stocked.site, path).body == content
        metadata = fetch(stocked.site, f"{path}.metadata")
        assert metadata.status_int == (200 if package.filename.endswith(".whl") else 404)


def test_the_serial_is_in_the_header_of_both_pages(stocked: StockedSite) -> None:
    listed = json.loads(fetch(stocked.site, "/simple/", headers=JSON).body)
    example = fetch(stocked.site, "/simple/example/")

    assert fetch(stocked.site, "/simple/").headers["X-PyPI-Last-Serial"] == str(
        listed["meta"]["_last-serial"]
    )
    assert example.headers["X-PyPI-Last-Serial"] == str(listed["projects"][0]["_last-serial"])
    assert example.text.endswith(f"<!--SERIAL {listed['projects'][0]['_last-serial']}-->")


@pytest.mark.parametrize(
    ("path", "keys"),
    [("/simple/", "all-projects"), ("/simple/example/", "project/example")],
)
def test_shared_caches_are_told_what_to_purge(stocked: StockedSite, path: str, keys: str) -> None:
    headers = fetch(stocked.site, path).headers

    assert headers["Surrogate-Key"] == keys
    assert headers["Cache-Control"] == "public, max-age=0, s-maxage=60, stale-if-error=300"


@pytest.mark.parametrize("path", ["/simple/", "/simple/example/"])
def test_head_says_what_get_would_say(stocked: StockedSite, path: str) -> None:
    get, head = fetch(stocked.site, path), fetch(stocked.site, path, method="HEAD")

    assert head.status_int == 200
    assert head.body == b""
    assert sorted(head.headers.items()) == sorted(get.headers.items())


@pytest.mark.parametrize("path", ["/simple/", "/simple/example/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_client_that_has_the_page_gets_304(stocked: StockedSite, path: str, method: str) -> None:
    page = fetch(stocked.site, path, headers=JSON)

    again = fetch(
        stocked.site, path, method=method, headers=JSON | {"If-None-Match": page.headers["ETag"]}
    )

    assert again.status_int == 304
    assert again.body == b""
    kept = ("ETag", "Cache-Control", "Vary", "Surrogate-Key", "X-PyPI-Last-Serial")
    assert {name: again.headers[name] for name in kept} == {
        name: page.headers[name] for name in kept
    }


@pytest.mark.parametrize("path", ["/simple/", "/simple/example/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_form_that_there_is_not_is_not_acceptable(
    stocked: StockedSite, path: str, method: str
) -> None:
    response = fetch(stocked.site, path, method=method, headers={"Accept": "text/plain"})

    assert response.status_int == 406
    assert response.content_type == "text/plain"
    assert response.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    ("path", "address"),
    [("/simple/Example/", "/simple/example/"), ("/simple/example", "/simple/example/")],
)
def test_another_spelling_leads_to_the_page_whatever_form_is_wanted(
    stocked: StockedSite, path: str, address: str
) -> None:
    for accept in ("text/html", "application/vnd.pypi.simple.v1+json", "text/plain"):
        response = fetch(stocked.site, path, headers={"Accept": accept})
        assert response.status_int == 301
        assert response.location == f"http://index.example{address}"


@pytest.mark.parametrize(
    "value", ["bytes=0-4", "bytes=-", "bytes=-0", "bytes=99999999-", "bytes=" + "9" * 5000 + "-"]
)
@pytest.mark.parametrize("path", ["/simple/", "/simple/example/"])
def test_a_page_has_no_ranges(stocked: StockedSite, path: str, value: str) -> None:
    response = fetch(stocked.site, path, headers={"Range": value})

    assert response.status_int == 200
    assert response.body == fetch(stocked.site, path).body


@pytest.mark.parametrize(
    "name", ["nothing", "hidden", "discarded", "expired", "swept", "example.", "x" * 5000, "é"]
)
def test_a_project_without_anything_published_is_not_there(stocked: StockedSite, name: str) -> None:
    response = fetch(stocked.site, f"/simple/{name}/")

    assert response.status_int == 404
    assert response.content_type == "text/plain"
    assert response.body == fetch(stocked.site, "/simple/never-heard-of/").body


@pytest.mark.parametrize("path", ["/simple/", "/simple/example/"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW", "get"])
def test_pages_are_only_read(stocked: StockedSite, path: str, method: str) -> None:
    response = fetch(stocked.site, path, method=method)

    assert response.status_int == 405
    assert set(response.allow or ()) == {"GET", "HEAD", "OPTIONS"}
    assert "GET" in response.text


@pytest.mark.parametrize("path", ["/simple/", "/simple/example/"])
def test_a_browser_may_ask_what_scripts_may_do(stocked: StockedSite, path: str) -> None:
    response = fetch(
        stocked.site,
        path,
        method="OPTIONS",
        headers={"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"},
    )

    assert response.status_int == 204
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_yanking_shows_in_both_forms(stocked: StockedSite) -> None:
    reason = 'breaks "<everything>"'
    set_yanked(stocked, yanked=True, reason=reason)
    try:
        page = json.loads(fetch(stocked.site, "/simple/released/", headers=JSON).body)
        html = fetch(stocked.site, "/simple/released/").text
    finally:
        set_yanked(stocked, yanked=False, reason="")

    assert page["files"][0]["yanked"] == reason
    assert 'data-yanked="breaks &quot;&lt;everything&gt;&quot;"' in html


def set_yanked(stocked: StockedSite, *, yanked: bool, reason: str) -> None:
    with stocked.site.services.writing() as uow:
        uow.db.execute(
            update(Release)
            .where(Release.project.has(name="released"))
            .values(yanked=yanked, yanked_reason=reason)
        )


@pytest.mark.parametrize(
    ("path", "status"),
    [("/simple/Example/", 301), ("/simple/nothing/", 404), ("/simple/Example", 301)],
)
def test_scripts_of_other_origins_read_what_is_no_page_as_well(
    stocked: StockedSite, path: str, status: int
) -> None:
    response = fetch(stocked.site, path)

    assert response.status_int == status
    assert response.headers["Access-Control-Allow-Origin"] == "*"
