"""Project, release and profile pages, and the first page: what everybody sees."""

from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from packaging.version import Version
from sqlalchemy import JSON, type_coerce, update

from greenroom.core_metadata import CoreMetadata
from greenroom.distributions.description import MAX_RENDERED
from greenroom.models import Release, RoleName
from greenroom.registry import (
    accounts,
    downloads,
    projects,
    releases,
)
from greenroom.registry.downloads import Downloaded
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site
from tests.web.reading import banner, commands, counted_statements, heading, links, text, the
from tests.web.standing import with_settings


def publish(site: Site, *paths: Path, by: str = "ada") -> None:
    """Each file by a direct upload."""
    with site.services.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, by), *paths)


def stage(site: Site, *paths: Path, by: str = "ada") -> str:
    """Files in a draft; gives its slug."""
    with site.services.writing() as uow:
        return factories.stage(uow, accounts.get_user(uow.db, by), *paths).slug


def yank(site: Site, name: str, version: str, reason: str) -> None:
    with site.services.writing() as uow:
        project = projects.get(uow, name)
        release = releases.find(uow.db, project, Version(version))
        assert release is not None
        release.yanked, release.yanked_reason = True, reason


def test_the_first_page_shows_what_is_new_and_how_to_begin(
    site: Site, account: str, tmp_path: Path
) -> None:
    publish(site, make_wheel(tmp_path, "example", "1.0", summary="Counts sheep."))

    page = site.app.get("/")

    assert "example 1.0" in text(page)
    assert "Counts sheep." in text(page)
    assert "pip install --index-url http://index.example/simple/ name" in commands(page)


def test_an_empty_index_says_so(site: Site) -> None:
    assert "Nothing is published here yet." in text(site.app.get("/"))


def test_a_project_page_shows_the_latest_release(site: Site, account: str, tmp_path: Path) -> None:
    publish(
        site,
        make_wheel(tmp_path, "example", "1.0"),
        make_wheel(tmp_path, "example", "2.0", summary="Counts sheep."),
        make_wheel(tmp_path, "example", "3.0rc1"),
    )

    page = site.app.get("/project/example/")

    assert heading(page) == "example 2.0"
    assert "Counts sheep." in text(page)
    assert commands(page) == ["pip install --index-url http://index.example/simple/ example"]


def test_a_badge_has_the_version_that_stands_for_the_project(
    site: Site, account: str, tmp_path: Path
) -> None:
    address = "/project/Example/badge.svg"
    site.stage(make_sdist(tmp_path, "Example", version="1.0"))
    absent = site.app.get(address, status=404)
    owner = site.sign_in()
    assert owner.get("/project/Example/badge.svg", status=404).status_int == absent.status_int
    with site.services.writing() as uow:
        factories.publish_directly(uow, "Example")
    site.release(make_sdist(tmp_path, "Example", version="0.9"))
    first = site.app.get(address)
    site.stage(make_sdist(tmp_path, "Example", version="2.0"))
    assert site.app.get(address).body == first.body
    picture = ElementTree.fromstring(first.body)
    assert picture.findtext("{*}title") == "Example 0.9"
    assert first.content_type == "image/svg+xml"
    assert first.headers["Content-Security-Policy"].endswith("sandbox")
    assert first.headers["Cache-Control"].startswith("public")
    assert first.headers["Surrogate-Key"] == "project/example"
    assert "Cross-Origin-Resource-Policy" not in first.headers  # pages elsewhere show it
    other = site.app.get("/project/example/badge.svg", status=301)
    assert str(other.location).endswith(address)
    site.release(make_sdist(tmp_path, "Example", version="3.0"))
    assert b"Example 3.0" in site.app.get(address).body
    site.release(make_sdist(tmp_path, "Example", version="4.0." + "1" * 60), by="ada")
    assert b"111\xe2\x80\xa6" in site.app.get(address).body


def test_a_release_page_installs_exactly_that_version(
    site: Site, account: str, tmp_path: Path
) -> None:
    publish(site, *(make_wheel(tmp_path, "example", version) for version in ("1.0", "2.0")))

    page = site.app.get("/project/example/1.0/")

    assert heading(page) == "example 1.0"
    assert commands(page) == ["pip install --index-url http://index.example/simple/ example==1.0"]
    assert "The latest release is 2.0" in text(page)


