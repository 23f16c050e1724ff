"""Whether the files in the storage are what the database says, and mending those that are not."""

from collections.abc import Callable

import structlog
from msgspec import Struct, field

from greenroom.registry import audit, blob_digests, known_blobs, storage_identity, trash
from greenroom.registry.artifacts import Receiver, TooManyBytes
from greenroom.registry.known_blobs import KnownBlob
from greenroom.registry.permissions import VERIFICATION, Actor
from greenroom.registry.unit_of_work import Services
from greenroom.registry.web_copies import WebCopy
from greenroom.storage import Blob, BlobMissing, BlobSource, Shelf

Progress = Callable[[int, int], None]
"""Told how many blobs were done, and how many bytes were read, since the last time."""


class Damage(Struct, frozen=True):
    """A blob that is not what the database says, in words.

    Attributes:
        is_missing: whether it is not there at all.
        is_repaired: whether it was replaced by a good copy.
    """

    digest: str
    filename: str
    reason: str
    is_missing: bool
    is_repaired: bool = False


class Findings(Struct):
    """What came of a verification.

    Attributes:
        checked: how many blobs the database knows.
        damages: those that are not what it says.
        unknown: the blobs that nobody refers to. Housekeeping moves them to the trash, unless they
            are of uploads that are just arriving.
    """

    checked: int = 0
    damages: list[Damage] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def unrepaired(self) -> list[Damage]:
        """What is still wrong."""
        return [damage for damage in self.damages if not damage.is_repaired]


def verify(
    services: Services,
    *,
    quick: bool = False,
    source: BlobSource | WebCopy | None = None,
    progress: Progress = lambda blobs, size: None,
    by: Actor = VERIFICATION,
) -> Findings:
    """Compare every blob with what the database says of it.

    A blob whose content is wrong is put aside, so that nobody gets it, and whoever uploads the file
    again mends it.

    Args:
        services: where.
        quick: compare sizes only, where they are known, and put nothing aside.
        source: a copy from which what is missing or wrong is replaced.
        progress: told how far it is.
        by: who has it done, for the audit log, which says what was put aside or replaced.

    Raises:
        storage_identity.ForeignStorage: the storage is another database's.
        greenroom.storage.StorageUnavailable: it, or the copy, does not answer.
    """
    storage_identity.check(services)
    findings, aside = Findings(), 0
    try:
        for expected in known_blobs.all_of(services.database.reading):
            damage = _examine(services, expected, quick=quick, progress=progress)
            if damage is not None and _is_wanted(services, expected.digest):
                if source is not None and _repair(services, expected, source):
                    damage = _repaired(damage)
                elif not quick and not damage.is_missing:
                    aside += put_aside(services, expected.digest)
                _report(damage)
                findings.damages.append(damage)
            findings.checked += 1
            progress(1, 0)
    finally:  # what was mended before it broke off stays so
        _record(services, by, aside, sum(damage.is_repaired for damage in findings.damages))
    findings.unknown += trash.unused(services).digests
    return findings


def _record(services: Services, by: Actor, aside: int, repaired: int) -> None:
    """Write down what was done to files, if anything was."""
    if aside or repaired:
        with services.writing() as uow:
            detail = f"put aside: {aside}, mended: {repaired}"
            audit.write(uow, audit.Kind.STORAGE_REPAIR, by, detail=detail)


def _examine(
    services: Services, expected: KnownBlob, *, quick: bool, progress: Progress
) -> Damage | None:
    def damage(reason: str, *, is_missing: bool = False) -> Damage:
        return Damage(expected.digest, expected.filename, reason, is_missing)

    size = services.storage.size(expected.digest)
    if size is None:
        return damage("It is missing.", is_missing=True)
    if expected.size not in (None, size):
        return damage(f"It has {size} bytes instead of {expected.size}.")
    # Of metadata files no size is known; they are small.
    if quick and expected.size is not None:
        return None
    try:
        is_intact = blob_digests.is_intact(
            services.storage, expected.digest, lambda read: progress(0, read)
        )
    except BlobMissing:
        return damage("It is missing.", is_missing=True)
    except OSError as error:
        return damage(f"It cannot be read: {error.strerror}.")
    return None if is_intact else damage("Its content is another one.")


def _is_wanted(services: Services, digest: str) -> bool:
    """Whether somebody still refers to a blob: it may have been deleted since it was listed."""
    with services.reading() as uow:
        return bool(trash.referenced(uow.db, (digest,)))


def put_aside(services: Services, digest: str) -> bool:
    """Put a damaged blob aside, unless it is in order now; one that cannot be read stays.

    Returns:
        Whether it was put aside.
    """
    with services.writing() as uow:
        uow.lock(f"blob:{digest}")
        try:
            if blob_digests.is_intact(uow.storage, digest):
                return False
        except (BlobMissing, OSError):
            return False
        return uow.storage.move(digest, Shelf.KEPT, Shelf.DAMAGED)


def _repair(services: Services, expected: KnownBlob, source: BlobSource | WebCopy) -> bool:
    """Replace a blob by the copy that the source has, if that is the right one."""
    limit = expected.size if expected.size is not None else services.settings.max_file_size
    with Receiver(services.storage.incoming, limit=limit, share=None) as receiver:
        try:
            with _opened(source, expected) as blob:
                for piece in blob:
                    receiver.add(piece)
        except (BlobMissing, TooManyBytes):
            return False
        copy = receiver.received()
        if copy.sha256 != expected.digest:
            return False
        with services.writing() as uow:
            uow.lock(f"blob:{expected.digest}")
            uow.storage.move(expected.digest, Shelf.KEPT, Shelf.DAMAGED)
            uow.storage.put(copy.path, expected.digest)
    return True


def _opened(source: BlobSource | WebCopy, expected: KnownBlob) -> Blob:
    if isinstance(source, WebCopy):
        return source.open(expected.digest, expected.filename)
    return source.open(expected.digest)


def _repaired(damage: Damage) -> Damage:
    return Damage(damage.digest, damage.filename, damage.reason, damage.is_missing, True)


def _report(damage: Damage) -> None:
    log = structlog.get_logger("greenroom.storage")
    write = log.warning if damage.is_repaired else log.error
    write(
        "a file is damaged",
        file=damage.filename,
        sha256=damage.digest,
        reason=damage.reason,
        repaired=damage.is_repaired,
    )
