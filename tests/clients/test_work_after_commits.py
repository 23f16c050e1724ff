"""What follows from a commit happens, whatever becomes of the server meanwhile: real processes."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import urllib3
from sqlalchemy import select

from greenroom.models import Job, JobState
from greenroom.registry import jobs
from greenroom.registry.jobs import Kind
from greenroom.registry.unit_of_work import Services
from tests.artifacts import make_wheel
from tests.caches import WAIT, Cache, cache_running
from tests.serving import Server, new_database, plain_environment, preloaded, serving
from tests.web.conftest import authorization, form_fields

Settings = Mapping[str, str]


@pytest.fixture
def cache() -> Iterator[Cache]:
    with cache_running() as running:
        yield running


@pytest.fixture
def settings(cache: Cache) -> Settings:
    return {"GREENROOM_PURGE_URL": cache.url}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return new_database(request, request.param)


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(WAIT * 20):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen")


def publish(server: Server, token: str, path: Path) -> None:
    """Publish a file; the answer comes after the commit."""
    fields = {name: value for name, value in form_fields(path).items() if isinstance(value, str)}
    answer = urllib3.request(
        "POST",
        f"{server.url}/legacy/",
        fields={**fields, "content": (path.name, path.read_bytes())},
        headers=authorization(token),
    )
    assert answer.status == 200, answer.data


def all_done(services: Services, kind: Kind) -> bool:
    """Whether there are such jobs, and all are done."""
    with services.reading() as uow:
        found = set(uow.db.scalars(select(Job.state).where(Job.kind == kind)))
    return found == {JobState.DONE}


def test_a_purge_outlives_its_server(
    cache: Cache, settings: Settings, database: str | None, tmp_path: Path
) -> None:
    cache.usual = 503
    with serving(tmp_path, database, settings=settings) as server:
        token = server.token(server.user("ada"))
        publish(server, token, make_wheel(tmp_path / "dist"))
        cache.next()
        assert cache.purged == []

    cache.usual = 200
    with serving(tmp_path, database, settings=settings) as server, server.services() as services:
        wait_until(lambda: all_done(services, Kind.PURGE))
    assert cache.purged == ["all-projects project/example"]


def test_every_purge_arrives_whenever_the_server_is_killed(
    cache: Cache, settings: Settings, tmp_path: Path
) -> None:
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    names = [f"example-{number}" for number in range(20)]
    token = ""
    for name in names:
        with serving(tmp_path, settings=settings, workers=1) as server:
            token = token or server.token(server.user("ada"))
            publish(server, token, make_wheel(tmp_path / "dist", name))
            time.sleep(moments.uniform(0, 1.2))
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()

    with serving(tmp_path, settings=settings) as server, server.services() as services:
        wait_until(lambda: all_done(services, Kind.PURGE))
    told = {key for keys in cache.purged for key in keys.split()}
    assert told == {"all-projects", *(f"project/{name}" for name in names)}, seed


def test_each_job_is_done_by_one_of_two_servers(
    request: pytest.FixtureRequest, cache: Cache, settings: Settings, tmp_path: Path
) -> None:
    database = new_database(request, "postgresql")
    with ExitStack() as stack:
        first, _ = (
            stack.enter_context(serving(tmp_path / name, database, settings=settings))
            for name in ("first", "second")
        )
        services = stack.enter_context(first.services())
        for batch in range(5):
            with services.writing() as uow:
                for number in range(40):
                    jobs.enqueue(uow, Kind.PURGE, {"keys": [f"{batch}/{number}"]})
        wait_until(lambda: all_done(services, Kind.PURGE))
    wanted = [f"{batch}/{number}" for batch in range(5) for number in range(40)]
    assert Counter(cache.purged) == Counter(wanted)


def test_a_worker_of_its_own_does_jobs_until_it_is_told_to_stop(
    cache: Cache, settings: Settings, database: str | None, tmp_path: Path
) -> None:
    environment = plain_environment(tmp_path / "home") | {
        "GREENROOM_DATA": str(tmp_path / "data"),
        **({"GREENROOM_DATABASE_URL": database} if database else {}),
        **settings,
    }
    for number in (signal.SIGTERM, signal.SIGINT):
        log = tmp_path / f"{number.name}.log"
        with log.open("w") as stderr:
            worker = preloaded().start(["work"], environment, stderr)
        try:
            server = Server("", environment, tmp_path / "home", worker)
            server.greenroom(
                "db", "upgrade"
            )  # the embedded database is made by whoever comes first
            with server.services() as services:
                with services.writing() as uow:
                    jobs.enqueue(uow, Kind.PURGE, {"keys": [number.name]})
                assert cache.next()[2] == number.name
                wait_until(lambda: all_done(services, Kind.PURGE))
            worker.send_signal(number)
            worker.wait(timeout=WAIT)
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            worker.stdout.close()
        assert (worker.returncode, "Traceback" in log.read_text()) == (0, False)
