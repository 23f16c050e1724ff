"""The pages on which people trust workflows, and let them register names."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from webtest import TestResponse
from webtest.forms import Form

from greenroom.models import RoleName
from greenroom.settings import Settings
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Site

PUBLISHERS = "/manage/project/example/publishers/"
PENDING = "/account/publishers/"
VALUES = {"of-0": "ada", "of-1": "example", "of-2": "release.yml"}
ISSUERS = "github, gitlab=https://git.example, kite=https://kite.example organization pipeline"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return factories.configured(settings, trusted_issuers=ISSUERS)


@pytest.fixture
def site(site: Site, tmp_path: Path) -> Site:
    site.user()
    site.user("bob")
    site.release(make_wheel(tmp_path))
    return site


def fill(page: TestResponse, **values: str) -> Form:
    form = page.forms["new-publisher"]
    for name, value in values.items():
        form[name] = value
    return form


def test_an_owner_trusts_a_workflow_and_does_so_no_more(site: Site) -> None:
    browser = site.sign_in()
    page = browser.get("/manage/project/example/").click("Trusted publishers")
    assert "trusts no workflow yet" in page
    assert "token.actions.githubusercontent.com" in page
    wrong = fill(page, **{**VALUES, "of-2": ".github/workflows/release.yml"}).submit(status=400)
    assert "Workflow is something else" in wrong
    assert wrong.forms["new-publisher"]["of-0"].value == "ada"
    page = fill(wrong, **VALUES, rights="publish").submit().follow()
    assert "example trusts GitHub: ada/example, release.yml." in page
    assert "stage and publish" in page
    assert "Never" in page
    again = fill(page, **VALUES).submit(status=400)
    assert "trusts this workflow: remove it first" in again
    asked = page.click("Remove")
    assert "Trust this workflow no more?" in asked
    form = asked.forms["confirm"]
    form["typed"] = "something"
    assert "nothing was done" in form.submit(status=422)
    form["typed"] = "Example"
    page = form.submit().follow()
    assert "example trusts ada/example, release.yml no more." in page
    assert "trusts no workflow yet" in page
    log = browser.get("/manage/project/example/audit")
    assert "GitHub: ada/example, release.yml (stage and publish)" in log


def test_each_service_has_its_fields(site: Site) -> None:
    browser = site.sign_in()
    page = browser.get(PUBLISHERS)
    assert page.click(r"GitLab").forms["new-publisher"].action == f"{PUBLISHERS}?service=gitlab"
    page = page.click(r"^kite$")
    assert "Tokens of" in page
    assert set(page.forms["new-publisher"].fields) == {"csrf_token", "of-0", "of-1", "rights", None}
    page = fill(page, **{"of-0": "ada", "of-1": "42"}).submit().follow()
    assert "organization ada, pipeline 42" in page
    browser.get(f"{PUBLISHERS}?service=other", status=404)
    token = page.forms["new-publisher"]["csrf_token"].value
    for name, value, status in (("x", "", 400), ("rights", "own", 422), ("of-0", "x" * 999, 422)):
        browser.post(PUBLISHERS, {"csrf_token": token, name: value}, status=status)
    for wanted in ("", "?publisher=", "?publisher=999", "?publisher=x"):
        browser.get(f"{PUBLISHERS}remove{wanted}", status=404)
    for number in ("", "999", "x", "9" * 30):
        sent = {"csrf_token": token, "publisher": number, "typed": "example"}
        browser.post(f"{PUBLISHERS}remove", sent, status=404)


def test_who_sees_them(site: Site) -> None:
    site.role("example", "bob", RoleName.MAINTAINER)
    browser = site.sign_in("bob")
    assert "Trusted publishers" not in browser.get("/manage/project/example/")
    browser.get(PUBLISHERS, status=403)
    browser.get(f"{PUBLISHERS}remove?publisher=1", status=403)
    site.user("eve")
    site.sign_in("eve").get(PUBLISHERS, status=404)
    site.app.get(PENDING, status=303)


def test_a_name_waits_for_its_first_upload(site: Site) -> None:
    browser = site.sign_in()
    page = browser.get("/account/").click("Pending publishers")
    assert "No workflow waits" in page
    wrong = fill(page, **VALUES, project_name="Example").submit(status=400)
    assert "its owners let a workflow publish on its page" in wrong
    assert "Enter the name" in fill(page, **VALUES, project_name="").submit(status=422)
    assert "invalid value for Name" in fill(page, **VALUES, project_name="a b").submit(status=400)
    page = fill(page, **VALUES, project_name="New.Thing").submit().follow()
    assert "ada/example, release.yml may register New.Thing for you." in page
    # Somebody else may wait for the same.
    other = site.sign_in("bob")
    theirs = fill(other.get(PENDING), **VALUES, project_name="new-thing").submit().follow()
    assert "No workflow waits" not in theirs
    asked = page.click("Remove")
    number = asked.forms["remove"]["publisher"].value
    other.get(f"{PENDING}remove?publisher={number}", status=404)
    form = other.get(PENDING).click("Remove").forms["remove"]
    form["publisher"] = number
    form.submit(status=404)
    page = asked.forms["remove"].submit().follow()
    assert "No workflow waits" in page
    assert "Let a workflow register a project." in browser.get("/account/audit")


def test_an_account_that_is_not_verified_may_not(site: Site) -> None:
    site.user("eve", verified=False)
    page = site.sign_in("eve").get(PENDING)
    refused = fill(page, **VALUES, project_name="new-thing").submit(status=403)
    assert "no verified e-mail address" in refused


def test_where_it_is_off(site: Site) -> None:
    without = replace(site.services.settings, trusted_issuers=())
    browser = Site(replace(site.services, settings=without), site.clock).sign_in()
    for address in (PUBLISHERS, PENDING):
        page = browser.get(address)
        assert "Trusted publishing is off in this index" in page
        assert "new-publisher" not in page.forms
    token = browser.get("/account/tokens/").forms["new-token"]["csrf_token"].value
    for address in (PUBLISHERS, PENDING):
        browser.post(address, {"csrf_token": token}, status=404)
