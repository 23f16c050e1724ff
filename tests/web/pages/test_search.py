"""``/search/``: the page on which projects are found, and the field on every other page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import webtest

from greenroom.models import RoleName
from greenroom.registry import accounts, projects, roles, search
from greenroom.registry.permissions import OPERATOR
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Site
from tests.web.reading import attribute, heading, links, text, the
from tests.web.standing import KINDS, standing_site, with_settings

MANY = 45


@pytest.fixture(scope="module", params=KINDS)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """An index with a few projects, many alike and a draft, which no test here changes."""
    folder = tmp_path_factory.mktemp("stocked")
    with standing_site(request, folder, request.param) as site:
        roomy = with_settings(site, new_projects_per_hour=0)
        with roomy.services.writing() as uow:
            ada = factories.make_user(uow)
            summary = "Counts <b>sheep</b> & more."
            factories.release(uow, ada, make_wheel(folder, "Sheep.Counter", summary=summary))
            for number in range(MANY):
                factories.release(uow, ada, make_wheel(folder, f"tool-{number:02}"))
            factories.stage(uow, ada, make_wheel(folder, "hidden-sheep"))
        yield site


def asked_for(page: webtest.TestResponse) -> str:
    """What stands in the field of the page's main part."""
    return attribute(the("main input[type=search]", page), "value")


def test_a_project_is_found_with_what_there_is_to_say_of_it(shared: Site) -> None:
    page = shared.app.get("/search/?q=sheep")

    assert "1 project" in text(page)
    assert "Sheep.Counter 1.0" in text(page)
    assert "Counts <b>sheep</b> & more." in text(page)
    assert "1 Jun 2026, 12:00 UTC" in text(page)
    assert "/project/Sheep.Counter/" in links(page)
    assert "hidden" not in text(page)
    assert asked_for(page) == "sheep"


@pytest.mark.parametrize("address", ["/", "/project/Sheep.Counter/", "/search/", "/nothing/"])
def test_every_page_has_one_field_that_leads_there(shared: Site, address: str) -> None:
    page = shared.app.get(address, status="*")

    (form,) = [form for name, form in page.forms.items() if "search" in str(name)]
    form["q"] = "Sheep Counter"
    answer = form.submit()

    assert len(page.html.select("form[role=search]")) == 1
    assert asked_for(answer) == "Sheep Counter"
    assert "/project/Sheep.Counter/" in links(answer)


@pytest.mark.parametrize("query", ["", "?q=", "?q=+++", "?page=1"])
def test_without_words_it_says_what_to_do_and_lists_all_projects(shared: Site, query: str) -> None:
    page = shared.app.get(f"/search/{query}")

    assert heading(page) == "Search"
    assert "Type words" in text(page)
    assert "All projects" in text(page)
    assert "/project/Sheep.Counter/" in links(page)
    assert "hidden" not in text(page)


@pytest.mark.parametrize("query", ["nothing", "%21%21", "%E2%9D%A4", "sheep+cow"])
def test_where_nothing_is_found_it_says_so(shared: Site, query: str) -> None:
    assert "No project has" in text(shared.app.get(f"/search/?q={query}"))


def test_long_lists_come_a_page_at_a_time_and_keep_the_query(shared: Site) -> None:
    first = shared.app.get("/search/?q=%22tool%22+%26")
    second = first.click("Next")
    last = second.click("Next")

    assert "Page 1 of 3" in text(first)
    assert "Page 3 of 3" in text(last)
    assert asked_for(last) == '"tool" &'
    shown = [address for page in (first, second, last) for address in links(page)]
    assert [a for a in shown if a.startswith("/project/")] == [
        f"/project/tool-{number:02}/" for number in range(MANY)
    ]
    assert shared.app.get("/search/?q=tool&page=4", status=404)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("q=" + "a" * 201, "200 characters at most"),
        ("q=" + "+".join("abcdefghijk"), "10 words at most"),
        ("q=a&q=b", "more than once"),
        ("q=a%00b", "NUL"),
        ("q=%ff", "not encoded in UTF-8"),
        ("q=a&page=x", "no page number"),
        ("q=a&page=0", "no page number"),
        ("q=" + "a" * 5000, "more than 4096 characters"),
    ],
)
def test_what_cannot_be_searched_for_is_refused_with_a_reason(
    shared: Site, query: str, sentence: str
) -> None:
    assert sentence in text(shared.app.get(f"/search/?{query}", status=400))


