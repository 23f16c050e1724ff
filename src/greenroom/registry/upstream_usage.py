"""Which projects of upstreams are used, by whom, and what they were refused.

What reads cannot write. A process remembers what it has answered, and writes it down every minute.
An answer that the server gives from its memory is not noted: its page was noted when it was made.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Table, case, delete, func, select

from greenroom.counters import Counted, count
from greenroom.distributions.historical import version_in
from greenroom.models import (
    UpstreamLicense,
    UpstreamRefusal,
    UpstreamStanding,
    UpstreamUse,
    UpstreamUser,
)
from greenroom.models.base import Base
from greenroom.registry import audit
from greenroom.registry.inserting import insert_into
from greenroom.registry.permissions import ANONYMOUS, Actor
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upstream_policy import Refused

MOST_USES = 20_000
"""So many projects are kept: those that were used last."""
MOST_USERS = 50_000
"""So many users of projects are kept, likewise."""
MOST_REFUSALS = 10_000
"""So many refused files are kept, likewise."""
MOST_LICENSES = 200_000
_MOST_PENDING = 10_000

_Key = TypeVar("_Key")
_Noted = TypeVar("_Noted")
_Plus: TypeAlias = Callable[[_Noted, _Noted], _Noted]

_LONGEST_SENTENCE = 1000


class Who(Struct, frozen=True):
    """Who asks: an account, and its token where one was shown; nobody knows where it is empty."""

    by: str = ""
    token: str = ""


def who(actor: Actor) -> Who:
    """Who asks, as it is kept."""
    if actor is ANONYMOUS:
        return Who()
    credential = actor.credential if actor.credential.startswith("token ") else ""
    return Who(audit.plain(actor.name), audit.plain(credential.removeprefix("token ")))


class _Use(Struct, frozen=True):
    last: datetime
    pages: int = 0
    kept_pages: int = 0
    files: int = 0
    kept_files: int = 0
    size: int = 0

    def plus(self, other: "_Use") -> "_Use":
        return _Use(
            max(self.last, other.last),
            self.pages + other.pages,
            self.kept_pages + other.kept_pages,
            self.files + other.files,
            self.kept_files + other.kept_files,
            self.size + other.size,
        )


class _UsedBy(Struct, frozen=True):
    last: datetime
    count: int = 1

    def plus(self, other: "_UsedBy") -> "_UsedBy":
        return _UsedBy(max(self.last, other.last), self.count + other.count)


class _RefusedTo(Struct, frozen=True):
    refused: Refused
    by: str
    first: datetime
    last: datetime
    count: int = 1

    def plus(self, other: "_RefusedTo") -> "_RefusedTo":
        first, last = sorted((self, other), key=lambda each: each.last)
        return replace(last, first=min(first.first, last.first), count=self.count + other.count)


class _Standing(Struct, frozen=True):
    answered: datetime | None = None
    failed: datetime | None = None
    failure: str = ""

    def plus(self, other: "_Standing") -> "_Standing":
        return _Standing(
            _later(self.answered, other.answered),
            _later(self.failed, other.failed),
            other.failure or self.failure,
        )


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


class _Pending(Struct):
    """What is not written down yet, by what it is about."""

    uses: dict[tuple[str, str], _Use]
    users: dict[tuple[str, str, Who], _UsedBy]
    refusals: dict[tuple[str, str, str], _RefusedTo]
    licenses: dict[tuple[str, str, str], str]
    standings: dict[str, _Standing]

    @classmethod
    def nothing(cls) -> "_Pending":
        return cls({}, {}, {}, {}, {})

    @property
    def count(self) -> int:
        return sum(
            len(each)
            for each in (self.uses, self.users, self.refusals, self.licenses, self.standings)
        )


class Usage:
    """What this process has answered for upstreams, and not written down yet."""

    def __init__(self) -> None:
        """Nothing."""
        self._pending = _Pending.nothing()
        self._lock = threading.Lock()

    def note_page(
        self, upstream: str, project: str, who: Who, now: datetime, *, was_kept: bool
    ) -> None:
        """Take note that the page of a project was asked for.

        Args:
            upstream: its name in the settings.
            project: the normalized name.
            who: who asked.
            now: when.
            was_kept: whether the upstream need not be asked for it.
        """
        count(Counted.UPSTREAM_PAGES, "kept" if was_kept else "fetched")
        self._note_use(upstream, project, who, _Use(now, pages=1, kept_pages=int(was_kept)))

    def note_file(
        self, upstream: str, project: str, who: Who, now: datetime, *, was_kept: bool, size: int
    ) -> None:
        """Take note that a file is sent.

        Args:
            upstream: as for :meth:`note_page`, as the others.
            project: the normalized name.
            who: who asked.
            now: when.
            was_kept: whether it was here.
            size: of it, in bytes.
        """
        if was_kept:  # what is fetched is counted by what fetches
            count(Counted.UPSTREAM_FILES, "kept")
        use = _Use(now, files=1, kept_files=int(was_kept), size=size)
        self._note_use(upstream, project, who, use)

    def note_refusal(
        self,
        upstream: str,
        project: str,
        filename: str,
        refused: Refused,
        who: Who,
        now: datetime,
    ) -> None:
        """Take note that somebody asked for a file that is not let in, and was told so."""
        count(Counted.UPSTREAM_REFUSALS, refused.why.value)
        noted = _RefusedTo(refused, who.by, now, now)
        with self._lock:
            key = (project, upstream, filename)
            before = self._pending.refusals.get(key)
            if before is not None or self._has_room:
                self._pending.refusals[key] = noted if before is None else before.plus(noted)

    def note_license(self, upstream: str, project: str, filename: str, expression: str) -> None:
        """Take note of the licence that a file's metadata says (``upstream_licenses``)."""
        with self._lock:
            if self._has_room:
                self._pending.licenses[project, upstream, filename] = expression

    def note_answer(self, upstream: str, now: datetime) -> None:
        """Take note that an upstream has answered."""
        self._note_standing(upstream, _Standing(answered=now))

    def note_failure(self, upstream: str, failure: str, now: datetime) -> None:
        """Take note that an upstream has not answered; ``failure`` says how, in one line."""
        count(Counted.UPSTREAM_PAGES, "failed")
        self._note_standing(upstream, _Standing(failed=now, failure=audit.plain(failure)))

    def forget(self) -> None:
        """Forget what is remembered."""
        with self._lock:
            self._pending = _Pending.nothing()

    def write(self, services: Services, *, at_once: bool = False) -> None:
        """Write down what is remembered.

        Args:
            services: with the database.
            at_once: whether to leave it where somebody else writes just now.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it was not, and is remembered.
        """
        with self._lock:
            pending, self._pending = self._pending, _Pending.nothing()
        if not pending.count:
            return
        try:
            with services.writing_at_once() if at_once else services.writing() as uow:
                _write(uow, pending)
        except BaseException:
            with self._lock:
                later, self._pending = self._pending, pending
                self._take_back(later)
            raise

    @property
    def _has_room(self) -> bool:
        return self._pending.count < _MOST_PENDING

    def _note_use(self, upstream: str, project: str, who: Who, use: _Use) -> None:
        with self._lock:
            if self._has_room:
                _add(self._pending.uses, (project, upstream), use, _Use.plus)
                by = _UsedBy(use.last)
                _add(self._pending.users, (project, upstream, who), by, _UsedBy.plus)

    def _note_standing(self, upstream: str, standing: _Standing) -> None:
        with self._lock:
            _add(self._pending.standings, upstream, standing, _Standing.plus)

    def _take_back(self, later: _Pending) -> None:
        for use_of, use in later.uses.items():
            _add(self._pending.uses, use_of, use, _Use.plus)
        for user, by in later.users.items():
            _add(self._pending.users, user, by, _UsedBy.plus)
        for file, to in later.refusals.items():
            _add(self._pending.refusals, file, to, _RefusedTo.plus)
        for upstream, standing in later.standings.items():
            _add(self._pending.standings, upstream, standing, _Standing.plus)
        self._pending.licenses.update(later.licenses)


