"""One address for each thing, and where the index and the client are."""

from collections.abc import Mapping
from ipaddress import ip_network
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.registry import Registry
from pyramid.response import Response

from greenroom.settings import Settings
from greenroom.web.http.proxies import believe_proxies
from greenroom.web.http.request import Request
from tests.fuzzing import fuzzed
from tests.web.conftest import Site
from tests.web.standing import StockedSite, fetch, with_settings

INDEX = "http://index.example"


@pytest.fixture(scope="module")
def mounted(stocked: StockedSite) -> Site:
    """The index below a path of another site."""
    return with_settings(stocked.site, url="https://company.example/index/of%20us/")


REDIRECTS = [
    # folders end with a slash, leaves do not
    ("/simple", "/simple/"),
    ("/simple/example", "/simple/example/"),
    ("/draft/{open}", "/draft/{open}/"),
    ("/draft/{open}/simple", "/draft/{open}/simple/"),
    ("/draft/{open}/simple/example", "/draft/{open}/simple/example/"),
    ("/draft/{open}/files/example-3.0.tar.gz/", "/draft/{open}/files/example-3.0.tar.gz"),
    ("/project/Example", "/project/Example/"),
    ("/project/Example/1.0", "/project/Example/1.0/"),
    ("/user/ada", "/user/ada/"),
    ("/account", "/account/"),
    ("/account/login/", "/account/login"),
    # names are spelled in one way
    ("/simple/Example/", "/simple/example/"),
    ("/simple/EXAMPLE", "/simple/example/"),
    ("/simple/e%78ample", "/simple/example/"),
    ("/project/example/", "/project/Example/"),
    ("/project/eXample/1.0/", "/project/Example/1.0/"),
    ("/project/Example/1/", "/project/Example/1.0/"),
    ("/project/example/v1.0.0", "/project/Example/1.0/"),
    ("/user/ADA/", "/user/ada/"),
    # slashes and dots
    ("//simple/", "/simple/"),
    ("/simple//", "/simple/"),
    ("/simple//example//", "/simple/example/"),
    ("//index.invalid/../simple", "/simple/"),
    ("/./simple/", "/simple/"),
    ("/simple/./example/", "/simple/example/"),
    ("/simple/../simple/example/", "/simple/example/"),
    ("/../simple/", "/simple/"),
    ("/simple/example/..", "/simple/"),
    ("/simple/%2e%2e/simple/", "/simple/"),
    # an encoded slash is a slash
    ("/simple%2Fexample", "/simple/example/"),
    ("/%2Fsimple/", "/simple/"),
    ("/simple/%2Fexample/", "/simple/example/"),
]


@pytest.mark.parametrize(("path", "canonical"), REDIRECTS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_other_spelling_leads_to_the_address(
    stocked: StockedSite, path: str, canonical: str, method: str
) -> None:
    response = fetch(stocked.site, path.format_map(stocked.slugs), method=method)

    assert response.status_int == 301
    assert response.location == INDEX + canonical.format_map(stocked.slugs)


@pytest.mark.parametrize(("path", "canonical"), REDIRECTS)
def test_an_address_is_its_own(stocked: StockedSite, path: str, canonical: str) -> None:
    assert fetch(stocked.site, canonical.format_map(stocked.slugs)).status_int in (200, 303)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", ""),
        *[(query, f"?{query}") for query in ("staged=true", "a=1&a=2", "?", "a=%2F..%2F&<>\"'[]")],
        ("q=%C3%A9%0d%0aX:1", "?q=%C3%A9%0d%0aX:1"),
        ("q=\xc3\xa9 \0\r\nX: 1", "?q=%C3%A9%20%00%0D%0AX:%201"),
    ],
)
def test_the_query_is_kept(stocked: StockedSite, query: str, kept: str) -> None:
    response = fetch(stocked.site, "/simple", environ={"QUERY_STRING": query})

    assert response.status_int == 301
    assert response.location == f"{INDEX}/simple/{kept}"


@pytest.mark.parametrize("path", ["/legacy", "//legacy/", "/./legacy", "/legacy//"])
def test_an_upload_is_redirected_with_its_body(stocked: StockedSite, path: str) -> None:
    response = fetch(stocked.site, f"{path}?staged=true", method="POST", body=b"--x--")

    assert response.status_int == 308
    assert response.location == f"{INDEX}/legacy/?staged=true"


@pytest.mark.parametrize(
    "path",
    [
        "/simple/nothing",
        "/simple/hidden",
        "/simple/Hidden/",
        "/simple/Nothing/",
        "/nothing",
        "/simple/example/1.0",
        "/legacy/x",
        "/project/hidden",
        "/draft",
        "/api",
        "/packages",
        "/draft/nothing",
    ],
)
def test_what_is_not_there_is_not_redirected(stocked: StockedSite, path: str) -> None:
    assert fetch(stocked.site, path).status_int == 404


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "//evil.example/%2e%2e",
        "/\\evil.example/..",
        "/%0d%0aX:1/../simple",
        "//evil.example/../account/login/",
    ],
)
def test_no_redirect_leads_elsewhere(stocked: StockedSite, path: str) -> None:
    response = fetch(stocked.site, path)

    if response.location is not None:
        assert response.location.startswith(f"{INDEX}/")
        assert "evil" not in response.location


def test_the_index_can_live_below_a_path(mounted: Site) -> None:
    base = "https://company.example/index/of%20us"
    assert fetch(mounted, "/simple").location == f"{base}/simple/"
    assert fetch(mounted, "/legacy?staged=true", method="POST").location == (
        f"{base}/legacy/?staged=true"
    )
    assert fetch(mounted, "/simple/").status_int == 200
    assert fetch(mounted, "/simple/Example/").location == f"{base}/simple/example/"


