"""Failures to show who one is, in the audit log: all are counted, and a flood has few lines.

An attempt is a row that counts against its address, and says whether the log has it. The first
failure of a purpose for an account from an address has a line at once. What follows within a minute
waits, and so does everything where too many have come from everywhere: it comes into the next line,
or into one that housekeeping writes.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from msgspec.structs import replace
from sqlalchemy import ColumnElement, func, select, update

from greenroom.models import Attempt, User
from greenroom.registry import audit
from greenroom.registry.attempt_limits import Purpose, account_key, place_of
from greenroom.registry.audit import Kind
from greenroom.registry.permissions import ANONYMOUS
from greenroom.registry.unit_of_work import AT_ONCE, Origin, UnitOfWork

_ONE_LINE_FOR = timedelta(minutes=1)
_MOST_LINES = 60
"""Within that time, of everybody together."""
_MOST_GROUPS = 100
"""So many accounts and addresses have lines of their own when housekeeping writes the rest."""

_NOBODY = "no account of this index"


WORDS: Mapping[str, str] = MappingProxyType(
    {
        Purpose.SIGN_IN.value: "",
        Purpose.SECOND_FACTOR.value: "by a second factor",
        Purpose.CURRENT_PASSWORD.value: "the current password was asked for",
        Purpose.SINGLE_SIGN_ON.value: "by single sign-on",
    }
)
"""The purposes that come into the log, with what their lines say of them."""


def record(uow: UnitOfWork, purpose: Purpose, account: str, address: str) -> None:
    """Write a line of the failures for an account from an address, unless there is one of late.

    Args:
        uow: in which it is written, after the attempt was counted in another one.
        purpose: what was tried, one of :data:`WORDS`.
        account: as it was counted (:func:`greenroom.registry.attempts.begin`).
        address: likewise.
    """
    key = account_key(account)
    of_these = (
        (Attempt.purpose == purpose.value)
        & (Attempt.account == key)
        & (Attempt.address == place_of(address))
    )
    recent = (
        Attempt.recorded
        & Attempt.purpose.in_(WORDS)
        & (Attempt.at > uow.now - _ONE_LINE_FOR)
        & (Attempt.at <= uow.now + AT_ONCE)
    )
    lines, of_late = uow.db.execute(
        select(func.count(), func.count().filter(of_these)).where(recent)
    ).one()
    if of_late or lines >= _MOST_LINES:
        return
    count = _mark(uow, of_these)
    if count:
        _write(replace(uow, origin=replace(uow.origin, address=address)), purpose, key, count)


def record_rest(uow: UnitOfWork, of: ColumnElement[bool]) -> None:
    """Write lines of failures that have none yet, as far as they are ``of`` these attempts.

    Beyond some accounts and addresses, one line stands for all others.
    """
    waiting = of & ~Attempt.recorded & Attempt.purpose.in_(WORDS)
    columns = (Attempt.purpose, Attempt.account, Attempt.address)
    groups = uow.db.execute(
        select(*columns, func.count())
        .where(waiting)
        .group_by(*columns)
        .order_by(func.count().desc(), *columns)
        .limit(_MOST_GROUPS)
    ).all()
    if not groups:
        return
    total, others = _mark(uow, waiting), 0
    for purpose, account, address, count in groups:
        _write(replace(uow, origin=Origin(address=address)), purpose, account, count)
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


def _write(uow: UnitOfWork, purpose: str, account: str, count: int) -> None:
    # What was typed where the name belongs may be a password: only names of accounts are told.
    user = uow.db.scalar(select(User).where(User.normalized_username == account))
    words = [WORDS[purpose], "" if user is not None else _NOBODY]
    audit.write(
        uow,
        Kind.SIGN_IN_FAILED,
        ANONYMOUS,
        about=user,
        detail=", ".join(filter(None, words)),
        count=count,
    )
