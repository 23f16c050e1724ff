"""What people do with mail: verify and change addresses, set another password, choose."""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import webtest
from msgspec.structs import replace
from webtest.forms import Checkbox, Form

from greenroom.registry import account_invitations, accounts, password_resets, signing_in
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Origin
from greenroom.settings import Settings
from tests.factories import PASSWORD
from tests.jobs import do_due
from tests.mail_server import MailServer, mail_server
from tests.web.conftest import Site
from tests.web.reading import counted_statements, heading, text

NEW_PASSWORD = "a better horse, a bigger battery"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def settings(settings: Settings, server: MailServer) -> Settings:
    sending = {"mail_url": server.url, "mail_from": "greenroom@index.example"}
    return replace(settings, **sending, registration="open")


def messages(site: Site, server: MailServer) -> list[tuple[str, str, str]]:
    """Who was told since the last time, of what, and the path of the first link of the text."""
    while do_due(site.services):
        pass
    found = []
    for (to, message), (_, subject) in zip(server.taken, server.subjects(), strict=True):
        said = message.get_body(("plain",))
        assert said is not None
        link = re.search(r"^http://index\.example(/\S+)\s*$", said.get_content(), re.MULTILINE)
        assert link is not None
        found.append((to[0], subject, link[1]))
    server.taken.clear()
    return found


def is_verified(site: Site, name: str = "ada") -> bool:
    with site.services.reading() as uow:
        return accounts.get_user(uow.db, name).email_verified


def register(site: Site, name: str = "ada", email: str = "ada@mail.example") -> webtest.TestApp:
    browser = site.browser()
    form = browser.get("/account/register").forms["register"]
    form["username"], form["email"], form["password"] = name, email, PASSWORD
    form.submit(status=303)
    return browser


def test_a_new_address_is_verified_by_the_link_that_is_sent_there(
    site: Site, server: MailServer
) -> None:
    browser = register(site)
    account = browser.get("/account/")
    assert "open the link in the message" in text(account)
    [(to, subject, link)] = messages(site, server)
    assert (to, subject) == ("ada@mail.example", "Verify the address of your account ada")
    assert urlsplit(link).path == "/account/email-verification"
    again = account.forms["email-again"].submit(status=303).follow()
    assert "A link was sent to ada@mail.example" in text(again)
    [(_, _, newer)] = messages(site, server)
    assert newer != link
    assert "cannot be used" in text(site.browser().get(link, status=404))

    stranger = site.browser()  # whoever reads the mail need not be signed in here
    for _ in range(2):  # programs that look at what is in mail use nothing up
        page = stranger.get(newer)
    assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == (
        "private, no-store",
        "same-origin",
    )
    assert not is_verified(site)
    page.forms["verification"].submit(status=303)
    assert is_verified(site)
    assert stranger.get(newer, status=404)
    assert "email-again" not in browser.get("/account/").forms
    assert messages(site, server) == []


def test_an_address_changes_once_the_new_one_is_verified_and_the_old_one_is_told(
    site: Site, server: MailServer
) -> None:
    site.user()
    browser = site.sign_in()
    form = browser.get("/account/email").forms["email"]
    for email, password, sentence in (
        ("ada@new.example", "a wrong password", "The current password is wrong."),
        ("ada@index.example", PASSWORD, "This is your address already."),
        ("ada", PASSWORD, "is not an e-mail address"),
        ("a@b.example, c@d.example", PASSWORD, "is not an e-mail address"),
        ("ada@bücher.example", PASSWORD, "begins with xn--"),
    ):
        form["email"], form["current"] = email, password
        assert sentence in text(form.submit(status=400))
    form["email"], form["current"] = "ada@new.example", PASSWORD
    waiting = form.submit(status=303).follow()
    assert "Your address becomes ada@new.example" in text(waiting)
    [(to, _, link)] = messages(site, server)
    assert to == "ada@new.example"

    waiting.forms["email-keep"].submit(status=303)
    site.browser().get(link, status=404)
    form["email"], form["current"] = "ada@new.example", PASSWORD
    form.submit(status=303)
    [(to, _, link)] = messages(site, server)
    site.browser().get(link).forms["verification"].submit(status=303)
    assert "ada@new.example" in text(browser.get("/account/"))
    assert is_verified(site)
    [(to, subject, _)] = messages(site, server)
    assert (to, subject) == (
        "ada@index.example",
        "The address of your account ada was changed",
    )


def test_a_forgotten_password_is_set_with_a_link_and_nobody_learns_who_has_an_account(
    site: Site, server: MailServer
) -> None:
    site.user()
    site.user("eve", verified=False)
    signed_in = site.sign_in()
    messages(site, server)
    browser = site.browser()
    page = browser.get("/account/login").click("Forgot your password?")
    answers, statements = set(), set()
    for who in ("ADA", "ada@index.example", "eve", "nobody", "nobody@index.example", "", "x" * 256):
        page.forms["forgotten"]["who"] = who
        with counted_statements(site) as sent:
            answer = page.forms["forgotten"].submit(status="*")
        if answer.status_int == 422:
            assert who in ("", "x" * 256)
            continue
        answers.add(answer.text.replace(who, ""))
        statements.add(len(sent))
    assert (len(answers), len(statements)) == (1, 1)
    found = messages(site, server)
    assert {(to, subject) for to, subject, _ in found} == {
        ("ada@index.example", "Set another password for your account ada")
    }
    [_, (_, _, link)] = found  # of the two that were asked for, the newer is good
    form = browser.get(link).forms["reset"]
    form["password"] = NEW_PASSWORD
    assert heading(form.submit())
    assert browser.get(link, status=404)
    assert signed_in.get("/account/", status="*").status_int == 303
    assert signing_in.sign_in(site.services, "ada", NEW_PASSWORD, "192.0.2.1") is not None
    assert "was set with a link" in str(messages(site, server))


