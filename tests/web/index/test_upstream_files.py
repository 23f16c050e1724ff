"""``/upstream/…``: files of upstreams, as an index without a server of ours gives them."""

import os
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from greenroom.other_indexes.pages import PageFile
from greenroom.registry.unit_of_work import Services
from tests import upstream_cache
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.upstream_server import HeldFile, Status, UpstreamServer, upstream_running
from tests.web.conftest import Site, authorization

FILENAME = "thing-1.0-py3-none-any.whl"
CONTENT = os.urandom(200_000)
METADATA = b"Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n"


@pytest.fixture
def upstream() -> Iterator[UpstreamServer]:
    with upstream_running() as upstream:
        upstream.project("thing").files.append(HeldFile(FILENAME, CONTENT, METADATA))
        yield upstream


@pytest.fixture
def file(upstream: UpstreamServer) -> PageFile:
    return upstream_cache.page_file(upstream, upstream.project("thing").files[0])


@pytest.fixture
def cached(
    services: Services, clock: FakeClock, upstream: UpstreamServer, file: PageFile
) -> Iterator[Site]:
    settings = upstream_cache.with_upstream(services.settings, upstream)
    upstream_cache.keep_page(replace(services, settings=settings), upstream, "thing", file)
    yield Site(replace(services, settings=settings), clock)
    services.asking.close()


def test_a_file_comes_from_there_once_and_is_sent_as_ours_are(
    cached: Site, file: PageFile, upstream: UpstreamServer
) -> None:
    for _ in range(2):
        answer = cached.app.get(upstream_cache.address(file))
        assert answer.body == CONTENT
        assert answer.headers["ETag"] == f'"{file.hashes["sha256"]}"'
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert "immutable" in answer.headers["Cache-Control"]
    assert upstream.asked(upstream.file(FILENAME)) == 1


def test_ranges_heads_and_validators_hold_before_and_after(cached: Site, file: PageFile) -> None:
    url = upstream_cache.address(file)
    head = cached.app.head(url)
    assert int(head.headers["Content-Length"]) == len(CONTENT)
    part = cached.app.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_int, part.body) == (206, CONTENT[100:200])
    known = {"If-None-Match": head.headers["ETag"]}
    assert cached.app.get(url, headers=known, status=304).body == b""
    assert cached.app.head(url).headers["ETag"] == head.headers["ETag"]


def test_metadata_files_are_verified_and_kept(
    cached: Site, file: PageFile, upstream: UpstreamServer
) -> None:
    for _ in range(2):
        answer = cached.app.get(upstream_cache.address(file) + ".metadata")
        assert answer.body == METADATA
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert upstream.asked(upstream.file(FILENAME) + ".metadata") == 1
    assert upstream.asked(upstream.file(FILENAME)) == 0


def test_an_upstream_that_is_away_is_a_503_that_names_it(
    cached: Site, file: PageFile, upstream: UpstreamServer
) -> None:
    cached.app.get(upstream_cache.address(file) + ".metadata")
    upstream.fail(upstream.file(FILENAME), Status(503, retry_after=30))

    answer = cached.app.get(upstream_cache.address(file), status=503)

    assert "the upstream up that has it cannot be asked now" in answer.status
    assert answer.headers["Retry-After"] == "30"
    assert answer.headers["Cache-Control"] == "no-store"
    upstream.go_away()
    assert cached.app.get(upstream_cache.address(file) + ".metadata").body == METADATA
    upstream.come_back()


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("/up/", "/other/"),
        lambda url: url.replace("/thing/", "/another/"),
        lambda url: url.replace("thing-1.0", "thing-2.0"),
        lambda url: url.replace("/packages/", "/packages/x/"),
        lambda url: url.replace("127.0.0.1", "127.0.0.2"),
        lambda url: url + ".asc",
    ],
    ids=["upstream", "project", "filename", "path", "host", "signature"],
)
def test_what_is_on_no_page_is_never_fetched(
    cached: Site, file: PageFile, upstream: UpstreamServer, change: "object"
) -> None:
    assert callable(change)
    cached.app.get(change(upstream_cache.address(file)), status=404)

    assert [asked for asked in upstream.requests if asked.path.startswith("/packages/")] == []


def test_a_name_that_is_published_here_has_no_files_elsewhere(
    cached: Site, file: PageFile, account: str, upstream: UpstreamServer
) -> None:
    folder = cached.services.storage.incoming.parent
    cached.release(make_wheel(folder, "thing", "3.0"))

    cached.app.get(upstream_cache.address(file), status=404)

    assert upstream.requests == []


def test_a_file_of_a_page_that_nobody_has_asked_for_is_found(
    services: Services, clock: FakeClock, file: PageFile, upstream: UpstreamServer
) -> None:
    """Lock files name addresses of files, and nobody asks for the page then."""
    settings = upstream_cache.with_upstream(services.settings, upstream)
    site = Site(replace(services, settings=settings), clock)

    assert site.app.get(upstream_cache.address(file)).body == CONTENT

    site.app.get(upstream_cache.address(file).replace("thing", "another"), status=404)
    services.asking.close()


def test_what_is_not_let_in_says_why_and_so_does_its_metadata(
    services: Services, clock: FakeClock, file: PageFile, upstream: UpstreamServer
) -> None:
    settings = upstream_cache.with_upstream(services.settings, upstream, upstream_max_file_size=10)
    site = Site(replace(services, settings=settings), clock)

    for end in ("", ".metadata"):
        answer = site.app.get(upstream_cache.address(file) + end, status=403)
        assert "this index lets files of at most 10 bytes in from up" in answer.status
        assert answer.text.strip() in answer.status
    assert upstream.asked(upstream.file(FILENAME)) == 0
    services.asking.close()


def test_where_files_are_not_kept_the_address_leads_there(
    services: Services, clock: FakeClock, file: PageFile, upstream: UpstreamServer
) -> None:
    settings = upstream_cache.with_upstream(services.settings, upstream, upstream_mode="redirect")
    site = Site(replace(services, settings=settings), clock)

    answer = site.app.get(upstream_cache.address(file), status=302)

    assert answer.location == file.url
    services.asking.close()


def test_strangers_get_nothing_where_members_read(
    services: Services, clock: FakeClock, file: PageFile, upstream: UpstreamServer
) -> None:
    settings = upstream_cache.with_upstream(services.settings, upstream, read="projects")
    site = Site(replace(services, settings=settings), clock)
    site.user()
    token = site.token(permissions=["read"])

    for path in (upstream_cache.address(file), "/upstream/up/x/y/z.whl", "/upstream/q/x/y/z.whl"):
        site.app.get(path, status=401)
    assert upstream.requests == []
    answer = site.app.get(upstream_cache.address(file), headers=authorization(token))
    assert answer.body == CONTENT
    assert answer.headers["Cache-Control"].startswith("private")
    assert "Surrogate-Key" not in answer.headers
    services.asking.close()


def test_a_size_that_no_page_says_counts_when_it_is_known(
    services: Services, clock: FakeClock, file: PageFile, upstream: UpstreamServer
) -> None:
    upstream.speaks_json = False
    settings = upstream_cache.with_upstream(services.settings, upstream, upstream_max_file_size=10)
    site = Site(replace(services, settings=settings), clock)

    for _ in range(2):
        answer = site.app.get(upstream_cache.address(file), status=403)
        assert "this index lets files of at most 10 bytes in from up" in answer.status
    services.asking.close()
