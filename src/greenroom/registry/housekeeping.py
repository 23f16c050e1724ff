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

from greenroom.models import Draft, File, FileUpload, UploadPart
from greenroom.registry import accounts, drafts, file_uploads
from greenroom.registry.index import Index, Premises

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


def keep_house(premises: Premises, progress: Callable[[str], None] = lambda line: None) -> Report:
    """Do everything that is due, telling ``progress`` of each draft that expires."""
    expired = _expire_drafts(premises, progress)
    _settle_uploads(premises)
    freed = _free_blobs(premises)
    with premises.writing() as index:
        accounts.forget_old_attempts(index)
        file_uploads.forget_ended(index)
    stale = premises.storage.remove_stale_incoming(STALE_AFTER)
    return Report(expired, freed, stale, _clear_uploads(premises))


def _expire_drafts(premises: Premises, progress: Callable[[str], None]) -> int:
    with premises.reading() as index:
        due = [draft.id for draft in drafts.due(index)]
    expired = 0
    for draft_id in due:
        with premises.writing() as index:
            draft = index.session.get(Draft, draft_id)
            if draft is not None and drafts.expire(index, draft):
                expired += 1
                progress(f"The draft of {draft.project_name} {draft.version} has expired.")
    return expired


def _settle_uploads(premises: Premises) -> None:
    with premises.reading() as index:
        due = [upload.id for upload in file_uploads.due(index)]
    for upload_id in due:
        with premises.writing() as index:
            upload = index.session.get(FileUpload, upload_id)
            if upload is not None:
                file_uploads.settle(index, upload)


def _free_blobs(premises: Premises) -> int:
    freed = 0
    for digests in _batches(premises.storage.digests()):
        with premises.reading() as index:
            unused = sorted(set(digests) - _referenced(index.session, digests))
        for digest in unused:
            with premises.writing() as index:
                freed += _free(index, digest)
    return freed


def _free(index: Index, digest: str) -> bool:
    """Delete a blob unless somebody refers to it after all.

    An upload that brings the same content holds this lock from before it looks for the blob until
    its reference is committed: it either keeps the blob from being freed or stores it again.
    """
    index.lock(f"blob:{digest}")
    if _referenced(index.session, (digest,)):
        return False
    index.storage.delete(digest)
    return True


def _clear_uploads(premises: Premises) -> int:
    """Remove parts that clients put into the storage for uploads that have ended since.

    An upload is known before anybody can put its parts, and one that has ended stays so. A part
    that is put even after this, while its URL is valid, goes the next time.
    """
    parts, cleared = premises.storage.parts, 0
    if parts is None:
        return cleared
    for uploads in _batches(parts.uploads()):
        with premises.reading() as index:
            ended = set(uploads) - file_uploads.arriving(index, uploads)
        for upload in sorted(ended):
            parts.remove(upload)
            cleared += 1
    return cleared


def _referenced(session: Session, digests: Iterable[str]) -> set[str]:
    wanted = list(digests)
    contents = session.scalars(select(File.sha256).where(File.sha256.in_(wanted)))
    metadata = session.scalars(select(File.metadata_sha256).where(File.metadata_sha256.in_(wanted)))
    arriving = session.scalars(select(UploadPart.sha256).where(UploadPart.sha256.in_(wanted)))
    return {*contents, *metadata, *arriving}


def _batches(keys: Iterable[str]) -> Iterator[tuple[str, ...]]:
    remaining = iter(keys)
    while batch := tuple(islice(remaining, _BATCH)):
        yield batch
