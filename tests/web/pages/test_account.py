"""Signing in and out, registering, passwords and API tokens."""

from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
import webtest
from msgspec.structs import replace
from sqlalchemy import select
from webtest.forms import Checkbox

from greenroom.models import Token
from greenroom.registry import accounts, signing_in, tokens
from greenroom.registry.errors import NotAuthenticated
from greenroom.registry.permissions import TOKEN_PERMISSIONS, Act
from greenroom.registry.unit_of_work import Services
from greenroom.settings import Settings
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.factories import PASSWORD
from tests.hashing import Watchful
from tests.web.conftest import Site, authorization
from tests.web.reading import commands, counted_statements, heading, text, the

NEW_PASSWORD = "a better horse, a bigger battery"


def stage(site: Site, *paths: Path, by: str = "ada") -> None:
    with site.services.writing() as uow:
        factories.stage(uow, accounts.get_user(uow.db, by), *paths)


def is_signed_in(browser: webtest.TestApp) -> bool:
    return bool(browser.get("/account/", status="*").status_int == 200)


# Signing in


def test_whoever_signs_in_comes_to_the_projects(site: Site, account: str) -> None:
    form = site.app.get("/account/login").forms["login"]
    form["username"], form["password"] = "ADA", PASSWORD

    answer = form.submit()

    assert answer.status_int == 303
    assert answer.location == "http://index.example/manage/"
    assert is_signed_in(site.app)


@pytest.mark.parametrize(("username", "password"), [("ada", "no such horse"), ("nobody", PASSWORD)])
def test_a_wrong_name_reads_as_a_wrong_password(
    site: Site, account: str, username: str, password: str
) -> None:
    form = site.app.get("/account/login").forms["login"]
    form["username"], form["password"] = username, password

    answer = form.submit(status=403)

    assert "User name or password are wrong." in text(answer)
    assert password not in answer.text
    assert not is_signed_in(site.app)


def test_signing_in_asks_for_both(site: Site) -> None:
    answer = site.app.get("/account/login").forms["login"].submit(status=422)

    assert "Enter your user name. " in text(answer)
    assert "Enter your password." in text(answer)
    field = the("#username", answer)
    assert field["aria-invalid"] == "true"
    assert field["aria-describedby"] == "username-problem"


def test_too_many_failures_have_to_wait(site: Site, account: str) -> None:
    form = site.app.get("/account/login").forms["login"]
    form["username"], form["password"] = "ada", "wrong"
    for _ in range(10):
        form.submit(status=403)
    form["password"] = PASSWORD

    refused = form.submit(status=429)

    assert "wait a few minutes" in text(refused)
    assert 0 < int(refused.headers["Retry-After"]) <= 300
    site.clock.advance(timedelta(minutes=5, seconds=1))
    assert form.submit().status_int == 303


def sign_in_at(browser: webtest.TestApp, password: str) -> int:
    form = browser.get("/account/login").forms["login"]
    form["username"], form["password"] = "ada", password
    return int(form.submit(status="*").status_int)


def test_a_browser_that_was_signed_in_before_is_not_kept_out_by_others(
    site: Site, account: str
) -> None:
    home, other = site.browser(), site.browser()
    for browser in (home, other):
        assert sign_in_at(browser, PASSWORD) == 303
        browser.get("/account/").forms["logout"].submit()
    stranger = site.browser()
    assert [sign_in_at(stranger, "wrong") for _ in range(11)] == [403] * 10 + [429]
    assert sign_in_at(home, PASSWORD) == 303  # from the same address

    form = home.get("/account/").forms["password-form"]
    form["current"], form["new"] = PASSWORD, NEW_PASSWORD
    form.submit(status=303)

    # With another password, the browsers are known in which that was shown.
    assert sign_in_at(other, NEW_PASSWORD) == 429
    home.get("/account/").forms["logout"].submit()
    assert sign_in_at(home, NEW_PASSWORD) == 303


def test_that_a_browser_is_known_is_said_to_the_account_pages_alone(
    site: Site, account: str
) -> None:
    assert sign_in_at(site.app, PASSWORD) == 303
    (cookie,) = (cookie for cookie in site.app.cookiejar if cookie.name == "greenroom-device")
    assert cookie.path == "/account/"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Lax"


