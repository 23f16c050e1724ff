"""What is refused of a draft or a release set is said on its page, where the buttons are."""

from pathlib import Path

import pytest
import webtest

from greenroom.models import ReleaseSet, RoleName
from greenroom.registry import accounts, publishing, release_sets
from greenroom.registry.permissions import Person
from greenroom.registry.release_sets import Reference
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Site
from tests.web.pages.test_manage import csrf
from tests.web.reading import text
from tests.web.standing import with_settings

pytestmark = [
    pytest.mark.usefixtures("account"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),  # of pages alone
]

DRAFT = "/manage/project/example/draft/2.0/"
DIGEST = f"sha256:{'0' * 64}"
AT = {"at": "2026-06-03T09:30", "content_digest": DIGEST}


@pytest.fixture
def release_set(site: Site, tmp_path: Path) -> ReleaseSet:
    """A set of ada's with the draft of a project that is public."""
    site.release(make_wheel(tmp_path))
    site.stage(make_wheel(tmp_path, version="2.0"))
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        draft = factories.find_draft(uow, "example", "2.0")
        assert draft is not None
        made = release_sets.add(uow, ada, draft, Reference("2026.11"))
        uow.db.expunge(made)
        return made


def assert_is_said(page: webtest.TestResponse, words: str) -> None:
    """It is the page with the buttons, which says why nothing was done."""
    refused = page.html.select_one("#refused[role=alert]")
    assert refused is not None
    assert words in " ".join(refused.get_text(" ").split())
    assert page.html.select_one(".crumbs") is not None


@pytest.mark.parametrize(
    ("act", "fields", "status", "words"),
    [
        ("publish", {}, 400, "does not say what it publishes"),
        ("publish", {"content_digest": "x"}, 400, "A content digest is"),
        ("schedule", {}, 400, "does not say when"),
        ("schedule", {"at": "2020-01-01T00:00", "content_digest": DIGEST}, 400, "is past"),
        ("schedule", AT, 409, "never had the content"),
        ("unschedule", {}, 400, "not to be published by itself"),
        ("approve", {}, 400, "does not say what it approves of"),
        ("withdraw", {}, 400, "You have no approval"),
        ("remove", {"filename": "nothing.whl"}, 404, "has no file 'nothing.whl'"),
        ("set", {"release_set": "another"}, 409, "is in the release set"),
        ("unsilence", {"silence": "7"}, 404, "does not silence"),
        ("delete-comment", {"comment": "7"}, 404, "no such comment"),
    ],
)
def test_of_a_draft(
    site: Site,
    release_set: ReleaseSet,
    act: str,
    fields: dict[str, str],
    status: int,
    words: str,
) -> None:
    browser = site.sign_in()
    page = browser.post(f"{DRAFT}{act}", csrf(browser) | fields, status=status)
    assert_is_said(page, words)
    assert page.forms["set-time"].action == f"{DRAFT}schedule"


@pytest.mark.parametrize(
    "act", ["publish", "schedule", "unschedule", "approve", "extend", "rotate"]
)
def test_of_who_may_look_only(site: Site, release_set: ReleaseSet, act: str) -> None:
    site.user("root", administrator=True)
    browser = site.sign_in("root")
    page = browser.post(f"{DRAFT}{act}", csrf(browser) | AT, status=403)
    assert_is_said(page, "may not")


def test_what_was_typed_is_in_the_form(site: Site, release_set: ReleaseSet) -> None:
    form = site.sign_in().get(DRAFT).forms["set-time"]
    form["at"], form["is_embargoed"] = "2020-01-01T00:00", True
    page = form.submit(status=400)
    assert page.forms["set-time"]["at"].value == "2020-01-01T00:00"
    assert page.forms["set-time"]["is_embargoed"].checked


