"""Housekeeping: end the drafts that have fallen due, and free what nobody refers to any more.

It may run at any time, and many times at once. Unlike the rest of the registry it is made of many
small units of work, so that it never stands in anybody's way for long.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from greenroom.models import Draft, File, UploadPart, UploadSession
from greenroom.registry import accounts, drafts, jobs, upload_sessions
from greenroom.registry.unit_of_work import Services, UnitOfWork

# No upload takes longer than this; what is older was left behind by a process that died.
STALE_AFTER = timedelta(hours=24)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Report:
    """What housekeeping did."""

    drafts_expired: int
    blobs_freed: int
    stale_files_removed: int
    uploads_cleared: int = 0


def keep_house(services: Services, progress: Callable[[str], None] = lambda line: None) -> Report:
    """Do everything that is due, telling ``progress`` of each draft that expires."""
    expired = _expire_drafts(services, progress)
    _settle_uploads(services)
    freed = _free_blobs(services)
    with services.writing() as uow:
        accounts.forget_old_attempts(uow)
        upload_sessions.forget_ended(uow)
        jobs.forget_done(uow)
    stale = services.storage.remove_stale_incoming(STALE_AFTER)
    return Report(expired, freed, stale, _clear_uploads(services))


def _expire_drafts(services: Services, progress: Callable[[str], None]) -> int:
    expired = 0
    for draft_id in _drafts_due(services):
        with services.writing() as uow:
            draft = uow.db.get(Draft, draft_id)
            if draft is not None and drafts.expire(uow, draft):
                expired += 1
                progress(f"The draft of {draft.project_name} {draft.version} has expired.")
    return expired


def _drafts_due(services: Services) -> Iterator[int]:
    """The numbers of the drafts that have fallen due, some at a time, however many there are."""
    last = 0
    while True:
        with services.reading() as uow:
            batch = drafts.due(uow, after=last, most=_BATCH)
        yield from batch
        if len(batch) < _BATCH:
            return
        last = batch[-1]


def _settle_uploads(services: Services) -> None:
    with services.reading() as uow:
        due = [upload.id for upload in upload_sessions.due(uow)]
    for upload_id in due:
        with services.writing() as uow:
            upload = uow.db.get(UploadSession, upload_id)
            if upload is not None:
                upload_sessions.settle(uow, upload)


def _free_blobs(services: Services) -> int:
    freed = 0
    for digests in _batches(services.storage.digests()):
        with services.reading() as uow:
            unused = sorted(set(digests) - _referenced(uow.db, digests))
        for digest in unused:
            with services.writing() as uow:
                freed += _free(uow, digest)
    return freed


def _free(uow: UnitOfWork, digest: str) -> bool:
    """Delete a blob unless somebody refers to it after all.

    An upload that brings the same content holds this lock from before it looks for the blob until
    its reference is committed: it either keeps the blob from being freed or stores it again.
    """
    uow.lock(f"blob:{digest}")
    if _referenced(uow.db, (digest,)):
        return False
    uow.storage.delete(digest)
    return True


def _clear_uploads(services: Services) -> int:
    """Remove parts that clients put into the storage for uploads that have ended since.

    An upload is known before anybody can put its parts, and one that has ended stays so. A part
    that is put even after this, while its URL is valid, goes the next time.
    """
    parts, cleared = services.storage.parts, 0
    if parts is None:
        return cleared
    for uploads in _batches(parts.uploads()):
        with services.reading() as uow:
            ended = set(uploads) - upload_sessions.arriving(uow, uploads)
        for upload in sorted(ended):
            parts.remove(upload)
            cleared += 1
    return cleared


def _referenced(db: Session, digests: Iterable[str]) -> set[str]:
    wanted = list(digests)
    contents = db.scalars(select(File.sha256).where(File.sha256.in_(wanted)))
    metadata = db.scalars(select(File.metadata_sha256).where(File.metadata_sha256.in_(wanted)))
    arriving = db.scalars(select(UploadPart.sha256).where(UploadPart.sha256.in_(wanted)))
    return {*contents, *metadata, *arriving}


def _batches(keys: Iterable[str]) -> Iterator[tuple[str, ...]]:
    remaining = iter(keys)
    while batch := tuple(islice(remaining, _BATCH)):
        yield batch