@pytest.mark.parametrize(
    ("asked", "canonical"),
    [
        ("/project/EXAMPLE/", "/project/Example/"),
        ("/project/Example", "/project/Example/"),
        ("/project/example/1.0.0/", "/project/Example/1.0/"),
    ],
)
def test_other_spellings_are_redirected(
    site: Site, account: str, tmp_path: Path, asked: str, canonical: str
) -> None:
    publish(site, make_wheel(tmp_path, "Example", "1.0"))

    answer = site.app.get(asked, status=301)

    assert answer.location == f"http://index.example{canonical}"


def test_what_the_metadata_says_is_on_the_page(site: Site, account: str, tmp_path: Path) -> None:
    publish(
        site,
        make_wheel(
            tmp_path,
            requires_python=">=3.11",
            description="# Sheep\n\nOne, *two*.",
            description_content_type="text/markdown",
            metadata_version="2.4",
            metadata_extra=[
                ("License-Expression", "MIT"),
                ("Author-email", "Grace <grace@index.example>"),
                ("Keywords", "sheep,sleep"),
                ("Classifier", "Topic :: Utilities"),
                ("Project-URL", "Source, https://git.example/sheep"),
                ("Home-page", "https://git.example/my sheep"),
                ("Provides-Extra", "wool"),
                ("Requires-Dist", "numpy>=2"),
            ],
        ),
    )

    page = site.app.get("/project/example/")

    for words in (
        "MIT",
        ">=3.11",
        "Grace",
        "sheep , sleep",
        "Topic Utilities",
        "wool",
        "numpy>=2",
        "ada owner",
    ):
        assert words in text(page)
    assert the(".description em", page).get_text() == "two"
    assert the('a[href="https://git.example/my%20sheep"]', page).get_text().strip() == "Homepage"
    source = the('a[href="https://git.example/sheep"]', page)
    assert source["rel"] == ["nofollow", "noopener"]


def test_a_description_that_cannot_be_rendered_is_shown_as_text(
    site: Site, account: str, tmp_path: Path
) -> None:
    publish(site, make_wheel(tmp_path, description="<b>x</b>" + "x" * MAX_RENDERED))

    page = site.app.get("/project/example/")

    assert "<b>x</b>" in the("pre.plain", page).get_text()


def test_files_can_be_downloaded_from_the_page(site: Site, account: str, tmp_path: Path) -> None:
    sdist, wheel = make_sdist(tmp_path), make_wheel(tmp_path)
    publish(site, sdist, wheel)

    page = site.app.get("/project/example/")

    downloads = [link for link in links(page) if link.startswith("/packages/")]
    assert [site.app.get(link).body for link in downloads] == [
        sdist.read_bytes(),
        wheel.read_bytes(),
    ]
    assert factories.artifact_of(wheel).sha256 in text(page)
    assert factories.artifact_of(wheel).blake2_256 in text(page)


def test_a_yanked_release_says_why(site: Site, account: str, tmp_path: Path) -> None:
    publish(site, make_wheel(tmp_path))
    yank(site, "example", "1.0", "It counts goats.")

    page = site.app.get("/project/example/")

    assert "This release is yanked." in banner(page)
    assert "It counts goats." in banner(page)
    assert commands(page)[0].endswith("example==1.0")  # pip takes it on no other terms


def test_a_long_history_has_pages(site: Site, account: str, tmp_path: Path) -> None:
    publish(site, *(make_wheel(tmp_path, version=f"1.{minor}") for minor in range(25)))

    newest, oldest = site.app.get("/project/example/"), site.app.get("/project/example/?page=2")

    assert "/project/example/1.5/" in links(newest)
    assert "/project/example/1.4/" not in links(newest)
    assert "/project/example/1.4/" in links(oldest)
    assert "Page 2 of 2" in text(oldest)


