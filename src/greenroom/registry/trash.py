"""The trash: where blobs go that nobody refers to, and from where they come back.

A blob is deleted for good only when it has lain in the trash for ``GREENROOM_TRASH_DAYS`` and still
nobody refers to it. That the database does not know of a blob may also mean that it is the wrong
database, or an old one, so too many blobs at once are left alone, unless it knows why nobody wants
them (:mod:`greenroom.registry.released_blobs`).
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice

import structlog
from msgspec import Struct
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from greenroom.models import File, UploadPart, UpstreamFile
from greenroom.registry import audit, backup_holds, blob_digests, released_blobs
from greenroom.registry.audit import Doer, Kind
from greenroom.registry.errors import Refusal
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.storage import Shelf

ALWAYS_ALLOWED = 20
LARGEST_SHARE = 0.1
"""More blobs than both at once go to the trash only when an operator says so."""

_BATCH = 500


class TooMuchAtOnce(Refusal):
    """Nobody refers to so much of the storage that something else is probably wrong."""

    code = "too-much-at-once"
    title = "Too much at once"


class Unused(Struct, frozen=True):
    """The blobs that nobody refers to, of so many that there are.

    Attributes:
        digests: which they are.
        total: how many blobs there are.
        released: how many of them were let go by an act that is known.
    """

    digests: tuple[str, ...]
    total: int
    released: int = 0

    def check(self) -> None:
        """See that they may go to the trash without an operator's word.

        Raises:
            TooMuchAtOnce: they are too many.
        """
        count = len(self.digests) - self.released
        if count > ALWAYS_ALLOWED and count > self.total * LARGEST_SHARE:
            raise TooMuchAtOnce(
                f"Nobody refers to {count} of the {self.total} blobs in the storage, and nobody "
                "knows why, which is more than housekeeping moves to the trash by itself: see that "
                "the database is the right one and up to date, look with 'greenroom housekeeping "
                "--dry-run', and if they are to go, run 'greenroom housekeeping --force'."
            )


def unused(services: Services, ending: Iterable[int] = ()) -> Unused:
    """The blobs that nobody refers to; files of the drafts ``ending`` (their ids) do not count."""
    found: list[str] = []
    total, released, without = 0, 0, tuple(ending)
    for digests in batches(services.storage.digests()):
        with services.reading() as uow:
            unwanted = set(digests) - referenced(uow.db, digests, without)
            known = released_blobs.among(uow.db, unwanted)
            if without:
                known |= referenced(uow.db, unwanted)
        found += sorted(unwanted)
        total, released = total + len(digests), released + len(known)
    return Unused(tuple(found), total, released)


def sweep(services: Services, *, force: bool = False) -> int:
    """Move to the trash what nobody refers to, and say how many blobs that were.

    Raises:
        TooMuchAtOnce: they are too many, and it is not to be forced. None was moved.
    """
    found = unused(services)
    if not force:
        try:
            found.check()
        except TooMuchAtOnce as refusal:
            log = structlog.get_logger("greenroom.housekeeping")
            log.error("nothing is moved to the trash", reason=str(refusal))
            raise
    moved = 0
    for digest in found.digests:
        with services.writing() as uow:
            moved += _move_to_trash(uow, digest)
    return moved


def _move_to_trash(uow: UnitOfWork, digest: str) -> bool:
    """Move a blob to the trash unless somebody refers to it after all.

    An upload that brings the same content holds this lock from before it looks for the blob until
    its reference is committed: it either keeps the blob from being moved or stores it again.
    """
    uow.lock(f"blob:{digest}")
    if referenced(uow.db, (digest,)):
        return False
    released_blobs.forget(uow, digest)
    return uow.storage.move(digest, Shelf.KEPT, Shelf.TRASH)


def restore_wanted(services: Services) -> int:
    """Bring back from the trash what somebody refers to, and say how many blobs that were."""
    restored = 0
    for digests in batches(services.storage.digests(shelf=Shelf.TRASH)):
        with services.reading() as uow:
            wanted = sorted(referenced(uow.db, digests))
        for digest in wanted:
            with services.writing() as uow:
                restored += _restore(uow, digest)
    return restored


def restore_all(services: Services) -> int:
    """Bring back everything in the trash, and say how many blobs that were."""
    restored = 0
    for digest in services.storage.digests(shelf=Shelf.TRASH):
        with services.writing() as uow:
            restored += _restore(uow, digest)
    return restored


def restore(services: Services, by: Doer, *, everything: bool) -> int:
    """Bring blobs back from the trash for somebody, and say how many.

    Args:
        services: where.
        by: for whom.
        everything: also what nobody refers to.
    """
    restored = restore_all(services) if everything else restore_wanted(services)
    if restored:
        with services.writing() as uow:
            audit.write(uow, Kind.STORAGE_RESTORE, by, detail=f"blobs: {restored}")
    return restored


def _restore(uow: UnitOfWork, digest: str) -> bool:
    """Bring a blob back unless it is there; one that was damaged meanwhile goes aside instead."""
    uow.lock(f"blob:{digest}")
    storage = uow.storage
    if digest in storage or not storage.move(digest, Shelf.TRASH, Shelf.KEPT):
        return False
    if not blob_digests.is_intact(storage, digest):
        storage.move(digest, Shelf.KEPT, Shelf.DAMAGED)
        return False
    return True


def due(services: Services, shelf: Shelf = Shelf.TRASH) -> Iterator[str]:
    """The blobs that have lain aside for as long as they are kept there."""
    age = timedelta(days=services.settings.trash_days)
    return services.storage.digests(older_than=age, shelf=shelf)


def empty(services: Services) -> int:
    """Delete for good what has lain aside for long enough, and say how many blobs that were.

    What is referred to stays as long as there is no other copy of it, damaged or not. While a
    backup is made, all stays.
    """
    deleted = 0
    for shelf in (Shelf.TRASH, Shelf.DAMAGED):
        for digest in due(services, shelf):
            with services.writing() as uow:
                uow.lock(f"blob:{digest}")
                if backup_holds.is_held(uow):
                    return deleted
                if digest in uow.storage or not referenced(uow.db, (digest,)):
                    uow.storage.delete(digest, shelf)
                    deleted += 1
    return deleted


def referenced(db: Session, digests: Iterable[str], ending: tuple[int, ...] = ()) -> set[str]:
    """Those of the digests that somebody refers to, files of the drafts ``ending`` aside."""
    wanted = list(digests)
    stays = or_(File.draft_id.is_(None), File.draft_id.not_in(ending))
    contents = db.scalars(select(File.sha256).where(File.sha256.in_(wanted), stays))
    metadata = db.scalars(
        select(File.metadata_sha256).where(File.metadata_sha256.in_(wanted), stays)
    )
    arriving = db.scalars(select(UploadPart.sha256).where(UploadPart.sha256.in_(wanted)))
    upstream = db.scalars(select(UpstreamFile.sha256).where(UpstreamFile.sha256.in_(wanted)))
    return {*contents, *metadata, *arriving, *upstream}


def batches(keys: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """The keys, some hundreds at a time."""
    remaining = iter(keys)
    while batch := tuple(islice(remaining, _BATCH)):
        yield batch
