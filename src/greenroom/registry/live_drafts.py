"""Which drafts stand open, as a condition of queries, judged by the clock."""

from sqlalchemy import BindParameter, ColumnElement, bindparam

from greenroom.models import Draft, DraftState
from greenroom.models.base import UTCDateTime
from greenroom.registry.unit_of_work import UnitOfWork


def is_live(uow: UnitOfWork) -> ColumnElement[bool]:
    """Whether a draft stands open at this moment: from the second it falls due, it does not."""
    return (Draft.state == DraftState.OPEN) & (Draft.expires > uow.now)


NOW: BindParameter[object] = bindparam("now", type_=UTCDateTime())
"""The moment, in queries that are made once: they are executed with ``now``."""

LIVE_NOW = (Draft.state == DraftState.OPEN) & (Draft.expires > NOW)
"""What :func:`is_live` gives, for such queries."""
