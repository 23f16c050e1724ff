"""How the indexes behind this one are doing, and what of them is used, by whom."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, func, select, tuple_

from greenroom.models import (
    Project,
    Team,
    TeamMember,
    UpstreamFile,
    UpstreamPage,
    UpstreamStanding,
    UpstreamUse,
    UpstreamUser,
    User,
)
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.upstream_usage import Who

_MOST_SHOWN = 5


class Kept(Struct, frozen=True):
    """How much of an upstream is kept.

    Attributes:
        pages: of projects that it has; ``absent`` are names that it had no project of.
        oldest_page: when what was asked for longest ago of these pages was last said.
        files: how many; ``size`` are their bytes.
    """

    pages: int = 0
    absent: int = 0
    oldest_page: datetime | None = None
    files: int = 0
    size: int = 0


class Asked(Struct, frozen=True):
    """How often an upstream's pages and files were asked for, and how often it need not be."""

    pages: int = 0
    kept_pages: int = 0
    files: int = 0
    kept_files: int = 0
    size: int = 0

    @property
    def page_rate(self) -> int | None:
        """Of a hundred pages, so many for which the upstream need not be asked."""
        return 100 * self.kept_pages // self.pages if self.pages else None

    @property
    def file_rate(self) -> int | None:
        """Of a hundred files, so many that were here."""
        return 100 * self.kept_files // self.files if self.files else None


class Overview(Struct, frozen=True):
    """An upstream in numbers.

    Attributes:
        name: in the settings.
        url: of its simple index, without credentials.
        answered: when it last answered, as far as is written down; None where it never did.
        failed: when it last did not; ``failure`` says how.
        kept: how much of it is kept.
        asked: how often it was asked for something.
    """

    name: str
    url: str
    answered: datetime | None
    failed: datetime | None
    failure: str
    kept: Kept
    asked: Asked

    @property
    def is_reachable(self) -> bool | None:
        """Whether it answered when it was last asked; None where nobody can say."""
        if self.failed is None:
            return None if self.answered is None else True
        return self.answered is not None and self.answered >= self.failed


class Used(Struct, frozen=True):
    """A project of an upstream that is used.

    Attributes:
        asked: how often.
        last: when it was last asked for.
        users: of those who asked last, some; more than ``users`` are ``more``.
        teams: in which these are.
    """

    upstream: str
    project: str
    asked: Asked
    last: datetime
    users: tuple[Who, ...]
    more: int
    teams: tuple[str, ...]


class TakenName(Struct, frozen=True):
    """A name that an upstream had when it was taken here.

    Attributes:
        project: as it spells itself; ``name`` is normalized.
        upstream: which had it.
        registered: from when on this index answers for it alone.
    """

    project: str
    name: str
    upstream: str
    registered: datetime


def taken(uow: UnitOfWork, *, count: int) -> tuple[list[TakenName], int]:
    """The public projects whose names an upstream had: some, the newest first, and how many."""
    names = [upstream.name for upstream in uow.settings.upstreams]
    if not names:
        return [], 0
    wanted = (Project.registered.is_not(None), Project.found_upstream.in_(names))
    rows = uow.db.execute(
        select(Project.name, Project.normalized_name, Project.found_upstream, Project.registered)
        .where(*wanted)
        .order_by(Project.registered.desc(), Project.id.desc())
        .limit(count)
    ).all()
    found = [
        TakenName(name, normalized, upstream, registered)
        for name, normalized, upstream, registered in rows
        if upstream is not None and registered is not None
    ]
    if len(rows) < count:
        return found, len(found)
    total = uow.db.scalar(select(func.count()).select_from(Project).where(*wanted))
    return found, total or 0


def of_all(uow: UnitOfWork) -> tuple[Overview, ...]:
    """The upstreams of the settings, in their order: four queries, whatever there is."""
    pages, files, asked = _pages(uow), _files(uow), _asked(uow)
    standings = {row.upstream: row for row in uow.db.scalars(select(UpstreamStanding))}
    overviews = []
    for upstream in uow.settings.upstreams:
        name, page, standing = upstream.name, pages.get(upstream.name), standings.get(upstream.name)
        count, size = files.get(name, (0, 0))
        overviews.append(
            Overview(
                name,
                upstream.shown,
                _latest(
                    page.newest if page is not None else None,
                    standing.answered if standing is not None else None,
                ),
                standing.failed if standing is not None else None,
                standing.failure if standing is not None else "",
                Kept(page.there, page.absent, page.oldest, count, size)
                if page is not None
                else Kept(files=count, size=size),
                asked.get(name, Asked()),
            )
        )
    return tuple(overviews)