@pytest.mark.parametrize(
    ("query", "status"),
    [("page=3", 404), ("page=x", 400), ("page=1&page=2", 400), ("page=%ff", 400)],
)
def test_a_page_that_is_not_there_is_no_error_of_the_index(
    site: Site, account: str, tmp_path: Path, query: str, status: int
) -> None:
    publish(site, make_wheel(tmp_path))

    site.app.get(f"/project/example/?{query}", status=status)


@pytest.mark.parametrize(
    "address",
    ["/project/nothing/", "/project/example/9.0/", "/project/example/x/", "/user/nobody/"],
)
def test_what_is_not_there_is_not_found(
    site: Site, account: str, tmp_path: Path, address: str
) -> None:
    publish(site, make_wheel(tmp_path))

    answer = site.app.get(address, status=404)

    assert "There is nothing at this address." in text(answer)


# What people upload is not trusted


def test_markup_in_metadata_stays_text(site: Site, account: str, tmp_path: Path) -> None:
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    publish(
        site,
        make_wheel(
            tmp_path,
            summary=attack,
            description=attack + "\n\n[x](javascript:alert(1))",
            description_content_type="text/markdown",
            metadata_extra=[
                ("Author", attack),
                ("Author-email", f'"{attack}" <a"onclick=x@index.example>'),
                ("Keywords", attack),
                ("License", attack),
                ("Project-URL", '"><script>, https://git.example/"><script>alert(1)</script>'),
            ],
        ),
    )

    page = site.app.get("/project/example/")

    scripts = page.html.find_all("script")
    assert [str(script.get("src")).split("?")[0] for script in scripts] == ["/static/greenroom.js"]
    assert not [tag for tag in page.html.find_all(True) for name in tag.attrs if name[:2] == "on"]
    assert not [link for link in links(page) if link.startswith("javascript:")]


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "//git.example/", "https:///", "ftp://x.example/"],
)
def test_only_web_addresses_become_links(
    site: Site, account: str, tmp_path: Path, url: str
) -> None:
    publish(site, make_wheel(tmp_path))
    with site.services.writing() as uow:
        # No upload gets this far; a page does not rely on that.
        project = projects.get(uow, "example")
        release = releases.find(uow.db, project, Version("1.0"))
        assert release is not None
        release.core_metadata = CoreMetadata(name="example", project_urls=(("Source", url),))

    page = site.app.get("/project/example/")

    assert f"Source: {url}" in text(page)
    assert url not in links(page)


def test_metadata_of_an_unknown_shape_breaks_no_page(
    site: Site, account: str, tmp_path: Path
) -> None:
    publish(site, make_wheel(tmp_path))
    with site.services.writing() as uow:
        project = projects.get(uow, "example")
        release = releases.find(uow.db, project, Version("1.0"))
        assert release is not None
        stored = {
            "keywords": "text",
            "classifiers": [1],
            "project_urls": [],
            "license": {},
            "author": 3,
        }
        uow.db.execute(
            update(Release)
            .where(Release.id == release.id)
            .values(core_metadata=type_coerce(stored, JSON))
        )

    site.app.get("/project/example/", status=200)


# Drafts


def test_maintainers_see_on_the_project_page_that_drafts_are_open(
    site: Site, account: str, tmp_path: Path
) -> None:
    publish(site, make_wheel(tmp_path))
    stage(site, make_wheel(tmp_path, version="2.0"))

    page = site.sign_in().get("/project/example/")

    assert "Open drafts: 2.0" in banner(page)
    assert "/manage/project/example/draft/2.0/" in links(page)


def test_maintainers_see_what_a_draft_adds_to_a_release(
    site: Site, account: str, tmp_path: Path
) -> None:
    publish(site, make_wheel(tmp_path))
    more = make_wheel(tmp_path, tag="cp312-cp312-win_amd64")
    stage(site, more)

    page = site.sign_in().get("/project/example/1.0/")

    assert "A draft of this release is open." in banner(page)
    assert more.name in banner(page)
    assert page.headers["Cache-Control"] == "private, no-cache"


