"""Which drafts stand open, as a condition of queries, judged by the clock."""

from sqlalchemy import ColumnElement

from greenroom.models import Draft, DraftState
from greenroom.registry.unit_of_work import UnitOfWork


def is_live(uow: UnitOfWork) -> ColumnElement[bool]:
    """Whether a draft stands open at this moment: from the second it falls due, it does not."""
    return (Draft.state == DraftState.OPEN) & (Draft.expires > uow.now)
