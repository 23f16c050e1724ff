"""Checks of a draft and comments on it, as its manage page shows them."""

from pathlib import Path

import pytest
import webtest

from greenroom.models import RoleName
from greenroom.registry import accounts, draft_checks, publishing
from greenroom.registry.draft_checks import Posted
from greenroom.registry.permissions import Person
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.registry.test_draft_checks import PIP, SAID
from tests.web.conftest import Site
from tests.web.reading import text

DRAFT = "/manage/project/example/draft/1.0/"
PROJECT = "/manage/project/example/"

pytestmark = [
    pytest.mark.usefixtures("renderings_are_kept"),
    # What is kept is tested in the registry, on both databases.
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def slug(site: Site, tmp_path: Path) -> str:
    site.user("ada")
    site.user("mia")
    slug = site.stage(make_sdist(tmp_path))
    site.role("example", "mia", RoleName.MAINTAINER)
    return slug


def section(page: webtest.TestResponse, name: str) -> str:
    found = page.html.find(id=name)
    assert found is not None
    return " ".join(found.get_text(" ").split())


def test_a_person_posts_a_result_and_the_page_shows_what_counts(
    site: Site, slug: str, tmp_path: Path
) -> None:
    site.app.get(f"/draft/{slug}/files/example-1.0.tar.gz", headers={"User-Agent": PIP})
    with site.services.writing() as uow:
        factories.publish_directly(uow, "example")
    owner = site.sign_in()
    page = owner.get(PROJECT)
    assert page.forms["change-settings"]["auto_publish_releases"].checked
    form = page.forms["require-checks"]
    form["required"] = "tests\r\nby hand"
    page = form.submit().follow()
    assert page.forms["require-checks"]["required"].value == "by hand\ntests"
    assert not page.forms["change-settings"]["auto_publish_releases"].checked
    page.forms["require-checks"]["required"] = "index:other"
    refused = page.forms["require-checks"].submit(status=400)
    assert "choose another one" in text(refused)
    assert refused.forms["require-checks"]["required"].value == "index:other"

    browser = site.sign_in("mia")
    page = browser.get(DRAFT)
    assert section(page, "checks").count("no result") == 2
    assert SAID in section(page, "checks")
    form = page.forms["post-check"]
    form["name"] = "by hand"
    form["summary"] = "I tried it:\n<b>good</b>"
    form["link"] = "javascript:alert(1)"
    refused = form.submit(status=400)
    assert "begins with https://" in section(refused, "checks")
    refused.forms["post-check"]["link"] = "https://ci.index.example/?a=1&b=2"
    page = refused.forms["post-check"].submit().follow()
    assert "by hand passed required I tried it: <b>good</b> mia" in section(page, "checks")
    link = page.html.find("a", href="https://ci.index.example/?a=1&b=2", rel="nofollow")
    assert link is not None
    assert "The required check 'tests' has no result" in text(browser.get(f"{DRAFT}publish"))

    shown = page.forms["post-check"]
    site.stage(make_wheel(tmp_path))
    shown["name"] = "by hand"
    assert "has changed since" in text(shown.submit(status=409))
    page = browser.get(DRAFT)
    assert "passed for other files" in section(page, "checks")
    again = page.forms["post-check"]
    again["name"], again["status"] = "by hand", "failed"
    page = again.submit().follow()
    assert "failed required mia" in section(page, "checks")
    assert "1 other result of by hand passed for other files" in section(page, "checks")


def test_many_checks_are_paged(site: Site, slug: str) -> None:
    with site.services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        ada = Person(accounts.get_user(uow.db, "ada"))
        for number in range(21):
            draft_checks.post(uow, ada, draft, Posted(f"check {number:02}", "passed"))
    browser = site.sign_in()
    assert "check 19" in section(browser.get(DRAFT), "checks")
    second = browser.get(f"{DRAFT}?checks=2")
    assert "check 20" in section(second, "checks")
    assert "check 19" not in section(second, "checks")
    for wrong in ("checks=3", "comments=2"):
        browser.get(f"{DRAFT}?{wrong}", status=404)
    for wrong in ("checks=x", "comments=0"):
        browser.get(f"{DRAFT}?{wrong}", status=400)


def test_people_comment_on_a_draft(site: Site, slug: str) -> None:
    browser, owner = site.sign_in("mia"), site.sign_in()
    form = browser.get(DRAFT).forms["add-comment"]
    form["text"] = "x" * 4001
    refused = form.submit(status=422)
    assert refused.forms["add-comment"]["text"].value == "x" * 4001
    form["text"] = "Mind *this* <img src=x onerror=alert(1)> http://[x"
    page = form.submit().follow()
    assert page.html.select_one("#comments em") is not None
    assert "<img src=x" not in page.text
    edit = page.click("Change", href="edit-comment")
    assert edit.forms["edit-comment"]["text"].value.startswith("Mind")
    edit.forms["edit-comment"]["text"] = ""
    edit.forms["edit-comment"].submit(status=422)
    edit.forms["edit-comment"]["text"] = "It is fine."
    page = edit.forms["edit-comment"].submit().follow()
    assert "It is fine." in section(page, "comments")
    assert ", changed" in section(page, "comments")

    page = owner.get(DRAFT)
    assert not page.html.find("a", string="Change", href=lambda href: "edit-comment" in href)
    number = edit.forms["edit-comment"]["comment"].value
    owner.get(f"{DRAFT}edit-comment?comment={number}", status=404)
    for wrong in ("", "?comment=x", "?comment=0", "?comment=99999999999", "?comment=4711"):
        owner.get(f"{DRAFT}delete-comment{wrong}", status=404)
    with site.services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        publishing.publish(uow, Person(accounts.get_user(uow.db, "ada")), draft)
    for address in ("/project/example/", "/project/example/1.0/", f"/draft/{slug}/"):
        assert "It is fine." not in site.app.get(address, status="*")
    page = owner.get(DRAFT)
    assert "It is fine." in section(page, "comments")
    assert "add-comment" not in page.forms
    assert "post-check" not in page.forms
    question = page.click("Delete", href="delete-comment")
    page = question.forms["delete-comment"].submit().follow()
    assert "Deleted by ada" in section(page, "comments")
    assert "It is fine." not in page.text