def test_of_a_draft_that_has_ended(site: Site, release_set: ReleaseSet) -> None:
    browser = site.sign_in()
    token = csrf(browser)
    with site.services.writing() as uow:
        draft = factories.find_draft(uow, "example", "2.0")
        assert draft is not None
        publishing.publish(uow, Person(accounts.get_user(uow.db, "ada")), draft)
    page = browser.post(f"{DRAFT}schedule", token | AT, status=410)
    assert_is_said(page, "was published")
    assert page.html.select_one('a[role=button][href="/project/example/2.0/"]') is not None


def test_while_it_is_decided(site: Site, release_set: ReleaseSet) -> None:
    reviewed = with_settings(site, review_command="true")
    with reviewed.services.writing() as uow:
        ada, found = Person(accounts.get_user(uow.db, "ada")), uow.db.merge(release_set)
        publishing.publish_set(uow, ada, found)
    browser = reviewed.sign_in()
    there = f"/manage/sets/{release_set.key}/"
    typed = {"typed": "2.0"}
    for address, fields in (
        (f"{DRAFT}discard", typed),
        (f"{DRAFT}unschedule", {}),
        (f"{DRAFT}extend", {}),
        (f"{there}discard", {"typed": "2026.11"}),
        (f"{there}unschedule", {}),
        (f"{there}remove", {"project": "example", "version": "2.0"}),
    ):
        page = browser.post(address, csrf(browser) | fields, status=400)
        assert_is_said(page, "is being decided")


@pytest.mark.parametrize(
    ("act", "fields", "status", "words"),
    [
        ("publish", {}, 400, "does not say what it publishes"),
        ("publish", {"content_digest": "x"}, 400, "A content digest is"),
        ("go", {}, 400, "does not say what it publishes"),
        ("go", {"content_digest": "x"}, 400, "A content digest is"),
        ("approve", {}, 400, "does not say what it approves of"),
        ("schedule", {}, 400, "does not say when"),
        ("schedule", AT, 409, "does not have the content"),
        ("unschedule", {}, 400, "not to be published by itself"),
        ("add", {"draft": "nothing==1.0"}, 404, "no such draft"),
        ("remove", {"project": "nothing", "version": "1"}, 404, "no such draft"),
        ("uninvite", {"project": "nothing"}, 404, "does not invite"),
    ],
)
def test_of_a_set(
    site: Site,
    release_set: ReleaseSet,
    act: str,
    fields: dict[str, str],
    status: int,
    words: str,
) -> None:
    browser = site.sign_in()
    there = f"/manage/sets/{release_set.key}/"
    page = browser.post(f"{there}{act}", csrf(browser) | fields, status=status)
    assert_is_said(page, words)
    assert page.forms["set-time"].action == f"{there}schedule"


def test_of_a_set_that_has_ended(site: Site, release_set: ReleaseSet) -> None:
    browser = site.sign_in()
    there, token = f"/manage/sets/{release_set.key}/", csrf(browser)
    with site.services.writing() as uow:
        ada, found = Person(accounts.get_user(uow.db, "ada")), uow.db.merge(release_set)
        publishing.publish_set(uow, ada, found)
    for act in ("schedule", "unschedule", "go"):
        page = browser.post(f"{there}{act}", token | AT, status=410)
        assert_is_said(page, "was published")


def test_who_may_not_discard_it_is_told_there(
    site: Site, release_set: ReleaseSet, tmp_path: Path
) -> None:
    site.user("eve")
    site.role("example", "eve", RoleName.MAINTAINER)
    site.stage(make_wheel(tmp_path, "second"))
    with site.services.writing() as uow:
        other = factories.find_draft(uow, "second", "1.0")
        assert other is not None
        ada = Person(accounts.get_user(uow.db, "ada"))
        release_sets.add(uow, ada, other, Reference("2026.11"))
    browser = site.sign_in("eve")
    there = f"/manage/sets/{release_set.key}/"
    page = browser.post(f"{there}discard", csrf(browser) | {"typed": "2026.11"}, status=403)
    assert_is_said(page, "may not discard")
    assert "second 1.0" in text(page)
