"""Which drafts stand open, as a condition of queries, judged by the clock."""

from datetime import datetime

from sqlalchemy import BindParameter, ColumnElement, bindparam, literal

from greenroom.models import Draft, DraftState
from greenroom.models.base import UTCDateTime
from greenroom.registry.unit_of_work import UnitOfWork


def is_live(uow: UnitOfWork) -> ColumnElement[bool]:
    """Whether a draft stands open at this moment: from the second it falls due, it does not."""
    return _is_live_at(literal(uow.now, UTCDateTime()))


def _is_live_at(moment: ColumnElement[datetime]) -> ColumnElement[bool]:
    return (Draft.state == DraftState.OPEN) & (Draft.expires > moment)


NOW: BindParameter[datetime] = bindparam("now", type_=UTCDateTime())
"""The moment, in queries that are made once: they are executed with ``now``."""

LIVE_NOW = _is_live_at(NOW)
"""What :func:`is_live` gives, for such queries."""
