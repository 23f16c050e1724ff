"""What is done for each kind of job.

A handler may be called again for a job that it has done already, since whoever did it may have been
killed before that was written down: each of them leaves the same behind the second time.
"""

import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType

import structlog
from sqlalchemy import ColumnElement, select

from greenroom import purge_client
from greenroom.models import Job, JobState
from greenroom.models.base import JSONObject
from greenroom.registry import housekeeping, jobs, reviews
from greenroom.registry.jobs import Kind
from greenroom.registry.unit_of_work import Services

Handler = Callable[[Services, JSONObject], None]

HOUSEKEEPING_EVERY = timedelta(minutes=5)


def purge(services: Services, payload: JSONObject) -> None:
    """Tell the cache which surrogate keys are outdated; nothing where there is none any more."""
    settings = services.settings
    if settings.purge_url is not None:
        purge_client.send(settings.purge_url, settings.purge_token, jobs.texts(payload, "keys"))


def remove_parts(services: Services, payload: JSONObject) -> None:
    """Remove what clients put into the storage for uploads that have ended."""
    if services.storage.parts is not None:
        for upload in jobs.texts(payload, "uploads"):
            services.storage.parts.remove(upload)


def review(services: Services, payload: JSONObject) -> None:
    """Decide on the publication of a draft, unless that has been done, or nobody wants it now."""
    draft_id = payload.get("draft")
    if isinstance(draft_id, int):
        reviews.review_draft(services, draft_id, structlog.get_logger("greenroom.review").info)


def keep_house(services: Services, payload: JSONObject) -> None:
    """Housekeeping."""
    report = housekeeping.keep_house(services)
    log = structlog.get_logger("greenroom.housekeeping")
    log.info("housekeeping", expired=report.drafts_expired, freed=report.blobs_freed)


HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        Kind.PURGE: purge,
        Kind.REMOVE_PARTS: remove_parts,
        Kind.REVIEW: review,
        Kind.HOUSEKEEPING: keep_house,
    }
)


def schedule_housekeeping(services: Services) -> None:
    """Make sure that housekeeping is due within some minutes, at a random moment, once for all."""
    if _waits(services):
        return
    with services.writing() as uow:
        uow.lock("jobs:housekeeping")
        if uow.db.scalar(select(Job.id).where(_is_housekeeping()).limit(1)) is None:
            wait = HOUSEKEEPING_EVERY * random.uniform(0.5, 1.5)  # noqa: S311
            jobs.enqueue(uow, Kind.HOUSEKEEPING, {}, uow.now + wait)


def _waits(services: Services) -> bool:
    with services.reading() as uow:
        return uow.db.scalar(select(Job.id).where(_is_housekeeping()).limit(1)) is not None


def _is_housekeeping() -> ColumnElement[bool]:
    return (Job.kind == Kind.HOUSEKEEPING) & (Job.state == JobState.WAITING)
