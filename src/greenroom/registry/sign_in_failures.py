"""Failed sign-ins in the audit log: all are counted there, and a flood of them has few lines.

An attempt is a row that counts against its address, and says whether the log has it. The first
failure for an account from an address has a line at once. What follows within a minute waits, and
so does everything where too many have come from everywhere: it comes into the next line, or into
one that housekeeping writes.
"""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import ColumnElement, func, select, update

from greenroom.models import Attempt, User
from greenroom.registry import audit
from greenroom.registry.audit import Kind
from greenroom.registry.permissions import ANONYMOUS
from greenroom.registry.unit_of_work import AT_ONCE, Origin, UnitOfWork

REGISTRATION = "(registration)"
"""Stands where failed sign-ins have the name of an account."""

_ONE_LINE_FOR = timedelta(minutes=1)
_MOST_LINES = 60
"""Within that time, of everybody together."""
_MOST_GROUPS = 100
"""So many accounts and addresses have lines of their own when housekeeping writes the rest."""

_NOBODY = "no account of this index"


def record(uow: UnitOfWork, account: str, address: str) -> None:
    """Write a line of the failures for an account from an address, unless there is one of late."""
    of_both = (Attempt.account == account) & (Attempt.address == address)
    recent = (
        Attempt.recorded
        & (Attempt.account != REGISTRATION)
        & (Attempt.at > uow.now - _ONE_LINE_FOR)
        & (Attempt.at <= uow.now + AT_ONCE)
    )
    lines, of_these = uow.db.execute(
        select(func.count(), func.count().filter(of_both)).where(recent)
    ).one()
    if of_these or lines >= _MOST_LINES:
        return
    count = _mark(uow, of_both)
    if count:
        _write(replace(uow, origin=replace(uow.origin, address=address)), account, count)


def record_rest(uow: UnitOfWork, of: ColumnElement[bool]) -> None:
    """Write lines of failures that have none yet, as far as they are ``of`` these attempts.

    Beyond some accounts and addresses, one line stands for all others.
    """
    waiting = of & ~Attempt.recorded
    groups = uow.db.execute(
        select(Attempt.account, Attempt.address, func.count())
        .where(waiting)
        .group_by(Attempt.account, Attempt.address)
        .order_by(func.count().desc(), Attempt.account, Attempt.address)
        .limit(_MOST_GROUPS)
    ).all()
    if not groups:
        return
    total, others = _mark(uow, waiting), 0
    for account, address, count in groups:
        _write(replace(uow, origin=Origin(address=address)), account, count)
        others += count
    if total > others:
        audit.write(
            replace(uow, origin=Origin()),
            Kind.SIGN_IN_FAILED,
            ANONYMOUS,
            detail="from many addresses, for many accounts",
            count=total - others,
        )


def _mark(uow: UnitOfWork, of: ColumnElement[bool]) -> int:
    """Note that the log has these attempts, and say how many it did not have."""
    marked = uow.db.execute(
        update(Attempt)
        .where(of, ~Attempt.recorded)
        .values(recorded=True)
        .returning(Attempt.id)
        .execution_options(synchronize_session=False)
    )
    return len(marked.all())


def _write(uow: UnitOfWork, account: str, count: int) -> None:
    # What was typed where the name belongs may be a password: only names of accounts are told.
    user = uow.db.scalar(select(User).where(User.normalized_username == account))
    audit.write(
        uow,
        Kind.SIGN_IN_FAILED,
        ANONYMOUS,
        about=user,
        detail="" if user is not None else _NOBODY,
        count=count,
    )
