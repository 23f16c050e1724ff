"""Headers that every answer carries, whatever it is."""

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


def headers_of(
    stocked: StockedSite, site: Site, method: str, path: str, status: int
) -> dict[str, str]:
    response = fetch(
        site,
        path.format_map(stocked.slugs | {"file": published_file(stocked)}),
        method=method,
        headers=authorization(stocked.token) if path.startswith("/api") else {},
    )
    assert response.status_int == status
    return dict(response.headers)


def published_file(stocked: StockedSite) -> str:
    for line in fetch(stocked.site, "/simple/example/").text.splitlines():
        if ".whl" in line:
            return line.partition('href="../..')[2].partition("#")[0]
    raise AssertionError("no wheel is published")


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_no_answer_can_be_framed_sniffed_or_run(
    stocked: StockedSite, method: str, path: str, status: int
) -> None:
    headers = headers_of(stocked, stocked.site, method, path, status)

    assert EVERYWHERE.items() <= headers.items()
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] in ("strict-origin-when-cross-origin", "no-referrer")
    assert "Server" not in headers
    assert "X-Powered-By" not in headers


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_only_an_encrypted_index_asks_for_encryption(
    stocked: StockedSite, encrypted: Site, method: str, path: str, status: int
) -> None:
    plain = headers_of(stocked, stocked.site, method, path, status)
    over_tls = headers_of(stocked, encrypted, method, path, status)

    assert "Strict-Transport-Security" not in plain
    assert over_tls["Strict-Transport-Security"].startswith("max-age=")


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_what_has_a_slug_in_its_address_is_kept_and_followed_by_nobody(
    stocked: StockedSite, method: str, path: str, status: int
) -> None:
    headers = headers_of(stocked, stocked.site, method, path, status)

    secret = {
        "Cache-Control": "private, no-store",
        "X-Robots-Tag": "noindex, nofollow",
        "Referrer-Policy": "no-referrer",
    }
    if "raft/" in path:
        assert secret.items() <= headers.items()
    else:
        assert "X-Robots-Tag" not in headers
        assert headers["Referrer-Policy"] != "no-referrer"


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_data_is_nothing_that_a_browser_runs(
    stocked: StockedSite, method: str, path: str, status: int
) -> None:
    headers = headers_of(stocked, stocked.site, method, path, status)

    if 300 <= status < 400:
        return  # nothing is shown of those
    is_page = headers.get("Content-Type", "").startswith("text/html")
    assert is_page == ("script-src 'self'" in headers["Content-Security-Policy"])
    assert is_page != ("sandbox" in headers["Content-Security-Policy"])


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_what_goes_wrong_is_kept_by_nobody(
    stocked: StockedSite, method: str, path: str, status: int
) -> None:
    headers = headers_of(stocked, stocked.site, method, path, status)

    if status >= 400:
        assert "no-store" in headers["Cache-Control"]
        assert "ETag" not in headers


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
