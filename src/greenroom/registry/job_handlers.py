"""What is done for each kind of job.

A handler may be called again for a job that it has done already, since whoever did it may have been
killed before that was written down: each of them leaves the same behind the second time.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from types import MappingProxyType
from typing import TypeVar

import structlog
from sqlalchemy import select

from greenroom import purge_client
from greenroom.database import run
from greenroom.models import Job, JobState
from greenroom.models.base import JSONObject
from greenroom.registry import (
    file_facts,
    housekeeping,
    jobs,
    mail,
    reviews,
    schedules,
    set_schedules,
    upstream_adoption,
    verification,
    webhook_telling,
)
from greenroom.registry.jobs import Kind
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upstream_adoption import Order

Handler = Callable[[Services, JSONObject], None]
_T = TypeVar("_T")

HOUSEKEEPING_EVERY = timedelta(minutes=5)
VERIFY_EVERY = timedelta(days=30)
REGULAR: Mapping[Kind, timedelta] = MappingProxyType(
    {Kind.HOUSEKEEPING: HOUSEKEEPING_EVERY, Kind.VERIFY: VERIFY_EVERY}
)
VERIFIED_PER_SECOND = 50 * 2**20
"""At most so many bytes a second: people who wait for the same disk go first."""

_LOWEST_PRIORITY = 19


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


def publish(services: Services, payload: JSONObject) -> None:
    """Publish a draft or a set at the time that was set, unless that is done, or taken back."""
    number, of_set = payload.get("schedule"), payload.get("set_schedule")
    if isinstance(number, int):
        schedules.carry_out(services, number)
    if isinstance(of_set, int):
        set_schedules.carry_out(services, of_set)


def adopt(services: Services, payload: JSONObject) -> None:
    """Copy a release of an upstream, to stay; what cannot be done is in the audit log."""
    wanted = [payload.get(name) for name in ("project", "version", "owner", "by")]
    texts = [text for text in wanted if isinstance(text, str)]
    if len(texts) == len(wanted):
        upstream_adoption.carry_out(services, Order(*texts))


def analyse(services: Services, payload: JSONObject) -> None:
    """Look into the files of drafts, and of what they are compared with, at low priority."""
    log = structlog.get_logger("greenroom.review")
    drafts, releases = (
        [int(text) for text in jobs.texts(payload, name) if text.isdecimal()]
        for name in ("drafts", "releases")
    )
    _at_lowest_priority(
        lambda: file_facts.analyse(
            services, drafts, releases, lambda filename: log.info("analysed", file=filename)
        )
    )


def _at_lowest_priority(act: Callable[[], _T]) -> _T:
    """What this gives, in a thread that ends with it, as its priority stays low for good."""
    with ThreadPoolExecutor(1, "at low priority", initializer=_go_last) as thread:
        return thread.submit(act).result()


def _go_last() -> None:
    with suppress(OSError):  # a thread has a priority of its own on Linux alone
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)


def keep_house(services: Services, payload: JSONObject) -> None:
    """Housekeeping."""
    report = housekeeping.keep_house(services)
    log = structlog.get_logger("greenroom.housekeeping")
    log.info(
        "housekeeping",
        expired=report.drafts_expired,
        freed=report.blobs_freed,
        deleted=report.blobs_deleted,
    )


def verify(services: Services, payload: JSONObject) -> None:
    """Compare all files with what the database says, at low priority; the log has what is wrong."""
    findings = _at_lowest_priority(lambda: verification.verify(services, progress=_slowly))
    structlog.get_logger("greenroom.storage").info(
        "verified", checked=findings.checked, damaged=len(findings.damages)
    )


def _slowly(blobs: int, size: int) -> None:
    time.sleep(size / VERIFIED_PER_SECOND)


HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        Kind.PURGE: purge,
        Kind.REMOVE_PARTS: remove_parts,
        Kind.REVIEW: review,
        Kind.PUBLISH: publish,
        Kind.ANALYSE: analyse,
        Kind.ADOPT: adopt,
        Kind.HOUSEKEEPING: keep_house,
        Kind.VERIFY: verify,
        Kind.NOTIFY: mail.notify,
        Kind.TELL_WEBHOOKS: webhook_telling.tell,
    }
)


def schedule(services: Services) -> None:
    """Make sure that what is done again and again waits to be done, once for all processes.

    Housekeeping is due within some minutes, and a verification within some weeks, at random
    moments.
    """
    with services.reading() as uow:
        waiting = _waiting(uow)
    if waiting == REGULAR.keys():
        return
    with services.writing() as uow:
        uow.lock("jobs:regular")
        for kind in REGULAR.keys() - _waiting(uow):
            wait = REGULAR[kind] * random.uniform(0.5, 1.5)  # noqa: S311
            jobs.enqueue(uow, kind, {}, uow.now + wait)


def prepare_statements(services: Services) -> None:
    """Ask once what workers ask again and again, so that it is compiled before they are forked."""
    jobs.due_kinds(services)
    with services.reading() as uow:
        _waiting(uow)


_WAITING = select(Job.kind, Job.due).where(Job.kind.in_(REGULAR), Job.state == JobState.WAITING)


def _waiting(uow: UnitOfWork) -> set[Kind]:
    """The kinds of which one waits, and not for longer than any does whose clock is right."""
    found = run(uow.db, _WAITING)
    return {Kind(kind) for kind, due in found if due <= uow.now + 2 * REGULAR[Kind(kind)]}
