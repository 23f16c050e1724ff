"""Asking upstreams for pages, and keeping what they say: on both databases, with faults."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import UpstreamPage, UpstreamRequest
from greenroom.other_indexes import client
from greenroom.other_indexes.errors import UpstreamUnavailable
from greenroom.other_indexes.pages import PageFile, ProjectPage
from greenroom.registry import upstream_page_fetching, upstream_pages
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_pages import KeptPage, Standing
from greenroom.settings import Settings
from greenroom.upstream_settings import Upstream
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.upstream_server import (
    EVERYTHING,
    CutOff,
    Drops,
    Fault,
    Held,
    Redirects,
    Says,
    Status,
    UpstreamServer,
    upstream_running,
)

LOOPBACK = (ip_network("127.0.0.0/8"),)
NAME = "thing"


@pytest.fixture
def first(tmp_path: Path) -> Iterator[UpstreamServer]:
    with upstream_running() as running:
        yield running


@pytest.fixture
def second(tmp_path: Path) -> Iterator[UpstreamServer]:
    with upstream_running([make_wheel(tmp_path, NAME)]) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, first: UpstreamServer, second: UpstreamServer) -> Settings:
    behind = (Upstream("one", first.url), Upstream("two", second.url))
    return replace(settings, upstreams=behind, upstream_networks=LOOPBACK)


@pytest.fixture
def two(services: Services) -> Upstream:
    return services.settings.upstreams[1]


def standing(services: Services, name: str = NAME) -> Standing:
    with services.reading() as uow:
        return upstream_pages.standing(uow, name)


def kept(services: Services, name: str = NAME) -> KeptPage | None:
    with services.reading() as uow:
        return upstream_pages.find(uow, "two", name)


def answered(services: Services, name: str = NAME) -> KeptPage | None:
    """What is known in the end, once everybody was asked who has to be."""
    for _ in range(4):
        found = standing(services, name)
        if found.ask is None:
            return found.shown
        upstream_page_fetching.fetch_now(services, found.ask, name)
    raise AssertionError("there is no end")


def test_the_first_upstream_that_has_a_name_answers_for_it(
    services: Services, first: UpstreamServer, second: UpstreamServer, tmp_path: Path
) -> None:
    assert standing(services).ask == services.settings.upstreams[0]
    found = answered(services)
    assert found is not None
    assert found.upstream == "two"
    assert found.page is not None
    assert [file.filename for file in found.page.files] == ["thing-1.0-py3-none-any.whl"]

    first.add(make_wheel(tmp_path, NAME, "9.0"))
    services.clock.advance(timedelta(minutes=2))  # type: ignore[attr-defined]
    found = answered(services)
    assert found is not None
    assert found.upstream == "one"
    assert answered(services, "nothing") is None


def test_an_upstream_that_is_away_is_not_passed_over(
    services: Services, first: UpstreamServer, second: UpstreamServer, clock: FakeClock
) -> None:
    first.fail(EVERYTHING, Status(503))
    with pytest.raises(UpstreamUnavailable):
        answered(services)
    assert second.asked() == 0

    first.heal()
    clock.advance(timedelta(minutes=1))
    assert answered(services) is not None
    first.fail(EVERYTHING, Status(503))
    clock.advance(timedelta(minutes=2))
    # It had none, which may be said while it is away, as long as what it had might be.
    known = standing(services)
    assert known.ask is not None
    assert known.has_otherwise
    assert known.otherwise == kept(services)
    clock.advance(timedelta(days=1))
    assert not standing(services).has_otherwise


def test_what_is_not_fresh_is_shown_and_asked_for_again_by_its_etag(
    services: Services, second: UpstreamServer, clock: FakeClock, two: Upstream
) -> None:
    upstream_page_fetching.fetch_now(services, two, NAME)
    before = kept(services)
    assert before is not None
    assert before.is_fresh
    clock.advance(timedelta(minutes=11))
    later = kept(services)
    assert later is not None
    assert (later.is_fresh, later.may_be_shown) == (False, True)
    upstream_page_fetching.fetch_now(services, two, NAME)
    after = kept(services)
    assert after is not None
    assert (after.is_fresh, after.digest, after.page) == (True, before.digest, before.page)
    assert after.checked > before.checked
    validators = [asked.headers.get("if-none-match") for asked in second.requests]
    assert validators == [None, before.etag]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("", 600), ("max-age=120", 120), ("public, max-age=99999", 600), ("max-age=0", 10),
        ("no-cache", 10), ("no-store, max-age=300", 10), ("s-maxage=60, max-age=0", 60),
        ("max-age=x", 600), ("MAX-AGE = 30", 30),
    ],
)  # fmt: skip
def test_for_how_long_it_is_fresh(
    said: str, seconds: int, services: Services, second: UpstreamServer, two: Upstream
) -> None:
    second.cache_control = said
    upstream_page_fetching.fetch_now(services, two, NAME)
    found = kept(services)
    assert found is not None
    assert found.fresh_until - found.checked == timedelta(seconds=seconds)


FAULTS: dict[str, Fault] = {
    "cut off": CutOff(20),
    "no answer": Drops(),
    "another type": Says(b"hello", "text/plain"),
    "broken JSON": Says(b'{"files": ['),
    "429": Status(429, retry_after=30),
    "500": Status(500),
    "503": Status(503),
    "401": Status(401),
    "elsewhere": Redirects("http://127.0.0.2:9/x"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_is_wrong_is_an_outage_and_what_was_known_stays(
    fault: str, services: Services, second: UpstreamServer, clock: FakeClock, two: Upstream
) -> None:
    second.has_etags = False
    second.project("unseen")
    upstream_page_fetching.fetch_now(services, two, NAME)
    before = kept(services)
    assert before is not None
    clock.advance(timedelta(minutes=11))
    second.fail(EVERYTHING, FAULTS[fault])
    for name in (NAME, "unseen"):
        with pytest.raises(UpstreamUnavailable) as refused:
            upstream_page_fetching.fetch_now(services, two, name)
        assert refused.value.retry_after == (30 if fault == "429" else 1)
        assert "(two)" in str(refused.value)
        assert second.origin not in str(refused.value)
    later = kept(services)
    assert later is not None
    assert (later.page, later.may_be_shown) == (before.page, True)
    assert kept(services, "unseen") is None

    asked = second.asked()
    with pytest.raises(UpstreamUnavailable):
        upstream_page_fetching.fetch_now(services, two, NAME)
    assert second.asked() == asked  # it is left alone for a while
    second.heal()
    clock.advance(timedelta(minutes=1))
    upstream_page_fetching.fetch_now(services, two, NAME)
    with services.reading() as uow:
        assert uow.db.scalars(select(UpstreamRequest)).all() == []


def test_pauses_grow_and_end(
    services: Services, second: UpstreamServer, clock: FakeClock, two: Upstream
) -> None:
    second.fail(EVERYTHING, Status(500))
    waits = []
    for _ in range(9):
        with pytest.raises(UpstreamUnavailable) as refused:
            upstream_page_fetching.fetch_now(services, two, NAME)
        waits.append(refused.value.retry_after)
        clock.advance(timedelta(seconds=refused.value.retry_after))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    second.heal()
    upstream_page_fetching.fetch_now(services, two, NAME)
    second.fail(EVERYTHING, Status(500))
    clock.advance(timedelta(minutes=11))
    with pytest.raises(UpstreamUnavailable) as refused:
        upstream_page_fetching.fetch_now(services, two, NAME)
    assert refused.value.retry_after == 1


def test_who_does_not_answer_several_times_is_left_alone_with_all(
    services: Services, second: UpstreamServer, clock: FakeClock, two: Upstream
) -> None:
    second.go_away()
    for number in range(3):
        with pytest.raises(UpstreamUnavailable):
            upstream_page_fetching.fetch_now(services, two, f"name-{number}")
    second.come_back()
    with pytest.raises(UpstreamUnavailable):
        upstream_page_fetching.fetch_now(services, two, NAME)
    assert second.asked() == 0
    clock.advance(timedelta(seconds=61))
    upstream_page_fetching.fetch_now(services, two, NAME)
    assert kept(services) is not None


def test_one_page_that_fails_stops_no_other(
    services: Services, second: UpstreamServer, two: Upstream
) -> None:
    for number in range(5):
        second.fail(second.page(f"name-{number}"), Status(500))
        with pytest.raises(UpstreamUnavailable):
            upstream_page_fetching.fetch_now(services, two, f"name-{number}")
    upstream_page_fetching.fetch_now(services, two, NAME)
    assert kept(services) is not None


def test_what_was_cut_off_once_is_asked_for_again_at_once(
    services: Services, second: UpstreamServer, two: Upstream
) -> None:
    second.fail(second.page(NAME), CutOff(20), times=1)
    upstream_page_fetching.fetch_now(services, two, NAME)
    assert kept(services) is not None


def test_a_page_that_is_longer_than_any_is_not_read(services: Services, two: Upstream) -> None:
    changed = replace(services.settings, upstream_page_memory=1000)
    with pytest.raises(UpstreamUnavailable):
        upstream_page_fetching.fetch_now(replace(services, settings=changed), two, NAME)


def test_of_many_who_ask_in_two_processes_one_is_heard(
    services: Services, second: UpstreamServer, two: Upstream
) -> None:
    other = Services(services.database, services.storage, services.settings, services.clock)
    held = Held()
    second.fail(second.page(NAME), held)
    askers = [upstream_page_fetching.fetch(each, two, NAME) for each in [services, other] * 5]
    held.wait()
    assert not any(done.done() for done in askers)
    held.release()
    for done in askers:
        done.result(60)
    assert second.asked() == 1
    other.asking.close()


def test_who_has_asked_and_died_is_not_waited_for_for_ever(
    services: Services, second: UpstreamServer, clock: FakeClock, two: Upstream
) -> None:
    with services.writing() as uow:
        uow.db.add(
            UpstreamRequest(
                upstream="two", project=NAME, until=uow.now + timedelta(minutes=1), key="dead"
            )
        )
    done = upstream_page_fetching.fetch(services, two, NAME)
    time.sleep(0.3)
    assert not done.done()
    clock.advance(timedelta(minutes=1))
    done.result(60)
    assert kept(services) is not None


def test_what_another_upstream_said_under_the_name_counts_no_more(
    services: Services, first: UpstreamServer, two: Upstream
) -> None:
    upstream_page_fetching.fetch_now(services, two, NAME)
    elsewhere = replace(services.settings, upstreams=(Upstream("two", first.url),))
    moved = Services(services.database, services.storage, elsewhere, services.clock)
    assert kept(services) is not None
    assert kept(moved) is None


def test_what_nobody_uses_is_forgotten(services: Services, clock: FakeClock, two: Upstream) -> None:
    for name in (NAME, "used", "nothing"):
        upstream_page_fetching.fetch_now(services, two, name)
    clock.advance(timedelta(days=29))
    with services.writing() as uow:
        upstream_pages.note_use(uow, "two", NAME)
    clock.advance(timedelta(days=2))
    with services.writing() as uow:
        upstream_pages.forget_unused(uow)
        assert uow.db.scalars(select(UpstreamPage.project)).all() == [NAME]


def test_pages_in_memory_are_bounded() -> None:
    read = upstream_pages._Read()
    file = PageFile("x.whl", "https://up.example/x.whl", {})
    for number in range(300):
        page = ProjectPage(f"p-{number}", (file,) * 100)
        read.keep(page.name, "digest", page)
    assert read._files <= upstream_pages._MOST_FILES_IN_MEMORY
    assert read.of("p-299")
    assert not read.of("p-0")


def test_many_threads_ask_for_many_pages(
    services: Services, second: UpstreamServer, two: Upstream
) -> None:
    names = [f"name-{number}" for number in range(40)]
    for name in names:
        second.project(name)
    threads = [
        threading.Thread(target=upstream_page_fetching.fetch_now, args=(services, two, name))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(kept(services, name) for name in names)
    assert second.most_connections <= client.MOST_CONNECTIONS
