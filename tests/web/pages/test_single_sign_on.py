"""Signing in with an identity provider, and with a proxy that vouches for people."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pyotp
import pytest
import webtest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import Attempt, AuditEntry, LinkedIdentity, User
from greenroom.openid.provider import Providers
from greenroom.registry import (
    account_invitations,
    account_states,
    accounts,
    authenticator_apps,
    password_resets,
    projects,
    second_factors,
    sessions,
    signing_in,
    single_sign_on,
    teams,
)
from greenroom.registry.errors import NotAllowed
from greenroom.registry.permissions import OPERATOR, Act, Person, permitted
from greenroom.registry.unit_of_work import Services
from greenroom.settings import load_settings
from greenroom.settings_sources import BadSettings, variable
from tests import factories
from tests.conftest import FakeClock
from tests.factories import PASSWORD, make_team
from tests.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    IdentityProvider,
    identity_provider,
)
from tests.issuing import rsa_key
from tests.registry.test_second_factors import with_app
from tests.web.conftest import Site
from tests.web.reading import heading, links, text

BEGIN = "/account/single-sign-on"
ADA = {
    "sub": "1815",
    "preferred_username": "ada",
    "email": "ada@index.example",
    "email_verified": True,
    "groups": ["Analysts"],
}
Change = Callable[[IdentityProvider], object]


@pytest.fixture(scope="module")
def one_provider() -> Iterator[IdentityProvider]:
    with identity_provider() as found:
        yield found


@pytest.fixture
def provider(one_provider: IdentityProvider, clock: FakeClock) -> IdentityProvider:
    """The provider, where Ada sits at the browser."""
    found = one_provider
    for memory in (found.changes, found.extra, found.codes, found.sent, found.answers):
        memory.clear()
    found.person, found.now = dict(ADA), lambda: clock().timestamp()
    return found


def with_settings(services: Services, **changes: object) -> Services:
    settings = factories.configured(services.settings, **changes)
    return replace(services, settings=settings, providers=Providers())


@pytest.fixture
def sites(services: Services, clock: FakeClock, provider: IdentityProvider) -> Callable[..., Site]:
    def made(**changes: object) -> Site:
        settings = {
            "oidc_issuer": provider.url,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": CLIENT_SECRET,
            "oidc_name": "Example Login",
            **changes,
        }
        return Site(with_settings(services, **settings), clock)

    return made


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *given: object) -> None:
        return None


def there(address: str) -> str:
    """Where the provider sends a browser that comes to this address, as a path and query."""
    assert urlsplit(address).scheme == "http"
    try:
        urllib.request.build_opener(_Stay).open(address)
    except urllib.error.HTTPError as answer:
        location = urlsplit(answer.headers["Location"])
        return f"{location.path}?{location.query}"
    raise AssertionError("the provider keeps the browser")


def sent_to(answer: webtest.TestResponse) -> str:
    """Where an answer sends the browser."""
    assert answer.location is not None
    return str(answer.location)


def go(browser: webtest.TestApp, begin: str = BEGIN, status: int = 303) -> webtest.TestResponse:
    return browser.get(there(sent_to(browser.get(begin, status=303))), status=status)


def who(browser: webtest.TestApp) -> str | None:
    page = browser.get("/account/", status="*")
    return heading(page).split()[0] if page.status_int == 200 else None


def acts(site: Site) -> list[tuple[str, str]]:
    with site.services.reading() as uow:
        rows = uow.db.execute(select(AuditEntry.act, AuditEntry.detail).order_by(AuditEntry.id))
        return [(act, detail) for act, detail in rows]


def test_a_person_gets_an_account_at_the_first_time_and_keeps_it(
    sites: Callable[..., Site], provider: IdentityProvider
) -> None:
    site = sites()
    page = site.app.get("/account/login?next=/manage/%3Fpage=1")
    assert "You get one when you sign in with Example Login." in text(page)
    begun = page.click("Sign in with Example Login")
    asked = parse_qs(urlsplit(sent_to(begun)).query)
    assert asked["scope"] == ["openid profile email"]
    assert asked["redirect_uri"] == ["http://index.example/account/single-sign-on-return"]
    back = site.app.get(there(sent_to(begun)), status=303)
    assert sent_to(back) == "http://index.example/manage/?page=1"
    assert who(site.app) == "ada"

    # Names and addresses change there, and are given to others; whose account it is does not.
    provider.person |= {"preferred_username": "countess", "email": "c@index.example"}
    other = site.browser()
    go(other)
    assert who(other) == "ada"
    provider.person = ADA | {"sub": "1816"}
    refused = go(site.browser(), status=400)
    assert "The user name &#39;ada&#39; is taken" in refused.text.replace("&#34;", "&#39;")
    assert acts(site) == [
        ("user-create", ""),
        ("sign-in", "by single sign-on"),
        ("sign-in", "by single sign-on"),
    ]
    with site.services.reading() as uow:
        (user,) = uow.db.scalars(select(User)).all()
        assert (user.email, user.email_verified, user.has_password) == (ADA["email"], True, False)
        assert len(uow.db.scalars(select(Attempt)).all()) == 1  # who was refused
    assert "Change your password" not in text(other.get("/account/"))
    # Who has a second factor has not signed in yet.
    with site.services.writing() as uow:
        with_app(uow, Person(uow.db.scalars(select(User)).one()))
    provider.person = ADA
    assert "/account/second-step" in sent_to(go(site.browser()))
    assert [act for act, _ in acts(site)].count("sign-in") == 2
    assert signing_in.sign_in(site.services, "ada", "", "192.0.2.1") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p.changes.update(nonce="another"), "not begun in this browser"),
        (lambda p: p.changes.update(nonce=None), "lacks what it must say: nonce"),
        (lambda p: p.changes.update(aud="another client"), "not for this index"),
        (lambda p: p.changes.update(aud=[CLIENT_ID, "another"]), "not for this index"),
        (lambda p: p.changes.update(azp="another client"), "issued to somebody else"),
        (lambda p: p.changes.update(iss="https://issuer.example"), "not from"),
        (lambda p: p.changes.update(exp=int(p.now()) - 60), "has expired"),
        (lambda p: p.changes.update(iat=int(p.now()) + 3600), "issued in the future"),
        (lambda p: p.changes.update(sub=""), "empty, or not what it may be"),
        (lambda p: setattr(p, "key", rsa_key("unpublished")), "a key that"),
        (lambda p: p.codes.clear(), "does not take what it has sent"),
        (
            lambda p: [asked.update(code_challenge="another") for asked in p.codes.values()],
            "does not take what it has sent",
        ),
        (
            lambda p: [
                asked.update(redirect_uri="https://evil.example/") for asked in p.codes.values()
            ],
            "does not take what it has sent",
        ),
        (lambda p: setattr(p, "person", {**ADA, "preferred_username": "a b"}), "user name"),
        (lambda p: setattr(p, "person", {**ADA, "preferred_username": "operator"}), "user name"),
        (lambda p: setattr(p, "person", {**ADA, "email": None}), "e-mail address"),
    ],
)
def test_nobody_signs_in_with_what_is_not_signed_for_this_browser_and_index(
    sites: Callable[..., Site], provider: IdentityProvider, change: Change, said: str
) -> None:
    site = sites()
    back = there(sent_to(site.app.get(BEGIN)))
    key = provider.key
    change(provider)
    try:
        refused = site.app.get(back, status="4*")
    finally:
        provider.key = key
    assert said in text(refused)
    assert who(site.app) is None
    with site.services.reading() as uow:
        assert uow.db.scalars(select(User)).all() == []
        assert uow.db.scalars(select(LinkedIdentity)).all() == []


@pytest.mark.parametrize(
    "change",
    [
        {"state": "another"},
        {"state": None},
        {"code": None},
        {"iss": "https://issuer.example"},
        {"iss": None},
        {"error": "access_denied"},
    ],
)
def test_nobody_signs_in_with_an_answer_to_something_else(
    sites: Callable[..., Site], provider: IdentityProvider, change: dict[str, str | None]
) -> None:
    provider.extra["authorization_response_iss_parameter_supported"] = True
    site = sites()
    path, _, query = there(sent_to(site.app.get(BEGIN))).partition("?")
    answer = {name: values[0] for name, values in parse_qs(query).items()} | change
    changed = urlencode({name: value for name, value in answer.items() if value is not None})
    site.app.get(f"{path}?{changed}", status=403)
    # The code was not sent to anybody, and the sign-in is over.
    assert provider.sent == []
    site.app.get(f"{path}?{query}", status=403)
    assert who(site.app) is None
    assert [act for act, _ in acts(site)] == ["sign-in-failed"]


def test_an_answer_is_taken_once_and_in_the_browser_that_has_asked(
    sites: Callable[..., Site], provider: IdentityProvider, clock: FakeClock
) -> None:
    site = sites()
    asked, thief = site.app.get(BEGIN), site.browser()
    back = there(sent_to(asked))
    codes = dict(provider.codes)
    thief.get(back, status=403)
    kept = {cookie.name: cookie.value for cookie in site.app.cookiejar}
    site.app.get(back, status=303)
    # With all that the browser had, and a provider that takes codes twice.
    provider.codes.update(codes)
    for name, value in kept.items():
        thief.set_cookie(name, value)
    assert "was used before" in text(thief.get(back, status=403))
    assert who(thief) is None

    late = site.browser()
    back = there(sent_to(late.get(BEGIN)))
    clock.advance(timedelta(minutes=10))
    late.get(back, status=403)
    assert who(late) is None


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/%5Cevil.example"]
)
def test_nobody_is_sent_to_another_site(sites: Callable[..., Site], elsewhere: str) -> None:
    assert sent_to(go(sites().app, f"{BEGIN}?next={elsewhere}")) == "http://index.example/manage/"


def test_the_provider_is_asked_at_its_own_host_and_may_be_away(
    sites: Callable[..., Site], provider: IdentityProvider
) -> None:
    provider.extra["authorization_endpoint"] = "https://evil.example/authorize"
    sites().app.get(BEGIN, status=503)
    provider.extra["authorization_endpoint"] = f"{provider.url}/authorize"
    provider.extra["token_endpoint"] = "https://evil.example/token"
    site = sites()
    site.app.get(there(sent_to(site.app.get(BEGIN))), status=503)
    assert provider.sent == []
    site = sites(oidc_client_secret="another")
    provider.extra.clear()
    answer = site.app.get(there(sent_to(site.app.get(BEGIN))), status=503)
    assert "another" not in answer.text
    provider.answers[provider.configuration] = (500, {}, b"")
    sites().app.get(BEGIN, status=503)


def test_a_client_proves_itself_as_the_provider_wants_it(
    sites: Callable[..., Site], provider: IdentityProvider
) -> None:
    provider.extra["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    site = sites()
    go(site.app)
    assert who(site.app) == "ada"
    assert provider.sent[0]["authorization"] == ""


def test_groups_say_who_may_sign_in_and_who_is_an_administrator(
    sites: Callable[..., Site], provider: IdentityProvider
) -> None:
    site = sites(oidc_groups=("Analysts",), oidc_admin_groups=("Index Admins",))
    site.user("root", administrator=True)
    provider.person["groups"] = ["Others"]
    assert "no group that may sign in" in text(go(site.app, status=403))
    for groups, is_administrator in (
        (["Analysts"], False),
        (["Index Admins"], True),
        (["Index Admins", 7], True),
        ("Analysts", False),
    ):
        provider.person["groups"] = groups
        go(site.app)
        with site.services.reading() as uow:
            of_ada = select(User.is_administrator).where(User.username == "ada")
            assert uow.db.scalars(of_ada).all() == [is_administrator]
    changed = [act for act, _ in acts(site) if act.startswith("administrator")]
    assert changed == ["administrator-give", "administrator-take"]
    provider.person["groups"] = None
    go(site.browser(), status=403)


def members_of(site: Site, name: str) -> list[str]:
    with site.services.reading() as uow:
        return sorted(each.username for each in teams.members(teams.get(uow, name)))


def test_groups_say_who_is_in_which_team(
    sites: Callable[..., Site], provider: IdentityProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    site = sites(oidc_teams="Analysts=engines, cn=Weavers=Looms, Boss=looms, Boss=not-made")
    site.user("root", administrator=True)
    with site.services.writing() as uow:
        root = accounts.get_user(uow.db, "root")
        project = projects.create(uow, Person(root), "engine")
        project.registered = uow.now
        uow.db.flush()
        make_team(uow, root, "engines", works_on=project)
        make_team(uow, root, "looms")
        make_team(uow, root, "by-hand")
    assert go(site.app).status_int == 303
    with site.services.writing() as uow:
        teams.add_member(uow, OPERATOR, teams.get(uow, "by-hand"), "ada")
        may = permitted(Person(accounts.get_user(uow.db, "ada")), projects.get(uow, "engine"))
        assert Act.STAGE in may
    inside = {name: (["ada", "root"], ["root"]) for name in ("engines", "looms")}
    for groups, engines, looms in (
        (["Analysts"], True, False),
        (["cn=Weavers", "Analysts"], True, True),
        (["Boss"], False, True),
        (["Boss"], False, True),
        (None, False, False),
    ):
        provider.person["groups"] = groups
        go(site.browser())
        assert members_of(site, "engines") == inside["engines"][not engines]
        assert members_of(site, "looms") == inside["looms"][not looms]
    assert members_of(site, "by-hand") == ["ada", "root"]
    with site.services.reading() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        assert permitted(ada, projects.get(uow, "engine")).isdisjoint({Act.STAGE})
        rows = uow.db.execute(
            select(AuditEntry.act, AuditEntry.detail)
            .where(AuditEntry.by == "single sign-on")
            .order_by(AuditEntry.id)
        )
        assert [(act, detail) for act, detail in rows] == [
            ("team-add", "team engines: member"),
            ("team-add", "team looms: member"),
            ("team-remove", "team engines"),
            ("team-remove", "team looms"),
        ]
    # The last owner of a team stays in it, and signs in.
    with site.services.writing() as uow:
        make_team(uow, accounts.get_user(uow.db, "ada"), "not-made")
    assert go(site.browser()).status_int == 303
    assert members_of(site, "not-made") == ["ada"]
    logged = "".join(capsys.readouterr())
    assert "no team of this name for a group" in logged
    assert "is the last owner of the team" in logged


def test_where_no_accounts_are_made_people_link_their_own(
    sites: Callable[..., Site], provider: IdentityProvider, clock: FakeClock
) -> None:
    site = sites(oidc_accounts="linked")
    site.user()
    site.user("eve")
    assert "no account in this index" in text(go(site.app, status=403))
    browser = site.sign_in()

    offered = browser.get("/account/").forms["link"].submit()
    back = there(links(offered)[0])
    assert "opens your account from now on" in text(browser.get(back).follow())

    go(site.app)
    assert who(site.app) == "ada"
    # Another person's account cannot be linked to it, too.
    eve = site.sign_in("eve")
    offered = eve.get("/account/").forms["link"].submit()
    back = there(links(offered)[0])
    assert "another account here" in text(eve.get(back, status=400))

    browser.get("/account/").forms["unlink"].submit().follow()
    go(site.browser(), status=403)
    clock.advance(timedelta(minutes=16))
    assert "/account/confirm" in sent_to(browser.get("/account/").forms["link"].submit(status=303))
    linked = [act for act, _ in acts(site) if act.startswith("identity")]
    assert linked == ["identity-link", "identity-unlink"]


def test_who_has_no_password_confirms_there(
    sites: Callable[..., Site], provider: IdentityProvider, clock: FakeClock
) -> None:
    site = sites()
    browser = site.app
    go(browser)
    clock.advance(timedelta(minutes=16))
    question = browser.get("/account/confirm?next=/account/tokens/")
    assert "confirm" not in question.forms
    begun = question.click("Confirm with Example Login")
    asked = parse_qs(urlsplit(sent_to(begun)).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    back = there(sent_to(begun))
    provider.changes["auth_time"] = int(provider.now()) - 3600
    assert "not asked again who you are" in text(browser.get(back, status=403))
    provider.changes.clear()
    provider.person["sub"] = "somebody else"
    assert "Somebody else" in text(go(browser, f"{BEGIN}?for=confirm", status=403))
    provider.person["sub"] = ADA["sub"]
    answer = go(browser, f"{BEGIN}?for=confirm&next=/account/tokens/")
    assert sent_to(answer) == "http://index.example/account/tokens/"
    assert "/manage/" in sent_to(browser.get("/account/confirm?next=/manage/", status=303))
    form = browser.get("/account/email").forms["email"]
    assert "current" not in form.fields
    form["email"] = "countess@index.example"
    assert "countess@index.example" in text(form.submit(status=303).follow())
    clock.advance(timedelta(minutes=16))
    assert "/account/confirm" in sent_to(form.submit(status=303))


def test_what_was_typed_too_late_is_there_after_the_way_to_the_provider(
    sites: Callable[..., Site], clock: FakeClock
) -> None:
    site = sites()
    go(site.app)
    form = site.app.get("/account/tokens/").forms["new-token"]
    form["label"] = "CI of mine"
    clock.advance(timedelta(minutes=16))
    begun = form.submit(status=303).follow().click("Confirm with Example Login")
    assert "mine" not in sent_to(begun)
    back = site.app.get(there(sent_to(begun)), status=303)
    assert back.follow().forms["new-token"]["label"].value == "CI of mine"
    assert "token-create" not in [act for act, _ in acts(site)]


def test_who_has_no_password_confirms_there_to_add_the_second_factor_that_is_wanted(
    sites: Callable[..., Site], clock: FakeClock
) -> None:
    site = sites(require_second_factor="everybody", passwords="off")
    go(site.app)
    clock.advance(timedelta(minutes=16))
    wanted = "/account/second-factors/app"
    question = site.app.get(wanted, status=303).follow()
    assert "Confirm with Example Login" in text(question)
    back = go(site.app, f"{BEGIN}?for=confirm&next={wanted}")
    assert sent_to(back) == f"http://index.example{wanted}"
    assert site.app.get(wanted).status_int == 200
    assert "second-factors" in sent_to(site.app.get("/account/tokens/", status=303))


def test_whoever_has_a_second_factor_here_is_asked_for_it(
    sites: Callable[..., Site], clock: FakeClock
) -> None:
    site = sites()
    go(site.app)
    secret = authenticator_apps.new_secret()
    app = pyotp.TOTP(secret)
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        second_factors.add_app(uow, ada, "Phone", secret, app.at(clock()))
    clock.advance(timedelta(minutes=1))  # a code is taken once
    browser = site.browser()
    asked = go(browser, f"{BEGIN}?next=/account/sessions/").follow()
    assert heading(asked) == "Second step"
    assert who(browser) is None
    form = asked.forms["second-step"]
    form["code"] = "000000"
    form.submit(status=403)
    assert who(browser) is None
    form["code"] = app.at(clock())
    assert sent_to(form.submit(status=303)).endswith("/account/sessions/")
    assert who(browser) == "ada"


def test_an_account_that_ended_is_not_opened_nor_made_anew(
    sites: Callable[..., Site], provider: IdentityProvider
) -> None:
    site = sites(oidc_teams="Analysts=engines")
    site.user("root", administrator=True)
    with site.services.writing() as uow:
        make_team(uow, accounts.get_user(uow.db, "root"), "engines")
    go(site.app)
    provider.person["groups"] = []
    with site.services.writing() as uow:
        account_states.disable(uow, OPERATOR, "ada", "has left")
    browser = site.browser()
    assert "is disabled" in text(go(browser, status=403))
    assert members_of(site, "engines") == ["ada", "root"]
    with site.services.writing() as uow:
        account_states.delete_account(uow, OPERATOR, "ada", "has left")
    for name in ("ada", "Ada"):
        provider.person["preferred_username"] = name
        assert "is taken" in text(go(browser, status=400))
    assert who(browser) is None
    with site.services.reading() as uow:
        assert uow.db.scalars(select(LinkedIdentity)).all() == []
        assert len(uow.db.scalars(select(User)).all()) == 2
    assert [act for act, _ in acts(site)].count("sign-in") == 1


def test_passwords_can_be_switched_off(sites: Callable[..., Site]) -> None:
    site = sites(passwords="off", registration="open")
    site.user("eve")
    page = site.app.get("/account/login")
    assert "login" not in page.forms
    assert "Register" not in page.text
    go(site.app)
    token = site.app.get("/account/").forms["logout"]["csrf_token"].value
    form = {"username": "eve", "password": PASSWORD, "csrf_token": token}
    assert "switched off" in text(site.app.post("/account/login", form, status=403))
    site.app.get("/account/register", status=404)
    with pytest.raises(NotAllowed):
        signing_in.sign_in(site.services, "eve", PASSWORD, "192.0.2.1")
    with pytest.raises(NotAllowed):
        signing_in.change_password(site.services, 1, PASSWORD, "another good password")
    with pytest.raises(NotAllowed, match="switched off"):
        account_invitations.accept(site.services, "key", "new", PASSWORD)
    with site.services.writing() as uow:
        for make in (account_invitations.invite, password_resets.make_link):
            with pytest.raises(NotAllowed, match="switched off"):
                make(uow, OPERATOR, "eve")


def test_failures_are_limited(sites: Callable[..., Site]) -> None:
    site = sites()
    statuses = []
    for _ in range(51):
        begun = site.app.get(BEGIN)
        state = parse_qs(urlsplit(sent_to(begun)).query)["state"][0]
        back = f"/account/single-sign-on-return?state={state}&code=guessed"
        statuses.append(site.app.get(back, status="4*").status_int)
    assert statuses == [403] * 50 + [429]


def test_without_a_provider_there_is_nothing(site: Site, account: str) -> None:
    for path in (BEGIN, f"{BEGIN}-return"):
        site.app.get(path, status=404)
    browser = site.sign_in()
    assert "Single sign-on" not in text(browser.get("/account/"))


# A proxy that vouches


def test_a_trusted_proxy_says_who_it_is_and_nobody_else(
    services: Services, clock: FakeClock
) -> None:
    proxied = with_settings(
        services,
        trusted_proxies="10.0.0.0/8",
        trusted_user_header="X-Forwarded-User",
        passwords="off",
    )
    site = Site(proxied, clock)

    def come(
        browser: webtest.TestApp, user: str, peer: str = "10.0.0.1", path: str = "/account/"
    ) -> webtest.TestResponse:
        extra = {"REMOTE_ADDR": peer, **({"HTTP_X_FORWARDED_USER": user} if user else {})}
        found = browser.get(path, extra_environ=extra, status="*")
        while found.status_int == 303:
            found = browser.get(sent_to(found), extra_environ=extra, status="*")
        return found

    assert heading(come(site.app, "ada")).split()[0] == "ada"
    assert heading(come(site.app, "Ada")).split()[0] == "ada"
    # With the same cookie, somebody else is somebody else.
    assert heading(come(site.app, "eve@index.example")).split()[0] == "eve"
    # From elsewhere the header is as if it were not there.
    for browser, user, peer in (
        (site.browser(), "ada", "192.0.2.1"),
        (site.browser(), "", "10.0.0.1"),
        (site.browser(), "ada, eve", "10.0.0.1"),
        (site.browser(), "operator", "10.0.0.1"),
    ):
        answer = come(browser, user, peer)
        assert "Sign out" not in text(answer)
    clock.advance(timedelta(minutes=16))
    extra = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_USER": "eve"}
    question = come(site.app, "eve", path="/account/confirm?next=/account/tokens/")
    assert "password" not in question.forms["confirm"].fields
    done = question.forms["confirm"].submit(extra_environ=extra, status=303)
    assert sent_to(done) == "http://index.example/account/tokens/"
    with site.services.reading() as uow:
        emails = uow.db.scalars(select(User.email).order_by(User.id)).all()
    assert emails == ["ada@index.example", "eve@index.example"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"oidc_issuer": "http://issuer.example"}, "https URL"),
        ({"oidc_issuer": "https://issuer.example", "url": "https://index.example"}, "CLIENT_ID"),
        ({"oidc_issuer": "https://issuer.example", "oidc_client_id": "x"}, "GREENROOM_URL"),
        ({"trusted_user_header": "X-Forwarded-User"}, "GREENROOM_TRUSTED_PROXIES"),
        ({"trusted_user_header": "X_User", "trusted_proxies": "10.0.0.0/8"}, "name of a header"),
        ({"passwords": "off"}, "nobody could sign in"),
        ({"oidc_teams": "Analysts"}, "group=team"),
        ({"oidc_teams": "Analysts=engines, =looms"}, "group=team"),
        ({"oidc_teams": "Analysts=no team"}, "group=team"),
    ],
)
def test_settings_that_nobody_could_sign_in_with_are_refused(
    given: dict[str, str], said: str
) -> None:
    with pytest.raises(BadSettings, match=said):
        load_settings({variable(field): text for field, text in given.items()})


def test_a_proxy_that_gives_addresses_makes_no_one_account_of_two_people(
    services: Services, clock: FakeClock
) -> None:
    site = Site(
        with_settings(
            services, trusted_proxies="10.0.0.0/8", trusted_user_header="X-Forwarded-User"
        ),
        clock,
    )

    def come(user: str, browser: webtest.TestApp | None = None) -> webtest.TestResponse:
        browser = browser or site.browser()
        extra = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_USER": user}
        found = browser.get("/account/", extra_environ=extra, status="*")
        while found.status_int == 303:
            found = browser.get(sent_to(found), extra_environ=extra, status="*")
        return found

    ada = site.browser()
    assert heading(come("ada@one.example", ada)).split()[0] == "ada"
    assert heading(come("Ada@One.Example", ada)).split()[0] == "ada"
    for browser in (None, ada):  # also with the cookie of the other
        refused = come("ada@two.example", browser)
        assert refused.status_int == 400
        assert "is that of another address than ada@two.example" in text(refused)
    assert heading(come("ada@one.example")).split()[0] == "ada"

    # Nobody gets in front of somebody by registering with their address.
    with site.services.writing() as uow:
        factories.make_user(uow, "eve", verified=False)
        factories.make_user(uow, "kim")
    assert come("eve@index.example").status_int == 400
    assert heading(come("kim@index.example")).split()[0] == "kim"
    assert come("kim@elsewhere.example").status_int == 400


def test_a_passkey_alone_asks_when_the_provider_was_asked(
    sites: Callable[..., Site], provider: IdentityProvider
) -> None:
    site = sites(passwords="off")
    go(site.app)
    lifetime = site.services.settings.session_lifetime
    with site.services.reading() as uow:
        user = accounts.get_user(uow.db, "ada")
        begun = single_sign_on.signed_in_elsewhere(uow, user)
        assert begun == uow.now
    site.clock.advance(lifetime - timedelta(minutes=1))
    with site.services.writing() as uow:
        user = accounts.get_user(uow.db, "ada")
        since = single_sign_on.signed_in_elsewhere(uow, user)
        signed_in, browser = accounts.signed_in(user), sessions.Browser()
        secret = sessions.begin(uow, signed_in, browser, since=since)
        assert sessions.find(uow, secret) is not None
    site.clock.advance(timedelta(minutes=1))
    with site.services.writing() as uow:
        assert sessions.find(uow, secret) is None
        user = accounts.get_user(uow.db, "ada")
        with pytest.raises(NotAllowed, match="signed in with Example Login"):
            single_sign_on.signed_in_elsewhere(uow, user)
        local = factories.make_user(uow, "local")
        with pytest.raises(NotAllowed):
            single_sign_on.signed_in_elsewhere(uow, local)
    with sites().services.reading() as uow:  # where passwords open accounts, nothing is asked
        user = accounts.get_user(uow.db, "local")
        assert single_sign_on.signed_in_elsewhere(uow, user) is None
