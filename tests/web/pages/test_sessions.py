"""Where one is signed in, how that ends, and which acts ask again who one is."""

import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import webtest
from pyramid.session import JSONSerializer
from sqlalchemy import event, select
from webob.cookies import SignedSerializer

from greenroom.models import AuditEntry, RoleName, SignInSession
from greenroom.registry import accounts, sessions, teams, webhooks
from greenroom.registry.permissions import Person
from greenroom.registry.sessions import Browser
from greenroom.registry.webhooks import OfProject, Wanted
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import SECRET_KEY
from tests.factories import PASSWORD
from tests.web.conftest import Site
from tests.web.pages.test_account import is_signed_in
from tests.web.reading import attribute, text
from tests.web.standing import with_settings

LONG_AGO = timedelta(minutes=15)
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
PROJECT = "/manage/project/example/"
RELEASE = f"{PROJECT}release/1.0/"
WEBHOOKS = f"{PROJECT}webhooks/"
WHEEL = "example-1.0-py3-none-any.whl"
FACTORS = "/account/second-factors/"

TEAM = "/account/teams/crew/"
EVE = "/admin/users/eve/"
ADMIN_PROJECT = "/admin/projects/example/"

# Which acts ask for it, by resource and view: what is sent, and the page that has the form.
OVERSEEN = "/admin/projects/example/"
ASKING = {
    ("Account", "delete"): ("/account/delete", "/account/delete"),
    ("Account", "single-sign-on-link"): ("/account/single-sign-on-link", "/account/"),
    ("Account", "single-sign-on-unlink"): ("/account/single-sign-on-unlink", "/account/"),
    ("Account", "email"): ("/account/email", "/account/email"),
    ("Tokens", ""): ("/account/tokens/", "/account/tokens/"),
    ("PendingPublishers", ""): ("/account/publishers/", "/account/publishers/"),
    ("SecondFactors", "app"): (f"{FACTORS}app", f"{FACTORS}app"),
    ("SecondFactors", "passkey"): (f"{FACTORS}passkey", f"{FACTORS}passkey"),
    ("SecondFactors", "rename"): (f"{FACTORS}rename", f"{FACTORS}rename?factor=1"),
    ("SecondFactors", "remove"): (f"{FACTORS}remove", f"{FACTORS}remove?factor=1"),
    ("SecondFactors", "recovery-codes"): (f"{FACTORS}recovery-codes", FACTORS),
    ("TeamPage", "invite"): (f"{TEAM}invite", TEAM),
    ("TeamPage", "change"): (f"{TEAM}change", TEAM),
    ("TeamPage", "remove"): (f"{TEAM}remove", f"{TEAM}remove?user=eve"),
    ("TeamPage", "leave-project"): (f"{TEAM}leave-project", f"{TEAM}leave-project?project=x"),
    ("TeamPage", "delete"): (f"{TEAM}delete", f"{TEAM}delete"),
    ("AdminInvitations", ""): ("/admin/invitations/", "/admin/invitations/"),
    **{
        ("AdminUser", name): (EVE + name, EVE + name)
        for name in (
            *("delete", "disable", "enable", "end-sessions", "make-administrator"),
            *("password-link", "reset-second-factors", "take-administrator", "verify"),
        )
    },
    **{
        ("AdminProject", name): (f"{ADMIN_PROJECT}{name}", f"{ADMIN_PROJECT}{name}")
        for name in ("lift-quarantine", "quarantine", "quota", "transfer")
    },
    ("ManagedProject", "approvals"): (f"{PROJECT}approvals", PROJECT),
    ("ManagedProject", "required-checks"): (f"{PROJECT}required-checks", PROJECT),
    ("AdminDrafts", "discard"): (
        "/admin/drafts/discard",
        "/admin/drafts/discard?project=x&version=7",
    ),
    ("AdminUser", "end-session"): (f"{EVE}end-session", f"{EVE}end-session?session=7"),
    ("AdminUser", "revoke"): (f"{EVE}revoke", f"{EVE}revoke?token=7"),
    **{
        ("AdminProject", name): (OVERSEEN + name, OVERSEEN + name)
        for name in ("quota", "transfer", "quarantine", "lift-quarantine")
    },
    ("ManagedProject", "invite"): (f"{PROJECT}invite", f"{PROJECT}people"),
    ("ManagedProject", "invite-team"): (f"{PROJECT}invite-team", f"{PROJECT}people"),
    ("ManagedProject", "make-maintainer"): (f"{PROJECT}make-maintainer", f"{PROJECT}people"),
    ("ManagedProject", "remove-role"): (
        f"{PROJECT}remove-role",
        f"{PROJECT}remove-role?user=eve",
    ),
    ("ManagedProject", "remove-team"): (
        f"{PROJECT}remove-team",
        f"{PROJECT}remove-team?team=crew",
    ),
    ("ManagedProject", "hand-over"): (f"{PROJECT}hand-over", f"{PROJECT}hand-over"),
    ("ManagedProject", "expected-files"): (f"{PROJECT}expected-files", f"{PROJECT}reviews"),
    ("ManagedProject", "silence"): (f"{PROJECT}silence", f"{PROJECT}reviews?code=pth-file"),
    ("ManagedDraft", "silence"): (
        f"{PROJECT}draft/2.0/silence",
        f"{PROJECT}draft/2.0/review?code=pth-file",
    ),
    ("ManagedProject", "settings"): (f"{PROJECT}settings", PROJECT),
    ("ManagedProject", "visibility"): (f"{PROJECT}visibility", f"{PROJECT}visibility"),
    ("ManagedProject", "delete"): (f"{PROJECT}delete", f"{PROJECT}delete"),
    ("ManagedPublishers", ""): (f"{PROJECT}publishers/", f"{PROJECT}publishers/"),
    ("ManagedPublishers", "remove"): (
        f"{PROJECT}publishers/remove",
        f"{PROJECT}publishers/remove?publisher=7",
    ),
    ("Webhooks", ""): (WEBHOOKS, WEBHOOKS),
    ("WebhookNode", ""): (f"{WEBHOOKS}1/", f"{WEBHOOKS}1/"),
    ("WebhookNode", "rotate"): (f"{WEBHOOKS}1/rotate", f"{WEBHOOKS}1/"),
    ("ManagedRelease", "delete"): (f"{RELEASE}delete", f"{RELEASE}delete"),
    ("ManagedRelease", "delete-file"): (
        f"{RELEASE}delete-file",
        f"{RELEASE}delete-file?filename={WHEEL}",
    ),
}
HOOK = Wanted("CI", "https://ci.example/", "json", ["published"])
FIELDS = {
    "user": "eve",
    "filename": WHEEL,
    "factor": "1",
    "team": "crew",
    "project": "x",
    "session": "7",
    "token": "7",
    "publisher": "7",
    "version": "7",
    "code": "pth-file",
}


