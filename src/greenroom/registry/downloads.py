"""How often published files were downloaded, by file and day, and what is told of it.

What is told changes once a day, so that pages can be kept: it is of whole days, the last of which
ended an hour ago at least. By then all of it is written down.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import cast

from msgspec import Struct
from sqlalchemy import Table, select

from greenroom.models import File, FileDownloads, ProjectDownloads, Release
from greenroom.registry.inserting import insert_into
from greenroom.registry.unit_of_work import UnitOfWork

DAYS_TOLD = 90
SETTLED_AFTER = timedelta(hours=1)
"""So long after its end a day is told of."""

_WEEK = 7
_MONTH = 30
_BATCH = 500


class Downloaded(Struct, frozen=True):
    """A file that was downloaded on a day of UTC: by the digest and the name in its address."""

    sha256: str
    filename: str
    day: date


Counts = Mapping[Downloaded, int]


class DownloadNumbers(Struct, frozen=True):
    """How often files of a project were downloaded.

    Attributes:
        days: how often on each of the last days, the oldest first.
        until: the last of these days.
    """

    days: tuple[int, ...]
    until: date

    @property
    def last_day(self) -> int:
        """On the last day."""
        return self.days[-1]

    @property
    def last_week(self) -> int:
        """Within the last seven days."""
        return sum(self.days[-_WEEK:])

    @property
    def last_month(self) -> int:
        """Within the last thirty days."""
        return sum(self.days[-_MONTH:])


def last_day_told(now: datetime) -> date:
    """The last day that is told of at this moment."""
    return (now.astimezone(UTC) - SETTLED_AFTER).date() - timedelta(days=1)


def add(uow: UnitOfWork, counts: Counts) -> int:
    """Add to what is written down, and say how many downloads that were.

    Those of files that are not published, or not any more, do not count.
    """
    uow.lock("downloads")
    of_files: dict[tuple[int, date], int] = {}
    of_projects: dict[tuple[int, date], int] = {}
    wanted = sorted({downloaded.filename for downloaded in counts})
    found = {
        (filename, sha256): (file_id, project_id)
        for start in range(0, len(wanted), _BATCH)
        for filename, sha256, file_id, project_id in uow.db.execute(
            select(File.filename, File.sha256, File.id, Release.project_id)
            .join(Release, File.release_id == Release.id)
            .where(File.draft_id.is_(None), File.filename.in_(wanted[start : start + _BATCH]))
        )
    }
    for downloaded, count in counts.items():
        known = found.get((downloaded.filename, downloaded.sha256))
        if known is not None:
            for totals, number in zip((of_files, of_projects), known, strict=True):
                key = (number, downloaded.day)
                totals[key] = totals.get(key, 0) + count
    _add(uow, cast("Table", FileDownloads.__table__), "file_id", of_files)
    _add(uow, cast("Table", ProjectDownloads.__table__), "project_id", of_projects)
    return sum(of_files.values())


def _add(uow: UnitOfWork, table: Table, key: str, totals: Mapping[tuple[int, date], int]) -> None:
    if not totals:
        return
    insert = insert_into(uow.db, table)
    uow.db.execute(
        insert.on_conflict_do_update(
            index_elements=[key, "day"],
            set_={"count": table.c.count + insert.excluded.count},
        ),
        [{key: number, "day": day, "count": n} for (number, day), n in sorted(totals.items())],
    )


def of_project(uow: UnitOfWork, project_id: int) -> DownloadNumbers | None:
    """What is told of a project; None where nothing of it was counted, or nobody counts."""
    if uow.settings.downloads == "off":
        return None
    until = last_day_told(uow.now)
    first = until - timedelta(days=DAYS_TOLD - 1)
    rows = uow.db.execute(
        select(ProjectDownloads.day, ProjectDownloads.count).where(
            ProjectDownloads.project_id == project_id, ProjectDownloads.day.between(first, until)
        )
    ).all()
    if not rows:
        return None
    of_day = {day: count for day, count in rows}  # noqa: C416 (rows are no pairs to a type checker)
    days = tuple(of_day.get(first + timedelta(days=number), 0) for number in range(DAYS_TOLD))
    return DownloadNumbers(days, until)
