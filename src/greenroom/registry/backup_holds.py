"""While a backup is made, nothing is deleted for good: what its database names stays to be copied.

A blob that somebody refers to in the database that was copied may be unwanted a moment later, and
go to the trash, where the backup finds it. Only what is deleted from there would be lost to it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from greenroom.models import RunningBackup
from greenroom.registry.unit_of_work import AT_ONCE, Services, UnitOfWork

LEASE = timedelta(hours=6)
"""A backup that is killed holds up the trash for at most so long."""

_RENEW_AFTER = timedelta(minutes=10)


@contextmanager
def held(services: Services) -> Iterator[Callable[[], None]]:
    """Have nothing deleted for good while in the context.

    Yields:
        What is to be called again and again meanwhile.
    """
    with services.writing() as uow:
        uow.db.execute(delete(RunningBackup).where(RunningBackup.held_until <= uow.now))
        row = RunningBackup(begun=uow.now, held_until=uow.now + LEASE)
        uow.db.add(row)
        uow.db.flush()
        key, renewed = row.id, uow.now

    def renew() -> None:
        nonlocal renewed
        if services.clock() - renewed < _RENEW_AFTER:
            return
        with services.writing() as uow:
            uow.db.execute(
                update(RunningBackup)
                .where(RunningBackup.id == key)
                .values(held_until=uow.now + LEASE)
            )
            renewed = uow.now

    try:
        yield renew
    finally:
        with suppress(SQLAlchemyError), services.writing() as uow:  # else it ends by itself
            uow.db.execute(delete(RunningBackup).where(RunningBackup.id == key))


def is_held(uow: UnitOfWork) -> bool:
    """Whether a backup is being made. One that ends much later is of a clock that was ahead."""
    found = select(RunningBackup.id).where(
        RunningBackup.held_until > uow.now, RunningBackup.held_until <= uow.now + LEASE + AT_ONCE
    )
    return uow.db.scalar(found.limit(1)) is not None


def forget(uow: UnitOfWork) -> None:
    """Forget every backup that was being made: this database is a copy that one of them made."""
    uow.db.execute(delete(RunningBackup))