def test_links_that_administrators_make_are_sent_as_well_and_either_is_good_once(
    site: Site, server: MailServer
) -> None:
    site.user("root", administrator=True)
    site.user()
    services = site.services.coming_from(Origin("192.0.2.7"))
    with services.writing() as uow:
        root = Person(accounts.get_user(uow.db, "root"))
        shown = account_invitations.invite(uow, root, "Eve@mail.example", "a new colleague")
        password = password_resets.make_link(uow, root, "ada", "lost the telephone")
    while do_due(site.services):
        pass
    assert "192.0.2.7" not in str([message.as_string() for _, message in server.taken])
    sent = {to: (subject, link) for to, subject, link in messages(site, server)}
    assert {to: subject for to, (subject, _) in sent.items()} == {
        "eve@mail.example": "You are invited",
        "ada@index.example": "Set another password for your account ada",
    }
    site.browser().get(f"/account/password-reset?key={password.key}")
    site.browser().get(sent["ada@index.example"][1])
    form = site.browser().get(sent["eve@mail.example"][1]).forms["accept"]
    form["username"], form["password"] = "eve", NEW_PASSWORD
    form.submit(status=303)
    site.browser().get(f"/account/invitation?key={shown.key}", status=404)
    assert is_verified(site, "eve")


def test_messages_that_are_asked_for_are_counted_by_address_and_by_account(
    site: Site, server: MailServer
) -> None:
    site.user()
    form = site.app.get("/account/forgotten-password").forms["forgotten"]
    for who in ("ada", "nobody"):  # who has no account is told the same
        form["who"] = who
        answers = [form.submit(status="*").status_int for _ in range(5)]
        assert answers == [200] * 3 + [429] * 2
    assert len(messages(site, server)) == 3
    site.clock.now += timedelta(hours=2)
    for number in range(4):
        register(site, f"user-{number}", "victim@mail.example")
    assert len(messages(site, server)) == 3
    site.clock.now += timedelta(hours=2)
    assert messages(site, server) == []  # nothing stands for the rest


def boxes(form: Form) -> list[Checkbox]:
    return [box for box in form.fields["wanted"] if isinstance(box, Checkbox)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_one_is_told_of_is_chosen(site: Site, server: MailServer) -> None:
    site.user()
    browser = site.sign_in()
    form = browser.get("/account/").click("^Notifications$").forms["notifications"]
    kinds = ["roles", "releases", "drafts", "comments", "expiry"]
    assert [box.checked for box in boxes(form)] == [True] * 5
    for box, kind in zip(boxes(form), kinds, strict=True):
        box.checked = kind in ("roles", "expiry")
    kept = form.submit(status=303).follow()
    assert "Your choice is kept." in text(kept)
    chosen = boxes(kept.forms["notifications"])
    assert [box.checked for box in chosen] == [True, False, False, False, True]
    token = kept.forms["notifications"]["csrf_token"].value
    said = {"csrf_token": token, "wanted": "security"}
    assert "always told" in text(browser.post("/account/notifications/", said, status=400))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_mail_an_administrator_verifies_and_nothing_is_promised(
    site: Site, server: MailServer
) -> None:
    quiet = replace(site.services.settings, mail_url=None)
    site = Site(replace(site.services, settings=quiet), site.clock)
    browser = register(site)
    assert "An administrator of this index has yet to verify" in text(browser.get("/account/"))
    assert "Forgot" not in text(site.browser().get("/account/login"))
    site.browser().get("/account/forgotten-password", status=404)
    form = browser.get("/account/email").forms["email"]
    form["email"], form["current"] = "ada@new.example", PASSWORD
    assert "An administrator has yet to verify it." in text(form.submit(status=303).follow())
    assert not is_verified(site)
    assert do_due(site.services) == 0


def test_a_sign_in_in_another_browser_is_told_of(site: Site, server: MailServer) -> None:
    site.user("ada")

    def sign_in(browser: webtest.TestApp) -> None:
        browser.extra_environ["REMOTE_ADDR"] = "192.0.2.1"
        form = browser.get("/account/login").forms["login"]
        form["username"], form["password"] = "ada", PASSWORD
        form.submit(status=303)

    browser = site.browser()
    sign_in(browser)
    browser.get("/account/").forms["logout"].submit()
    sign_in(browser)
    assert messages(site, server) == []

    sign_in(site.browser())

    [(to, subject, _)] = messages(site, server)
    assert to == "ada@index.example"
    assert subject.endswith("New sign-in to your account ada")
