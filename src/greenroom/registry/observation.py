"""How the index stands, in numbers, for those who watch it."""

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import func, select

from greenroom.models import AuditEntry, Draft, Job, JobState
from greenroom.registry import jobs, upstream_overview
from greenroom.registry.audit import Kind
from greenroom.registry.live_drafts import is_live
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.settings import Settings

SOON = timedelta(days=1)


class Observation(Struct, frozen=True):
    """What the database says.

    Attributes:
        drafts_open: how many drafts stand open.
        drafts_expiring: how many of them expire within a day.
        jobs_waiting: how many background jobs wait, or are being done.
        jobs_failing: how many keep failing, or were given up.
        jobs_late: for how long the first job that is due has waited.
        jobs_done: when a job of each kind was last done.
        backed_up: when the last backup was made, None where none is known.
        upstream_cached: bytes of files of upstreams that are kept.
    """

    drafts_open: int
    drafts_expiring: int
    jobs_waiting: int
    jobs_failing: int
    jobs_late: timedelta
    jobs_done: Mapping[str, datetime]
    backed_up: datetime | None
    upstream_cached: int


def observe(uow: UnitOfWork) -> Observation:
    """Look at the database: a few queries of indexed rows."""
    soon = func.count().filter(Draft.expires <= uow.now + SOON)
    drafts_open, expiring = uow.db.execute(select(func.count(), soon).where(is_live(uow))).one()
    waiting, first = uow.db.execute(
        select(func.count(), func.min(Job.due)).where(Job.state == JobState.WAITING)
    ).one()
    done = uow.db.execute(
        select(Job.kind, func.max(Job.finished))
        .where(Job.state == JobState.DONE)
        .group_by(Job.kind)
    )
    late = max(uow.now - first, timedelta()) if first is not None else timedelta()
    return Observation(
        drafts_open,
        expiring,
        waiting,
        jobs.count_troubled(uow),
        late,
        {kind: finished for kind, finished in done if finished is not None},
        uow.db.scalar(select(func.max(AuditEntry.at)).where(AuditEntry.act == Kind.BACKUP.value)),
        upstream_overview.cached_size(uow) if uow.settings.upstreams else 0,
    )


def free_space(settings: Settings) -> int | None:
    """How many bytes are free where files arrive; None where nobody can say."""
    try:
        return shutil.disk_usage(settings.data).free
    except OSError:
        return None