def test_the_current_password_cannot_be_guessed_in_a_stolen_session(
    site: Site, account: str
) -> None:
    thief = site.sign_in()

    def guess(current: str) -> int:
        form = thief.get("/account/").forms["password-form"]
        form["current"], form["new"] = current, NEW_PASSWORD
        return int(form.submit(status="*").status_int)

    assert [guess(f"guess {n}") for n in range(10)] == [400] * 10
    assert guess(PASSWORD) == 429
    site.clock.advance(timedelta(minutes=5))
    assert guess(PASSWORD) == 303


@pytest.mark.parametrize("path", ["/manage/", "/account/", "/account/tokens/"])
def test_who_is_not_signed_in_signs_in_first_and_comes_back(
    site: Site, account: str, path: str
) -> None:
    redirect = site.app.get(f"{path}?page=1", status=303)
    form = redirect.follow().forms["login"]
    form["username"], form["password"] = "ada", PASSWORD

    answer = form.submit()

    assert answer.location == f"http://index.example{path}?page=1"


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example/", "/%5Cevil.example/", "/%09/evil.example/", "x"],
)
def test_nobody_is_sent_to_another_site(site: Site, account: str, elsewhere: str) -> None:
    form = site.app.get(f"/account/login?next={elsewhere}").forms["login"]
    form["username"], form["password"] = "ada", PASSWORD

    assert form.submit().location == "http://index.example/manage/"


@pytest.mark.parametrize("query", ["next=%ff", "next=%00", "next=/&next=/"])
def test_an_address_that_cannot_be_read_is_refused(site: Site, query: str) -> None:
    site.app.get(f"/account/login?{query}", status=400)


def test_who_is_signed_in_need_not_do_it_again(site: Site, account: str) -> None:
    answer = site.sign_in().get("/account/login?next=/account/")

    assert str(answer.location).endswith("/account/")


def test_the_session_changes_its_secrets_when_one_signs_in(site: Site, account: str) -> None:
    before = site.app.get("/account/login").forms["login"]["csrf_token"].value
    form = site.app.get("/account/login").forms["login"]
    form["username"], form["password"] = "ada", PASSWORD

    form.submit()

    assert site.app.get("/account/").forms["logout"]["csrf_token"].value != before


def test_scripts_cannot_read_the_session_and_other_sites_cannot_send_it(
    site: Site, account: str
) -> None:
    cookie = SimpleCookie(site.app.get("/account/login").headers["Set-Cookie"])["greenroom"]

    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_signing_out_ends_the_session(site: Site, account: str) -> None:
    browser = site.sign_in()

    answer = browser.get("/account/").forms["logout"].submit()

    assert answer.location == "http://index.example/"
    assert not is_signed_in(browser)


def test_nobody_is_signed_out_by_a_link(site: Site, account: str) -> None:
    browser = site.sign_in()

    browser.get("/account/logout", status=405)

    assert is_signed_in(browser)


@pytest.mark.parametrize("path", ["logout", "password", "tokens/", "tokens/revoke"])
def test_an_act_without_the_form_of_this_session_is_refused(
    site: Site, account: str, path: str
) -> None:
    browser = site.sign_in()
    fields = {"current": PASSWORD, "new": NEW_PASSWORD, "label": "x", "permissions": "stage"}

    answer = browser.post(f"/account/{path}", fields, status=400)

    assert "This form has expired" in text(answer)
    assert is_signed_in(browser)


# Registering


@pytest.fixture
def open_site(settings: Settings, services: Services, clock: FakeClock) -> Site:
    opened = replace(settings, registration="open")
    return Site(replace(services, settings=opened), clock)


def test_anyone_registers_where_that_is_open_and_is_told_who_verifies(open_site: Site) -> None:
    page = open_site.app.get("/").click("Register")
    assert "An administrator of this index verifies new accounts." in text(page)
    form = page.forms["register"]
    form["username"], form["email"], form["password"] = "grace", "grace@index.example", PASSWORD

    account = form.submit().follow()

    assert "Welcome, grace." in text(account)
    assert heading(account) == "grace Not verified"


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("username", "ada", "is taken"),
        ("username", "not a name", "A user name has 1 to 50"),
        ("username", "x" * 300, "cannot be longer than 255"),
        ("email", "nowhere", "is not an e-mail address"),
        ("password", "short", "at least 10 characters"),
    ],
)
def test_an_account_that_does_not_do_is_refused_with_the_reason(
    open_site: Site, field: str, value: str, sentence: str
) -> None:
    open_site.user()
    form = open_site.app.get("/account/register").forms["register"]
    form["username"], form["email"], form["password"] = "grace", "grace@index.example", PASSWORD
    form[field] = value

    answer = form.submit(status="4*")

    assert sentence in text(answer)
    open_site.app.get("/user/grace/", status=404)


