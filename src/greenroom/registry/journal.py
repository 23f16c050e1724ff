"""The journal: one append-only list of public changes, whose numbers mirrors follow.

It tells of what everybody may read who reads anything. What happens to other projects is kept
beside it, without numbers of its own: a number that is missing would show it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol, cast

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Table,
    bindparam,
    exists,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from greenroom.database import run
from greenroom.models import JournalEntry, Project, UnlistedEntry
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
_UNLISTED = select(
    UnlistedEntry.after.label("id"),
    UnlistedEntry.project_name,
    UnlistedEntry.version,
    UnlistedEntry.action,
    UnlistedEntry.at,
    UnlistedEntry.by,
    UnlistedEntry.content_digest,
)
_NEWEST = _LINES.order_by(JournalEntry.id.desc()).limit(1)
_ONE = _LINES.where(JournalEntry.id == bindparam("serial"))


class JournalLine(Struct, frozen=True):
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
    if not _is_listed(uow, project):
        # Mirrors take a serial of 0 for none.
        _append_unlisted(uow, project, version, actions, by, content_digest, max(before, 1))
        return
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


def _is_listed(uow: UnitOfWork, project: catalogue.HasName) -> bool:
    if uow.settings.read != "projects":  # then all are, and nothing has to be asked
        return True
    visibility = run(uow.db, _VISIBILITY, {"project": project.id}).scalar_one()
    return catalogue.is_listed(uow.settings, visibility)


def _append_unlisted(
    uow: UnitOfWork,
    project: catalogue.HasName,
    version: str | None,
    actions: Sequence[str],
    by: str,
    content_digest: str | None,
    after: int,
) -> None:
    """Keep what has happened beside the journal. No cache has anything to forget."""
    said = {
        "after": after,
        "project_name": project.name,
        "normalized_name": project.normalized_name,
        "version": version,
        "at": uow.now,
        "by": by,
    }
    entries = [
        {**said, "action": action, "content_digest": content_digest if number == 0 else None}
        for number, action in enumerate(actions)
    ]
    run(uow.db, _APPEND_UNLISTED, entries)
    run(uow.db, _COUNT_ON, {"project": project.id, "last_serial": after})
    uow.forget(Project, project.id, "last_serial")


_APPEND = insert(cast("Table", JournalEntry.__table__))
_APPEND_UNLISTED = insert(cast("Table", UnlistedEntry.__table__))
_VISIBILITY = select(Project.visibility).where(Project.id == bindparam("project"))
_PROJECTS = cast("Table", Project.__table__)
_COUNT_ON = (
    update(_PROJECTS)
    .where(_PROJECTS.c.id == bindparam("project"))
    .values(last_serial=bindparam("last_serial"))
)


def entries_since(db: Session, serial: int, most: int) -> list[JournalLine]:
    """The entries after this serial, which may be any number, in order; no more than ``most``.

    Who may read more than whoever asks is told of that, too, under the serial after which it
    happened: what happened after the one that is asked with may be told once more.
    """
    if not catalogue.sees_journal(db):
        return []
    if serial >= _NEVER_REACHED:  # what databases cannot be asked for
        return []
    newer = _LINES.where(JournalEntry.id > max(serial, 0)).order_by(JournalEntry.id).limit(most)
    listed = [JournalLine(*row) for row in db.execute(newer)]
    readable = {project.name for project in catalogue.further_projects(db)}
    if not readable:
        return listed
    again = db.execute(_LINES.where(JournalEntry.id == max(serial, 0)))
    listed = [*(JournalLine(*row) for row in again), *listed]
    newer = (
        _UNLISTED.where(UnlistedEntry.after >= max(serial, 0))
        .order_by(UnlistedEntry.id)
        .add_columns(UnlistedEntry.normalized_name)
    )
    unlisted = [JournalLine(*row[:-1]) for row in db.execute(newer) if row[-1] in readable]
    return sorted([*listed, *unlisted], key=lambda line: line.serial)[:most]


def newest(db: Session) -> JournalLine | None:
    """The newest entry, None when nothing was ever published."""
    if not catalogue.sees_journal(db):
        return None
    row = db.execute(_NEWEST).first()
    return None if row is None else JournalLine(*row)


def line(db: Session, serial: int) -> JournalLine | None:
    """The entry of this serial, whoever asks; None where the journal of all has none."""
    row = db.execute(_ONE, {"serial": serial}).first()
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
    """Some of the entries about a project, the newest first, those beside the journal too."""
    listed = _LINES.add_columns(literal(0).label("number")).where(_is_about(project))
    unlisted = _UNLISTED.add_columns(UnlistedEntry.id).where(_is_unlisted_about(project))
    both = union_all(listed, unlisted).subquery()
    newest = select(*both.c).order_by(both.c.id.desc(), both.c.number.desc())
    return [JournalLine(*row) for *row, _ in db.execute(newest.offset(start).limit(count))]


def count_of_project(db: Session, project: Project) -> int:
    """How many entries there are about a project."""
    listed = select(func.count()).select_from(JournalEntry).where(_is_about(project))
    unlisted = select(func.count()).select_from(UnlistedEntry).where(_is_unlisted_about(project))
    return db.scalar(select(listed.scalar_subquery() + unlisted.scalar_subquery())) or 0


class HasNormalizedName(Protocol):
    """A project: a row, or a value that was made of one."""

    @property
    def normalized_name(self) -> str:
        """Normalized."""


def has_released(db: Session, project: HasNormalizedName) -> bool:
    """Whether anything of the project was ever public: more than that its name is taken."""
    return project.normalized_name in released_of(db, [project])


def released_of(db: Session, projects: Iterable[HasNormalizedName]) -> set[str]:
    """The normalized names of those of these projects of which anything was ever public."""
    name = Project.normalized_name
    listed = exists().where(JournalEntry.normalized_name == name, JournalEntry.version.is_not(None))
    unlisted = exists().where(
        UnlistedEntry.normalized_name == name, UnlistedEntry.version.is_not(None)
    )
    names = [project.normalized_name for project in projects]
    return set(db.scalars(select(name).where(name.in_(names), listed | unlisted)))


def _is_about(project: HasNormalizedName) -> ColumnElement[bool]:
    # The name of a deleted project is never given out again, so that no entry is another's.
    return JournalEntry.normalized_name == project.normalized_name


def _is_unlisted_about(project: HasNormalizedName) -> ColumnElement[bool]:
    return UnlistedEntry.normalized_name == project.normalized_name


def last_serial(db: Session) -> int:
    """The newest serial, 0 when nothing was ever published."""
    return (db.scalar(_LAST) or 0) if catalogue.sees_journal(db) else 0


_LAST = select(func.max(JournalEntry.id))
