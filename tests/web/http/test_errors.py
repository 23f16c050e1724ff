"""How the index says no: as a page, as a line, and never with a 5xx."""

import re
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greenroom.registry import drafts
from greenroom.registry import errors as refusals
from greenroom.registry.errors import Refusal
from greenroom.storage import StorageUnavailable
from greenroom.web.http.problem_details import CONTENT_TYPE
from greenroom.web.http.refusals import TEXT
from tests.fuzzing import fuzzed
from tests.web.conftest import authorization
from tests.web.standing import StockedSite, fetch, state, with_settings


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (refusals.Refusal("x"), 400),
        (refusals.InvalidMetadata("x"), 400),
        (refusals.FileExists("x"), 400),
        (refusals.DraftIsOpen("example", "1.0"), 400),
        (refusals.TooLarge("x"), 400),
        (refusals.NotAuthenticated("x"), 401),
        (refusals.NotAllowed("x"), 403),
        (refusals.NotFound("x"), 404),
        (refusals.CannotPublish("x"), 409),
        (refusals.Ended("x"), 410),
        (refusals.TooMany("x", timedelta(seconds=5)), 429),
    ],
)
def test_each_kind_of_refusal_has_a_status(refusal: Refusal, status: int) -> None:
    assert TEXT.status(type(refusal)) == status


def test_a_program_gets_a_line_and_a_person_gets_a_page(stocked: StockedSite) -> None:
    for path in (
        "/simple/nothing/",
        "/packages/nothing",
        "/api/nothing",
        "/legacy/nothing",
        f"/draft/{stocked.slugs['open']}/nothing",
        "/draft/nothing/simple/",
    ):
        response = fetch(stocked.site, path)
        assert (response.status_int, response.content_type) == (404, "text/plain")
        assert response.text == "There is nothing at this address.\n"

    for path in (
        "/nothing",
        "/project/nothing/",
        "/user/nobody/",
        "/draft/nothing/",
        "/draft/",
        "/simples/",
    ):
        response = fetch(stocked.site, path)
        assert (response.status_int, response.content_type) == (404, "text/html")
        assert "There is nothing at this address." in response.text


def test_a_page_that_is_not_there_says_nothing_of_its_address(stocked: StockedSite) -> None:
    response = fetch(stocked.site, "/<script>alert(1)</script>?q=<script>")

    assert response.status_int == 404
    assert "<script>alert" not in response.text


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", {"GET", "HEAD"}),
        ("/account/login", {"GET", "HEAD", "POST"}),
        ("/account/logout", {"POST"}),
        ("/simple/", {"GET", "HEAD", "OPTIONS"}),
        ("/legacy/", {"POST"}),
        ("/user/ada/", {"GET", "HEAD"}),
    ],
)
@pytest.mark.parametrize("method", ["DELETE", "PUT", "BREW", "TRACE", "CONNECT", "get"])
def test_another_method_is_told_which_ones_there_are(
    stocked: StockedSite, path: str, allowed: set[str], method: str
) -> None:
    response = fetch(stocked.site, path, method=method)

    assert response.status_int == 405
    assert set(response.allow or ()) == allowed


def test_a_method_says_nothing_of_what_may_not_be_known(stocked: StockedSite) -> None:
    for path in ("/project/hidden/", "/simple/hidden/"):
        assert fetch(stocked.site, path, method="DELETE").status_int == 404


def test_a_rate_limit_says_how_long_to_wait(stocked: StockedSite) -> None:
    site = with_settings(stocked.site, uploads_per_hour=1)
    wheel = stocked.files["example-1.0-py3-none-any.whl"]

    response = site.upload(wheel, stocked.token, status=429)

    assert response.headers["Retry-After"] == "3600"
    assert response.status.startswith("429 The user 'ada' uploaded")


def test_a_storage_that_does_not_answer_is_not_the_client_s_fault(
    stocked: StockedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: object) -> None:
        raise StorageUnavailable("no answer")

    monkeypatch.setattr(stocked.site.services.storage, "open", unavailable)

    response = fetch(stocked.site, f"/draft/{stocked.slugs['open']}/files/example-3.0.tar.gz")

    assert response.status_int == 503
    assert response.headers["Retry-After"] == "30"
    assert response.headers["Cache-Control"] == "private, no-store"
    assert "no answer" not in response.text