def test_an_address_that_registers_too_many_accounts_has_to_wait(open_site: Site) -> None:
    for number in range(10):
        assert register(open_site, f"user-{number}").status_int == 303

    refused = register(open_site, "one-more")

    assert refused.status_int == 429
    assert "wait before you register the next one" in text(refused)
    assert refused.headers["Retry-After"] == "3600"
    open_site.clock.advance(timedelta(hours=1))
    assert register(open_site, "one-more").status_int == 303


def register(site: Site, username: str) -> webtest.TestResponse:
    form = site.browser().get("/account/register").forms["register"]
    form["username"], form["email"] = username, f"{username}@index.example"
    form["password"] = PASSWORD
    return form.submit(status="*")


def test_nobody_registers_where_that_is_closed(site: Site) -> None:
    site.app.get("/account/register", status=404)
    assert "Register" not in site.app.get("/").text
    token = site.app.get("/account/login").forms["login"]["csrf_token"].value
    fields = {"username": "eve", "email": "e@x.example", "password": PASSWORD, "csrf_token": token}

    site.app.post("/account/register", fields, status=404)

    site.app.get("/user/eve/", status=404)


def test_the_printed_link_makes_the_first_administrator_once(site: Site) -> None:
    link = f"/account/first-administrator?key={factories.first_administrator_key(site.services)}"
    form = site.app.get(link).forms["register"]
    form["username"], form["email"], form["password"] = "ada", "ada@index.example", PASSWORD

    account = form.submit().follow()

    assert heading(account) == "ada Administrator"
    site.app.get("/admin/")
    site.browser().get(link, status=404)
    form.submit(status="4*")


def test_a_password_that_does_not_do_leaves_the_index_empty(site: Site) -> None:
    link = f"/account/first-administrator?key={factories.first_administrator_key(site.services)}"
    form = site.app.get(link).forms["register"]
    form["username"], form["email"], form["password"] = "ada", "ada@index.example", "short"

    answer = form.submit(status="4*")

    assert "at least 10 characters" in text(answer)
    site.app.get(link)


@pytest.mark.parametrize("query", ["", "?key=", "?key=wrong", "?key=%C3%A9"])
def test_nobody_guesses_the_link_of_the_first_administrator(site: Site, query: str) -> None:
    site.app.get(f"/account/first-administrator{query}", status=404)


# The account


def test_the_account_page_says_who_one_is(site: Site, account: str) -> None:
    page = site.sign_in().get("/account/")

    assert heading(page) == "ada"
    assert "ada@index.example" in text(page)


