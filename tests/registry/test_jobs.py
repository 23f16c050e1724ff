"""Jobs: there when their cause is, done by one, tried again, given up, and shown."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.models import Job
from greenroom.registry import (
    housekeeping,
    job_handlers,
    jobs,
    publishing,
    reviews,
    tokens,
)
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound
from greenroom.registry.jobs import LEASE, MOST_ATTEMPTS, Kind, Listed, Taken
from greenroom.registry.permissions import ANONYMOUS, OPERATOR, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.jobs import do_due, rows, states

SECOND = timedelta(seconds=1)
INSTANT = timedelta(microseconds=1)


def enqueue(services: Services, *keys: str, after: timedelta = timedelta(0)) -> int:
    with services.writing() as uow:
        return jobs.enqueue(uow, Kind.PURGE, {"keys": list(keys)}, uow.now + after).id


def take(services: Services) -> Taken | None:
    return jobs.take(services, [Kind.PURGE])


def taken(services: Services) -> Taken:
    job = take(services)
    assert job is not None
    return job


def listed(services: Services) -> list[Listed]:
    with services.reading() as uow:
        return jobs.unfinished(uow)


def retry(services: Services, job_id: int) -> Listed:
    with services.writing() as uow:
        return jobs.retry(uow, OPERATOR, job_id)


# Taking


def test_what_is_undone_leaves_no_job(services: Services) -> None:
    def fail() -> None:
        with services.writing() as uow:
            jobs.enqueue(uow, Kind.PURGE, {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert take(services) is None


def test_jobs_are_taken_in_the_order_in_which_they_are_due(
    services: Services, clock: FakeClock
) -> None:
    late, early = enqueue(services, after=2 * SECOND), enqueue(services, after=SECOND)
    assert take(services) is None
    assert jobs.due_kinds(services) == set()
    clock.advance(2 * SECOND)
    assert jobs.due_kinds(services) == {"purge"}
    assert [taken(services).id, taken(services).id] == [early, late]
    assert take(services) is None


def test_only_the_kinds_that_are_asked_for_are_taken(services: Services) -> None:
    enqueue(services)
    assert jobs.take(services, [Kind.REVIEW, Kind.HOUSEKEEPING]) is None
    assert jobs.take(services, []) is None
    assert jobs.take(services, [Kind.REVIEW, Kind.PURGE]) is not None


def test_of_many_who_want_a_job_one_gets_it(services: Services) -> None:
    numbers = [enqueue(services, str(number)) for number in range(3)]
    found = factories.at_once(*[lambda: take(services)] * 6)
    assert sorted(job.id for job in found if job is not None) == numbers


def test_a_job_whose_worker_is_gone_is_taken_when_its_lease_is_over(
    services: Services, clock: FakeClock
) -> None:
    enqueue(services)
    first = taken(services)
    clock.advance(LEASE - INSTANT)
    assert take(services) is None
    clock.advance(INSTANT)
    second = taken(services)
    assert (first.id, first.attempt, second.attempt) == (second.id, 1, 2)


def test_a_lease_that_is_renewed_lasts(services: Services, clock: FakeClock) -> None:
    enqueue(services)
    job = taken(services)
    clock.advance(LEASE - INSTANT)
    assert jobs.renew(services, job)
    clock.advance(LEASE - INSTANT)
    assert take(services) is None
    assert jobs.succeed(services, job)
    assert states(services) == [("purge", "done", 1)]


@pytest.mark.parametrize("act", ["written", "taken", "failed", "postponed"])
def test_nobody_waits_for_a_clock_that_was_ahead(
    services: Services, clock: FakeClock, act: str
) -> None:
    """What was done with a job two days ahead holds it up for no longer than it would have."""
    days = timedelta(days=2)
    if act != "written":
        enqueue(services)
    clock.advance(days)
    if act == "written":
        enqueue(services)
    elif act == "taken":
        taken(services)
    elif act == "failed":
        assert failed(services, taken(services))
    else:
        assert later(services, taken(services))
    clock.advance(-days)

    assert jobs.due_kinds(services) == {"purge"}
    assert jobs.succeed(services, taken(services))


def later(services: Services, job: Taken) -> bool:
    return jobs.postpone(services, job, services.clock() + SECOND)


def failed(services: Services, job: Taken) -> bool:
    return jobs.fail(services, job, "too late")


@pytest.mark.parametrize("act", [jobs.renew, jobs.succeed, failed, later])
@pytest.mark.parametrize("outcome", ["taken", "done", "failed"])
def test_who_has_lost_a_job_changes_nothing(
    services: Services,
    clock: FakeClock,
    act: Callable[[Services, Taken], bool],
    outcome: str,
) -> None:
    enqueue(services)
    slow = taken(services)
    clock.advance(LEASE)
    fast = taken(services)
    if outcome == "done":
        jobs.succeed(services, fast)
    if outcome == "failed":
        jobs.fail(services, fast, "no answer")
    before = states(services), listed(services)
    assert act(services, slow) is False
    assert (states(services), listed(services)) == before


# Failing


def test_pauses_grow_and_a_job_is_given_up_after_a_day(
    services: Services, clock: FakeClock
) -> None:
    enqueue(services, "all-projects")
    pauses = []
    for _ in range(MOST_ATTEMPTS):
        job = taken(services)
        assert jobs.fail(services, job, "no answer")
        (now,) = listed(services)
        assert (now.error, now.attempts) == ("no answer", job.attempt)
        pauses.append(now.due - clock.now)
        clock.advance(max(pauses[-1] - INSTANT, timedelta(0)))
        assert take(services) is None
        clock.advance(INSTANT)
    assert [pause / SECOND for pause in pauses[:10]] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert timedelta(hours=23) < sum(pauses[:-1], timedelta(0)) < timedelta(hours=26)
    assert states(services) == [("purge", "failed", MOST_ATTEMPTS)]
    clock.advance(timedelta(days=30))
    assert take(services) is None


def test_an_attempt_that_was_put_off_while_the_clock_was_ahead_is_due(
    services: Services, clock: FakeClock
) -> None:
    enqueue(services, "all-projects")
    enqueue(services, "later", after=timedelta(days=30))
    clock.advance(timedelta(days=2))
    jobs.fail(services, taken(services), "no answer")
    clock.advance(timedelta(days=-2))

    job = taken(services)

    assert (job.payload, job.attempt) == ({"keys": ["all-projects"]}, 2)
    assert jobs.fail(services, job, "no answer")
    assert take(services) is None


def test_an_error_of_any_length_is_kept_in_part(services: Services) -> None:
    enqueue(services)
    jobs.fail(services, taken(services), "é" * 100_000)
    assert len(listed(services)[0].error) == 1000


# Trying again


def test_a_job_that_waits_is_tried_again_at_once(services: Services) -> None:
    number = enqueue(services, "all-projects")
    jobs.fail(services, taken(services), "no answer")
    assert take(services) is None
    assert retry(services, number).state == "waiting"
    assert taken(services).attempt == 2


def test_a_job_that_was_given_up_begins_anew(services: Services, clock: FakeClock) -> None:
    number = enqueue(services)
    with services.writing() as uow:
        uow.db.get_one(Job, number).attempts = MOST_ATTEMPTS - 1
    jobs.fail(services, taken(services), "no answer")
    assert states(services)[0][1] == "failed"
    retry(services, number)
    jobs.fail(services, taken(services), "no answer")
    (now,) = listed(services)
    assert (now.state, now.attempts, now.due - clock.now) == ("waiting", 1, SECOND)


def test_one_that_is_running_is_left_alone(services: Services) -> None:
    number = enqueue(services)
    job = taken(services)
    assert retry(services, number).state == "running"
    assert take(services) is None
    assert jobs.succeed(services, job)


def test_one_that_is_done_or_not_there_cannot_be_tried_again(services: Services) -> None:
    number = enqueue(services)
    jobs.succeed(services, taken(services))
    with pytest.raises(InvalidRequest, match=f"Job {number} is done already"):
        retry(services, number)
    for unknown in (number + 1, 0, -1, 2**31, 2**63):
        with pytest.raises(NotFound, match=f"There is no job {unknown}"):
            retry(services, unknown)


def test_only_administrators_and_operators_have_jobs_tried_again(uow: UnitOfWork) -> None:
    job = jobs.enqueue(uow, Kind.PURGE, {}, uow.now + SECOND)
    ada = factories.make_user(uow, "ada")
    root = factories.make_user(uow, "root", administrator=True)
    by_token = tokens.actor_of_token(uow, factories.make_token(uow, root))
    for actor in (ANONYMOUS, Person(ada), by_token):
        with pytest.raises(NotAllowed):
            jobs.retry(uow, actor, job.id)
    assert job.due > uow.now
    for allowed in (Person(root), OPERATOR):
        jobs.retry(uow, allowed, job.id)
    assert job.due == uow.now


# Listing and forgetting


def test_what_is_not_done_is_listed_the_oldest_first(services: Services) -> None:
    done = enqueue(services, "x")
    jobs.succeed(services, taken(services))
    waiting = enqueue(services, "project/example", "all-projects", after=SECOND)
    with services.writing() as uow:
        jobs.collect(uow, Kind.REMOVE_PARTS, "uploads", ["a", "b"])
        jobs.enqueue(uow, Kind.REVIEW, {"draft": 1, "release": "example 1.0"})
        jobs.enqueue(uow, Kind.HOUSEKEEPING, {})
    found = listed(services)
    assert found[0].id == waiting != done
    assert [(job.kind, job.about) for job in found] == [
        ("purge", "project/example all-projects"),
        ("remove-parts", "the parts of 2 uploads"),
        ("review", "example 1.0"),
        ("housekeeping", ""),
    ]


def test_what_keeps_failing_is_trouble(services: Services) -> None:
    numbers = [enqueue(services) for _ in range(4)]
    with services.writing() as uow:
        for number, attempts in zip(numbers, (2, 3, 300, 1), strict=True):
            uow.db.get_one(Job, number).attempts = attempts
        uow.db.get_one(Job, numbers[2]).state = "failed"
    with services.reading() as uow:
        assert [job.id for job in jobs.troubled(uow, start=0, count=9)] == numbers[1:3]
        assert [job.id for job in jobs.troubled(uow, start=1, count=1)] == numbers[2:3]
        assert jobs.count_troubled(uow) == 2


def test_what_was_done_is_forgotten_after_a_week_but_the_last_of_a_kind(
    services: Services, clock: FakeClock
) -> None:
    for name in ("done", "done last"):
        enqueue(services, name)
        jobs.succeed(services, taken(services))
    enqueue(services, "waiting", after=timedelta(days=30))
    clock.advance(jobs.DONE_KEPT - INSTANT)
    housekeeping.keep_house(services)
    assert [state for _, state, _ in states(services)] == ["done", "done", "waiting"]
    clock.advance(INSTANT)
    housekeeping.keep_house(services)
    assert [state for _, state, _ in states(services)] == ["done", "waiting"]


# Recurring work, and reviews


def test_what_is_done_regularly_is_scheduled_once(services: Services, clock: FakeClock) -> None:
    factories.at_once(*[lambda: job_handlers.schedule(services)] * 4)
    assert sorted(states(services)) == [("housekeeping", "waiting", 0), ("verify", "waiting", 0)]
    assert do_due(services) == 0
    clock.advance(job_handlers.HOUSEKEEPING_EVERY * 1.5)
    assert do_due(services) == 1
    job_handlers.schedule(services)
    assert sorted(states(services)) == [
        ("housekeeping", "done", 1),
        ("housekeeping", "waiting", 0),
        ("verify", "waiting", 0),
    ]


def test_after_the_clock_went_back_nothing_waits_for_it(
    services: Services, clock: FakeClock
) -> None:
    """A job was under way then, another had just been written, and regular work was planned."""
    under_way = enqueue(services)
    clock.advance(timedelta(days=2))
    assert taken(services).id == under_way
    new = enqueue(services, after=timedelta(minutes=1))
    job_handlers.schedule(services)
    clock.advance(-timedelta(days=2))

    assert {taken(services).id, taken(services).id} == {under_way, new}
    assert take(services) is None
    job_handlers.schedule(services)
    clock.advance(job_handlers.HOUSEKEEPING_EVERY * 1.5)
    assert "housekeeping" in jobs.due_kinds(services)


@pytest.fixture
def reviewed(services: Services) -> Services:
    """Publications are accepted by a command."""
    settings = replace(services.settings, review_command="true")
    return Services(services.database, services.storage, settings, services.clock)


def ask(services: Services, tmp_path: Path) -> int:
    """Ask for the publication of a draft; gives its id."""
    with services.writing() as uow:
        ada = factories.make_user(uow, "ada")
        draft = factories.stage(uow, ada, make_wheel(tmp_path))
        publishing.publish(uow, Person(ada), draft)
        assert draft.review == "processing"
        return draft.id


def test_who_asks_for_a_review_writes_its_job(reviewed: Services, tmp_path: Path) -> None:
    draft_id = ask(reviewed, tmp_path)
    with reviewed.reading() as uow:
        (job,) = rows(uow, Kind.REVIEW)
        assert job.payload == {"draft": draft_id, "release": "example 1.0"}
    assert do_due(reviewed) == 1
    with reviewed.reading() as uow:
        assert factories.get_draft(uow, draft_id).state == "published"
    assert states(reviewed)[0] == ("review", "done", 1)


def test_a_review_that_somebody_is_at_waits_until_they_are_gone(
    reviewed: Services, tmp_path: Path, clock: FakeClock
) -> None:
    draft_id = ask(reviewed, tmp_path)
    with reviewed.writing() as uow:
        assert publishing.take_review(uow, factories.get_draft(uow, draft_id))
    assert do_due(reviewed) == 1
    assert [(job.state, job.error) for job in listed(reviewed)] == [("waiting", "")]
    clock.advance(2 * reviewed.settings.review_timeout)
    assert do_due(reviewed) == 1
    with reviewed.reading() as uow:
        assert factories.get_draft(uow, draft_id).state == "published"


def test_drafts_that_wait_without_a_job_get_one(reviewed: Services, tmp_path: Path) -> None:
    ask(reviewed, tmp_path)
    reviews.enqueue_waiting(reviewed)
    assert len(states(reviewed)) == 1
    with reviewed.writing() as uow:
        uow.db.delete(rows(uow, Kind.REVIEW)[0])
    factories.at_once(*[lambda: reviews.enqueue_waiting(reviewed)] * 4)
    assert states(reviewed) == [("review", "waiting", 0)]


def test_reviews_that_nobody_wants_any_more_are_done(
    reviewed: Services, services: Services, tmp_path: Path
) -> None:
    draft_id = ask(reviewed, tmp_path)
    assert do_due(services) == 1
    reviews.enqueue_waiting(services)
    assert states(services) == [("review", "done", 1)]
    with services.reading() as uow:
        assert factories.get_draft(uow, draft_id).review == "processing"
