"""Who asks: what an Authorization header may be, and that it is all an upload goes by."""

import base64
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.request import Request
from sqlalchemy import select

from greenroom.models import Token
from greenroom.registry import token_texts, tokens
from greenroom.registry.errors import NotAuthenticated
from greenroom.web.http import authentication
from tests.artifacts import make_wheel
from tests.factories import PASSWORD
from tests.fuzzing import fuzzed
from tests.web.conftest import Site, authorization, form_fields
from tests.web.standing import StockedSite, fetch
from tests.web.test_queries import statements

INVALID = "Invalid or non-existent authentication information."


def basic(text: str | bytes) -> str:
    content = text.encode() if isinstance(text, str) else text
    return "Basic " + base64.b64encode(content).decode()


def actor_name(site: Site, header: str | None) -> str:
    with site.services.reading() as uow:
        request = Request.blank("/", headers={} if header is None else {"Authorization": header})
        return authentication.token_actor(request, uow).name


@pytest.mark.parametrize(
    "form",
    [
        "Bearer {token}",
        "bearer {token}",
        "BEARER   {token} ",
        "Basic {basic}",
        "basic {basic}",
        "BASIC  {basic} ",
        " Basic {basic}",
        "Basic {newline}",
    ],
)
def test_a_token_is_read_in_both_schemes(stocked: StockedSite, form: str) -> None:
    header = form.format(
        token=stocked.token,
        basic=basic(f"__token__:{stocked.token}")[6:],
        # what `echo` and a file in CI leave behind a secret
        newline=basic(f"__token__:{stocked.token}\n")[6:],
    )

    assert actor_name(stocked.site, header) == "ada"


UNREADABLE = [
    None,
    "",
    " ",
    "Basic",
    "Basic ",
    "Bearer",
    "Bearer ",
    "Digest username=x",
    "gr_token",
    "Basic !!!!",
    "Basic a",
    "Basic \xe9",
    basic(b"\xff\xfe:\xff"),
    basic("no colon"),
    basic("__token__:"),
    basic("__token__:pypi"),
    basic("__token__:Pypi-AgEIcHlwaS5vcmc"),
    basic("__token__: gr_pypi-AgEIcHlwaS5vcmc"),
    basic("__token__:pypi-\xe9"),
    basic("__token__:gr_" + "A" * 48),
    basic("__token__:gr_\0" + "A" * 48),
    basic("__token__:\0"),
    basic("__token__:é"),
    basic("__token__:" + "x" * 100_000),
    "Bearer gr_\xe9",
    "Bearer gr_ gr_",
    "Bearer gr_" + "A" * 48,
    "Bearer \0",
    "Token gr_" + "A" * 48,
]


@pytest.mark.parametrize("header", UNREADABLE)
def test_what_is_no_token_proves_nothing(stocked: StockedSite, header: str | None) -> None:
    with pytest.raises(NotAuthenticated, match=INVALID):
        actor_name(stocked.site, header)


@pytest.mark.parametrize("start", ["pypi-", "ghp_", "github_pat_", "glpat-"])
def test_a_token_of_another_service_is_called_so(stocked: StockedSite, start: str) -> None:
    """Its beginning says it to everybody who has it; nothing else of it is repeated."""
    text = f"{start}AgEIcHlwaS5vcmcCJDAwMDAwMDAw"
    for header in (basic(f"__token__:{text}"), f"Bearer {text}"):
        with pytest.raises(NotAuthenticated) as refused:
            actor_name(stocked.site, header)
        assert str(refused.value) == (
            f"This is a token of another service: it begins with {start}, and those of this index "
            "begin with gr_. Make one on your account page."
        )


@given(
    header=st.one_of(
        st.text(st.characters(max_codepoint=255)),
        st.text(st.characters(max_codepoint=255)).map("Basic {}".format),
        st.binary().map(basic),
        st.text().map(lambda text: basic("__token__:" + text)),
        st.text(st.characters(max_codepoint=255)).map("Bearer gr_{}".format),
    )
)
@fuzzed(150)
def test_no_header_breaks_anything(stocked: StockedSite, header: str) -> None:
    with pytest.raises(NotAuthenticated):
        actor_name(stocked.site, header)


def test_a_token_must_be_whole(stocked: StockedSite) -> None:
    token = stocked.token

    for other in (token[:-1], token + "A", token[:11], token[:-1] + "_", token.swapcase()):
        with pytest.raises(NotAuthenticated, match=INVALID):
            actor_name(stocked.site, f"Bearer {other}")


