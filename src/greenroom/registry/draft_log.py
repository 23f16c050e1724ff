"""The log of a draft: who did what to it. The one place that writes into it.

What it takes down of an act is in the audit log as well, unless that is of another one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol, cast

from sqlalchemy import Table, insert

from greenroom.database import run
from greenroom.models import DraftEvent
from greenroom.registry import audit
from greenroom.registry.audit import Kind
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork

ROTATED = "rotated the address"

_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "opened": Kind.DRAFT_OPEN,
        "added": Kind.DRAFT_STAGE,
        "replaced": Kind.DRAFT_REPLACE,
        "commented on": Kind.DRAFT_COMMENT,
        "removed": Kind.DRAFT_REMOVE,
        ROTATED: Kind.DRAFT_ROTATE,
        "extended": Kind.DRAFT_EXTEND,
        "asked for publication": Kind.DRAFT_ASK,
        "refused": Kind.DRAFT_REFUSE,
        "published": Kind.DRAFT_PUBLISH,
        "discarded": Kind.DRAFT_DISCARD,
        "expired": Kind.DRAFT_EXPIRE,
    }
)


class Logged(Protocol):
    """A draft: a row, or a value that was made of one."""

    @property
    def id(self) -> int:
        """Its number in the database."""

    @property
    def version(self) -> str:
        """Of the release that it is of."""

    @property
    def project(self) -> audit.Audited | None:
        """The project, while the draft lives."""


def write(
    uow: UnitOfWork,
    draft: Logged,
    by: Actor,
    act: str,
    filename: str | None = None,
    detail: str = "",
    *,
    recorded: bool = True,
    besides: str = "",
) -> None:
    """Write a line into the draft's log, in the name of whoever did it.

    Args:
        uow: in which it is done.
        draft: which still has its project.
        by: who did it.
        act: what, in a word or two.
        filename: to which file.
        detail: what else is worth knowing.
        recorded: whether the audit log gets a line: not where it follows from another act.
        besides: what that line has before the detail.
    """
    run(
        uow.db,
        _WRITE,
        {
            "draft_id": draft.id,
            "at": uow.now,
            "by": by.name,
            "act": act,
            "filename": filename,
            "detail": detail,
        },
    )
    if recorded:
        audit.write(
            uow,
            _KINDS[act],
            by,
            project=draft.project,
            version=draft.version,
            filename=filename,
            detail=" ".join(filter(None, (besides, detail))),
        )


_WRITE = insert(cast("Table", DraftEvent.__table__))
