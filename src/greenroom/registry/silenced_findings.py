"""Findings that a project does not want to be told of, each with a reason, and in the audit log."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from greenroom.distributions.review import Code
from greenroom.models import Project, SilencedFinding
from greenroom.registry import audit, projects
from greenroom.registry.audit import Kind
from greenroom.registry.catalogue import HasId
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.permissions import Act, Actor, require
from greenroom.registry.reasons import check_line
from greenroom.registry.unit_of_work import UnitOfWork

MOST = 100
"""Of one project."""

LONGEST_PATTERN = 255


class Silence(Struct, frozen=True):
    """That a project does not want to be told of a finding.

    Attributes:
        id: tells forms apart.
        code: of the findings.
        pattern: for the paths of members, with ``*`` and ``?``; empty for all.
        reason: why, in the words of whoever did it.
        by: a user name, or ``operator``.
        at: when.
    """

    id: int
    code: str
    pattern: str
    reason: str
    by: str
    at: datetime

    def holds_for(self, code: str, path: str) -> bool:
        """Whether a finding is meant. A pattern is for whole paths; ``*`` goes over ``/``."""
        return code == self.code and (not self.pattern or fnmatchcase(path, self.pattern))


def of_project(db: Session, project: HasId) -> tuple[Silence, ...]:
    """All of a project, by code and pattern."""
    return of_projects(db, [project])[project.id]


def of_projects(db: Session, projects_: Iterable[HasId]) -> dict[int, tuple[Silence, ...]]:
    """The same for each of these projects, by its number, with one query."""
    found: dict[int, list[Silence]] = {project.id: [] for project in projects_}
    rows = db.scalars(
        select(SilencedFinding)
        .where(SilencedFinding.project_id.in_(found))
        .order_by(SilencedFinding.code, SilencedFinding.pattern)
    )
    for row in rows:
        found[row.project_id].append(_value(row))
    return {number: tuple(several) for number, several in found.items()}


def silence(
    uow: UnitOfWork, actor: Actor, project: Project, code: str, reason: str, pattern: str = ""
) -> Silence:
    """Let a project not be told of a finding any more.

    What is silenced already stays, with the new reason.

    Args:
        uow: in which it is done.
        actor: who does it.
        project: whose findings.
        code: which.
        reason: why; it is shown, and recorded.
        pattern: for the paths of members; empty for all.

    Raises:
        NotAllowed: the actor may not manage the project.
        InvalidRequest: there is no such code, no reason, or one of them does not do.
    """
    projects.lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    wanted, pattern = _checked(code, pattern)
    reason = check_line(reason)
    if not reason:
        raise InvalidRequest("Give a reason: it is shown beside the finding.")
    row = uow.db.scalar(_rows(project).where(_is_row(wanted, pattern)))
    if row is None:
        if len(of_project(uow.db, project)) >= MOST:
            raise InvalidRequest(f"A project silences at most {MOST} findings: end one first.")
        row = SilencedFinding(project_id=project.id, code=wanted, pattern=pattern)
        uow.db.add(row)
    row.reason, row.by, row.at = reason, actor.name, uow.now
    uow.db.flush()
    detail = f"{_named(row)}: {reason}"
    audit.write(uow, Kind.FINDING_SILENCE, actor, project=project, detail=detail)
    return _value(row)


def unsilence(uow: UnitOfWork, actor: Actor, project: Project, number: int) -> None:
    """Let a project be told of a finding again.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it does not silence this.
    """
    projects.lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    row = None
    if 0 < number < 2**31:
        row = uow.db.scalar(_rows(project).where(SilencedFinding.id == number))
    if row is None:
        raise NotFound("The project does not silence this finding (any more).")
    name = _named(row)
    uow.db.delete(row)
    uow.db.flush()
    audit.write(uow, Kind.FINDING_UNSILENCE, actor, project=project, detail=name)


def silenced_by(silences: Sequence[Silence]) -> Callable[[str, str], Silence | None]:
    """Tells by which of them a finding is silenced, of its code and path; None where by none."""

    def find(code: str, path: str) -> Silence | None:
        return next((each for each in silences if each.holds_for(code, path)), None)

    return find


def _checked(code: str, pattern: str) -> tuple[str, str]:
    if code not in {each.value for each in Code}:
        raise InvalidRequest(f"There is no finding {code[:100]!r}.")
    pattern = pattern.strip()
    if len(pattern) > LONGEST_PATTERN or not pattern.isprintable():
        raise InvalidRequest(
            f"A pattern for paths has at most {LONGEST_PATTERN} characters that can be printed, "
            "such as '*/tests/*.pem'."
        )
    return code, pattern


def _rows(project: HasId) -> Select[SilencedFinding]:
    return select(SilencedFinding).where(SilencedFinding.project_id == project.id)


def _is_row(code: str, pattern: str) -> ColumnElement[bool]:
    return (SilencedFinding.code == code) & (SilencedFinding.pattern == pattern)


def _named(row: SilencedFinding) -> str:
    return f"{row.code} in {row.pattern}" if row.pattern else row.code


def _value(row: SilencedFinding) -> Silence:
    return Silence(row.id, row.code, row.pattern, row.reason, row.by, row.at)
