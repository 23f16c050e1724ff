"""``/sitemap.xml``: every public page of a project, for search engines."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from greenroom.models import JournalEntry, Project, Release, SearchDocument
from greenroom.registry import projects, search_words
from greenroom.registry.permissions import OPERATOR
from greenroom.web.index.feeds import views
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Site
from tests.web.standing import fetch

NAMESPACE = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


@pytest.fixture
def published(site: Site, tmp_path: Path) -> Site:
    with site.services.writing() as uow:
        ada = factories.make_user(uow)
        factories.release(uow, ada, make_wheel(tmp_path, "Zope.Example"))
        factories.release(uow, ada, make_wheel(tmp_path, "another"))
        factories.stage(uow, ada, make_wheel(tmp_path, "hidden"))
    return site


def entries(site: Site, path: str, kind: str) -> list[tuple[str | None, str | None]]:
    response = fetch(site, path)
    assert response.status_int == 200
    assert response.headers["Content-Type"] == "text/xml; charset=utf-8"
    root = ET.fromstring(response.body)
    assert root.tag == NAMESPACE + {"url": "urlset", "sitemap": "sitemapindex"}[kind]
    return [
        (entry.findtext(f"{NAMESPACE}loc"), entry.findtext(f"{NAMESPACE}lastmod"))
        for entry in root.findall(NAMESPACE + kind)
    ]


def add_rows(site: Site, count: int) -> None:
    """So many public projects of which only the rows exist."""
    with site.services.writing() as uow:
        now = uow.now
        names = {number: f"project-{number:05}" for number in range(100, 100 + count)}
        projects = [
            {
                "id": number,
                "name": name,
                "normalized_name": name,
                "confusable_name": name,
                "created": now,
                "registered": now,
                "last_serial": number,
            }
            for number, name in names.items()
        ]
        releases = [
            {
                "project_id": number,
                "version": "1",
                "canonical_version": "1",
                "created": now,
                "published": now,
            }
            for number in names
        ]
        journal = [
            {
                "id": number,
                "project_name": name,
                "normalized_name": name,
                "action": "create",
                "at": now,
                "by": "ada",
            }
            for number, name in names.items()
        ]
        uow.db.execute(insert(Project), projects)
        uow.db.execute(insert(Release), releases)
        made = select(Release.project_id, Release.id).where(Release.project_id.in_(names))
        documents = [
            {"project_id": number, "release_id": release, **search_words.document("x", "", [])}
            for number, release in uow.db.execute(made)
        ]
        uow.db.execute(insert(SearchDocument), documents)
        uow.db.execute(insert(JournalEntry), journal)


def test_the_sitemap_names_its_parts(published: Site) -> None:
    assert entries(published, "/sitemap.xml", "sitemap") == [
        ("http://index.example/sitemap.xml?page=1", None)
    ]


def test_a_part_has_public_projects_and_when_they_changed(published: Site) -> None:
    assert entries(published, "/sitemap.xml?page=1", "url") == [
        ("http://index.example/", None),
        ("http://index.example/project/another/", "2026-06-01T12:00:00Z"),
        ("http://index.example/project/Zope.Example/", "2026-06-01T12:00:00Z"),
    ]


def test_a_project_in_quarantine_is_left_out(published: Site) -> None:
    with published.services.writing() as uow:
        projects.quarantine(uow, OPERATOR, projects.get(uow, "zope.example"))

    urls = [url for url, _ in entries(published, "/sitemap.xml?page=1", "url")]

    assert urls == ["http://index.example/", "http://index.example/project/another/"]


def test_every_address_leads_to_a_page(published: Site) -> None:
    for url, _ in entries(published, "/sitemap.xml?page=1", "url"):
        assert fetch(published, (url or "").removeprefix("http://index.example")).status_int == 200


def test_an_empty_index_has_a_sitemap(site: Site) -> None:
    assert len(entries(site, "/sitemap.xml", "sitemap")) == 1
    assert entries(site, "/sitemap.xml?page=1", "url") == [("http://index.example/", None)]


def test_a_part_is_no_longer_than_allowed(published: Site) -> None:
    add_rows(published, views._PROJECTS_IN_A_PART - 1)

    first = entries(published, "/sitemap.xml?page=1", "url")
    second = entries(published, "/sitemap.xml?page=2", "url")

    assert len(entries(published, "/sitemap.xml", "sitemap")) == 2
    assert len(first) == 10_000 + 1
    assert [url for url, _ in second] == ["http://index.example/project/Zope.Example/"]


def test_other_pages_are_refused(published: Site) -> None:
    for query, status in (
        ("page=2", 404),
        ("page=999999", 404),
        ("page=0", 400),
        ("page=-1", 400),
        ("page=x", 400),
        ("page=", 400),
        ("page=9999999999", 400),
        ("page=1&page=1", 400),
        ("page=%ff", 400),
    ):
        response = fetch(published, f"/sitemap.xml?{query}")

        assert response.status_int == status, query
        assert response.content_type == "text/plain", query


@pytest.mark.parametrize("path", ["/sitemap.xml", "/sitemap.xml?page=1"])
def test_a_client_that_has_it_gets_304(published: Site, path: str) -> None:
    first = fetch(published, path)

    again = fetch(published, path, headers={"If-None-Match": first.headers["ETag"]})

    assert again.status_int == 304
    assert first.headers["Surrogate-Key"] == again.headers["Surrogate-Key"] == "all-projects"
    assert first.headers["Cache-Control"] == "public, max-age=0, s-maxage=60, stale-if-error=300"


def test_robots_are_told_where_it_is(site: Site) -> None:
    assert "Sitemap: http://index.example/sitemap.xml\n" in fetch(site, "/robots.txt").text
