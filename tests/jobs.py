"""What tests do with jobs: look at them, and do them without waiting."""

from sqlalchemy import select

from greenroom import background
from greenroom.background import HANDLERS
from greenroom.models import Job, JobState
from greenroom.registry import jobs
from greenroom.registry.unit_of_work import Services, UnitOfWork


def rows(uow: UnitOfWork, kind: str) -> list[Job]:
    """All jobs of a kind, the oldest first."""
    return list(uow.db.scalars(select(Job).where(Job.kind == kind).order_by(Job.id)))


def purged(uow: UnitOfWork) -> set[str]:
    """The surrogate keys that caches are told of."""
    found = rows(uow, jobs.Kind.PURGE)
    return {key for job in found for key in jobs.texts(job.payload, "keys")}


def do_due(services: Services) -> int:
    """Do every job that is due, except purges, one after the other; gives how many.

    To look into staged files follows every upload of one: it is done, and not counted.
    """
    done = 0
    while taken := jobs.take(services, HANDLERS.keys() - {jobs.Kind.PURGE}):
        background.do(services, taken)
        done += taken.kind != jobs.Kind.ANALYSE
    return done


def states(services: Services) -> list[tuple[str, str, int]]:
    """Kind, state and attempts of each job, the oldest first, but of those that are not counted."""
    with services.reading() as uow:
        found = uow.db.scalars(select(Job).where(Job.kind != jobs.Kind.ANALYSE).order_by(Job.id))
        return [(job.kind, JobState(job.state).value, job.attempts) for job in found]
