"""The background worker: one job of a kind at once, and nothing that fails ends it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy.exc

from greenroom import background, spare_memory
from greenroom.database import Database
from greenroom.models.base import JSONObject
from greenroom.registry import jobs
from greenroom.registry.jobs import Kind
from greenroom.registry.unit_of_work import Services, utc_now
from greenroom.storage import StorageUnavailable
from tests.jobs import states

Handler = Callable[[Services, JSONObject], None]


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Handler]:
    """What is done for each kind; tests fill it."""
    made: dict[str, Handler] = {}
    monkeypatch.setattr(background, "HANDLERS", made)
    monkeypatch.setattr(background, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(background, "RENEW_EVERY", 0.05)
    return made


@contextmanager
def working(services: Services) -> Iterator[threading.Event]:
    """A worker in a thread, until the block ends or the event is set."""
    stop = threading.Event()
    thread = threading.Thread(target=background.Worker(services).run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def real(services: Services) -> Services:
    """With the true clock."""
    return Services(services.database, services.storage, services.settings, utc_now)


def enqueue(services: Services, kind: Kind) -> None:
    with services.writing() as uow:
        jobs.enqueue(uow, kind, {})


def of_kind(services: Services, kind: Kind) -> list[tuple[str, int]]:
    return [(state, attempts) for found, state, attempts in states(services) if found == kind]


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it did not happen")


def nothing(services: Services, payload: JSONObject) -> None:
    pass


def test_memory_is_given_back_when_a_job_has_ended_however_long_it_takes(
    real: Services, handlers: dict[str, Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    ended_before: list[int] = []
    monkeypatch.setattr(spare_memory, "QUIET", 0.05)
    monkeypatch.setattr(Database, "forget", lambda _: ended_before.append(len(ended)))

    def take_long(services: Services, payload: JSONObject) -> None:
        time.sleep(0.5)
        ended.append("purge")

    handlers["purge"] = take_long
    enqueue(real, Kind.PURGE)
    with working(real):
        wait_until(lambda: bool(ended_before))
    assert ended_before[0] == 1


def test_what_takes_long_holds_up_no_other_kind(
    real: Services, handlers: dict[str, Handler]
) -> None:
    go_on, at_it, most = threading.Event(), [0], [0]

    def long(services: Services, payload: JSONObject) -> None:
        at_it[0] += 1
        most[0] = max(most[0], at_it[0])
        go_on.wait(60)
        at_it[0] -= 1

    handlers |= {Kind.REVIEW: long, Kind.PURGE: nothing}
    for kind in (Kind.REVIEW, Kind.REVIEW, Kind.PURGE):
        enqueue(real, kind)
    with working(real):
        wait_until(lambda: of_kind(real, Kind.PURGE) == [("done", 1)])
        assert of_kind(real, Kind.REVIEW)[1] == ("waiting", 0)
        go_on.set()
        wait_until(lambda: of_kind(real, Kind.REVIEW) == [("done", 1)] * 2)
    assert most == [1]


def test_the_lease_is_renewed_while_a_handler_runs(
    real: Services, handlers: dict[str, Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LEASE", timedelta(seconds=5))
    go_on, begun = threading.Event(), threading.Event()

    def long(services: Services, payload: JSONObject) -> None:
        begun.set()
        go_on.wait(60)

    def leased_until() -> object:
        with real.reading() as uow:
            return uow.db.scalar(sqlalchemy.text("SELECT max(leased_until) FROM jobs"))

    handlers[Kind.REVIEW] = long
    enqueue(real, Kind.REVIEW)
    with working(real):
        assert begun.wait(60)
        first = leased_until()
        wait_until(lambda: leased_until() != first)
        go_on.set()
        wait_until(lambda: of_kind(real, Kind.REVIEW) == [("done", 1)])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StorageUnavailable("The storage does not answer."), "The storage does not answer."),
        (KeyError("a secret"), "KeyError: the log has more."),
        (
            sqlalchemy.exc.OperationalError("SELECT 1", {"slug": "a secret"}, Exception("gone")),
            "The database does not answer: Exception.",
        ),
    ],
    ids=["outage", "bug", "database"],
)
def test_what_fails_is_tried_again_and_says_why(
    services: Services, handlers: dict[str, Handler], error: Exception, reason: str
) -> None:
    def broken(services: Services, payload: JSONObject) -> None:
        raise error

    handlers[Kind.PURGE] = broken
    enqueue(services, Kind.PURGE)
    with working(services):
        wait_until(lambda: of_kind(services, Kind.PURGE) == [("waiting", 1)])
        with services.reading() as uow:
            wait_until(lambda: jobs.unfinished(uow)[0].attempts == 1)
    with services.reading() as uow:
        assert jobs.unfinished(uow)[0].error == reason


def test_an_outage_of_the_database_is_waited_out(
    real: Services, handlers: dict[str, Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers[Kind.PURGE] = nothing
    enqueue(real, Kind.PURGE)
    looks: list[None] = []
    truly = jobs.due_kinds

    def due_kinds(services: Services) -> set[str]:
        looks.append(None)
        if len(looks) < 3:
            raise sqlalchemy.exc.OperationalError("SELECT", {}, Exception("gone"))
        return truly(services)

    monkeypatch.setattr(jobs, "due_kinds", due_kinds)
    with working(real):
        wait_until(lambda: of_kind(real, Kind.PURGE) == [("done", 1)])


def test_housekeeping_is_always_scheduled(real: Services, handlers: dict[str, Handler]) -> None:
    handlers[Kind.HOUSEKEEPING] = nothing
    with working(real):
        wait_until(lambda: of_kind(real, Kind.HOUSEKEEPING) == [("waiting", 0)])


def test_what_is_in_flight_at_the_end_has_a_moment(
    real: Services, handlers: dict[str, Handler]
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def short(services: Services, payload: JSONObject) -> None:
        begun.set()
        go_on.wait(60)

    handlers[Kind.PURGE] = short
    enqueue(real, Kind.PURGE)
    with working(real) as stop:
        assert begun.wait(60)
        stop.set()
        go_on.set()
    assert of_kind(real, Kind.PURGE) == [("done", 1)]


def test_a_kind_with_lanes_is_done_for_several_at_once(
    real: Services, handlers: dict[str, Handler]
) -> None:
    """One receiver that hangs holds up no other, and neither do as many as there are lanes less
    one."""
    go_on, hanging, most = threading.Event(), background.LANES[Kind.WEBHOOK] - 1, [0]
    lock, at_it = threading.Lock(), [0]

    def send(services: Services, payload: JSONObject) -> None:
        with lock:
            at_it[0] += 1
            most[0] = max(most[0], at_it[0])
        if payload["webhook"] != "answers":
            go_on.wait(60)
        with lock:
            at_it[0] -= 1

    handlers |= {Kind.WEBHOOK: send, Kind.PURGE: nothing}
    with real.writing() as uow:
        for name in ["hangs"] * hanging + ["answers"] * 20 + ["hangs"] * 20:
            jobs.enqueue(uow, Kind.WEBHOOK, {"webhook": name})
        jobs.enqueue(uow, Kind.PURGE, {})
    with working(real):
        wait_until(lambda: of_kind(real, Kind.WEBHOOK).count(("done", 1)) == 20)
        wait_until(lambda: of_kind(real, Kind.PURGE) == [("done", 1)])
        wait_until(lambda: at_it[0] == background.LANES[Kind.WEBHOOK])
        go_on.set()
        wait_until(lambda: of_kind(real, Kind.WEBHOOK).count(("done", 1)) == hanging + 40)
    assert most[0] == background.LANES[Kind.WEBHOOK]
