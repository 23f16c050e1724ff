"""Headers that every answer carries, whatever it is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest

from tests.web.conftest import Site, authorization
from tests.web.standing import StockedSite, fetch, with_settings

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}

# One of each kind: method, path, status.
ANSWERS = [
    ("GET", "/", 200),
    ("GET", "/project/Example/", 200),
    ("GET", "/project/Example/1.0/", 200),
    ("GET", "/user/ada/", 200),
    ("GET", "/search/", 200),
    ("GET", "/search/?q=example", 200),
    ("GET", "/search/?q=nothing&page=2", 404),
    ("GET", "/search/?q=a&q=b", 400),
    ("GET", "/account/login", 200),
    ("GET", "/account/", 303),
    ("GET", "/admin/", 303),
    ("GET", "/help/", 200),
    ("GET", "/help/errors/", 200),
    ("GET", "/help/nothing/", 404),
    ("GET", "/upload/2.0/openapi.json", 200),
    ("GET", "/upload/2.0/", 405),
    ("GET", "/upload/2.0/nothing", 404),
    ("GET", "/static/greenroom.css", 200),
    ("GET", "/robots.txt", 200),
    ("GET", "/simple/", 200),
    ("HEAD", "/simple/", 200),
    ("OPTIONS", "/simple/", 204),
    ("GET", "/simple/example/", 200),
    ("GET", "/simple/example", 301),
    ("GET", "/simple/nothing/", 404),
    ("POST", "/simple/", 405),
    ("GET", "/pypi/example/json", 200),
    ("HEAD", "/pypi/example/1.0/json", 200),
    ("OPTIONS", "/pypi/example/json", 204),
    ("GET", "/pypi/Example/json", 301),
    ("GET", "/pypi/nothing/json", 404),
    ("GET", "/pypi/%ff/json", 404),
    ("GET", "/pypi", 405),
    ("POST", "/pypi", 415),
    ("POST", "/pypi/", 308),
    ("GET", "/rss/updates.xml", 200),
    ("GET", "/rss/packages.xml", 200),
    ("GET", "/rss/project/example/releases.xml", 200),
    ("GET", "/rss/project/Example/releases.xml", 301),
    ("GET", "/rss/project/nothing/releases.xml", 404),
    ("GET", "/sitemap.xml", 200),
    ("GET", "/sitemap.xml?page=1", 200),
    ("GET", "/sitemap.xml?page=2", 404),
    ("GET", "{file}", 200),
    ("GET", "{file}.metadata", 200),
    ("DELETE", "{file}", 405),
    ("GET", "/packages/aa/", 404),
    ("GET", "/api/drafts/example/3.0", 200),
    ("GET", "/api/drafts/example/9", 404),
    ("GET", "/api/drafts/example/3.0/review", 200),
    ("GET", "/legacy/", 405),
    ("POST", "/legacy/", 400),
    ("POST", "/legacy", 308),
    ("POST", "/account/login", 400),
    ("GET", "/nothing", 404),
    ("GET", "/%ff", 404),
    ("GET", "/%00", 404),
    ("GET", "/draft/", 404),
    ("GET", "/draft/{open}/", 200),
    ("GET", "/draft/{open}", 301),
    ("GET", "/draft/{open}/simple/", 200),
    ("GET", "/draft/{open}/simple/example/", 200),
    ("GET", "/draft/{open}/files/example-3.0.tar.gz", 200),
    ("POST", "/draft/{open}/simple/", 405),
    ("GET", "/draft/{open}/nothing", 404),
    ("GET", "/draft/{open}/%ff", 404),
    ("GET", "//draft/{open}/", 301),
    ("GET", "/./draft/{open}/", 301),
    ("GET", "/nothing/../draft/{open}/", 301),
    ("GET", "/%64raft/{open}/nothing", 404),
    ("GET", "/draft/nothing/simple/", 404),
    ("GET", "/draft/{discarded}/simple/", 410),
    ("GET", "/draft/{expired}/files/x", 410),
]


@pytest.fixture(scope="module")
def encrypted(stocked: StockedSite) -> Site:
    """The same index at an https address."""
    return with_settings(stocked.site, url="https://index.example")


@dataclass(frozen=True)
class Answer:
    """What was asked, and the headers that came."""

    method: str
    path: str
    status: int
    headers: dict[str, str]


@pytest.fixture(scope="module")
def answers(stocked: StockedSite) -> list[Answer]:
    return answers_of(stocked, stocked.site)


def answers_of(stocked: StockedSite, site: Site) -> list[Answer]:
    """One answer of each kind."""
    names = stocked.slugs | {"file": published_file(stocked)}
    authorized = authorization(stocked.token)
    given = [
        fetch(
            site,
            path.format_map(names),
            method=method,
            headers=authorized if path.startswith("/api") else {},
        )
        for method, path, _ in ANSWERS
    ]
    answers = [
        Answer(method, path, answer.status_int, dict(answer.headers))
        for (method, path, _), answer in zip(ANSWERS, given, strict=True)
    ]
    assert [(answer.method, answer.path, answer.status) for answer in answers] == ANSWERS
    return answers


def other_than(
    right: Callable[[Answer], bool], answers: Iterable[Answer]
) -> list[tuple[str, str, dict[str, str]]]:
    """Those of the answers that are not right."""
    return [(each.method, each.path, each.headers) for each in answers if not right(each)]


def published_file(stocked: StockedSite) -> str:
    for line in fetch(stocked.site, "/simple/example/").text.splitlines():
        if ".whl" in line:
            return line.partition('href="../..')[2].partition("#")[0]
    raise AssertionError("no wheel is published")


def test_no_answer_can_be_framed_sniffed_or_run(answers: list[Answer]) -> None:
    def is_safe(answer: Answer) -> bool:
        headers = answer.headers
        policy = headers["Content-Security-Policy"]
        return (
            headers.items() >= EVERYWHERE.items()
            and policy.startswith("default-src 'none'")
            and "frame-ancestors 'none'" in policy
            and "unsafe" not in policy
            and headers["Referrer-Policy"] in ("strict-origin-when-cross-origin", "no-referrer")
            and not headers.keys() & {"Server", "X-Powered-By"}
        )

    assert other_than(is_safe, answers) == []


def test_only_an_encrypted_index_asks_for_encryption(
    stocked: StockedSite, answers: list[Answer], encrypted: Site
) -> None:
    def asks(answer: Answer) -> bool:
        return answer.headers.get("Strict-Transport-Security", "").startswith("max-age=")

    def says_nothing_of_it(answer: Answer) -> bool:
        return "Strict-Transport-Security" not in answer.headers

    assert other_than(says_nothing_of_it, answers) == []
    assert other_than(asks, answers_of(stocked, encrypted)) == []


def test_what_has_a_slug_in_its_address_is_kept_and_followed_by_nobody(
    answers: list[Answer],
) -> None:
    secret = {
        "Cache-Control": "private, no-store",
        "X-Robots-Tag": "noindex, nofollow",
        "Referrer-Policy": "no-referrer",
    }

    def is_right(answer: Answer) -> bool:
        headers = answer.headers
        if "raft/" in answer.path:
            return headers.items() >= secret.items()
        return "X-Robots-Tag" not in headers and headers["Referrer-Policy"] != "no-referrer"

    assert other_than(is_right, answers) == []


def test_data_is_nothing_that_a_browser_runs(answers: list[Answer]) -> None:
    def is_right(answer: Answer) -> bool:
        is_page = answer.headers.get("Content-Type", "").startswith("text/html")
        policy = answer.headers["Content-Security-Policy"]
        return is_page == ("script-src 'self'" in policy) and is_page != ("sandbox" in policy)

    # Of those that lead elsewhere nothing is shown.
    shown = [answer for answer in answers if not 300 <= answer.status < 400]
    assert other_than(is_right, shown) == []


def test_what_goes_wrong_is_kept_by_nobody(answers: list[Answer]) -> None:
    def is_kept_by_nobody(answer: Answer) -> bool:
        return "no-store" in answer.headers["Cache-Control"] and "ETag" not in answer.headers

    wrong = [answer for answer in answers if answer.status >= 400]
    assert other_than(is_kept_by_nobody, wrong) == []


def test_what_a_browser_has_keeps_its_policy(stocked: StockedSite) -> None:
    page = fetch(stocked.site, "/simple/")

    same = fetch(stocked.site, "/simple/", headers={"If-None-Match": page.headers["ETag"]})

    assert same.status_int == 304
    assert "Content-Security-Policy" not in same.headers


def test_a_refused_host_has_them_too(stocked: StockedSite) -> None:
    site = with_settings(stocked.site, url=None)

    response = fetch(site, "/", headers={"Host": "a b"})

    assert response.status_int == 400
    assert EVERYWHERE.items() <= dict(response.headers).items()


def test_encryption_is_what_a_trusted_proxy_says_it_is(stocked: StockedSite) -> None:
    site = with_settings(stocked.site, url=None, trusted_proxies="192.0.2.0/24")

    for remote, asked in (("192.0.2.1", True), ("198.51.100.1", False)):
        response = fetch(
            site,
            "/simple/",
            headers={"X-Forwarded-Proto": "https"},
            environ={"REMOTE_ADDR": remote},
        )
        assert ("Strict-Transport-Security" in response.headers) == asked
