"""Which installers took files from a draft's address: a check that the index makes itself.

What reads cannot write. A process remembers what it sent, and writes it down after the answer, or
within a minute where somebody else writes just then. Nothing says whose an installer was.
"""

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import delete, select

from greenroom.models import Draft, DraftInstallation
from greenroom.registry import installers
from greenroom.registry.draft_contents import HasContent
from greenroom.registry.unit_of_work import Services, UnitOfWork

MOST_KEPT = 100
"""So many are kept of a draft: those that were last."""
_MOST_PENDING = 10_000
_WRITE_AGAIN_AFTER = timedelta(minutes=1)
_BATCH = 500


class Taken(Struct, frozen=True):
    """A file that an installer took. ``draft`` is the key of the draft's session."""

    draft: str
    filename: str
    sha256: str
    client: str


class Installation(Struct, frozen=True):
    """That an installer took a file.

    Attributes:
        client: the installer in words.
        is_current: whether the draft still has the file as it was.
        last: when that was for the last time.
        count: how often.
    """

    client: str
    filename: str
    is_current: bool
    last: datetime
    count: int


class Installations:
    """What this process has sent to installers, and not written down yet."""

    def __init__(self) -> None:
        """Nothing."""
        self._pending: dict[Taken, tuple[datetime, int]] = {}
        self._written: dict[Taken, datetime] = {}
        self._lock = threading.Lock()

    def note(self, draft: Draft, file: HasContent, user_agent: str, now: datetime) -> bool:
        """Remember that a whole file is sent, if it is to an installer.

        Returns:
            Whether it should be written down soon. What comes again within a minute need not.
        """
        client = installers.described(user_agent)
        if client is None:
            return False
        taken = Taken(draft.key, file.filename, file.sha256, client)
        with self._lock:
            if taken not in self._pending and len(self._pending) >= _MOST_PENDING:
                return False
            self._pending[taken] = (now, self._pending.get(taken, (now, 0))[1] + 1)
            before = self._written.get(taken)
        return before is None or not before <= now < before + _WRITE_AGAIN_AFTER

    def write(self, services: Services, *, at_once: bool = False) -> None:
        """Write down what is remembered.

        Args:
            services: with the database.
            at_once: whether to leave it where somebody else writes just now.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it was not, and is remembered.
        """
        with self._lock:
            pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            with services.writing_at_once() if at_once else services.writing() as uow:
                _add(uow, pending)
        except BaseException:
            with self._lock:
                for taken, (last, count) in pending.items():
                    later, more = self._pending.get(taken, (last, 0))
                    self._pending[taken] = (max(last, later), count + more)
            raise
        with self._lock:
            if len(self._written) >= _MOST_PENDING:
                self._written.clear()
            self._written.update({taken: last for taken, (last, _) in pending.items()})


PENDING = Installations()
"""Of this process."""


def of_draft(
    uow: UnitOfWork, draft: Draft, staged: Iterable[HasContent]
) -> tuple[Installation, ...]:
    """Which installers took files, the last one first; ``staged`` is what the draft has now."""
    return of_drafts(uow, {draft.id: staged})[draft.id]


def of_drafts(
    uow: UnitOfWork, staged: Mapping[int, Iterable[HasContent]]
) -> dict[int, tuple[Installation, ...]]:
    """The same for each of these drafts, by its number, with one query.

    Args:
        uow: where to look.
        staged: what each draft has now, by its number.
    """
    current = {
        number: {(file.filename, file.sha256) for file in files} for number, files in staged.items()
    }
    found: dict[int, list[Installation]] = {number: [] for number in staged}
    rows = uow.db.scalars(
        select(DraftInstallation)
        .where(DraftInstallation.draft_id.in_(found))
        .order_by(DraftInstallation.last.desc(), DraftInstallation.id.desc())
    )
    for row in rows:
        is_current = (row.filename, row.sha256) in current[row.draft_id]
        found[row.draft_id].append(
            Installation(row.client, row.filename, is_current, row.last, row.count)
        )
    return {number: tuple(several) for number, several in found.items()}


def installed(uow: UnitOfWork, staged: Mapping[int, Iterable[HasContent]]) -> set[int]:
    """The numbers of those of these drafts of which an installer took a file that they have now."""
    found = of_drafts(uow, staged) if staged else {}
    return {number for number, several in found.items() if any(each.is_current for each in several)}


def _add(uow: UnitOfWork, pending: Mapping[Taken, tuple[datetime, int]]) -> None:
    uow.lock("draft installations")
    keys = sorted({taken.draft for taken in pending})
    numbers: dict[str, int] = {
        key: number
        for start in range(0, len(keys), _BATCH)
        for key, number in uow.db.execute(
            select(Draft.key, Draft.id).where(Draft.key.in_(keys[start : start + _BATCH]))
        )
    }
    for key, number in sorted(numbers.items(), key=lambda item: item[1]):
        of_draft = {taken: seen for taken, seen in pending.items() if taken.draft == key}
        _add_to(uow, number, of_draft)


def _add_to(uow: UnitOfWork, number: int, pending: Mapping[Taken, tuple[datetime, int]]) -> None:
    rows = {
        (row.filename, row.sha256, row.client): row
        for row in uow.db.scalars(
            select(DraftInstallation).where(DraftInstallation.draft_id == number)
        )
    }
    for taken, (last, count) in pending.items():
        what = (taken.filename, taken.sha256, taken.client)
        row = rows.get(what)
        if row is None:
            row = rows[what] = DraftInstallation(
                draft_id=number,
                filename=taken.filename,
                sha256=taken.sha256,
                client=taken.client,
                last=last,
                count=0,
            )
            uow.db.add(row)
        row.last = max(row.last, last)
        row.count += count
    uow.db.flush()
    old = sorted(rows.values(), key=lambda row: (row.last, row.id), reverse=True)[MOST_KEPT:]
    if old:
        gone = DraftInstallation.id.in_([row.id for row in old])
        uow.db.execute(delete(DraftInstallation).where(gone))
