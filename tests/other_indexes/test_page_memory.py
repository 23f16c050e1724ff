"""What a process takes for pages of other indexes: no more than it may, and no small one waits."""

import gzip
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.other_indexes import pages
from greenroom.other_indexes.client import MOST_OF_A_PAGE
from greenroom.other_indexes.errors import UpstreamUnavailable
from greenroom.other_indexes.page_memory import FACTOR, PageMemory
from greenroom.other_indexes.pages import Page, ProjectPage
from greenroom.registry import upstream_page_fetching, upstream_pages
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_asking import MOST_AT_ONCE
from tests import processes, upstream_cache
from tests.upstream_server import JSON, Answer, Fault, Says, UpstreamServer, upstream_running
from tests.whole_index import index_in, opened

MIB = 2**20
WAIT = 120
LARGE = 24 * MIB
COUNT = 12

# A process of its own, so that what it takes at most is what its pages take.
READ_ALL = """
import os, sys
from greenroom.registry import upstream_page_fetching, upstream_pages
from greenroom.services import open_services
from greenroom.settings import load_settings

def most():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024

services = open_services(load_settings(os.environ))
[upstream] = services.settings.upstreams
upstream_page_fetching.fetch(services, upstream, "warm").result(600)
before = most()
names = [f"large-{number}" for number in range(int(sys.argv[1]))]
asked = [upstream_page_fetching.fetch(services, upstream, name) for name in names]
for each in asked:
    each.result(600)
with services.reading() as uow:
    found = [upstream_pages.find(uow, upstream.name, name) for name in names]
print(most() - before, sum(each is not None and each.page is not None for each in found))
services.asking.close()
services.database.close()
"""


def large_page(size: int) -> bytes:
    """A page of about so many bytes, which are read and thrown away."""
    file = '{"filename":"thing-1.0.tar.gz","url":"https://files.example/thing-1.0.tar.gz"}'
    start = f'{{"meta":{{"api-version":"1.4"}},"files":[{file}],"padding":"'
    return f'{start}{"x" * size}"}}'.encode()


@dataclass
class Packs(Fault):
    """Another body, which comes as it is packed here."""

    packed: bytes

    def change(self, answer: Answer) -> Answer:
        headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
        return Answer(200, headers, self.packed)


@pytest.fixture
def upstream() -> Iterator[UpstreamServer]:
    with upstream_running() as running:
        running.project("warm")
        yield running


@pytest.mark.parametrize("compresses", [False, True])
def test_many_large_pages_take_no_more_than_one(
    upstream: UpstreamServer, tmp_path: Path, compresses: bool
) -> None:
    environment = index_in(tmp_path, **upstream_cache.environment(upstream))
    with opened(environment):
        pass
    body = large_page(LARGE)
    says = Packs(gzip.compress(body)) if compresses else Says(body, JSON)
    for number in range(COUNT):
        upstream.project(f"large-{number}")
        upstream.fail(upstream.page(f"large-{number}"), says)

    done = processes.run(
        [sys.executable, "-c", READ_ALL, str(COUNT)], env=environment, check=True, timeout=600
    )

    most, found = map(int, done.stdout.split())
    assert found == COUNT
    # One of these takes some three times its size. All of them would take twelve times that.
    assert most < 6 * LARGE


def test_a_small_page_waits_for_no_large_one(
    services: Services, upstream: UpstreamServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = replace(
        services,
        settings=upstream_cache.with_upstream(
            services.settings, upstream, upstream_page_memory=16 * MIB
        ),
    )
    [behind] = index.settings.upstreams
    is_reading, goes_on = threading.Event(), threading.Event()
    at_once: list[str] = []
    read = pages.project_page

    def slowly(page: Page, name: str) -> ProjectPage:
        if name.startswith("large"):
            at_once.append(name)
            is_reading.set()
            assert goes_on.wait(WAIT)
            at_once.remove(name)
        return read(page, name)

    monkeypatch.setattr(pages, "project_page", slowly)
    large = [f"large-{number}" for number in range(MOST_AT_ONCE + 4)]
    for name in large:
        upstream.project(name)
        upstream.fail(upstream.page(name), Says(large_page(256 * 1024), JSON))
    asked = [upstream_page_fetching.fetch(index, behind, name) for name in large]
    assert is_reading.wait(WAIT)
    upstream_page_fetching.fetch(index, behind, "warm").result(WAIT)
    assert len(at_once) == 1  # the others wait for it
    assert not any(each.done() for each in asked)

    goes_on.set()
    for each in asked:
        each.result(WAIT)
    with index.reading() as uow:
        assert all(upstream_pages.find(uow, behind.name, name) for name in [*large, "warm"])
    index.asking.close()


def test_small_pages_take_no_more_than_their_part() -> None:
    memory = PageMemory(64 * MIB)
    size = 4 * MIB // FACTOR  # the largest that is small
    now, most, lock = 0, 0, threading.Lock()
    begun, goes_on = threading.Semaphore(0), threading.Event()

    def take(_: int) -> None:
        nonlocal now, most
        with memory.taken(size):
            with lock:
                now += 1
                most = max(most, now)
            begun.release()
            assert goes_on.wait(WAIT)
            with lock:
                now -= 1

    with ThreadPoolExecutor(8) as pool:
        taken = [pool.submit(take, number) for number in range(8)]
        for _ in range(4):
            assert begun.acquire(timeout=WAIT)
        with memory.taken(size + 1):  # a large one does not wait for them, either
            goes_on.set()
        for each in taken:
            each.result(WAIT)
    assert most == 4


@pytest.mark.parametrize(
    ("limit", "most"),
    [(768 * MIB, MOST_OF_A_PAGE), (2**40, MOST_OF_A_PAGE), (16 * MIB, 3 * MIB // 2)],
)
def test_the_largest_page_fits(limit: int, most: int) -> None:
    assert PageMemory(limit).most == most


def test_a_page_that_does_not_fit_is_an_outage(
    services: Services, upstream: UpstreamServer
) -> None:
    index = replace(
        services,
        settings=upstream_cache.with_upstream(
            services.settings, upstream, upstream_page_memory=16 * MIB
        ),
    )
    upstream.fail(upstream.page("warm"), Says(large_page(3 * MIB // 2), JSON))
    [behind] = index.settings.upstreams
    with pytest.raises(UpstreamUnavailable) as failed:
        upstream_page_fetching.fetch_now(index, behind, "warm")
    assert failed.value.reason.endswith("is longer than 1.5 MiB.")
    index.asking.close()