def test_what_a_script_is_told_has_the_public_address(mounted: Site, stocked: StockedSite) -> None:
    response = fetch(
        mounted,
        "/api/drafts/example/3.0",
        headers={"Authorization": f"Bearer {stocked.token}", "Host": "localhost:6543"},
    )

    base = "https://company.example/index/of%20us"
    assert response.json["links"]["stage"] == f"{base}/draft/{stocked.slugs['open']}/simple/"
    assert all(f["link"].startswith(f"{base}/draft/") for f in response.json["files"].values())


# Where the client is, and what the index is called


def seen(
    headers: Mapping[str, str],
    *,
    trusted: str = "10.0.0.0/8",
    remote: str | None = "10.0.0.1",
    url: str | None = None,
) -> tuple[str | None, str, str, int]:
    """The client's address, the scheme, the host and the status that a request comes to."""
    settings = Settings(
        trusted_proxies=tuple(ip_network(part) for part in trusted.split()), url=url
    )
    found = []

    def handler(request: Request) -> Response:
        found.append((request.remote_addr, request.scheme, request.host))
        return Response()

    registry = SimpleNamespace(services=SimpleNamespace(settings=settings))
    tween = believe_proxies(handler, cast("Registry", registry))
    request = Request.blank("/", headers={"Host": "inner:6543", **headers})
    if remote is not None:
        request.remote_addr = remote
    status = tween(request).status_int
    return (*found[0], status) if found else (None, "", "", status)


FORWARDED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "index.example",
}


def test_a_trusted_proxy_is_believed() -> None:
    assert seen(FORWARDED) == ("203.0.113.7", "https", "index.example", 200)


@pytest.mark.parametrize(
    "remote", ["198.51.100.1", "11.0.0.1", "", None, "unix:", "garbage", "::1"]
)
def test_nobody_else_is(remote: str | None) -> None:
    client, *rest = seen(FORWARDED, remote=remote)

    assert client == remote
    assert rest == ["http", "inner:6543", 200]


def test_nobody_is_where_no_proxy_is_named() -> None:
    assert seen(FORWARDED, trusted="") == ("10.0.0.1", "http", "inner:6543", 200)


@pytest.mark.parametrize(
    ("remote", "trusted"),
    [
        ("10.255.0.1", "10.0.0.0/8"),
        ("192.0.2.9", "10.0.0.0/8 192.0.2.0/24"),
        ("2001:db8::5", "2001:db8::/32"),
        ("::ffff:10.0.0.1", "10.0.0.0/8"),  # how IPv4 looks to a server that listens on both
        ("127.0.0.1", "127.0.0.1/32"),
    ],
)
def test_a_proxy_is_known_by_its_network(remote: str, trusted: str) -> None:
    assert seen(FORWARDED, remote=remote, trusted=trusted)[0] == "203.0.113.7"


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.3", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.3, 10.1.1.1", "203.0.113.7"),
        ("203.0.113.7,10.0.0.3", "203.0.113.7"),
        ("1.1.1.1, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.9, 203.0.113.7, 10.0.0.3", "203.0.113.7"),
        ("127.0.0.1, 10.0.0.2, 203.0.113.7, 10.0.0.3", "203.0.113.7"),
        ("<script>, 203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.0.0.7", "10.0.0.7"),
        ("", "10.0.0.1"),
        ("garbage", "10.0.0.1"),
        ("203.0.113.7, garbage", "10.0.0.1"),
        ("203.0.113.7, garbage, 10.0.0.3", "10.0.0.3"),
        ("203.0.113.7:4711", "203.0.113.7"),
        (",,,", "10.0.0.1"),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(header: str, client: str) -> None:
    assert seen({"X-Forwarded-For": header})[0] == client


@pytest.mark.parametrize(
    ("header", "scheme"),
    [
        ("https", "https"),
        ("http", "http"),
        ("https, http", "http"),
        ("http, https", "https"),
        ("ftp", "http"),
        ("", "http"),
        ("javascript", "http"),
        ("HTTPS", "http"),
    ],
)
def test_the_scheme_is_what_the_nearest_proxy_says(header: str, scheme: str) -> None:
    assert seen({"X-Forwarded-Proto": header})[1] == scheme


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("index.example", "index.example"),
        ("evil.example, index.example", "index.example"),
        ("index.example:8443", "index.example:8443"),
        ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ("", "inner:6543"),
    ],
)
def test_the_host_is_what_the_nearest_proxy_says(header: str, host: str) -> None:
    assert seen({"X-Forwarded-Host": header})[2:] == (host, 200)


@pytest.mark.parametrize(
    "host", ["[", "a b", "a/b", "user@host", "a?b", "a#b", "é", 'a"b', "a:b", "a:1:2", "\\", "<b>"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    assert seen({"Host": host})[3] == 400
    assert seen({"X-Forwarded-Host": host})[3] == 400


def test_the_setting_goes_before_everything() -> None:
    forged = FORWARDED | {"Host": "["}
    assert seen(forged, url="https://fixed.example:8443/x") == (
        "203.0.113.7",
        "https",
        "fixed.example:8443",
        200,
    )


@given(st.text(alphabet="0123456789abcdef.:, []%/-", max_size=60))
@fuzzed(200)
def test_no_forged_header_breaks_anything(header: str) -> None:
    client, *_ = seen({"X-Forwarded-For": header, "X-Forwarded-Host": header})

    assert client is None or client == "10.0.0.1" or client in header
