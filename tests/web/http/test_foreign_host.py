"""An index that was not told its address: what a client says of it reaches nobody else."""

import re
from collections.abc import Iterator

import pytest
import webob

from tests.web.conftest import Site
from tests.web.standing import StockedSite, fetch, stocked_site, with_settings

FOREIGN = "evil.example"
NAMED = [
    # Formats and lines to copy that need whole URLs.
    "/",
    "/project/Example/",
    "/project/Example/1.0/",
    "/pypi/example/json",
    "/pypi/example/1.0/json",
    "/rss/updates.xml",
    "/rss/packages.xml",
    "/rss/project/example/releases.xml",
    "/sitemap.xml",
    "/sitemap.xml?page=1",
    "/robots.txt",
    "/upload/2.0/openapi.json",
    # Redirects, whose Location is a whole URL on the wire.
    "/simple/Example/",
    "/simple/example",
    "/project/example",
    "/pypi/Example/json",
]
UNNAMED = [
    "/simple/",
    "/simple/example/",
    "{file}",
    "{file}.metadata",
    "/static/greenroom.css",
    "/user/ada/",
    "/search/?q=example",
    "/help/errors/",
]


@pytest.fixture(scope="module")
def stocked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StockedSite]:
    with stocked_site(request, tmp_path_factory.mktemp("site"), "sqlite") as stocked:
        yield stocked


def ask(site: Site, path: str, *, forwarded: bool = False, etag: str = "") -> webob.Response:
    """An answer to somebody who says that the index is at a foreign host."""
    if "{file}" in path:
        page = fetch(site, "/simple/example/").text
        found = re.search(r'"\.\./\.\.(/packages/[^#"]*\.whl)', page)
        assert found is not None
        path = path.replace("{file}", found[1])
    said = {"X-Forwarded-Host": FOREIGN} if forwarded else {"Host": FOREIGN}
    if etag:
        said["If-None-Match"] = etag
    return fetch(site, path, headers=said, environ={"REMOTE_ADDR": "192.0.2.1"})


def names_it(response: webob.Response) -> bool:
    return FOREIGN.encode() in response.body or FOREIGN in str(dict(response.headers))


def unaddressed(stocked: StockedSite) -> Site:
    return with_settings(stocked.site, url=None, trusted_proxies="192.0.2.0/24")


@pytest.mark.parametrize("path", NAMED)
@pytest.mark.parametrize("forwarded", [False, True])
def test_no_cache_keeps_an_address_that_a_client_gave(
    stocked: StockedSite, path: str, forwarded: bool
) -> None:
    response = ask(unaddressed(stocked), path, forwarded=forwarded)

    assert names_it(response)
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert "Surrogate-Key" not in response.headers
    if "ETag" in response.headers:
        same = ask(unaddressed(stocked), path, etag=response.headers["ETag"])
        assert "public" not in same.headers.get("Cache-Control", "private")


@pytest.mark.parametrize("path", UNNAMED)
def test_what_names_no_host_is_kept_as_ever(stocked: StockedSite, path: str) -> None:
    told, untold = ask(stocked.site, path), ask(unaddressed(stocked), path)

    assert not names_it(untold)
    assert untold.body == told.body
    assert untold.headers["Cache-Control"] == told.headers["Cache-Control"]
    assert untold.headers["Cache-Control"] != "private, no-cache"
    assert untold.headers.get("Surrogate-Key") == told.headers.get("Surrogate-Key")


@pytest.mark.parametrize("path", NAMED + UNNAMED)
def test_an_index_that_knows_its_address_names_no_other(stocked: StockedSite, path: str) -> None:
    response = ask(stocked.site, path)

    assert not names_it(response)
    assert "private" not in response.headers.get("Cache-Control", "")


def test_a_refusal_with_such_an_address_is_kept_by_nobody(stocked: StockedSite) -> None:
    for path in ("/upload/2.0/nothing", "/pypi", "/simple/nothing/"):
        response = ask(unaddressed(stocked), path)
        assert response.status_int in (404, 405)
        assert response.headers["Cache-Control"] == "no-store"