@pytest.fixture
def stocked(site: Site, tmp_path: Path) -> Site:
    """Ada, an administrator, and Eve have a release of a project, and a draft of the next."""
    site.user(administrator=True)
    site.user("eve")
    with site.services.writing() as uow:
        ada, eve = (accounts.get_user(uow.db, name) for name in ("ada", "eve"))
        project = factories.release(uow, ada, make_wheel(tmp_path))
        factories.add_role(uow, project, eve, RoleName.MAINTAINER)
        factories.stage(uow, ada, make_wheel(tmp_path, version="2.0"))
        teams.create(uow, Person(ada), "crew", ada)
        webhooks.add(uow, Person(ada), OfProject(project), HOOK)
    return site


def csrf(browser: webtest.TestApp) -> dict[str, str]:
    return {"csrf_token": browser.get("/account/").forms["logout"]["csrf_token"].value}


def confirm(
    page: webtest.TestResponse, password: str = PASSWORD, status: int = 303
) -> webtest.TestResponse:
    form = page.forms["confirm"]
    form["password"] = password
    return form.submit(status=status)


def test_a_copied_cookie_is_dead_when_its_owner_signs_out(site: Site, account: str) -> None:
    browser, thief = site.sign_in(), site.browser()
    for name, value in browser.cookies.items():
        thief.set_cookie(name, value)
    assert is_signed_in(thief)

    browser.get("/account/").forms["logout"].submit()

    assert not is_signed_in(thief)
    assert not is_signed_in(browser)