def test_a_bug_is_told_in_the_form_of_the_api_that_was_asked(
    stocked: StockedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the site")

    monkeypatch.setattr(drafts, "open_new", broken)

    response = stocked.site.app.post_json(
        "/upload/2.0/",
        {"meta": {"api-version": "2.0"}, "name": "example", "version": "9.0"},
        headers=authorization(stocked.site.token()) | {"Content-Type": CONTENT_TYPE},
        status=500,
    )

    assert response.content_type == "application/problem+json"
    assert response.json["status"] == 500
    assert "secret" not in response.text


# Garbage


SEGMENTS = st.one_of(
    st.sampled_from(
        [
            "simple",
            "draft",
            "packages",
            "api",
            "drafts",
            "legacy",
            "project",
            "user",
            "manage",
            "account",
            "tokens",
            "admin",
            "static",
            "files",
            "login",
            "example",
            "Example",
            "hidden",
            "1.0",
            "3.0",
            "..",
            ".",
            "",
            "@@",
            "@@x",
            "*",
            "{open}",
            "{released}",
            "{expired}",
            "{rotated}",
            "aa",
            "aaaa",
            "a" * 60,
            "%00",
            "%ff",
            "%2f",
            "%2e%2e",
            "+",
            "%0d%0a",
            "1!1",
            "example-3.0.tar.gz",
            "x.metadata",
            ".metadata",
            "9" * 5000,
            "_health",
            "revoke",
        ]
    ),
    st.text(st.characters(codec="utf-8"), max_size=25).map(
        lambda text: "".join(f"%{byte:02x}" for byte in text.encode())
    ),
    st.binary(max_size=6).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw)),
)
RAW = st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n"), max_size=40)
METHODS = st.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW", "get", "\xe9"]
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Accept",
            "Accept-Encoding",
            "Accept-Language",
            "Authorization",
            "Content-Length",
            "Content-Type",
            "Cookie",
            "Expect",
            "Host",
            "If-Match",
            "If-Modified-Since",
            "If-None-Match",
            "If-Range",
            "If-Unmodified-Since",
            "Origin",
            "Range",
            "Referer",
            "Transfer-Encoding",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Http-Method-Override",
            "X-PyPI-Is-Staged",
            "X-CSRF-Token",
        ]
    ),
    st.one_of(
        RAW,
        st.sampled_from(
            [
                "*",
                "*/*",
                "bytes=0-1",
                "bytes=-",
                "bytes=" + "9" * 5000 + "-",
                "1e3",
                "-1",
                "9" * 5000,
                '"x"',
                "W/",
                "greenroom=x",
                "greenroom=",
                "multipart/form-data",
                "multipart/form-data; boundary=x",
                "Mon, 99 Jun 2026 99:00:00 GMT",
                "[",
                "a b",
                "Basic \xe9",
                "Bearer \0",
                "application/x-www-form-urlencoded",
                "chunked",
                "text/html;q",
            ]
        ),
    ),
    max_size=4,
)


@given(
    method=METHODS,
    segments=st.lists(SEGMENTS, max_size=6),
    slash=st.booleans(),
    query=RAW,
    headers=HEADERS,
    body=st.one_of(st.just(b""), st.binary(max_size=30)),
)
@example("GET", ["simple", "example"], True, "", {"Range": "bytes=-"}, b"")
@example("POST", ["legacy"], True, "staged=%ff", {"Content-Length": "x"}, b"--x--")
@example("GET", ["draft", "%00" * 22], True, "", {}, b"")
@example("GET", ["simple"], False, "", {"Host": "["}, b"")
@fuzzed(350)
def test_garbage_is_never_an_error_of_ours(
    stocked: StockedSite,
    method: str,
    segments: list[str],
    slash: bool,
    query: str,
    headers: dict[str, str],
    body: bytes,
) -> None:
    path = "/" + "/".join(segments) + "/" * slash
    for name, slug in stocked.slugs.items():
        path = path.replace("{" + name + "}", slug)

    response = fetch(
        stocked.site,
        path,
        method=method,
        headers=headers,
        body=body,
        environ={"QUERY_STRING": query},
    )

    assert response.status_int < 500, (response.status, response.text)
    for name, value in response.headers.items():
        assert re.search(r"[\r\n\0]", name + value) is None
    response.status.encode("latin-1")
    if method == "HEAD":
        assert response.body == b""


def test_garbage_leaves_nothing_behind(stocked: StockedSite) -> None:
    """Runs after the garbage, and again by itself, because order is no promise."""
    before = state(stocked.site)
    for path in ("/simple/", "/legacy/", "/api/drafts/example/3.0", "/project/Example/", "/"):
        for method in ("GET", "POST", "PUT", "DELETE"):
            fetch(
                stocked.site, path, method=method, headers=authorization(stocked.token), body=b"x"
            )

    assert state(stocked.site) == before
    assert not list(stocked.site.services.storage.incoming.iterdir())


def test_a_host_that_is_none_is_refused_where_nothing_else_names_the_index(
    stocked: StockedSite,
) -> None:
    site = with_settings(stocked.site, url=None)

    for host in ("[", "a b", "<script>", "a\x00b", "\xe9", "evil/..", ""):
        response = fetch(site, "/simple", headers={"Host": host})
        assert response.status_int == 400
        assert "script" not in response.text
