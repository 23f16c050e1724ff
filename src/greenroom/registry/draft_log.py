"""The log of a draft: who did what to it. The one place that writes into it."""

from greenroom.models import Draft, DraftEvent
from greenroom.registry.unit_of_work import UnitOfWork


def write(
    uow: UnitOfWork, draft: Draft, by: str, act: str, filename: str | None = None, detail: str = ""
) -> None:
    """Write a line into the draft's log, in the name of whoever did it."""
    uow.db.add(
        DraftEvent(draft_id=draft.id, at=uow.now, by=by, act=act, filename=filename, detail=detail)
    )