def test_maintainers_see_a_drafted_release_as_it_will_look(
    site: Site, account: str, tmp_path: Path
) -> None:
    slug = stage(site, make_wheel(tmp_path, summary="Counts sheep."))

    page = site.sign_in().get("/project/example/1.0/")

    assert "not public." in banner(page)
    assert heading(page) == "example 1.0 Draft"
    assert "Counts sheep." in text(page)
    assert f"/draft/{slug}/files/example-1.0-py3-none-any.whl" in links(page)
    assert page.headers["Cache-Control"] == "private, no-store"


def test_a_project_without_releases_has_no_page_even_for_its_owner(
    site: Site, account: str, tmp_path: Path
) -> None:
    stage(site, make_wheel(tmp_path))

    site.sign_in().get("/project/example/", status=404)


def test_strangers_see_nothing_of_drafts(site: Site, account: str, tmp_path: Path) -> None:
    site.user("eve")
    publish(site, make_wheel(tmp_path))
    eve = site.sign_in("eve")
    before = [browser.get("/project/example/").body for browser in (site.app, eve)]

    stage(site, make_wheel(tmp_path, version="2.0"))

    assert [browser.get("/project/example/").body for browser in (site.app, eve)] == before
    eve.get("/project/example/2.0/", status=404)


def test_a_draft_past_its_time_is_not_shown_to_maintainers_either(
    site: Site, account: str, tmp_path: Path
) -> None:
    publish(site, make_wheel(tmp_path))
    stage(site, make_wheel(tmp_path, version="2.0"))
    browser = site.sign_in()

    site.clock.advance(timedelta(days=14))

    browser.get("/project/example/2.0/", status=404)
    assert banner(browser.get("/project/example/")) == ""


# People


def test_a_profile_lists_public_projects_only(site: Site, account: str, tmp_path: Path) -> None:
    publish(site, make_wheel(tmp_path, "example", summary="Counts sheep."))
    stage(site, make_wheel(tmp_path, "secret"))

    page = site.app.get("/user/ada/")

    assert "example 1.0" in text(page)
    assert "Counts sheep." in text(page)
    assert "secret" not in page.text


def test_a_profile_has_one_spelling_and_shows_no_address(site: Site, account: str) -> None:
    assert site.app.get("/user/ADA/", status=301).location == "http://index.example/user/ada/"
    assert "@" not in text(site.app.get("/user/ada/"))


# Caches


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("/", "all-projects"),
        ("/project/example/", "project/example"),
        ("/project/example/1.0/", "project/example"),
        ("/user/ada/", "all-projects"),
    ],
)
def test_shared_caches_keep_public_pages_for_those_without_a_session(
    site: Site, account: str, tmp_path: Path, address: str, key: str
) -> None:
    publish(site, make_wheel(tmp_path))

    anonymous, signed_in = site.app.get(address), site.sign_in().get(address)

    assert anonymous.headers["Cache-Control"] == "public, max-age=60, stale-if-error=300"
    assert anonymous.headers["Surrogate-Key"] == key
    assert anonymous.headers["Vary"] == signed_in.headers["Vary"] == "Cookie"
    assert signed_in.headers["Cache-Control"] == "private, no-cache"
    assert "Surrogate-Key" not in signed_in.headers


@pytest.mark.parametrize(
    "address", ["/", "/project/example/", "/project/example/1.0/", "/user/ada/"]
)
def test_public_pages_set_no_cookie_and_do_not_age(
    site: Site, account: str, tmp_path: Path, address: str
) -> None:
    publish(site, make_wheel(tmp_path))
    before = site.app.get(address)

    site.clock.advance(timedelta(days=3))

    after = site.app.get(address)
    assert after.body == before.body
    assert "Set-Cookie" not in after.headers
    assert b"csrf" not in after.body


