"""Fetching files of upstreams: once for all, on from where it ended, and nothing that is wrong."""

import hashlib
import os
import threading
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from greenroom.registry import upstream_fetching, upstream_files, upstream_policy
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_fetching import Fetches, FileNotHere
from greenroom.registry.upstream_files import KeptFile, WantedFile
from tests import upstream_cache
from tests.upstream_cache import NAME
from tests.upstream_server import (
    EVERYTHING,
    CutOff,
    Drops,
    Endless,
    HeldFile,
    OtherBytes,
    Redirects,
    Status,
    UpstreamServer,
)

FILENAME = "thing-1.0-py3-none-any.whl"
CONTENT = os.urandom(700_000)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_fetching, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(upstream_fetching, "_PAUSES_BEFORE_ANYTHING", (0.0,))


@pytest.fixture
def held() -> Iterator[tuple[UpstreamServer, HeldFile]]:
    with upstream_cache.holding(FILENAME, CONTENT) as both:
        yield both


@pytest.fixture
def upstream(held: tuple[UpstreamServer, HeldFile]) -> UpstreamServer:
    return held[0]


@pytest.fixture
def cached(services: Services, upstream: UpstreamServer) -> Iterator[Services]:
    """An index that keeps files of the upstream."""
    yield replace(services, settings=upstream_cache.with_upstream(services.settings, upstream))
    services.asking.close()


@pytest.fixture
def wanted(held: tuple[UpstreamServer, HeldFile]) -> WantedFile:
    return upstream_files.wanted(NAME, "thing", upstream_cache.page_file(*held))


def kept(services: Services, wanted: WantedFile) -> KeptFile | None:
    with services.reading() as uow:
        return upstream_files.find(uow.db, wanted)


def content(services: Services, digest: str) -> bytes:
    with services.storage.open(digest) as blob:
        return b"".join(blob)


def path_of(upstream: UpstreamServer) -> str:
    return upstream.file(FILENAME)


def test_a_file_is_fetched_once_and_kept(
    cached: Services, wanted: WantedFile, upstream: UpstreamServer
) -> None:
    fetches = Fetches(cached)
    for _ in range(2):
        fetches.fetch(wanted)

    found = kept(cached, wanted)
    assert found is not None
    assert (found.size, found.is_verified) == (len(CONTENT), True)
    assert content(cached, found.sha256) == CONTENT
    assert upstream.asked(path_of(upstream)) == 1
    assert list(cached.storage.incoming.iterdir()) == []