PENDING = Usage()
"""Of this process."""


def _add(noted: dict[_Key, _Noted], key: _Key, more: _Noted, plus: _Plus[_Noted]) -> None:
    before = noted.get(key)
    noted[key] = more if before is None else plus(before, more)


def _write(uow: UnitOfWork, pending: _Pending) -> None:
    uow.lock("upstream usage")
    _write_uses(uow, pending.uses)
    _write_users(uow, pending.users)
    _write_refusals(uow, pending.refusals)
    _write_licenses(uow, pending.licenses)
    _write_standings(uow, pending.standings)


def _write_uses(uow: UnitOfWork, uses: Mapping[tuple[str, str], _Use]) -> None:
    rows = [
        {
            "project": project,
            "upstream": upstream,
            "pages": use.pages,
            "kept_pages": use.kept_pages,
            "files": use.files,
            "kept_files": use.kept_files,
            "size": use.size,
            "last": use.last,
        }
        for (project, upstream), use in uses.items()
    ]
    sums = ("pages", "kept_pages", "files", "kept_files", "size")
    _merge(uow, UpstreamUse, ("project", "upstream"), rows, sums=sums)
    _keep_last(uow, UpstreamUse, MOST_USES)


def _write_users(uow: UnitOfWork, users: Mapping[tuple[str, str, Who], _UsedBy]) -> None:
    rows = [
        {
            "project": project,
            "upstream": upstream,
            "by": who.by,
            "token": who.token,
            "count": used.count,
            "last": used.last,
        }
        for (project, upstream, who), used in users.items()
    ]
    keys = ("project", "upstream", "by", "token")
    _merge(uow, UpstreamUser, keys, rows, sums=("count",))
    _keep_last(uow, UpstreamUser, MOST_USERS)