@pytest.mark.parametrize(
    "address", ["/", "/project/example/", "/project/example/1.0/", "/user/ada/"]
)
def test_public_pages_ask_the_database_as_often_for_much_as_for_little(
    site: Site, account: str, tmp_path: Path, address: str
) -> None:
    publish(site, make_wheel(tmp_path))
    with counted_statements(site) as for_little:
        site.app.get(address)
    for number in range(1, 20):
        site.user(f"user{number}")
        site.role("example", f"user{number}", RoleName.MAINTAINER)
        publish(site, make_wheel(tmp_path, tag=f"cp3{number}-cp3{number}-win32"))
        publish(site, make_wheel(tmp_path, version=f"1.{number}"))
    for letter in "abcdefghkm":
        publish(site, make_wheel(tmp_path, f"other-{letter}"))

    with counted_statements(site) as for_much:
        site.app.get(address)

    assert len(for_much) == len(for_little)
    assert len(for_little) <= 9  # with the BEGIN of SQLite


def test_maintainers_pages_ask_as_often_for_many_drafts_as_for_one(
    site: Site, account: str, tmp_path: Path
) -> None:
    publish(site, make_wheel(tmp_path))
    stage(site, make_wheel(tmp_path, version="2.0"))
    browser = site.sign_in()
    with counted_statements(site) as for_one:
        browser.get("/project/example/")
    for number in range(1, 20):
        stage(site, make_wheel(tmp_path, version=f"2.{number}"))

    with counted_statements(site) as for_many:
        browser.get("/project/example/")

    assert len(for_many) == len(for_one)


@pytest.mark.parametrize(
    ("short", "page"),
    [
        ("/p/example/", "/project/Example/"),
        ("/p/Example", "/project/Example/"),
        ("/p/EXAMPLE/1.0.0", "/project/Example/1.0/"),
        ("/p/example/1.0/", "/project/Example/1.0/"),
    ],
)
def test_short_addresses_lead_to_the_pages(
    site: Site, account: str, tmp_path: Path, short: str, page: str
) -> None:
    publish(site, make_wheel(tmp_path, "Example"))

    answer = site.app.get(short, status=301)

    assert answer.location == f"http://index.example{page}"
    assert answer.follow(status=200)


def test_the_short_address_of_a_draft_is_for_those_who_may_see_it(
    site: Site, account: str, tmp_path: Path
) -> None:
    stage(site, make_wheel(tmp_path, "Hidden"))
    for path in ("/p/hidden/", "/p/hidden/1.0/", "/p/nothing/", "/p/", "/p/hidden/1.0/files/"):
        nowhere = site.app.get(path, status=404)
        unknown = site.app.get(path.replace("hidden", "nobody"), status=404)
        assert nowhere.headers.get("Cache-Control") == unknown.headers.get("Cache-Control")

    browser = site.sign_in()

    assert "Hidden" in browser.get("/p/hidden/1.0/", status=301).follow(status=200).text
    browser.get("/p/hidden/", status=404)
    browser.get("/p/hidden/1.0/files/", status=404)


def test_downloads_are_a_plot_with_words_and_numbers_of_the_json_api(
    site: Site, account: str, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    site.release(wheel)
    addresses = ("/project/example/", "/project/example/1.0/")
    assert [site.app.get(address).html.select_one("svg.plot") for address in addresses] == [
        None
    ] * 2
    day = site.clock.now.date() - timedelta(days=2)
    digest = factories.artifact_of(wheel).sha256
    with site.services.writing() as uow:
        downloads.add(uow, {Downloaded(digest, wheel.name, day): 12})

    for address in addresses:
        page = site.app.get(address)
        plot = page.html.select_one("svg.plot")
        assert plot is not None
        assert plot["role"] == "img"
        assert str(plot["aria-label"]).endswith("most on 30 May 2026: 12.")
        assert "0 on the last day, 12 within a week" in " ".join(page.html.get_text().split())
        assert page.headers["Cache-Control"] == "public, max-age=60, stale-if-error=300"
    answer = site.app.get("/pypi/example/json")
    numbers = {"last_day": 0, "last_month": 12, "last_week": 12}
    assert answer.json["info"]["downloads"] == numbers
    site.clock.advance(timedelta(hours=12, minutes=30))  # midnight is past, and nothing changes
    assert site.app.get("/pypi/example/json").headers["ETag"] == answer.headers["ETag"]
    off = with_settings(site, downloads="off")
    assert off.app.get("/project/example/").html.select_one("svg.plot") is None
    assert off.app.get("/pypi/example/json").json["info"]["downloads"]["last_week"] == -1
