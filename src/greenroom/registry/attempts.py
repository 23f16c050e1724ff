"""What may be tried so often only: counted by account, by address, by network, by known device.

One mechanism for whatever somebody could guess or flood. Who tries something is counted first, in a
short unit of work (:func:`begin`); then it is checked, in none; and where it was no failure the
attempt is forgotten (:func:`forget`). So many at once count like many in a row. A failure that the
audit log is to know of is handed to :func:`greenroom.registry.failed_attempts.record`.

A browser that is known to the account (:mod:`greenroom.registry.known_devices`) is counted by
itself: what others fail with never keeps it out.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import ColumnElement, and_, delete, func, or_, select

from greenroom.models import Attempt
from greenroom.networks import site_of
from greenroom.registry import failed_attempts
from greenroom.registry.attempt_limits import (
    LIMITS,
    LONGEST,
    Limit,
    Limits,
    Purpose,
    account_key,
    place_of,
)
from greenroom.registry.errors import TooMany
from greenroom.registry.unit_of_work import AT_ONCE, UnitOfWork

RECORDED_WITHIN = timedelta(minutes=5)
"""Housekeeping writes failures into the audit log that are older and have no line yet."""


def begin(uow: UnitOfWork, purpose: Purpose, account: str, address: str, device: str = "") -> int:
    """Count an attempt, and say what :func:`forget` takes.

    Args:
        uow: in which it is counted; commit it before what was tried is checked.
        purpose: what is tried.
        account: for whom, as it was typed, or empty where it is about no account. It counts alike
            whether or not there is such an account.
        address: from where, as the request knows it.
        device: which known device shows itself (:attr:`known_devices.Device.name`), or empty.

    Raises:
        TooMany: as many as may were counted of late. Nothing has changed.
    """
    limits = LIMITS[purpose]
    attempt = Attempt(
        purpose=purpose.value,
        account=account_key(account),
        address=place_of(address),
        site=site_of(address) or "",
        at=uow.now,
    )
    # Always in this order, so that no two wait for each other.
    of = [f"of {attempt.account}", f"from {attempt.address}", f"within {attempt.site}"]
    uow.lock(*(f"attempts: {purpose} {one}" for one in of))
    if device and _has_room(uow, purpose, limits.device, attempt.account, device):
        attempt.device = device
    else:
        _check(uow, limits, attempt)
    uow.db.add(attempt)
    uow.db.flush()
    return attempt.id


def forget(uow: UnitOfWork, attempt: int) -> None:
    """Count an attempt no more, which was none that counts."""
    uow.db.execute(delete(Attempt).where(Attempt.id == attempt))


def forget_old(uow: UnitOfWork) -> int:
    """Delete attempts that no longer count; say how many there were.

    Failures that the audit log does not have yet come into it.
    """
    failed_attempts.record_rest(uow, Attempt.at <= uow.now - RECORDED_WITHIN)
    known = [
        (Attempt.purpose == purpose.value) & (Attempt.at <= uow.now - limits.longest)
        for purpose, limits in LIMITS.items()
    ]
    old = or_(Attempt.at <= uow.now - LONGEST, *known)
    deleted = uow.db.execute(
        delete(Attempt).where(old).returning(Attempt.id),
        execution_options={"synchronize_session": False},
    )
    return len(deleted.all())


def _has_room(
    uow: UnitOfWork, purpose: Purpose, limit: Limit | None, account: str, device: str
) -> bool:
    """Whether a device that is known may be counted by itself."""
    if limit is None:
        return False
    of_device = select(func.count()).where(
        Attempt.purpose == purpose.value,
        Attempt.account == account,
        Attempt.device == device,
        Attempt.at > uow.now - limit.within,
        Attempt.at <= uow.now + AT_ONCE,
    )
    return (uow.db.scalar(of_device) or 0) < limit.most


def _check(uow: UnitOfWork, limits: Limits, attempt: Attempt) -> None:
    """Raise TooMany where a limit leaves no room for this attempt."""
    held = _held(limits, attempt)
    recent = (
        Attempt.purpose == attempt.purpose,
        Attempt.device == "",
        Attempt.at > uow.now - limits.longest,
        Attempt.at <= uow.now + AT_ONCE,
        or_(*(of for _, of in held)),
    )
    counted = [and_(of, Attempt.at > uow.now - limit.within) for limit, of in held]
    counts = [func.count().filter(of) for of in counted]
    firsts = [func.min(Attempt.at).filter(of) for of in counted]
    found = uow.db.execute(select(*counts, *firsts).where(*recent)).one()
    how_many = cast("Sequence[int]", found[: len(held)])
    since = cast("Sequence[datetime]", found[len(held) :])
    waits = [
        first + limit.within - uow.now
        for (limit, _), count, first in zip(held, how_many, since, strict=True)
        if count >= limit.most
    ]
    if waits:
        raise TooMany(limits.sentence, max(*waits, timedelta(seconds=1)))


def _held(limits: Limits, attempt: Attempt) -> Sequence[tuple[Limit, ColumnElement[bool]]]:
    """The limits that hold for an attempt, with what counts against each."""
    of_account = Attempt.account == attempt.account
    from_address = Attempt.address == attempt.address
    within_site = Attempt.site == attempt.site
    all_ = [
        (limits.here, and_(of_account, from_address)),
        (limits.address, from_address),
        (limits.site if attempt.site else None, within_site),
        (limits.account if attempt.account else None, of_account),
    ]
    return [(limit, of) for limit, of in all_ if limit is not None]
