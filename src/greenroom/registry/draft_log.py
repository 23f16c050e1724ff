"""The log of a draft: who did what to it. The one place that writes into it."""

from typing import Protocol, cast

from sqlalchemy import Table, insert

from greenroom.database import run
from greenroom.models import DraftEvent
from greenroom.registry.unit_of_work import UnitOfWork


class HasId(Protocol):
    """A draft: a row, or a value that was made of one."""

    @property
    def id(self) -> int:
        """Its number in the database."""


def write(
    uow: UnitOfWork,
    draft: HasId,
    by: str,
    act: str,
    filename: str | None = None,
    detail: str = "",
) -> None:
    """Write a line into the draft's log, in the name of whoever did it."""
    run(
        uow.db,
        _WRITE,
        {
            "draft_id": draft.id,
            "at": uow.now,
            "by": by,
            "act": act,
            "filename": filename,
            "detail": detail,
        },
    )


_WRITE = insert(cast("Table", DraftEvent.__table__))