def test_who_signs_in_twice_in_a_browser_has_one_session(site: Site, account: str) -> None:
    browser = site.sign_in()
    copied = dict(browser.cookies)
    fields = {"username": "ada", "password": PASSWORD} | csrf(browser)
    browser.post("/account/login", fields, status=303)
    assert is_signed_in(browser)
    browser.cookies.clear()
    for name, value in copied.items():
        browser.set_cookie(name, value)
    assert not is_signed_in(browser)


def test_sessions_are_listed_and_ended(site: Site, account: str) -> None:
    here, there, third = site.sign_in(), site.browser(), site.sign_in()
    there.extra_environ |= {"HTTP_USER_AGENT": FIREFOX, "REMOTE_ADDR": "2001:db8::7"}
    form = there.get("/account/login").forms["login"]
    form["username"], form["password"] = "ada", PASSWORD
    form.submit()

    page = here.get("/account/").click("Sessions")

    rows = page.html.select("tbody tr")
    assert [("This one" in row.get_text()) for row in rows] == [False, False, True]
    assert [bool(row.select("form")) for row in rows] == [True, True, False]
    assert "Firefox on Windows" in rows[0].get_text()
    assert "2001:db8::/64" in rows[0].get_text()
    answer = page.forms[attribute(rows[0].select("form")[0], "id")].submit().follow()
    assert "The session in Firefox on Windows has ended." in text(answer)
    assert not is_signed_in(there)
    assert is_signed_in(third)
    answer = answer.forms["end-others"].submit().follow()
    assert "1 other session of yours has ended." in text(answer)
    assert "end-others" not in answer.forms
    assert [is_signed_in(browser) for browser in (here, there, third)] == [True, False, False]
    here.post("/account/sessions/end", {"session": "9" * 30} | csrf(here), status=404)
    here.post("/account/sessions/end", {"session": "77"} | csrf(here), status=404)