def _write_refusals(uow: UnitOfWork, refusals: Mapping[tuple[str, str, str], _RefusedTo]) -> None:
    rows = [
        {
            "project": project,
            "upstream": upstream,
            "filename": filename,
            "version": f"{version_in(filename, project) or ''}",
            "why": to.refused.why.value,
            "sentence": audit.plain(to.refused.sentence, _LONGEST_SENTENCE),
            "by": to.by,
            "first": to.first,
            "last": to.last,
            "count": to.count,
        }
        for (project, upstream, filename), to in refusals.items()
    ]
    _merge(
        uow,
        UpstreamRefusal,
        ("project", "upstream", "filename"),
        rows,
        sums=("count",),
        replaced=("why", "sentence", "by"),
    )
    _keep_last(uow, UpstreamRefusal, MOST_REFUSALS)


def _write_licenses(uow: UnitOfWork, licenses: Mapping[tuple[str, str, str], str]) -> None:
    rows = [
        {"project": project, "upstream": upstream, "filename": filename, "expression": expression}
        for (project, upstream, filename), expression in licenses.items()
    ]
    keys = ("project", "upstream", "filename")
    _merge(uow, UpstreamLicense, keys, rows, replaced=("expression",), last=None)
    kept = uow.db.scalar(select(func.count()).select_from(UpstreamLicense)) or 0 if rows else 0
    if kept > MOST_LICENSES:
        oldest = select(UpstreamLicense.id).order_by(UpstreamLicense.id).limit(kept - MOST_LICENSES)
        uow.db.execute(delete(UpstreamLicense).where(UpstreamLicense.id.in_(oldest)))


def _write_standings(uow: UnitOfWork, standings: Mapping[str, _Standing]) -> None:
    for upstream, standing in sorted(standings.items()):
        row = uow.db.get(UpstreamStanding, upstream)
        if row is None:
            row = UpstreamStanding(upstream=upstream, answered=None, failed=None, failure="")
            uow.db.add(row)
        row.answered = _later(row.answered, standing.answered)
        row.failed = _later(row.failed, standing.failed)
        row.failure = standing.failure or row.failure


def _merge(
    uow: UnitOfWork,
    kind: type[Base],
    keys: tuple[str, ...],
    rows: Sequence[Mapping[str, object]],
    *,
    sums: tuple[str, ...] = (),
    replaced: tuple[str, ...] = (),
    last: str | None = "last",
) -> None:
    """Put rows into a table: what is there is added to, and other columns replaced."""
    if not rows:
        return
    table = cast("Table", kind.__table__)
    insert = insert_into(uow.db, table)
    columns, new = table.c, insert.excluded
    changed = {name: columns[name] + new[name] for name in sums}
    changed |= {name: new[name] for name in replaced}
    if last is not None:
        is_later = new[last] > columns[last]
        changed[last] = case((is_later, new[last]), else_=columns[last])
    uow.db.execute(insert.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def _keep_last(
    uow: UnitOfWork, kind: type[UpstreamUse | UpstreamUser | UpstreamRefusal], most: int
) -> None:
    """Delete what was longest ago where there is more than that."""
    kept = uow.db.scalar(select(func.count()).select_from(kind)) or 0
    if kept > most:
        oldest = select(kind.id).order_by(kind.last, kind.id).limit(kept - most)
        uow.db.execute(delete(kind).where(kind.id.in_(oldest)))