def test_what_is_cut_off_goes_on_by_range(
    cached: Services, wanted: WantedFile, upstream: UpstreamServer
) -> None:
    upstream.fail(path_of(upstream), CutOff(300_000), times=1)

    Fetches(cached).fetch(wanted)

    assert kept(cached, wanted) is not None
    first, second = upstream.requests_of(path_of(upstream))
    assert "range" not in first.headers
    begin = int(second.headers["range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < begin <= 300_000
    assert second.headers["if-range"]


def test_what_a_killed_process_has_left_is_taken_up(
    cached: Services, wanted: WantedFile, upstream: UpstreamServer
) -> None:
    upstream.fail(path_of(upstream), CutOff(300_000), times=1)
    upstream.fail(EVERYTHING, Drops())
    with pytest.raises(FileNotHere, match="the upstream up that has it cannot be asked now"):
        Fetches(cached).fetch(wanted)
    upstream.heal()
    upstream.forget()

    Fetches(cached).fetch(wanted)

    [asked] = upstream.requests_of(path_of(upstream))
    assert asked.headers["range"].startswith("bytes=")
    assert kept(cached, wanted) is not None


def test_where_no_ranges_are_sent_the_beginning_is_compared(
    cached: Services, wanted: WantedFile, upstream: UpstreamServer
) -> None:
    upstream.has_ranges = False
    upstream.fail(path_of(upstream), CutOff(300_000), times=1)

    Fetches(cached).fetch(wanted)

    assert kept(cached, wanted) is not None


def test_other_bytes_are_never_whole_and_not_kept(
    cached: Services, wanted: WantedFile, upstream: UpstreamServer
) -> None:
    upstream.fail(path_of(upstream), OtherBytes())

    with pytest.raises(FileNotHere, match="its sha256 digest is another one"):
        Fetches(cached).fetch(wanted)

    assert kept(cached, wanted) is None
    assert list(cached.storage.digests()) == []
    assert list(cached.storage.incoming.iterdir()) == []


def test_a_size_other_than_the_page_says_is_refused(
    cached: Services, wanted: WantedFile, upstream: UpstreamServer
) -> None:
    with pytest.raises(FileNotHere, match=r"has 700000 bytes, and should have 10\."):
        Fetches(cached).fetch(replace(wanted, size=10))
    upstream.fail(path_of(upstream), Endless())
    with pytest.raises(FileNotHere, match="has more than the 700000 bytes"):
        Fetches(cached).fetch(wanted)


@pytest.mark.parametrize("hashes", [{}, {"md5": hashlib.md5(CONTENT).hexdigest()}])
def test_without_a_strong_digest_what_comes_first_is_kept_and_said_to_be_so(
    cached: Services, wanted: WantedFile, hashes: dict[str, str]
) -> None:
    wanted = replace(wanted, hashes=hashes, size=None)

    Fetches(cached).fetch(wanted)

    found = kept(cached, wanted)
    assert found is not None
    assert not found.is_verified


def test_an_upstream_that_refuses_is_not_asked_again_at_once(
    cached: Services, wanted: WantedFile, upstream: UpstreamServer
) -> None:
    upstream.fail(path_of(upstream), Status(503, retry_after=120))

    with pytest.raises(FileNotHere, match="answers with status 503") as refused:
        Fetches(cached).fetch(wanted)

    assert refused.value.retry_after == 120
    assert upstream.asked(path_of(upstream)) == 1
    with pytest.raises(FileNotHere):
        Fetches(cached).look(wanted)
    assert upstream.asked(path_of(upstream)) == 1


def test_an_upstream_that_is_away_is_named(
    cached: Services, wanted: WantedFile, upstream: UpstreamServer
) -> None:
    upstream.go_away()

    with pytest.raises(FileNotHere, match=f"{upstream.origin}.*cannot be reached"):
        Fetches(cached).fetch(wanted)

    upstream.come_back()


def test_redirects_lead_to_no_other_host(
    cached: Services, wanted: WantedFile, upstream: UpstreamServer
) -> None:
    upstream.fail(path_of(upstream), Redirects("http://files.example/secret"))

    with pytest.raises(FileNotHere, match="GREENROOM_UPSTREAM_HOSTS"):
        Fetches(cached).fetch(wanted)


def test_two_that_fetch_at_once_ask_once(
    cached: Services, wanted: WantedFile, upstream: UpstreamServer
) -> None:
    """Each has what it knows for itself, as two processes have."""
    failures: list[BaseException] = []

    def fetch() -> None:
        try:
            Fetches(cached).fetch(wanted)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert upstream.asked(path_of(upstream)) == 1


def test_a_missing_blob_is_fetched_again(
    cached: Services, wanted: WantedFile, upstream: UpstreamServer
) -> None:
    Fetches(cached).fetch(wanted)
    cached.storage.delete(wanted.hashes["sha256"])

    Fetches(cached).fetch(wanted)

    assert content(cached, wanted.hashes["sha256"]) == CONTENT
    assert upstream.asked(path_of(upstream)) == 2


def test_another_content_under_the_same_name_takes_its_place(
    cached: Services, wanted: WantedFile, upstream: UpstreamServer
) -> None:
    Fetches(cached).fetch(wanted)
    other = HeldFile(FILENAME, b"another", None)
    upstream.project("thing").files[:] = [other]
    newer = upstream_files.wanted(NAME, "thing", upstream_cache.page_file(upstream, other))

    Fetches(cached).fetch(newer)

    assert kept(cached, wanted) is None
    found = kept(cached, newer)
    assert found is not None
    assert content(cached, found.sha256) == b"another"


def test_the_licence_that_metadata_says_is_known_at_once(
    cached: Services, upstream: UpstreamServer
) -> None:
    strict = replace(cached.settings, upstream_licenses=("MIT",))
    cached = replace(cached, settings=strict)
    metadata = (
        b"Metadata-Version: 2.4\nName: thing\nVersion: 1.0\nLicense-Expression: GPL-3.0-only\n"
    )
    held = HeldFile(FILENAME, CONTENT, metadata)
    upstream.project("thing").files[:] = [held]
    file = upstream_cache.page_file(upstream, held)
    wanted = upstream_files.wanted_metadata(NAME, "thing", file)
    assert wanted is not None

    Fetches(cached).fetch(wanted)

    with cached.reading() as uow:
        refused = upstream_policy.load(uow, NAME, "thing").of(file)
    assert refused is not None
    assert "is under GPL-3.0-only" in refused.sentence