def used(uow: UnitOfWork, words: str = "", *, start: int, count: int) -> list[Used]:
    """Some of the projects that are used, the last one first.

    Args:
        uow: what to look into.
        words: what is looked for in their names; empty for everything.
        start: how many are left out before them.
        count: how many at most.
    """
    rows = uow.db.scalars(
        select(UpstreamUse)
        .where(*_having(words))
        .order_by(UpstreamUse.last.desc(), UpstreamUse.id.desc())
        .offset(start)
        .limit(count)
    ).all()
    users = _users(uow, [(row.project, row.upstream) for row in rows])
    teams = _teams(uow, {who.by for each, _ in users.values() for who in each})
    return [
        _used(row, *users.get((row.project, row.upstream), ((), 0)), teams=teams) for row in rows
    ]


def count_used(uow: UnitOfWork, words: str = "") -> int:
    """How many projects are used, likewise."""
    return uow.db.scalar(select(func.count()).select_from(UpstreamUse).where(*_having(words))) or 0


def cached_size(uow: UnitOfWork) -> int:
    """How many bytes of files of upstreams are kept."""
    return int(uow.db.scalar(select(func.sum(UpstreamFile.size))) or 0)


def _pages(uow: UnitOfWork) -> Mapping[str, Row[str, int, int, datetime, datetime]]:
    """Of each upstream, how many pages it has, and has not, and when it said the first and last."""
    there = func.count().filter(UpstreamPage.is_there)
    rows = uow.db.execute(
        select(
            UpstreamPage.upstream,
            there.label("there"),
            (func.count() - there).label("absent"),
            func.min(UpstreamPage.checked).filter(UpstreamPage.is_there).label("oldest"),
            func.max(UpstreamPage.checked).label("newest"),
        ).group_by(UpstreamPage.upstream)
    )
    return {row.upstream: row for row in rows}


def _files(uow: UnitOfWork) -> Mapping[str, tuple[int, int]]:
    """Of each upstream, how many files are kept, and their bytes."""
    rows = uow.db.execute(
        select(UpstreamFile.upstream, func.count(), func.sum(UpstreamFile.size)).group_by(
            UpstreamFile.upstream
        )
    )
    return {name: (count, int(size)) for name, count, size in rows}


def _asked(uow: UnitOfWork) -> Mapping[str, Asked]:
    rows = uow.db.execute(
        select(
            UpstreamUse.upstream,
            func.sum(UpstreamUse.pages),
            func.sum(UpstreamUse.kept_pages),
            func.sum(UpstreamUse.files),
            func.sum(UpstreamUse.kept_files),
            func.sum(UpstreamUse.size),
        ).group_by(UpstreamUse.upstream)
    )
    return {name: Asked(*(int(number) for number in numbers)) for name, *numbers in rows}


def _users(
    uow: UnitOfWork, projects: Sequence[tuple[str, str]]
) -> Mapping[tuple[str, str], tuple[tuple[Who, ...], int]]:
    """Who of late has used these projects, each with its upstream, and how many ever have."""
    of_project = (UpstreamUser.project, UpstreamUser.upstream)
    order = (UpstreamUser.last.desc(), UpstreamUser.id.desc())
    place = func.row_number().over(partition_by=of_project, order_by=order).label("place")
    ranked = (
        select(
            *(UpstreamUser.project, UpstreamUser.upstream, UpstreamUser.by, UpstreamUser.token),
            func.count().over(partition_by=of_project).label("users"),
            place,
        )
        .where(tuple_(*of_project).in_(projects))
        .subquery()
    )
    rows = uow.db.execute(
        select(ranked)
        .where(ranked.c.place <= _MOST_SHOWN)
        .order_by(ranked.c.project, ranked.c.upstream, ranked.c.place)
    )
    found: dict[tuple[str, str], tuple[tuple[Who, ...], int]] = {}
    for key, group in groupby(rows, lambda row: (row.project, row.upstream)):
        of_it = list(group)
        found[key] = tuple(Who(row.by, row.token) for row in of_it), of_it[0].users
    return found


def _teams(uow: UnitOfWork, names: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """The teams that accounts of these names are in."""
    rows = uow.db.execute(
        select(User.username, Team.name)
        .join(TeamMember, TeamMember.user_id == User.id)
        .join(Team, Team.id == TeamMember.team_id)
        .where(User.username.in_(sorted(names)))
        .order_by(User.username, Team.name)
    )
    return {name: [row.name for row in of_it] for name, of_it in groupby(rows, lambda row: row[0])}


def _used(
    row: UpstreamUse, users: Sequence[Who], count: int, teams: Mapping[str, Sequence[str]]
) -> Used:
    in_teams = sorted({team for who in users for team in teams.get(who.by, ())})
    return Used(
        row.upstream,
        row.project,
        Asked(row.pages, row.kept_pages, row.files, row.kept_files, row.size),
        row.last,
        tuple(users),
        count - len(users),
        tuple(in_teams),
    )


def _having(words: str) -> list[ColumnElement[bool]]:
    plain = words.strip().lower()
    if not plain:
        return []
    shown = plain if plain.isprintable() else "\N{REPLACEMENT CHARACTER}"
    return [UpstreamUse.project.contains(shown, autoescape=True)]


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