@pytest.mark.parametrize("query", ["%22%3E%3Cscript%3E", "%27+OR+1%3D1", "%F0%9D%9F%98", "a%2A"])
def test_the_query_is_text(shared: Site, query: str) -> None:
    page = shared.app.get(f"/search/?q={query}")

    assert "<script>" not in page.text.replace("<script src", "")
    assert asked_for(page) in ('"><script>', "' OR 1=1", "\U0001d7d8", "a*")


def test_where_very_many_match_it_says_that_only_names_count(
    shared: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_MOST_MATCHES", 20)

    page = shared.app.get("/search/?q=tool")
    some = shared.app.get("/search/?q=example")

    assert "exactly these words in their name" in text(page)
    assert f"{MANY} projects" in text(page)
    assert "Very many projects match, and these are only some of them" in text(some)


def test_what_is_found_is_kept_by_caches_and_by_no_search_engine(shared: Site) -> None:
    page = shared.app.get("/search/?q=sheep")

    assert page.headers["Surrogate-Key"] == "all-projects"
    assert page.headers["Cache-Control"].startswith("public")
    assert the("meta[name=robots]", page)["content"] == "noindex"


def test_what_is_published_is_found_at_once(site: Site, tmp_path: Path) -> None:
    site.user()
    before = site.app.get("/search/?q=example")
    with site.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        factories.release(uow, ada, make_wheel(tmp_path, "example"))

    assert "No project" in text(before)
    assert "example 1.0" in text(site.app.get("/search/?q=example"))


@pytest.mark.parametrize(
    "query",
    [
        *("shepcounter", "sheep-coutner", "SheepCounterr", "sheepcoynter"),
        *("shepcounte", "sheepcoumtet", "seheepconter", "SheepCuntr", "sheep-counterss"),
    ],
)
def test_a_name_that_is_nearly_one_is_suggested(shared: Site, query: str) -> None:
    page = shared.app.get(f"/search/?q={query}")

    assert "Did you mean Sheep.Counter ?" in text(page)
    assert "/project/Sheep.Counter/" in links(page)


@pytest.mark.parametrize(
    "query", ["hiddensheeq", "hiddensheexy", "shepcount", "sh", "%D1%85%D1%85", "a" * 150]
)
def test_what_is_far_from_all_names_or_near_a_draft_suggests_nothing(
    shared: Site, query: str
) -> None:
    assert "Did you mean" not in text(shared.app.get(f"/search/?q={query}"))


def test_only_who_works_on_a_project_finds_its_drafts(site: Site, tmp_path: Path) -> None:
    site.user()
    site.user("bob")
    with site.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        factories.stage(uow, ada, make_wheel(tmp_path, "hidden-sheep"))
    address = "/manage/project/hidden-sheep/draft/1.0/"

    for query in ("hidden", "sheep", "hidden.sheep", "HiddenSh"):
        own = site.sign_in("ada").get(f"/search/?q={query}")
        assert address in links(own)
        assert own.headers["Cache-Control"].startswith("private")
        for other in (site.sign_in("bob"), site.browser()):
            page = other.get(f"/search/?q={query}")
            assert "hidden-sheep" not in text(page)
            assert "Your open drafts" not in text(page)


def test_who_has_lost_the_role_does_not_find_the_drafts_any_more(
    site: Site, tmp_path: Path
) -> None:
    site.user()
    site.user("bob")
    with site.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        factories.stage(uow, ada, make_wheel(tmp_path, "hidden-sheep"))
        project = projects.get(uow, "hidden-sheep")
        roles.give(uow, OPERATOR, project, "bob", RoleName.MAINTAINER)
    browser = site.sign_in("bob")
    before = browser.get("/search/?q=hidden")
    with site.services.writing() as uow:
        roles.take(uow, OPERATOR, projects.get(uow, "hidden-sheep"), "bob")

    assert "hidden-sheep" in text(before)
    assert "hidden-sheep" not in text(browser.get("/search/?q=hidden"))


def test_keywords_and_classifiers_lead_to_what_has_them(site: Site, tmp_path: Path) -> None:
    site.user()
    extra = [("Keywords", "wool,farm"), ("Classifier", "Framework :: Pyramid")]
    with site.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        factories.release(uow, ada, make_wheel(tmp_path, "sheep", metadata_extra=extra))
        factories.release(uow, ada, make_wheel(tmp_path, "pyramid-framework"))
    page = site.app.get("/project/sheep/")

    for label in ("farm", "Pyramid"):
        found = page.click(f"^{label}$")
        assert "/project/sheep/" in links(found)
        assert "/project/pyramid-framework/" not in links(found)
    assert "No project" in text(site.app.get("/search/?q=framework+farmer"))
