"""Reading the audit log: a person what is about them, owners of a project, administrators all."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from heapq import merge
from itertools import islice
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.orm import Session

from greenroom.models import AuditEntry, Project, User
from greenroom.registry import accounts
from greenroom.registry.audit import Kind, kind_named
from greenroom.registry.errors import NotAllowed
from greenroom.registry.names import lookup_name
from greenroom.registry.permissions import Actor, may_read_audit
from greenroom.registry.unit_of_work import Services, UnitOfWork


class AuditLine(Struct, frozen=True):
    """One act.

    Attributes:
        id: its number, which says little of the order.
        act: the name of its kind.
        by: who did it, an account or a word: ``operator``, ``anonymous``, ``expiry``.
        credential: what was acted with; empty where nothing was shown, or it is nobody's business.
        about: whose account it was done to.
        count: how often, where one line stands for several failures.
    """

    id: int
    at: datetime
    act: str
    by: str
    by_id: int | None
    credential: str
    address: str | None
    request_id: str | None
    about: str | None
    about_id: int | None
    project: str | None
    version: str | None
    filename: str | None
    detail: str
    count: int

    @property
    def sentence(self) -> str:
        """What was done, in words; a kind that another version of the index wrote is its name."""
        kind = kind_named(self.act)
        return kind.sentence if kind is not None else self.act


class Wanted(Struct, frozen=True):
    """Which lines: all that fit everything that is said here.

    Attributes:
        act: of this kind.
        person: done by this account, or to it; or by a word such as ``operator``.
        project: of the project of this name, in any spelling.
        since: not before this moment.
        until: before this moment.
    """

    act: Kind | None = None
    person: str | None = None
    project: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Place(Struct, frozen=True):
    """Where a page of lines begins, the newest first: at ``at``, but for ``skipped`` lines of then.

    It is made of what its reader has seen, so that it tells nothing else.
    """

    at: datetime
    skipped: int


class LinePage(Struct, frozen=True):
    """Some lines, the newest first, and where the next ones begin, if there are any."""

    lines: tuple[AuditLine, ...]
    older: Place | None


_BATCH = 500
_LOOK_BACK = 1000
"""So many lines may be written while one of them is not committed yet."""
_LOOK_EVERY = 1.0


def _pause() -> None:
    time.sleep(_LOOK_EVERY)


_COLUMNS = tuple(getattr(AuditEntry, name) for name in AuditLine.__struct_fields__)
_Condition = ColumnElement[bool]


def everything(
    uow: UnitOfWork, actor: Actor, wanted: Wanted, place: Place | None, most: int
) -> LinePage:
    """What happened in the whole index.

    Raises:
        NotAllowed: the actor is no administrator.
    """
    if not actor.is_administrator:
        raise NotAllowed("Only administrators of this index read its whole audit log.")
    return _page(uow.db, _ways(uow.db, wanted), place, most)


def of_project(
    uow: UnitOfWork,
    actor: Actor,
    project: Project,
    wanted: Wanted,
    place: Place | None,
    most: int,
) -> LinePage:
    """What was done to a project, and not to one that only reserved its name before.

    Raises:
        NotAllowed: the actor is neither an owner of it nor an administrator.
    """
    if not may_read_audit(actor, project):
        raise NotAllowed(f"Only owners of {project.name!r} read its audit log.")
    of_it = and_(
        AuditEntry.normalized_project == project.normalized_name,
        AuditEntry.project_created == project.created,
    )
    ways = [and_(of_it, way) for way in _ways(uow.db, replace(wanted, project=None))]
    return _page(uow.db, ways, place, most)


def of_person(
    uow: UnitOfWork, user: User, wanted: Wanted, place: Place | None, most: int
) -> LinePage:
    """What a person did, and what was done to their account.

    From where others did it, and with what, is not told.
    """
    did = and_(AuditEntry.by == user.username, AuditEntry.by_id == user.id)
    suffered = and_(AuditEntry.about == user.username, AuditEntry.about_id == user.id)
    of_all = and_(*_conditions(wanted))
    page = _page(uow.db, [and_(did, of_all), and_(suffered, of_all)], place, most)
    return replace(page, lines=tuple(_for_person(line, user) for line in page.lines))


def _for_person(line: AuditLine, user: User) -> AuditLine:
    if line.by_id == user.id or line.act == Kind.SIGN_IN_FAILED:
        return line
    return replace(line, credential="", address=None, request_id=None)


def follow(
    services: Services, wanted: Wanted, *, for_ever: bool, wait: Callable[[], None] = _pause
) -> Iterator[AuditLine]:
    """Every line, the oldest first, of which few are in memory at once: for the operator.

    Args:
        services: where.
        wanted: which.
        for_ever: whether to go on with what happens from then on.
        wait: called before it is looked for again.
    """
    seen: set[int] = set()
    newest, last = 0, None
    while lines := _after(services, wanted, last):
        for line in lines:
            newest = max(newest, line.id)
            seen.add(line.id)
            yield line
        last = lines[-1]
        seen = {number for number in seen if number > newest - _LOOK_BACK}
    while for_ever:
        wait()
        # Numbers are given out before their transactions are committed.
        with services.reading() as uow:
            late = AuditEntry.id > newest - _LOOK_BACK
            lines = _oldest(uow.db, _ways(uow.db, wanted), late, 2 * _LOOK_BACK)
        for line in lines:
            if line.id not in seen:
                seen.add(line.id)
                newest = max(newest, line.id)
                yield line
        seen = {number for number in seen if number > newest - _LOOK_BACK}


def _after(services: Services, wanted: Wanted, last: AuditLine | None) -> list[AuditLine]:
    """Some of the lines after this one, the oldest first."""
    after = None
    if last is not None:
        is_later = or_(AuditEntry.at > last.at, AuditEntry.id > last.id)
        after = and_(AuditEntry.at >= last.at, is_later)
    with services.reading() as uow:
        return _oldest(uow.db, _ways(uow.db, wanted), after, _BATCH)


def _ways(db: Session, wanted: Wanted) -> list[_Condition]:
    """Conditions of which a line has to fit one, for each of which there is an index."""
    of_all = and_(*_conditions(wanted))
    if wanted.person is None:
        return [of_all]
    user = accounts.find_user(db, wanted.person)
    name = user.username if user is not None else wanted.person
    return [and_(AuditEntry.by == name, of_all), and_(AuditEntry.about == name, of_all)]


def _conditions(wanted: Wanted) -> Iterator[_Condition]:
    """What a line has to fit, but for the person."""
    yield true()
    if wanted.act is not None:
        yield AuditEntry.act == wanted.act.value
    if wanted.project is not None:
        yield AuditEntry.normalized_project == lookup_name(wanted.project)
    if wanted.since is not None:
        yield AuditEntry.at >= wanted.since
    if wanted.until is not None:
        yield AuditEntry.at < wanted.until


_ORDER = attrgetter("at", "id")


def _page(db: Session, ways: list[_Condition], place: Place | None, most: int) -> LinePage:
    skipped = place.skipped if place is not None else 0
    asked = skipped + most + 1
    found: list[list[AuditLine]] = []
    for way in ways:
        query = select(*_COLUMNS).where(way)
        if place is not None:
            query = query.where(AuditEntry.at <= place.at)
        newest = query.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(asked)
        found.append([AuditLine(*row) for row in db.execute(newest)])
    lines = list(islice(_distinct(merge(*found, key=_ORDER, reverse=True)), asked))[skipped:]
    shown = tuple(lines[:most])
    if len(lines) <= most:
        return LinePage(shown, None)
    last = shown[-1].at
    of_then = sum(line.at == last for line in shown)
    before = skipped if place is not None and place.at == last else 0
    return LinePage(shown, Place(last, before + of_then))


def _oldest(
    db: Session, ways: list[_Condition], after: _Condition | None, most: int
) -> list[AuditLine]:
    found: list[list[AuditLine]] = []
    for way in ways:
        query = select(*_COLUMNS).where(way if after is None else and_(way, after))
        oldest = query.order_by(AuditEntry.at, AuditEntry.id).limit(most)
        found.append([AuditLine(*row) for row in db.execute(oldest)])
    return list(islice(_distinct(merge(*found, key=_ORDER)), most))


def _distinct(lines: Iterator[AuditLine]) -> Iterator[AuditLine]:
    """Each line once: what somebody did to the own account fits both ways."""
    last: AuditLine | None = None
    for line in lines:
        if last is None or line.id != last.id:
            yield line
        last = line