@pytest.mark.parametrize("user", ["ada", "ADA", "nobody", "", "__TOKEN__", "__token__ ", "é"])
@pytest.mark.parametrize("password", [PASSWORD, "wrong", "", "a:b"])
def test_passwords_are_refused_alike_whether_or_not_they_are_right(
    stocked: StockedSite, user: str, password: str
) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        actor_name(stocked.site, basic(f"{user}:{password}"))

    assert str(refused.value) == authentication.NO_PASSWORDS
    assert str(refused.value).startswith("Passwords cannot upload; use an API token")


def test_a_token_under_a_user_s_name_is_a_password(stocked: StockedSite) -> None:
    with pytest.raises(NotAuthenticated, match="Passwords cannot upload"):
        actor_name(stocked.site, basic(f"ada:{stocked.token}"))


def test_a_revoked_token_proves_nothing(stocked: StockedSite) -> None:
    text = stocked.site.token()
    with stocked.site.services.writing() as uow:
        token = uow.db.scalars(select(Token).order_by(Token.id.desc())).first()
        assert token is not None
        tokens.revoke(uow, token.user, token.id)

    with pytest.raises(NotAuthenticated, match=INVALID):
        actor_name(stocked.site, f"Bearer {text}")


def test_a_token_expires_at_the_very_second(site: Site) -> None:
    site.user()
    token = site.token(expires_in=timedelta(hours=1))

    site.clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
    assert actor_name(site, f"Bearer {token}") == "ada"
    site.clock.advance(timedelta(microseconds=1))

    with pytest.raises(NotAuthenticated) as refused:
        actor_name(site, f"Bearer {token}")
    assert str(refused.value) == (
        "This token expired on 2026-06-01 at 13:00 UTC: make another one on your account page."
    )


def test_only_who_has_an_expired_token_learns_that_it_is_one(site: Site) -> None:
    """Neither its beginning nor one that was revoked says more than any other text."""
    site.user()
    expired, revoked = (site.token(expires_in=timedelta(hours=1)) for _ in range(2))
    with site.services.writing() as uow:
        token = uow.db.scalars(select(Token).order_by(Token.id.desc())).first()
        assert token is not None
        tokens.revoke(uow, token.user, token.id)
    site.clock.advance(timedelta(days=1))

    another = token_texts.new_text()
    for text in (expired[:51], expired.upper(), another, revoked):
        with pytest.raises(NotAuthenticated) as refused:
            actor_name(site, f"Bearer {text}")
        assert str(refused.value) == INVALID
    mistyped = expired[:20] + ("A" if expired[20] != "A" else "B") + expired[21:]
    for text in (expired[:-1] + "-", expired[:11], expired + "x", mistyped):
        with (
            statements(site.services.database) as asked,
            pytest.raises(NotAuthenticated, match="This token is mistyped, or was not copied"),
        ):
            actor_name(site, f"Bearer {text}")
        assert asked == []


def test_a_session_never_authorises_an_upload(site: Site, tmp_path: Path) -> None:
    site.user()
    browser = site.sign_in("ada")
    wheel = make_wheel(tmp_path)
    page = browser.get("/account/tokens/")
    csrf = page.forms["logout"]["csrf_token"].value

    for extra in ({}, {"csrf_token": csrf}):
        response = browser.post(
            "/legacy/",
            {k: v for k, v in form_fields(wheel).items() if v is not None} | extra,
            upload_files=[("content", wheel.name, wheel.read_bytes())],
            status=403,
        )
        assert response.status == f"403 {INVALID}"

    assert fetch(site, "/simple/example/").status_int == 404


def test_a_token_opens_no_page(stocked: StockedSite) -> None:
    for path in ("/account/", "/manage/", "/manage/project/Example/", "/project/hidden/"):
        plain = fetch(stocked.site, path)
        with_token = fetch(stocked.site, path, headers=authorization(stocked.token))
        assert with_token.status_int == plain.status_int
        assert with_token.status_int in (303, 404)


def test_an_upload_says_nothing_of_who_exists(stocked: StockedSite, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "fresh")

    def answers(user: str, password: str) -> tuple[str, bytes, dict[str, str]]:
        response = stocked.site.upload(wheel, "", headers=authorization(password, user), status=403)
        return response.status, response.body, dict(response.headers)

    known = answers("ada", PASSWORD)
    assert known == answers("ada", "wrong")
    assert known == answers("nobody", "wrong")
    assert "Passwords cannot upload" in known[0]


def test_no_secret_is_echoed(stocked: StockedSite, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "fresh")
    for headers in (
        authorization("gr_" + "S" * 48),
        authorization("S3cret-password", "ada"),
        {"Authorization": "Bearer gr_" + "S" * 48},
    ):
        response = stocked.site.upload(wheel, "", headers=headers, status=403)
        everything = f"{response.status} {response.text} {dict(response.headers)}"
        assert "SSSS" not in everything
        assert "S3cret" not in everything
