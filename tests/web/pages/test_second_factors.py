"""Second factors on pages, without JavaScript; tests/browser has those with it."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import webtest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import AuditEntry
from greenroom.registry import accounts, passkeys, second_factors
from greenroom.registry.permissions import CONFIRMED_FOR, Person
from tests import factories
from tests.artifacts import make_wheel
from tests.factories import PASSWORD
from tests.registry.authenticators import Authenticator, from_base64
from tests.web.conftest import Site
from tests.web.pages.test_account import is_signed_in
from tests.web.reading import attribute, heading, text, the
from tests.web.standing import with_settings

FACTORS = "/account/second-factors/"


def add_app(browser: webtest.TestApp, site: Site) -> tuple[pyotp.TOTP, list[str]]:
    page = browser.get(f"{FACTORS}app")
    form = page.forms["add-app"]
    app = pyotp.TOTP(the("#secret", page).get_text().replace(" ", ""))
    form["name"], form["code"] = "Phone", app.at(site.clock.now)
    codes = form.submit(status=200)
    site.clock.advance(timedelta(minutes=1))  # a code is taken once
    return app, [code.get_text() for code in codes.html.select(".recovery-codes code")]


def first_step(site: Site, query: str = "") -> webtest.TestResponse:
    """The page that asks for the second factor."""
    form = site.browser().get(f"/account/login{query}").forms["login"]
    form["username"], form["password"] = "ada", PASSWORD
    return form.submit(status=303).follow()


def test_an_app_is_added_and_asked_for_from_then_on(site: Site, account: str) -> None:
    browser = site.sign_in()
    page = browser.get("/account/").click("Second factors").click("Add an authenticator app")
    picture = page.html.select_one(".code-picture svg")
    assert picture is not None
    assert "style" not in str(picture)
    form = page.forms["add-app"]
    form["name"], form["code"] = "Phone", "000000"
    refused = form.submit(status="4*")
    assert "That is not the code that the app shows now" in text(refused)
    assert the("#secret", refused).get_text() == the("#secret", page).get_text()
    form["sealed"] = "nonsense"
    assert "too old" in text(form.submit(status=400))

    app, codes = add_app(browser, site)

    assert len(codes) == 10
    assert not set(codes) & set(re.findall(r"\S+", text(browser.get(FACTORS))))
    assert "10 of 10 are left." in text(browser.get(FACTORS))
    asked = first_step(site, "?next=/account/sessions/")
    assert heading(asked) == "Second step"
    form = asked.forms["second-step"]
    form["code"] = "000000"
    assert "no code or passkey of yours" in text(form.submit(status=403))
    assert not is_signed_in(asked.test_app)
    form["code"] = app.at(site.clock.now)
    assert str(form.submit(status=303).location).endswith("/account/sessions/")
    assert is_signed_in(asked.test_app)
    with site.services.reading() as uow:
        lines = uow.db.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(line.act, line.detail) for line in lines][-1] == (
        *("sign-in", "second step: authenticator app “Phone”"),
    )


def test_the_first_step_opens_nothing_and_does_not_last(site: Site, account: str) -> None:
    app, _ = add_app(site.sign_in(), site)
    asked = first_step(site)
    browser = asked.test_app
    for path in ("/account/", "/manage/", FACTORS, "/account/tokens/"):
        assert "/account/login" in str(browser.get(path, status=303).location)
    form = asked.forms["second-step"]
    site.clock.advance(timedelta(minutes=10))
    form["code"] = app.at(site.clock.now)
    assert str(form.submit(status=303).location).endswith("/account/login")
    assert not is_signed_in(browser)
    assert str(site.browser().get("/account/second-step").location).endswith("/account/login")


def test_a_recovery_code_signs_in_once_and_others_can_be_made(site: Site, account: str) -> None:
    browser = site.sign_in()
    _, codes = add_app(browser, site)
    for status in (303, 403):
        form = first_step(site).forms["second-step"]
        form["code"] = codes[0].upper()
        form.submit(status=status)
    others = browser.get(FACTORS).forms["recovery-codes"].submit(status=200)
    assert codes[1] not in text(others)
    form = first_step(site).forms["second-step"]
    form["code"] = codes[1]
    form.submit(status=403)


def test_who_has_one_confirms_with_it(site: Site, account: str) -> None:
    browser = site.sign_in()
    app, _ = add_app(browser, site)
    site.clock.advance(CONFIRMED_FOR)
    page = browser.get(f"{FACTORS}app", status=303).follow()
    form = page.forms["confirm"]
    assert "password" not in form.fields
    form["code"] = "1"
    assert form.submit(status=403)
    form["code"] = ""
    assert "Enter a code." in text(form.submit(status=422))
    form["code"] = app.at(site.clock.now)
    assert str(form.submit(status=303).location).endswith(f"{FACTORS}app")
    factor = browser.get(FACTORS).click(description="Rename").forms["rename"]
    factor["name"] = ""
    factor.submit(status=422)
    factor["name"] = "Old phone"
    renamed = factor.submit().follow()
    assert "It is called Old phone now." in text(renamed)
    gone = renamed.click(description="Remove").forms["remove"].submit().follow()
    assert "You have none yet" in text(gone)
    site.sign_in()  # with the password alone
    for act in ("rename", "remove"):
        for number in ("7", "9" * 30, "x", "٣"):
            browser.get(f"{FACTORS}{act}", {"factor": number}, status=404)


def question(page: webtest.TestResponse, form: str, kind: str) -> dict[str, Any]:
    asked: dict[str, Any] = json.loads(attribute(the(f"#{form}", page), f"data-{kind}"))
    return asked


def challenge(page: webtest.TestResponse, form: str, kind: str = "get") -> bytes:
    return from_base64(question(page, form, kind)["challenge"])


def test_a_passkey_is_added_shown_and_signs_in_alone(site: Site, account: str) -> None:
    browser, key = site.sign_in(), Authenticator()
    page = browser.get(f"{FACTORS}passkey")
    assert question(page, "add-passkey", "create")["rp"] == {
        "id": "index.example",
        "name": "Greenroom at index.example",
    }
    form = page.forms["add-passkey"]
    form["name"], form["credential"] = "Key", "{}"
    assert "could not be checked" in text(form.submit(status="4*"))
    form["credential"] = key.make(challenge(page, "add-passkey", "create")).text
    assert len(form.submit(status=200).html.select(".recovery-codes li")) == 10

    page = first_step(site)
    form = page.forms["passkey"]
    form["credential"] = replace(key, verifies=False).show(challenge(page, "passkey")).text
    form.submit(status=303)
    assert is_signed_in(page.test_app)

    page = site.browser().get("/account/login?next=/account/")
    form = page.forms["passkey"]
    handle = passkeys.user_handle(1)
    form["credential"] = replace(key, verifies=False).show(challenge(page, "passkey"), handle).text
    refused = form.submit(status=403)
    assert "This passkey opens no account here" in text(refused)
    form = refused.forms["passkey"]
    answer = key.show(challenge(refused, "passkey"), handle).text
    form["credential"] = answer
    assert form.submit(status=303).location == "http://index.example/account/"
    thief = site.browser()
    form = thief.get("/account/login").forms["passkey"]
    form["credential"] = answer  # which is to another question
    form.submit(status=403)
    assert not is_signed_in(thief)

    site.clock.advance(CONFIRMED_FOR)
    page = browser.get("/account/confirm")
    form = page.forms["passkey"]
    form["credential"] = key.show(challenge(page, "passkey")).text
    form.submit(status=303)
    browser.get(f"{FACTORS}app", status=200)


def test_an_index_behind_a_proxy_asks_for_passkeys_of_its_own_address(site: Site) -> None:
    asking = with_settings(site, url="https://index.example:8443/deeper")
    page = asking.app.get("/account/login")
    assert question(page, "passkey", "get")["rpId"] == "index.example"


def test_who_must_have_one_is_led_there_and_can_do_nothing_else(
    site: Site, account: str, tmp_path: Path
) -> None:
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        factories.release(uow, ada, make_wheel(tmp_path))
    site.user("eve")
    wanting = with_settings(site, require_second_factor="owners")
    browser = wanting.sign_in()
    token = {"csrf_token": browser.get("/account/").forms["logout"]["csrf_token"].value}
    for path in ("/manage/", "/manage/project/example/", "/manage/nothing/", "/account/tokens/"):
        for answer in (browser.get(path), browser.post(path, token)):
            assert answer.location == f"http://index.example{FACTORS}"
    assert "wants a second factor of you" in text(browser.get("/manage/").follow())
    for path in ("/account/", "/account/sessions/", FACTORS, "/project/example/", "/"):
        browser.get(path, status=200)
    assert wanting.sign_in("eve").get("/manage/").status_int == 200
    again = {"username": "ada", "password": PASSWORD}  # in a browser that is signed in
    browser.post("/account/login", again | token, status=303)
    add_app(browser, wanting)
    browser.get("/manage/project/example/", status=200)
    factor = browser.get(f"{FACTORS}remove?factor=1").forms["remove"]
    assert "add another one before you remove this one" in text(factor.submit(status="4*"))


def test_an_administrator_resets_what_somebody_has_lost(site: Site, account: str) -> None:
    browser = site.sign_in()
    add_app(browser, site)
    browser.get("/admin/users/ada/reset-second-factors", status=404)
    site.user("root", administrator=True)
    root = site.sign_in("root")
    page = root.get("/admin/users/ada/").click("Reset second factors")
    form = page.forms["act"]
    assert "Give a reason." in text(form.submit(status=422))
    form["reason"] = " "
    form.submit(status="4*")
    form["reason"] = "lost the phone"
    assert "ada has no second factor any more" in text(form.submit().follow())
    assert not is_signed_in(browser)
    assert is_signed_in(site.sign_in())
    form = root.get("/admin/users/ada/reset-second-factors").forms["act"]
    form["reason"] = "lost the phone"
    assert "has no second factor" in text(form.submit(status="4*"))
    root.get("/admin/users/nobody/reset-second-factors", status=404)
    with site.services.reading() as uow:
        ada = accounts.get_user(uow.db, "ada")
        assert second_factors.of_user(uow, ada) == []
