"""How often something may be done: so many times within a length of time, and how long to wait."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute

from greenroom.registry.unit_of_work import AT_ONCE, UnitOfWork


def waiting_time(
    uow: UnitOfWork,
    moments: InstrumentedAttribute[datetime],
    *of: ColumnElement[bool],
    limit: int,
    within: timedelta,
) -> timedelta | None:
    """How long until there is room for one more, None when there is room now.

    ``moments`` is the column that says when it was done, ``of`` which rows of it count: those of
    the past. A limit of 0 is none.
    """
    if limit == 0:
        return None
    since = uow.now - within
    # The first of the latest so many stands in the way.
    hindrance = uow.db.scalar(
        select(moments)
        .where(*of, moments > since, moments <= uow.now + AT_ONCE)
        .order_by(moments.desc())
        .offset(limit - 1)
        .limit(1)
    )
    return hindrance - since if hindrance is not None else None
