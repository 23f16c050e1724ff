"""How the index stands, in numbers."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete

from greenroom.models import Job
from greenroom.registry import accounts, audit, jobs, observation
from greenroom.registry.jobs import Kind
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock


def test_the_numbers_are_those_of_the_database(
    services: Services, clock: FakeClock, tmp_path: Path
) -> None:
    with services.reading() as uow:
        empty = observation.observe(uow)
    assert (empty.drafts_open, empty.jobs_waiting, empty.jobs_done) == (0, 0, {})
    assert (empty.jobs_late, empty.backed_up) == (timedelta(), None)

    with services.writing() as uow:
        ada = factories.make_user(uow)
        factories.stage(uow, ada, make_wheel(tmp_path, name="first"))
        jobs.enqueue(uow, Kind.PURGE, {"keys": []})
        jobs.enqueue(uow, Kind.VERIFY, {}, uow.now + timedelta(days=30))
    clock.advance(services.settings.draft_lifetime - timedelta(hours=5))
    with services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        factories.stage(uow, ada, make_wheel(tmp_path, name="second"))
        # To look into what was staged is another matter.
        uow.db.execute(delete(Job).where(Job.kind == Kind.ANALYSE))
    taken = jobs.take(services, [Kind.PURGE])
    assert taken is not None
    jobs.fail(services, taken, "no")
    with services.reading() as uow:
        now = observation.observe(uow)
        job = uow.db.get(Job, taken.id)
        assert job is not None
        assert now.jobs_late == max(uow.now - job.due, timedelta())
    assert (now.drafts_open, now.drafts_expiring) == (2, 1)
    assert (now.jobs_waiting, now.jobs_failing) == (2, 0)

    clock.advance(timedelta(hours=6))
    again = jobs.take(services, [Kind.PURGE])
    assert again is not None
    jobs.succeed(services, again)
    clock.advance(timedelta(days=40))
    for _ in range(2):
        clock.advance(timedelta(hours=1))
        with services.writing() as uow:
            audit.write(uow, audit.Kind.BACKUP, OPERATOR)
    backed_up = clock.now
    clock.advance(timedelta(hours=-2))
    with services.writing() as uow:
        jobs.forget_done(uow)  # the last of each kind stays
        later = observation.observe(uow)
    assert later.jobs_done == {Kind.PURGE: clock.now - timedelta(days=40)}
    assert later.backed_up == backed_up
    assert later.drafts_open == 0
    assert timedelta(days=10) < later.jobs_late < timedelta(days=30)
