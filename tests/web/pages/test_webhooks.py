"""The pages of webhooks: of a project for its owners, of the index for administrators."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace
from webtest import TestResponse

from greenroom.models import RoleName
from greenroom.registry.permissions import CONFIRMED_FOR
from greenroom.settings import Settings
from tests.artifacts import make_sdist
from tests.jobs import do_due
from tests.web.conftest import Site
from tests.webhook_receivers import Receiver, answer, receiving

LIST = "/manage/project/example/webhooks/"
INDEX = "/admin/webhooks/"
INERT = b"<script>alert(1)</script>"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, webhook_networks=(ip_network("127.0.0.0/8"),))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def site(site: Site, tmp_path: Path) -> Site:
    site.user()
    site.user("bob")
    site.user("root", administrator=True)
    site.stage(make_sdist(tmp_path))
    site.role("example", "bob", RoleName.MAINTAINER)
    return site


def added(page: TestResponse, url: str, status: int = 200, **values: str) -> TestResponse:
    form = page.forms["new-webhook"]
    form["label"], form["url"] = "CI", url
    for name, value in values.items():
        form[name] = value
    return form.submit(status=status)


def secret_in(page: TestResponse) -> str:
    found = re.search(r"whsec_[A-Za-z0-9+/=]{44}", page.text)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("where", [LIST, INDEX])
def test_a_webhook_from_its_beginning_to_its_end(
    site: Site, receiver: Receiver, where: str
) -> None:
    browser = site.sign_in("ada" if where == LIST else "root")
    above = where.removesuffix("webhooks/")
    page = browser.get(above).click("^Webhooks$")
    assert "Nobody is told yet." in page
    wrong = added(page, "http://8.8.8.8/", 400)
    assert "begin with https://" in wrong
    assert wrong.forms["new-webhook"]["label"].value == "CI"
    assert added(page, receiver.url, 422, label="").status_int == 422
    shown = added(wrong, receiver.url)
    secret = secret_in(shown)
    assert shown.headers["Cache-Control"].endswith("no-store")
    page = shown.click("Go on")
    assert f"127.0.0.1:{receiver.port}" in page
    receiver.answers = [answer(500, INERT)]
    page = page.forms["test"].submit().follow()
    assert "is on its way" in page
    assert "on its way already" in page.forms["test"].submit(status=400)
    do_due(site.services)
    page = browser.get(f"{where}1/")
    assert "Failing" in page
    assert INERT.decode() not in page
    assert "&lt;script&gt;" in page
    page = page.forms["switch"].submit().follow()
    assert "Given up" in page
    page = page.forms["switch"].submit().follow()
    page = page.forms["again-1"].submit().follow()
    do_due(site.services)
    page = browser.get(f"{where}1/")
    assert "Delivered" in page
    form = page.forms["change-webhook"]
    assert form["url"].value == ""
    form["label"], form["format"] = "A room", "slack"
    for box in form.fields["events"][1:]:
        box.value = None
    page = form.submit().follow()
    assert "The webhook “A room” is changed." in page
    assert "whole address" not in page
    other = page.forms["rotate"].submit()
    assert secret_in(other) != secret
    assert "signs messages as well until" in other
    pages = [browser.get(where), browser.get(f"{where}1/"), browser.get(f"{above}audit")]
    for each in pages:
        assert "very-secret-path" not in each
        assert "whsec_" not in each
        assert secret[6:] not in each
    asked = browser.get(f"{where}1/").click("Remove…")
    assert "Remove the webhook A room?" in asked
    assert "is removed" in asked.forms["remove"].submit().follow()
    browser.get(f"{where}1/", status=404)


def test_others_do_not_see_them(site: Site, receiver: Receiver) -> None:
    owner = site.sign_in()
    added(owner.get(LIST), receiver.url)
    maintainer, stranger = site.sign_in("bob"), site.sign_in("root")
    site.user("eve")
    assert "Webhooks" not in maintainer.get("/manage/project/example/")
    for address in (LIST, f"{LIST}1/", f"{LIST}1/remove"):
        assert maintainer.get(address, status=403)
        site.sign_in("eve").get(address, status=404)
        site.app.get(address, status=303)
        stranger.get(address)
    for address in (INDEX, f"{INDEX}1/"):
        owner.get(address, status=404)
    token = owner.get(f"{LIST}1/").forms["test"]["csrf_token"].value
    theirs = maintainer.get("/account/").forms["logout"]["csrf_token"].value
    for act in ("test", "rotate", "switch", "send-again", "remove", ""):
        form = {"csrf_token": token, "to": "off", "delivery": "1"}
        own = {**form, "csrf_token": theirs}
        maintainer.post(f"{LIST}1/{act}", own, status=403)
        # Not there: of the project, not of the index.
        owner.post(f"{LIST}2/{act}", form, status=404)
    for name in ("0", "01", "x", "99999999999", "1%00"):
        owner.get(f"{LIST}{name}/", status=404)
    for number in ("x", "999999", "9" * 30, ""):
        form = {"csrf_token": token, "delivery": number}
        owner.post(f"{LIST}1/send-again", form, status=404)
    owner.post(f"{LIST}1/switch", {"csrf_token": token, "to": "sideways"}, status=400)
    owner.get(f"{LIST}1/?page=2", status=404)


def test_who_adds_changes_or_rotates_one_has_shown_who_they_are(
    site: Site, receiver: Receiver
) -> None:
    browser = site.sign_in()
    added(browser.get(LIST), receiver.url)
    page = browser.get(f"{LIST}1/")
    site.clock.advance(CONFIRMED_FOR)
    for form in (page.forms["rotate"], page.forms["change-webhook"]):
        assert "/account/confirm" in str(form.submit(status=303).location)
    form = browser.get(LIST).forms["new-webhook"]
    form["label"], form["url"] = "x", receiver.url
    assert "/account/confirm" in str(form.submit(status=303).location)
    # Neither is a test anything that hurts, nor to stop telling.
    page.forms["test"].submit(status=303)
    page.forms["switch"].submit(status=303)
    assert "Off" in browser.get(LIST)