def test_pages_hash_passwords_in_no_transaction(
    site: Site, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchful = Watchful(site.services.database, monkeypatch)
    browser = site.sign_in()
    form = browser.get("/account/").forms["password-form"]
    form["current"], form["new"] = PASSWORD, NEW_PASSWORD
    form.submit().follow()
    assert watchful.computed == 4


def test_the_first_administrator_is_made_in_no_transaction(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchful = Watchful(site.services.database, monkeypatch)
    key = factories.first_administrator_key(site.services)
    form = site.app.get(f"/account/first-administrator?key={key}").forms["register"]
    form["username"], form["email"], form["password"] = "ada", "ada@index.example", PASSWORD
    form.submit().follow()
    assert watchful.computed == 1


def test_a_new_password_ends_every_other_session(site: Site, account: str) -> None:
    here, elsewhere = site.sign_in(), site.sign_in()
    form = here.get("/account/").forms["password-form"]
    form["current"], form["new"] = PASSWORD, NEW_PASSWORD

    answer = form.submit().follow()

    assert "Your password is changed." in text(answer)
    assert is_signed_in(here)
    assert not is_signed_in(elsewhere)
    assert signing_in.sign_in(site.services, "ada", NEW_PASSWORD, "192.0.2.1") is not None


@pytest.mark.parametrize(
    ("current", "new", "sentence"),
    [
        ("wrong", NEW_PASSWORD, "The current password is wrong."),
        (PASSWORD, "short", "at least 10 characters"),
        (PASSWORD, "", "Choose a new password."),
        (PASSWORD, "x" * 1001, "cannot be longer than 1000"),
    ],
)
def test_a_password_is_not_changed_without_good_reason(
    site: Site, account: str, current: str, new: str, sentence: str
) -> None:
    form = site.sign_in().get("/account/").forms["password-form"]
    form["current"], form["new"] = current, new

    answer = form.submit(status="4*")

    assert sentence in text(answer)
    site.sign_in()  # with the password that was


# Tokens


def make_token_on_page(
    site: Site, label: str = "CI", *, project: str = "", lifetime: str = "90"
) -> webtest.TestResponse:
    form = site.sign_in().get("/account/tokens/").forms["new-token"]
    form["label"], form["project"], form["lifetime"] = label, project, lifetime
    return form.submit()


def test_a_token_is_shown_once_with_all_that_is_needed_to_use_it(site: Site, account: str) -> None:
    browser = site.sign_in()
    form = browser.get("/account/tokens/").forms["new-token"]
    form["label"] = "CI of the docs"

    made = form.submit(status=200)

    token, upload, pypirc = commands(made)
    assert token.startswith("gr_")
    assert upload == (
        "twine upload --repository-url 'http://index.example/legacy/?staged=true' "
        "-u __token__ dist/*"
    )
    assert f"password = {token}" in pypirc
    assert "repository = http://index.example/legacy/?staged=true" in pypirc
    assert made.headers["Cache-Control"] == "private, no-store"
    listed = browser.get("/account/tokens/")
    assert token not in listed.text
    assert token[:11] in text(listed)
    assert "CI of the docs" in text(listed)


def test_a_token_made_on_the_page_uploads_a_draft(site: Site, account: str, tmp_path: Path) -> None:
    token = commands(make_token_on_page(site))[0]

    site.upload(make_wheel(tmp_path), token, staged=True, status="2*")

    assert "example 1.0 Draft" in text(site.sign_in().get("/manage/project/example/draft/1.0/"))


def test_a_token_has_the_project_permissions_and_time_that_were_chosen(
    site: Site, account: str, tmp_path: Path
) -> None:
    stage(site, make_wheel(tmp_path))
    form = site.sign_in().get("/account/tokens/").forms["new-token"]
    form["label"], form["project"], form["lifetime"] = "x", "example", "7"
    for position, act in enumerate(TOKEN_PERMISSIONS):
        form.set("permissions", act is Act.STAGE, position)

    text_of_token = commands(form.submit())[0]

    with site.services.reading() as uow:
        token = uow.db.get_one(Token, tokens.actor_of_token(uow, text_of_token).token.id)
        assert token.project is not None
        assert token.project.name == "example"
        assert token.permissions == ["stage"]
        assert token.expires == uow.now + timedelta(days=7)


def test_a_token_can_be_made_that_never_expires(site: Site, account: str) -> None:
    token = commands(make_token_on_page(site, lifetime="never"))[0]
    site.clock.advance(timedelta(days=4000))

    with site.services.reading() as uow:
        assert tokens.actor_of_token(uow, token).name == "ada"


def test_nobody_can_choose_the_projects_of_others(site: Site, account: str, tmp_path: Path) -> None:
    stage(site, make_wheel(tmp_path))
    site.user("eve")
    form = site.sign_in("eve").get("/account/tokens/").forms["new-token"]
    assert [value for value, *_ in form["project"].options] == [""]
    form["label"] = "x"
    form["project"].force_value("example")

    answer = form.submit(status=422)

    assert "Not a valid choice" in text(answer)
    assert "You have no tokens yet." in text(answer)


def test_a_token_that_does_not_do_is_refused_with_the_reason(site: Site, account: str) -> None:
    browser = site.sign_in()
    for field, value, sentence in (
        ("label", "", "Give the token a name."),
        ("label", "x" * 101, "cannot be longer than 100"),
        ("label", "   ", "needs a name"),
        ("label", "a\nb", "needs a name"),
        ("lifetime", "3", "Not a valid choice"),
        ("lifetime", "-1", "Not a valid choice"),
    ):
        form = browser.get("/account/tokens/").forms["new-token"]
        form["label"] = "x"
        form[field].force_value(value)

        answer = form.submit(status="*")

        assert 400 <= answer.status_int < 500, (field, value)
        assert sentence in text(answer), (field, value)
        assert "You have no tokens yet." in text(answer), (field, value)


def test_a_token_needs_a_permission(site: Site, account: str) -> None:
    form = site.sign_in().get("/account/tokens/").forms["new-token"]
    form["label"] = "x"
    for box in form.fields["permissions"]:
        assert isinstance(box, Checkbox)
        box.checked = False

    answer = form.submit(status=422)

    assert "Choose at least one permission." in text(answer)
    assert not answer.html.select("input[name=permissions][checked]")


@pytest.mark.parametrize("permissions", [["admin"], ["stage", "see"]])
def test_a_token_cannot_have_permissions_that_there_are_not(
    site: Site, account: str, permissions: list[str]
) -> None:
    browser = site.sign_in()
    token = browser.get("/account/tokens/").forms["new-token"]["csrf_token"].value
    pairs = [("csrf_token", token), ("label", "x"), ("project", ""), ("lifetime", "1")]

    answer = browser.post(
        "/account/tokens/", [*pairs, *(("permissions", name) for name in permissions)], status=422
    )

    assert "You have no tokens yet." in text(answer)


def test_a_revoked_token_is_worth_nothing(site: Site, account: str) -> None:
    token = site.token()
    browser = site.sign_in()
    question = browser.get("/account/tokens/").click("Revoke", index=0)
    assert heading(question) == "Revoke “test”?"

    answer = question.forms["revoke"].submit().follow()

    assert "is revoked" in text(answer)
    assert "You have no tokens yet." in text(answer)
    with site.services.reading() as uow, pytest.raises(NotAuthenticated):
        tokens.actor_of_token(uow, token)


def test_nobody_revokes_the_tokens_of_others(site: Site, account: str) -> None:
    token = site.token()
    site.user("eve")
    eve = site.sign_in("eve")
    csrf = eve.get("/account/tokens/").forms["new-token"]["csrf_token"].value

    for wanted in ("1", "99", "x", "", "9" * 30, "-1"):
        asked = eve.get(f"/account/tokens/revoke?token={wanted}", status="*")
        fields = {"token": wanted, "csrf_token": csrf}
        sent = eve.post("/account/tokens/revoke", fields, status="*")
        assert (asked.status_int, sent.status_int) == (404, 404), wanted

    with site.services.reading() as uow:
        assert tokens.actor_of_token(uow, token).name == "ada"


def test_a_page_of_many_tokens_asks_the_database_as_often_as_one_of_few(
    site: Site, account: str, tmp_path: Path
) -> None:
    for number in range(20):
        stage(site, make_wheel(tmp_path, version=f"1.{number}"))
    site.token(project="example")
    browser = site.sign_in()
    with counted_statements(site) as for_few:
        browser.get("/account/tokens/")
    for number in range(8):
        stage(site, make_wheel(tmp_path, f"other-{'abcdefgh'[number]}"))
        site.token(project=f"other-{'abcdefgh'[number]}")

    with counted_statements(site) as for_many:
        browser.get("/account/tokens/")

    assert len(for_many) == len(for_few)


def test_a_token_lives_for_a_year_unless_somebody_says_otherwise(site: Site, account: str) -> None:
    form = site.sign_in().get("/account/tokens/").forms["new-token"]
    form["label"] = "x"
    made = commands(form.submit())[0]
    year = timedelta(days=365)

    with site.services.reading() as uow:
        assert uow.db.scalars(select(Token.expires)).one() == uow.now + year
    site.app.get(
        "/api/drafts/none/1.0", headers=authorization(made), status=404,
        extra_environ={"REMOTE_ADDR": "2001:db8::7"},
    )  # fmt: skip
    site.clock.advance(year - timedelta(days=14))
    page = site.sign_in().get("/account/tokens/")
    assert "from 2001:db8::/64" in text(page)
    assert "Soon" in text(page)
    assert "A token expires soon." in text(page)


def test_all_tokens_are_revoked_once_the_name_was_typed(site: Site, account: str) -> None:
    kept = [site.token(), site.token()]
    browser = site.sign_in()
    assert "revoke them all" in text(browser.get("/account/"))
    form = browser.get("/account/tokens/").click("Revoke all tokens").forms["revoke-all"]
    form["typed"] = "eve"
    refused = form.submit(status=422)
    assert "That is not ada: nothing was done." in text(refused)
    with site.services.reading() as uow:
        assert all(tokens.actor_of_token(uow, each) for each in kept)

    form = refused.forms["revoke-all"]
    form["typed"] = "ADA"
    done = form.submit().follow()

    assert "2 API tokens are revoked." in text(done)
    with site.services.reading() as uow:
        assert tokens.of_user(uow, accounts.get_user(uow.db, "ada")) == []
