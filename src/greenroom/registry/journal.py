"""The journal: one append-only list of public changes, whose numbers mirrors follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, Table, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from greenroom.database import run
from greenroom.models import JournalEntry, Project
from greenroom.registry import catalogue, purging
from greenroom.registry.unit_of_work import UnitOfWork

_NEVER_REACHED = 2**31
_LINES = select(
    JournalEntry.id,
    JournalEntry.project_name,
    JournalEntry.version,
    JournalEntry.action,
    JournalEntry.at,
    JournalEntry.by,
    JournalEntry.content_digest,
)
_NEWEST = _LINES.order_by(JournalEntry.id.desc()).limit(1)


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
    project: catalogue.HasName,
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
    before = run(uow.db, _LAST).scalar() or 0
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
    run(uow.db, _APPEND, entries)
    run(uow.db, _COUNT_ON, {"project": project.id, "last_serial": before + len(actions)})
    uow.forget(Project, project.id, "last_serial")
    purging.purge_project(uow, project)


_APPEND = insert(cast("Table", JournalEntry.__table__))
_PROJECTS = cast("Table", Project.__table__)
_COUNT_ON = (
    update(_PROJECTS)
    .where(_PROJECTS.c.id == bindparam("project"))
    .values(last_serial=bindparam("last_serial"))
)


def entries_since(db: Session, serial: int, most: int) -> list[JournalLine]:
    """The entries after this serial, which may be any number, in order; no more than ``most``."""
    if serial >= _NEVER_REACHED:  # what databases cannot be asked for
        return []
    newer = _LINES.where(JournalEntry.id > max(serial, 0)).order_by(JournalEntry.id).limit(most)
    return [JournalLine(*row) for row in db.execute(newer)]


def newest(db: Session) -> JournalLine | None:
    """The newest entry, None when nothing was ever published."""
    row = db.execute(_NEWEST).first()
    return None if row is None else JournalLine(*row)


def names_since(db: Session, line: JournalLine, most: int) -> set[str] | None:
    """The normalized names of the projects that there are entries about after this one.

    None where there are more than ``most`` entries, and where the entry is not in the journal, as
    after a backup was restored.
    """
    rows = db.execute(
        select(*_LINES.selected_columns, JournalEntry.normalized_name)
        .where(JournalEntry.id >= line.serial)
        .order_by(JournalEntry.id)
        .limit(most + 2)
    ).all()
    if not rows or JournalLine(*rows[0][:-1]) != line or len(rows) > most + 1:
        return None
    return {row.normalized_name for row in rows[1:]}


def of_project(db: Session, project: Project, *, start: int, count: int) -> list[JournalLine]:
    """Some of the entries about a project, the newest first."""
    newest = _LINES.where(_is_about(project)).order_by(JournalEntry.id.desc())
    rows = db.execute(newest.offset(start).limit(count))
    return [JournalLine(*row) for row in rows]


def count_of_project(db: Session, project: Project) -> int:
    """How many entries there are about a project."""
    return db.scalar(select(func.count()).select_from(JournalEntry).where(_is_about(project))) or 0


def _is_about(project: Project) -> ColumnElement[bool]:
    # The name of a deleted project is never given out again, so that no entry is another's.
    return JournalEntry.normalized_name == project.normalized_name


def last_serial(db: Session) -> int:
    """The newest serial, 0 when nothing was ever published."""
    return db.scalar(_LAST) or 0


_LAST = select(func.max(JournalEntry.id))