@pytest.mark.parametrize("advanced", [timedelta(days=14), timedelta(minutes=1)])
def test_use_is_noted_after_the_answer_and_only_once_a_minute(
    site: Site, account: str, advanced: timedelta
) -> None:
    browser = site.sign_in()
    written: list[str] = []

    def listen(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith(("SELECT", "BEGIN", "SAVEPOINT", "PRAGMA", "SET LOCAL")):
            written.append(statement)

    event.listen(site.services.database.engine, "before_cursor_execute", listen)
    assert is_signed_in(browser)
    assert written == []
    site.clock.advance(advanced)
    assert is_signed_in(browser) == (advanced < timedelta(days=14))
    assert len(written) == (advanced < timedelta(days=14))
    browser.get("/")
    event.remove(site.services.database.engine, "before_cursor_execute", listen)

    assert len(written) == (advanced < timedelta(days=14))
    assert {each[:23] for each in written} <= {"UPDATE sign_in_sessions"}
    with site.services.reading() as uow:
        [session] = uow.db.scalars(select(SignInSession))
        assert (session.last_used == site.clock.now) == (advanced < timedelta(days=14))


def test_an_old_cookie_and_a_broken_one_are_nobody_s(site: Site, account: str) -> None:
    """What a cookie had in it before sessions were kept here, and what is no secret at all."""
    for content in (
        {"user": 1, "stamp": "0" * 32},
        {"secret": 7},
        {"secret": "\0"},
        {"secret": ""},
    ):
        browser = site.browser()
        browser.set_cookie("greenroom", _signed(content))
        assert browser.get("/account/login").status_int == 200
        assert not is_signed_in(browser)
    browser = site.browser()
    with site.services.writing() as uow:
        ada = accounts.signed_in(accounts.get_user(uow.db, "ada"))
        secret = sessions.begin(uow, ada, Browser())
    browser.set_cookie("greenroom", _signed({"secret": secret}))
    assert is_signed_in(browser)


def _signed(content: Mapping[str, object]) -> str:
    """A cookie that this index has signed."""
    signing = SignedSerializer(SECRET_KEY, "pyramid.session.", "sha512", JSONSerializer())  # type: ignore[arg-type]
    signed: bytes = signing.dumps((int(time.time()), int(time.time()), content))
    return signed.decode()


def test_the_operator_says_how_long_a_cookie_lives(site: Site, account: str) -> None:
    shorter = with_settings(site, session_idle=timedelta(hours=1))
    answer = shorter.app.get("/account/login")
    assert "Max-Age=3600" in answer.headers["Set-Cookie"]


# Acts that ask again who one is


def asking(site: Site) -> dict[tuple[str, str], bool]:
    """The views that ask, by resource and name, and whether they show a page of their own."""
    found = {}
    for entry in site.wsgi.router.registry.introspector.get_category("views"):
        view = entry["introspectable"]
        if view.get("needs_confirmation") is not None:
            context = view["context"]
            assert isinstance(context, type)
            found[context.__name__, str(view["name"])] = "GET" in (view["request_methods"] or ())
    return found


def test_the_table_has_every_act_that_asks(site: Site) -> None:
    assert set(asking(site)) == set(ASKING)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # of pages alone
def test_each_of_them_leads_to_the_question_and_back(stocked: Site) -> None:
    browser, shows = stocked.sign_in(), asking(stocked)
    stocked.clock.advance(LONG_AGO - timedelta(seconds=1))
    pages = {page: browser.get(page, status="*").status_int for _, page in ASKING.values()}
    assert set(pages.values()) == {200, 404}  # some ask about what is not there
    stocked.clock.advance(timedelta(seconds=1))
    with stocked.services.reading() as uow:
        before = len(uow.db.scalars(select(AuditEntry)).all())
    for act, (action, page) in ASKING.items():
        asked = browser.post(action, FIELDS | csrf(browser), status=303)
        question = asked.follow()
        assert "Nothing was done: confirm who you are" in text(question), page
        if shows[act]:
            asked = browser.get(page, status=303)
            assert "Nothing was done" not in text(asked.follow())
        back = confirm(asked.follow())
        assert str(back.location) == f"http://index.example{page}"
        assert browser.get(page, status="*").status_int == pages[page]
        stocked.clock.advance(LONG_AGO)
    with stocked.services.reading() as uow:
        lines = uow.db.scalars(select(AuditEntry.act).order_by(AuditEntry.id)).all()
    assert set(lines[before:]) == {"session-confirm"}
    assert lines[before:].count("session-confirm") == len(ASKING)


def test_who_has_confirmed_is_not_asked_and_goes_on(stocked: Site) -> None:
    browser = stocked.sign_in()
    assert str(browser.get("/account/confirm").location).endswith("/account/")
    away = browser.get("/account/confirm?next=//evil.example/")
    assert away.location == "http://index.example/account/"
    stocked.clock.advance(LONG_AGO)
    page = browser.get("/account/confirm?next=https://evil.example/")
    assert confirm(page).location == "http://index.example/account/"
    assert str(stocked.browser().get("/account/confirm").location).startswith(
        "http://index.example/account/login?next="
    )


def test_the_password_is_tried_ten_times_and_no_more(site: Site, account: str) -> None:
    browser = site.sign_in()
    site.clock.advance(LONG_AGO)
    page = browser.get("/account/confirm")
    for _ in range(10):
        confirm(page, "wrong", status=403)
    confirm(page, status=429)
    page.forms["confirm"]["password"] = ""
    site.clock.advance(timedelta(minutes=6))
    assert page.forms["confirm"].submit(status=422)


def test_a_project_can_want_who_publishes_to_confirm_it(stocked: Site) -> None:
    browser = stocked.sign_in("eve")
    publish = f"{PROJECT}draft/2.0/publish"
    stocked.clock.advance(LONG_AGO)
    form = browser.get(publish).forms["publish"]  # nothing is wanted
    owner = stocked.sign_in()
    settings = owner.get(PROJECT).forms["change-settings"]
    assert not settings["reauthenticate_to_publish"].checked
    settings["reauthenticate_to_publish"] = True
    saved = settings.submit().follow().forms["change-settings"]
    assert saved["reauthenticate_to_publish"].checked

    late = form.submit(status=303)

    assert str(late.location).endswith(f"/account/confirm?next={quote(publish, safe='')}")
    question = late.follow()
    assert "Nothing was done" in text(question)
    asked = browser.get(publish, status=303)
    page = confirm(asked.follow()).follow()
    assert "is published." in text(page.forms["publish"].submit().follow())
    with stocked.services.reading() as uow:
        lines = uow.db.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [line.detail for line in lines if line.act == "project-settings"] == [
        "reauthenticate_to_publish on"
    ]
    assert [(line.act, line.credential) for line in lines][-2:] == [
        ("session-confirm", "session 1"),
        ("draft-publish", "session 1"),
    ]
