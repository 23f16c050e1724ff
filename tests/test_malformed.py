"""Malformed distributions and requests: each is refused for its own reason, and leaves nothing.

Whatever is sent, there is no 5xx, nothing changes, and the server stays small and goes on serving.
The cases are in `tests/malformed/`.
"""

import http.client
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, update

from greenroom.models import Job, JobState
from greenroom.registry.job_handlers import REGULAR
from greenroom.registry.unit_of_work import Services, utc_now
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.malformed import sdists, wheels
from tests.malformed.cases import (
    SDIST,
    SENT_BY_A_CLIENT,
    WHEEL,
    Malformed,
    file_part,
    form,
    sdist_with,
    truth,
    upload,
    wheel_with,
)
from tests.malformed.contents import HOSTILE
from tests.malformed.corpus import CASES_BY_TOPIC, CORPUS, DISTRIBUTIONS, REQUESTS
from tests.malformed.sending import filled, send, values
from tests.malformed.wire import WIRE
from tests.raw_tar import zipped
from tests.raw_zip import Zip
from tests.serving import Server, serving
from tests.web.conftest import Site
from tests.web.standing import (
    State,
    standing_site,
    state,
    stock,
    stocked_site,
    with_settings,
)

MIB = 1024 * 1024
LARGEST_GROWTH = 256 * MIB
HANGS_AFTER_SECONDS = 300
"""No benchmark: nothing takes a tenth of it, on a machine that has other things to do."""

TRACES = ("Traceback (most recent call last)", 'File "', "site-packages")


def test_the_corpus_is_large_and_says_nothing_twice() -> None:
    assert len(DISTRIBUTIONS) >= 150
    assert len(REQUESTS) >= 150
    assert len(CORPUS) == sum(map(len, CASES_BY_TOPIC.values()))


@dataclass
class Ground:
    """An index with something in it, and what its tokens and addresses are.

    ``state`` is what the last case has left, which is what the next one finds.
    """

    site: Site
    values: dict[str, str]
    state: State


@pytest.fixture(scope="module")
def ground(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    """Shared: nothing that is sent to it may change it, which every case checks.

    It is on SQLite. The server below is on PostgreSQL, and takes every case too.
    """
    folder = tmp_path_factory.mktemp("malformed")
    with stocked_site(request, folder, "sqlite") as stocked:
        # So that the Host header counts.
        site = with_settings(stocked.site, url=None)
        yield Ground(site, values(stocked), state(site))


@pytest.mark.parametrize("name", CORPUS)
def test_it_is_refused_and_leaves_no_trace(ground: Ground, name: str) -> None:
    case = filled(CORPUS[name], ground.values)
    before = ground.state

    status, text, headers = send(ground.site, case)
    ground.state = state(ground.site)

    assert int(status[:3]) == case.status, f"{status} {text[:500]}"
    assert case.says in text
    assert not any(trace in text for trace in TRACES)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert ground.state == before


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (wheel_with, WHEEL),
        (lambda: Zip(wheels.members()).to_bytes(), WHEEL),
        (sdist_with, SDIST),
        (lambda: zipped(sdists.sound()), SDIST),
    ],
)
def test_what_the_cases_are_made_of_is_sound(
    services: Services, clock: FakeClock, content: Callable[[], bytes], filename: str
) -> None:
    """Otherwise they could be refused for what they have in common."""
    site = Site(services, clock)
    site.user()
    case = filled(upload(content, "", filename, status=200), {"token": site.token(), "csrf": ""})

    assert send(site, case)[0] == "200 OK"


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_but_sound_is_taken_and_does_nothing(
    services: Services, clock: FakeClock, name: str
) -> None:
    site = Site(services, clock)
    site.user()
    case = filled(upload(HOSTILE[name], "", status=200), {"token": site.token(), "csrf": ""})

    status, *_ = send(site, case)
    page = site.app.get("/project/odd/", status=200).text

    assert status == "200 OK"
    assert "<script>alert" not in page
    assert re.search(r"<[^>]*(onerror|javascript:)", page) is None


# What takes a server


@pytest.fixture(scope="module")
def standing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Ground]]:
    """A server with one worker, on the same data as the ground, but on PostgreSQL."""
    folder = tmp_path_factory.mktemp("standing")
    with standing_site(request, folder, "postgresql") as site:
        site.clock.now = utc_now() - timedelta(days=14)
        stocked = stock(site, folder / "dist")
        url = site.services.settings.database_url
        with serving(folder, url, workers=1) as server:
            server.greenroom("housekeeping")
            until_no_job_waits(site)
            yield server, Ground(site, values(stocked), state(site))


