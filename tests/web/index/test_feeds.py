"""``/rss/…``: what is new, for feed readers."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from greenroom.core_metadata import CoreMetadata
from greenroom.models import Release
from greenroom.registry import (
    accounts,
    projects,
    publishing,
)
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.web.index.feeds import rss
from greenroom.web.index.feeds.rss import Channel, Item
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site
from tests.web.reading import attribute
from tests.web.standing import fetch

UPDATES, PACKAGES = "/rss/updates.xml", "/rss/packages.xml"
PROJECT = "/rss/project/zope-example/releases.xml"
FEEDS = (UPDATES, PACKAGES, PROJECT)
MOMENT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def publish(site: Site, *paths: Path) -> None:
    """Publish each an hour after the one before."""
    for path in paths:
        site.clock.advance(timedelta(hours=1))
        with site.services.writing() as uow:
            factories.release(uow, accounts.get_user(uow.db, "ada"), path)


@pytest.fixture
def published(site: Site, tmp_path: Path) -> Site:
    """Two projects of which the older one has the newer release, and drafts of both kinds."""
    site.user("ada")
    email = [("Author-email", "Ada <ada@index.example>, bob@index.example")]
    publish(
        site,
        make_wheel(tmp_path, "Zope.Example", "2.0", summary="Two & <more>.", metadata_extra=email),
        make_sdist(tmp_path, "other", "1.0", summary=None),
        make_wheel(tmp_path, "Zope.Example", "1.9", summary="Older, later."),
    )
    with site.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        factories.stage(uow, ada, make_wheel(tmp_path, "Zope.Example", "3.0"))
        factories.stage(uow, ada, make_wheel(tmp_path, "hidden", "1.0"))
    return site


def items_of(site: Site, path: str) -> list[dict[str, str | None]]:
    response = fetch(site, path)
    assert response.status_int == 200
    channel = ET.fromstring(response.body).find("channel")
    assert channel is not None
    return [{field.tag: field.text for field in item} for item in channel.findall("item")]


def test_the_newest_releases_come_first(published: Site) -> None:
    assert items_of(published, UPDATES) == [
        {
            "title": "Zope.Example 1.9",
            "link": "http://index.example/project/Zope.Example/1.9/",
            "guid": "http://index.example/project/Zope.Example/1.9/",
            "description": "Older, later.",
            "pubDate": "Mon, 01 Jun 2026 15:00:00 GMT",
        },
        {
            "title": "other 1.0",
            "link": "http://index.example/project/other/1.0/",
            "guid": "http://index.example/project/other/1.0/",
            "description": None,
            "pubDate": "Mon, 01 Jun 2026 14:00:00 GMT",
        },
        {
            "title": "Zope.Example 2.0",
            "link": "http://index.example/project/Zope.Example/2.0/",
            "guid": "http://index.example/project/Zope.Example/2.0/",
            "description": "Two & <more>.",
            "author": "ada@index.example, bob@index.example",
            "pubDate": "Mon, 01 Jun 2026 13:00:00 GMT",
        },
    ]


def test_the_newest_projects_come_first_with_what_their_latest_release_says(
    published: Site,
) -> None:
    assert items_of(published, PACKAGES) == [
        {
            "title": "other added",
            "link": "http://index.example/project/other/",
            "guid": "http://index.example/project/other/",
            "description": None,
            "pubDate": "Mon, 01 Jun 2026 14:00:00 GMT",
        },
        {
            "title": "Zope.Example added",
            "link": "http://index.example/project/Zope.Example/",
            "guid": "http://index.example/project/Zope.Example/",
            "description": "Two & <more>.",
            "author": "ada@index.example, bob@index.example",
            "pubDate": "Mon, 01 Jun 2026 13:00:00 GMT",
        },
    ]


def test_a_project_has_a_feed_of_its_own(published: Site) -> None:
    titles = [item["title"] for item in items_of(published, PROJECT)]

    assert titles == ["1.9", "2.0"]


def test_a_link_leads_to_a_page(published: Site) -> None:
    for feed in FEEDS:
        for item in items_of(published, feed):
            path = (item["link"] or "").removeprefix("http://index.example")
            assert fetch(published, path).status_int == 200


def test_a_draft_is_news_when_it_is_published(published: Site) -> None:
    before = [fetch(published, path).body for path in FEEDS]
    published.clock.advance(timedelta(days=3))
    with published.services.writing() as uow:
        draft = factories.find_draft(uow, "zope.example", "3.0")
        assert draft is not None
        publishing.publish(uow, Person(accounts.get_user(uow.db, "ada")), draft)

    newest = items_of(published, UPDATES)[0]

    assert newest["title"] == "Zope.Example 3.0"
    assert parsedate_to_datetime(newest["pubDate"] or "") == published.clock.now.replace(
        microsecond=0
    )
    after = [fetch(published, path).body for path in FEEDS]
    assert all(new != old for new, old in zip(after, before, strict=True))


def test_a_project_in_quarantine_is_no_news(published: Site) -> None:
    with published.services.writing() as uow:
        projects.quarantine(uow, OPERATOR, projects.get(uow, "zope.example"))

    assert [item["title"] for item in items_of(published, UPDATES)] == ["other 1.0"]
    assert [item["title"] for item in items_of(published, PACKAGES)] == ["other added"]
    assert items_of(published, PROJECT) == []


@pytest.mark.parametrize(("path", "most"), [(UPDATES, 100), (PROJECT, 40)])
def test_a_feed_has_its_length(published: Site, path: str, most: int) -> None:
    with published.services.writing() as uow:
        uow.db.add_all(
            Release(
                project_id=1,
                version=f"4.{number}",
                canonical_version=f"4.{number}",
                created=uow.now,
                published=uow.now + timedelta(minutes=number),
                core_metadata=CoreMetadata(),
            )
            for number in range(1, 121)
        )

    titles = [item["title"] for item in items_of(published, path)]

    of_all = "Zope.Example " if path == UPDATES else ""
    assert titles == [f"{of_all}4.{number}" for number in range(120, 120 - most, -1)]


@pytest.mark.parametrize(
    ("path", "title", "link"),
    [
        (UPDATES, "Greenroom: newest releases", "http://index.example/"),
        (PACKAGES, "Greenroom: newest projects", "http://index.example/"),
        (
            PROJECT,
            "Greenroom: releases of Zope.Example",
            "http://index.example/project/Zope.Example/",
        ),
    ],
)
def test_a_feed_says_what_it_is(published: Site, path: str, title: str, link: str) -> None:
    response = fetch(published, path)
    root = ET.fromstring(response.body)

    assert response.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert (root.tag, root.attrib) == ("rss", {"version": "2.0"})
    assert root.findtext("channel/title") == title
    assert root.findtext("channel/link") == link
    assert title.partition(": ")[2] in (root.findtext("channel/description") or "")
    assert root.findtext("channel/language") == "en"


@pytest.mark.parametrize("path", [UPDATES, PACKAGES])
def test_an_index_without_news_has_empty_feeds(site: Site, path: str) -> None:
    assert items_of(site, path) == []


@pytest.mark.parametrize(
    ("path", "keys"),
    [(UPDATES, "all-projects"), (PACKAGES, "all-projects"), (PROJECT, "project/zope-example")],
)
def test_a_reader_that_has_the_feed_gets_304(published: Site, path: str, keys: str) -> None:
    first = fetch(published, path)

    again = fetch(published, path, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_int, again.body) == (304, b"")
    for headers in (first.headers, again.headers):
        assert headers["Surrogate-Key"] == keys
        assert headers["Cache-Control"] == "public, max-age=0, s-maxage=60, stale-if-error=300"


def test_scripts_of_other_origins_may_read_feeds(published: Site) -> None:
    for path in (*FEEDS, "/rss/project/nothing/releases.xml"):
        asked = [fetch(published, path), fetch(published, path, method="OPTIONS")]

        said = [answer.status_int for answer in asked]
        assert said == ([200, 204] if path in FEEDS else [404, 404]), path
        for answer in asked:
            assert answer.headers["Access-Control-Allow-Origin"] == "*", path


@pytest.mark.parametrize("name", ["Zope.Example", "ZOPE--EXAMPLE"])
def test_other_spellings_lead_to_the_one_address(published: Site, name: str) -> None:
    response = fetch(published, f"/rss/project/{name}/releases.xml")

    assert response.status_int == 301
    assert response.headers["Location"] == f"http://index.example{PROJECT}"


def test_what_is_not_there_is_not_found(published: Site) -> None:
    for path in (
        "/rss/",
        "/rss/nothing.xml",
        "/rss/updates.xml/more",
        "/rss/project/",
        "/rss/project/hidden/releases.xml",
        "/rss/project/nothing/releases.xml",
        "/rss/project/zope-example/",
        "/rss/project/%00/releases.xml",
    ):
        response = fetch(published, path)

        assert response.status_int == 404, path
        assert response.content_type == "text/plain", path


def test_pages_name_their_feeds(published: Site) -> None:
    def feeds(path: str) -> list[str]:
        found = published.app.get(path).html.select('link[rel="alternate"]')
        assert all(link["type"] == "application/rss+xml" and link["title"] for link in found)
        return [attribute(link, "href") for link in found]

    assert feeds("/") == [UPDATES, PACKAGES]
    assert feeds("/project/Zope.Example/") == [PROJECT]
    assert feeds("/project/Zope.Example/1.9/") == [PROJECT]
    assert feeds("/user/ada/") == []


def test_a_project_that_is_not_public_has_no_feed_on_its_page(published: Site) -> None:
    page = published.sign_in("ada").get("/project/hidden/1.0/")

    assert page.html.select('link[rel="alternate"]') == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<![CDATA[]]>&amp;", "<![CDATA[]]>&amp;"),
        ("\U0001d518 \x85 é\t", "\U0001d518 \x85 é\t"),
        ("a\x00b\x0bc\x1bd\ufffee\uffff", "abcde"),
        ("\ud800x\udfff", "x"),
    ],
)
def test_a_feed_is_xml_whatever_it_tells(text: str, kept: str) -> None:
    item = Item(text, "http://index.example/", text, "", MOMENT)

    feed = ET.fromstring(rss.render(Channel(text, "http://index.example/", text, (item,))))

    fields = ("channel/title", "channel/description", "channel/item/title")
    assert [feed.findtext(field) for field in fields] == [kept] * 3
    assert feed.findtext("channel/item/description") == kept


@pytest.mark.parametrize(
    ("written", "author"),
    [
        ("", None),
        ("Ada", None),
        ("ada@index.example", "ada@index.example"),
        ("Ada Byron <ada@index.example>", "ada@index.example"),
        ("nobody, ada@index.example", "ada@index.example"),
        ('"a, b" <ada@index.example>', "ada@index.example"),
        ("Ada <ada@index.example>, bob@index.example", "ada@index.example, bob@index.example"),
        ("ada@index.example, nobody, bob@index.example", "ada@index.example, bob@index.example"),
        ("<<<@", None),
        ("@index.example", None),
    ],
)
def test_authors_are_the_bare_addresses_of_the_metadata(written: str, author: str | None) -> None:
    item = Item("a", "http://index.example/", "", written, MOMENT)

    feed = ET.fromstring(rss.render(Channel("a", "http://index.example/", "", (item,))))

    assert feed.findtext("channel/item/author") == author
