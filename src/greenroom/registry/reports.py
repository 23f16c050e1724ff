"""Reports of projects to the administrators: malware, spam, disputes about a name.

Anybody may report a project that they can see; nobody learns by it whether there is another one.
"""

from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import ColumnElement, func, literal, select

from greenroom.models import ProjectReport, ReportKind
from greenroom.models.base import LARGEST_ID
from greenroom.networks import network_of
from greenroom.registry import audit
from greenroom.registry.administering import check_administrator
from greenroom.registry.audit import Audited, Kind
from greenroom.registry.errors import InvalidRequest, NotFound, TooMany
from greenroom.registry.names import lookup_name
from greenroom.registry.permissions import Actor
from greenroom.registry.rate_limits import waiting_time
from greenroom.registry.reasons import check_line
from greenroom.registry.unit_of_work import UnitOfWork

LONGEST_TEXT = 2000
PER_ADDRESS = 5
PER_PERSON = 20
_OF_ALL = 300
_WITHIN = timedelta(hours=1)


class Report(Struct, frozen=True):
    """What was reported.

    Attributes:
        project: as it spelled itself then.
        by: the name of who was signed in, or ``anonymous``.
        handled: when an administrator was done with it, None where nobody is.
        note: what was done.
    """

    id: int
    project: str
    kind: ReportKind
    text: str
    by: str
    address: str
    at: datetime
    handled: datetime | None
    handled_by: str
    note: str


class WantedReports(Struct, frozen=True):
    """What to choose reports by.

    Attributes:
        is_open: whether they are still to be handled; None for both.
        project: of which project, in any spelling; empty for all.
        kind: of which kind; None for all.
    """

    is_open: bool | None = True
    project: str = ""
    kind: ReportKind | None = None


def report(
    uow: UnitOfWork, actor: Actor, project: Audited, kind: ReportKind, text: str, address: str
) -> None:
    """Tell the administrators of a project that the actor can see.

    Args:
        uow: in which it is told.
        actor: who tells it.
        project: of which.
        kind: what it is reported for.
        text: what is wrong, in the actor's words.
        address: where they come from.

    Raises:
        InvalidRequest: the text does not do.
        TooMany: too much was reported from there, by the actor, or by all, of late.
    """
    text = _checked(text)
    place = network_of(address) or address
    uow.lock("reports")
    _check_rate(uow, actor, place)
    uow.db.add(
        ProjectReport(
            project=project.name,
            normalized_project=project.normalized_name,
            kind=kind,
            text=text,
            by=actor.name,
            address=place,
            at=uow.now,
        )
    )
    uow.db.flush()
    audit.write(uow, Kind.PROJECT_REPORT, actor, project=project, detail=kind.value)


def _checked(text: str) -> str:
    lines = [line.rstrip() for line in text.strip().splitlines()]
    if not all(line.replace("\t", " ").isprintable() for line in lines):
        raise InvalidRequest("The text has characters that cannot be shown.")
    said = "\n".join(lines)
    if not said or len(said) > LONGEST_TEXT:
        raise InvalidRequest(f"Say what is wrong, in at most {LONGEST_TEXT} characters.")
    return said


def _check_rate(uow: UnitOfWork, actor: Actor, place: str) -> None:
    has_account = actor.user_id is not None
    mine = ProjectReport.by == actor.name if has_account else ProjectReport.address == place
    for which, limit in (
        (mine, PER_PERSON if has_account else PER_ADDRESS),
        (literal(True), _OF_ALL),
    ):
        wait = waiting_time(uow, ProjectReport.at, which, limit=limit, within=_WITHIN)
        if wait is not None:
            raise TooMany("Too much was reported of late: wait before you report more.", wait)


def listed(uow: UnitOfWork, wanted: WantedReports, *, start: int, count: int) -> list[Report]:
    """Some of the reports, the newest first."""
    found = uow.db.scalars(
        select(ProjectReport)
        .where(*_chosen(wanted))
        .order_by(ProjectReport.id.desc())
        .offset(start)
        .limit(count)
    )
    return [_shown(row) for row in found]


def count_of(uow: UnitOfWork, wanted: WantedReports) -> int:
    """How many reports there are of these."""
    found = select(func.count()).select_from(ProjectReport).where(*_chosen(wanted))
    return uow.db.scalar(found) or 0


def get(uow: UnitOfWork, number: int) -> Report:
    """The report of this number.

    Raises:
        NotFound: there is none.
    """
    return _shown(_row(uow, number))


def handle(uow: UnitOfWork, actor: Actor, number: int, note: str) -> Report:
    """Note that an administrator is done with a report, and what was done.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: there is no such report.
        InvalidRequest: it was handled, or the note does not do.
    """
    check_administrator(uow, actor)
    note = check_line(note)
    if not note:
        raise InvalidRequest("Say what was done: it is recorded in the audit log.")
    uow.lock("reports")
    row = _row(uow, number)
    uow.db.refresh(row)
    if row.handled is not None:
        raise InvalidRequest(f"{row.handled_by} has handled this report.")
    row.handled, row.handled_by, row.note = uow.now, actor.name, note
    uow.db.flush()
    detail = f"report {row.id} of {row.project}: {note}"
    audit.write(uow, Kind.REPORT_HANDLE, actor, detail=detail)
    return _shown(row)


def _row(uow: UnitOfWork, number: int) -> ProjectReport:
    row = uow.db.get(ProjectReport, number) if 0 < number <= LARGEST_ID else None
    if row is None:
        raise NotFound("There is no such report.")
    return row


def _chosen(wanted: WantedReports) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = []
    if wanted.is_open is not None:
        is_open = ProjectReport.handled.is_(None)
        chosen.append(is_open if wanted.is_open else ~is_open)
    if wanted.project.strip():
        chosen.append(ProjectReport.normalized_project == lookup_name(wanted.project.strip()))
    if wanted.kind is not None:
        chosen.append(ProjectReport.kind == wanted.kind)
    return chosen


def _shown(row: ProjectReport) -> Report:
    return Report(
        row.id,
        row.project,
        ReportKind(row.kind),
        row.text,
        row.by,
        row.address,
        row.at,
        row.handled,
        row.handled_by,
        row.note,
    )