def test_one_worker_takes_it_all_and_stays_small(
    standing: tuple[Server, Ground], tmp_path: Path
) -> None:
    server, ground = standing
    assert ask(server, http_bytes(sound(ground, tmp_path, "before"), server))[0] == 200
    until_no_job_waits(ground.site)
    before = state(ground.site)
    (worker,) = server.children()
    size = memory(worker, "VmRSS")

    wrong = {
        name: answer
        for name, case in CORPUS.items()
        if not is_answered(answer := ask_case(server, filled(case, ground.values)), case)
    }

    assert wrong == {}
    assert server.children() == [worker]
    assert memory(worker, "VmHWM") - size < LARGEST_GROWTH
    assert state(ground.site) == before
    assert ask(server, http_bytes(sound(ground, tmp_path, "after"), server))[0] == 200
    assert server.get("/simple/after/").status == 200


@pytest.mark.parametrize("name", WIRE)
def test_what_is_no_request_is_refused_and_leaves_no_trace(
    standing: tuple[Server, Ground], name: str
) -> None:
    server, ground = standing
    until_no_job_waits(ground.site)
    before = state(ground.site)

    status, text = ask(server, WIRE[name].raw.replace(b"{token}", ground.values["token"].encode()))

    assert status in WIRE[name].statuses, text
    assert not any(trace in text for trace in TRACES)
    assert state(ground.site) == before
    assert server.get("/simple/").status == 200


def until_no_job_waits(site: Site) -> None:
    """Go on when the server has done what follows of requests and commands, which changes rows.

    What it does again and again has to be planned, too: it looks twice a minute whether it is. That
    is put off here as long as it can be, so that it does not come amid what follows.
    """
    waiting = select(Job.kind, Job.due).where(Job.state == JobState.WAITING)
    for _ in range(10 * HANGS_AFTER_SECONDS):
        with site.services.reading() as uow:
            found = uow.db.execute(waiting).all()
        soon = utc_now() + timedelta(minutes=1)
        if all(due > soon for _, due in found) and REGULAR.keys() <= {kind for kind, _ in found}:
            break
        time.sleep(0.1)
    else:
        raise AssertionError(f"never done: {found}")
    with site.services.writing() as uow:
        for kind, every in REGULAR.items():
            planned = update(Job).where(Job.kind == kind, Job.state == JobState.WAITING)
            uow.db.execute(planned.values(due=utc_now() + 1.9 * every))


def sound(ground: Ground, folder: Path, name: str) -> Malformed:
    """An upload in which nothing is wrong."""
    wheel = make_wheel(folder, name)
    content = wheel.read_bytes()
    parts = [
        part.replace(b"\r\n\r\nodd", f"\r\n\r\n{name}".encode())
        for part in truth(content, wheel.name)
    ]
    body = form([*parts, file_part(content, wheel.name)])
    return filled(Malformed(200, "", headers=SENT_BY_A_CLIENT, body=lambda: body), ground.values)


def is_answered(answer: tuple[int, str], case: Malformed) -> bool:
    status, text = answer
    if case.method == "HEAD":
        return status == case.status
    return status == case.status and case.says in text and not any(t in text for t in TRACES)


def ask_case(server: Server, case: Malformed) -> tuple[int, str]:
    return ask(server, http_bytes(case, server))


def http_bytes(case: Malformed, server: Server) -> bytes:
    """The request as it goes over the wire."""
    body = case.body()
    headers = {
        "Host": urlsplit(server.url).netloc,
        "Connection": "close",
        "Content-Length": str(len(body)),
        **case.headers,
    }
    lines = [
        f"{case.method} {case.path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def ask(server: Server, request: bytes) -> tuple[int, str]:
    """Status and text of the answer; 0 where the server hangs up without one."""
    address = urlsplit(server.url)
    with socket.create_connection(
        (address.hostname, address.port), timeout=HANGS_AFTER_SECONDS
    ) as connection:
        with suppress(OSError):  # it may have read enough
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(
            connection, method=request.split(b" ", 1)[0].decode("latin-1")
        )
        try:
            answer.begin()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (ConnectionError, http.client.BadStatusLine):
            return 0, ""


def memory(process: int, kind: str) -> int:
    """Bytes that a process has in memory (`VmRSS`), or had at most (`VmHWM`)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"there is no {kind} of process {process}")
