"""Housekeeping: end the drafts that have fallen due, and put aside what nobody refers to.

It may run at any time, and many times at once. Unlike the rest of the registry it is made of many
small units of work, so that it never stands in anybody's way for long.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

from msgspec import Struct

from greenroom.models import Draft, UploadSession
from greenroom.registry import (
    account_links,
    attempts,
    audit,
    drafts,
    file_facts,
    invitations,
    jobs,
    kept_forms,
    mail,
    release_sets,
    released_blobs,
    second_steps,
    sessions,
    storage_identity,
    trash,
    trusted_publishers,
    upload_sessions,
    upstream_files,
    upstream_names,
    upstream_pages,
    webhook_deliveries,
)
from greenroom.registry.permissions import HOUSEKEEPING, Actor
from greenroom.registry.unit_of_work import Services

# No upload takes longer than this; what is older was left behind by a process that died.
STALE_AFTER = timedelta(hours=24)
_BATCH = 500
_MOST_BATCHES = 200


class Report(Struct):
    """What housekeeping did, or would do.

    Attributes:
        drafts_expired: how many drafts had fallen due.
        blobs_freed: how many blobs went to the trash, since nobody refers to them.
        stale_files_removed: how many files a process that died left behind while it received them.
        uploads_cleared: of how many uploads the parts were removed.
        blobs_restored: how many blobs came back from the trash, since somebody refers to them.
        blobs_deleted: how many blobs were deleted from the trash, for good.
        upstream_files: how many files of upstreams were let go, since more are kept than may be.
    """

    drafts_expired: int = 0
    blobs_freed: int = 0
    stale_files_removed: int = 0
    uploads_cleared: int = 0
    blobs_restored: int = 0
    blobs_deleted: int = 0
    upstream_files: int = 0


def keep_house(
    services: Services,
    progress: Callable[[str], None] = lambda line: None,
    *,
    force: bool = False,
    by: Actor = HOUSEKEEPING,
) -> Report:
    """Do everything that is due, telling ``progress`` of each draft that expires.

    What it does to files stands in the audit log as done ``by`` whoever started it, also where it
    does not come to its end.

    Raises:
        storage_identity.ForeignStorage: the storage is another database's. Nothing was done.
        trash.TooMuchAtOnce: so many blobs are unused that none was moved to the trash, unless it is
            to be forced. None was deleted from the trash either; everything else was done.
    """
    storage_identity.check(services)
    report = Report()
    try:
        _do_all(services, progress, report, force=force)
    finally:
        _record(services, report, by, force=force)
    return report


def _do_all(
    services: Services, progress: Callable[[str], None], report: Report, *, force: bool
) -> None:
    report.drafts_expired = _expire_drafts(services, progress)
    _expire_sets(services)
    _settle_uploads(services)
    _expire_invitations(services)
    with services.writing() as uow:
        attempts.forget_old(uow)
        account_links.forget_old(uow)
        sessions.forget_ended(uow)
        kept_forms.forget_old(uow)
        second_steps.forget_challenges(uow)
        upload_sessions.forget_ended(uow)
        jobs.forget_done(uow)
        mail.forget_old(uow)
        mail.warn_of_expiry(uow)
        webhook_deliveries.forget_old(uow)
        released_blobs.forget_old(uow)
        file_facts.forget_old(uow)
        file_facts.want_of_open(uow)
        trusted_publishers.forget_old(uow)
        upstream_pages.forget_unused(uow)
    _forget_audit(services)
    upstream_names.ask_again(services)
    report.stale_files_removed = services.storage.remove_stale_incoming(STALE_AFTER)
    report.uploads_cleared = _clear_uploads(services)
    report.upstream_files = upstream_files.make_room(services).files
    report.blobs_restored = trash.restore_wanted(services)
    report.blobs_freed = trash.sweep(services, force=force)
    report.blobs_deleted = trash.empty(services)


def _record(services: Services, report: Report, by: Actor, *, force: bool) -> None:
    """Write down what was done to files, if anything was; drafts that end have lines already.

    What is left of uploads goes all the time, and counts only where somebody asked for it.
    """
    done = {
        "moved to the trash": report.blobs_freed,
        "brought back": report.blobs_restored,
        "deleted for good": report.blobs_deleted,
    }
    if by is not HOUSEKEEPING:
        done["stale uploads removed"] = report.stale_files_removed + report.uploads_cleared
    words = [f"{what}: {count}" for what, count in done.items() if count]
    if words:
        detail = ", ".join(["forced", *words] if force else words)
        with services.writing() as uow:
            audit.write(uow, audit.Kind.HOUSEKEEPING, by, detail=detail)


def _forget_audit(services: Services) -> None:
    """Delete from the audit log what the operator does not want kept, a little at a time."""
    if services.settings.audit_days is None:
        return
    for _ in range(_MOST_BATCHES):
        with services.writing() as uow:
            if audit.forget_old(uow, _BATCH) < _BATCH:
                return


def look(services: Services, progress: Callable[[str], None] = lambda line: None) -> Report:
    """What :func:`keep_house` would do now, of drafts and blobs. Nothing is changed.

    Raises:
        storage_identity.ForeignStorage: the storage is another database's.
        trash.TooMuchAtOnce: so many blobs are unused that it would have to be forced.
    """
    storage_identity.check(services)
    ending = list(_drafts_due(services))
    for draft_id in ending:
        with services.reading() as uow:
            draft = uow.db.get(Draft, draft_id)
            if draft is not None:
                progress(f"The draft of {draft.project_name} {draft.version} would expire.")
    unused = trash.unused(services, ending)
    for digest in unused.digests:
        progress(f"{digest} would go to the trash.")
    deleted = list(trash.due(services))
    for digest in deleted:
        progress(f"{digest} would be deleted from the trash.")
    unused.check()
    stale = sum(1 for _ in services.storage.stale_incoming(STALE_AFTER))
    return Report(len(ending), len(unused.digests), stale, blobs_deleted=len(deleted))


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


def _expire_sets(services: Services) -> None:
    """End the release sets that have had no drafts for long, some at a time."""
    for _ in range(_MOST_BATCHES):
        with services.writing() as uow:
            if release_sets.expire(uow, most=_BATCH) < _BATCH:
                return


def _expire_invitations(services: Services) -> None:
    """End the invitations that have fallen due, some at a time."""
    for _ in range(_MOST_BATCHES):
        with services.reading() as uow:
            due = invitations.due(uow, _BATCH)
        if due:
            with services.writing() as uow:
                invitations.expire(uow, due)
        if len(due) < _BATCH:
            return


def _settle_uploads(services: Services) -> None:
    with services.reading() as uow:
        due = [upload.id for upload in upload_sessions.due(uow)]
    for upload_id in due:
        with services.writing() as uow:
            upload = uow.db.get(UploadSession, upload_id)
            if upload is not None:
                upload_sessions.settle(uow, upload)


def _clear_uploads(services: Services) -> int:
    """Remove parts that clients put into the storage for uploads that have ended since.

    An upload is known before anybody can put its parts, and one that has ended stays so. A part
    that is put even after this, while its URL is valid, goes the next time. Parts of uploads that
    nobody knows are kept for as long as the trash is.
    """
    parts, cleared = services.storage.parts, 0
    if parts is None:
        return cleared
    for uploads in trash.batches(parts.uploads()):
        with services.reading() as uow:
            ended = upload_sessions.known(uow, uploads) - upload_sessions.arriving(uow, uploads)
        for upload in sorted(ended):
            parts.remove(upload)
            cleared += 1
    # Uploads are forgotten some time after their end; but this may also be an old database.
    for uploads in trash.batches(parts.uploads(older_than=_trash_age(services))):
        with services.reading() as uow:
            unknown = set(uploads) - upload_sessions.known(uow, uploads)
        for upload in sorted(unknown):
            parts.remove(upload)
            cleared += 1
    return cleared


def _trash_age(services: Services) -> timedelta:
    return timedelta(days=services.settings.trash_days)
