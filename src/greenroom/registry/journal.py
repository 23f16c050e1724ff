"""The journal: one append-only list of public changes, whose numbers mirrors follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, Select, Table, func, insert, select
from sqlalchemy.orm import Session

from greenroom.models import JournalEntry, Project
from greenroom.registry import purging
from greenroom.registry.unit_of_work import UnitOfWork

_NEVER_REACHED = 2**31


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One public change: what was done by whom to which project, or to which version of it.

    ``content_digest`` is that of the draft whose publication this line stands for, if it does.
    """

    serial: int
    project_name: str
    version: str | None
    action: str
    at: datetime
    by: str
    content_digest: str | None = None


def append(
    uow: UnitOfWork,
    project: Project,
    version: str | None,
    actions: Sequence[str],
    by: str,
    content_digest: str | None = None,
) -> None:
    """Write entries about a project, one for each action, in this order.

    The first keeps the digest of the draft that they come of, if they do.

    Serials become visible in commit order and without gaps: whoever writes waits until the last
    writer has committed, and counts on from there. A sequence would hand numbers out earlier, and
    lose those of transactions that fail, which would show that they happened. It is the last lock
    that a unit of work takes, so that two never wait for each other.
    """
    uow.lock("journal")
    before = last_serial(uow.db)
    entries = [
        {
            "id": serial,
            "project_name": project.name,
            "normalized_name": project.normalized_name,
            "version": version,
            "action": action,
            "at": uow.now,
            "by": by,
            "content_digest": content_digest if serial == before + 1 else None,
        }
        for serial, action in enumerate(actions, before + 1)
    ]
    uow.db.execute(_APPEND, entries)
    project.last_serial = before + len(actions)
    uow.db.flush()
    purging.purge_project(uow, project)


_APPEND = insert(cast("Table", JournalEntry.__table__))


def entries_since(db: Session, serial: int, most: int) -> list[JournalLine]:
    """The entries after this serial, which may be any number, in order; no more than ``most``."""
    if serial >= _NEVER_REACHED:  # what databases cannot be asked for
        return []
    return _lines(
        db,
        select(JournalEntry)
        .where(JournalEntry.id > max(serial, 0))
        .order_by(JournalEntry.id)
        .limit(most),
    )


def of_project(db: Session, project: Project, *, start: int, count: int) -> list[JournalLine]:
    """Some of the entries about a project, the newest first."""
    return _lines(
        db,
        select(JournalEntry)
        .where(_is_about(project))
        .order_by(JournalEntry.id.desc())
        .offset(start)
        .limit(count),
    )


def count_of_project(db: Session, project: Project) -> int:
    """How many entries there are about a project."""
    return db.scalar(select(func.count()).select_from(JournalEntry).where(_is_about(project))) or 0


def _lines(db: Session, query: Select[JournalEntry]) -> list[JournalLine]:
    return [
        JournalLine(
            entry.id,
            entry.project_name,
            entry.version,
            entry.action,
            entry.at,
            entry.by,
            entry.content_digest,
        )
        for entry in db.scalars(query)
    ]


def _is_about(project: Project) -> ColumnElement[bool]:
    # The name of a deleted project is never given out again, so that no entry is another's.
    return JournalEntry.normalized_name == project.normalized_name


def last_serial(db: Session) -> int:
    """The newest serial, 0 when nothing was ever published."""
    return db.scalar(_LAST) or 0


_LAST = select(func.max(JournalEntry.id))
