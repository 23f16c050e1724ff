"""Which storage belongs to which database.

A database has an identity, which is random, and its storage is marked with it. Whoever is about to
change either asks first (:func:`check`): a database that knows nothing of the files in a storage
must not decide which of them are wanted.
"""

import math
import secrets
from collections.abc import Iterable

import structlog
from msgspec import Struct
from sqlalchemy import select

from greenroom.counts import counted
from greenroom.models import File, Identity, UploadPart
from greenroom.registry import audit
from greenroom.registry.audit import Doer, Kind
from greenroom.registry.errors import Refusal
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.storage import Shelf, Storage

_SAMPLE = 200
_ENOUGH = 0.9
"""So many of the database's files have to be in a storage that is not marked."""

_RESTORING = "restoring"

_WHAT_TO_DO = (
    "Set the database and the storage that belong together (GREENROOM_DATA, "
    "GREENROOM_DATABASE_URL, GREENROOM_STORAGE_URL), or restore the one that was lost from a "
    "backup. If this is the storage that you want, 'greenroom storage adopt' binds it to the "
    "database."
)


class ForeignStorage(Refusal):
    """The storage is not the one that belongs to the database."""

    code = "foreign-storage"
    title = "Foreign storage"


class Bond(Struct, frozen=True):
    """How a database and a storage stand to each other.

    Attributes:
        address: where the storage is.
        is_bound: whether the storage is marked as this database's.
        is_marked: whether it is marked at all.
        is_empty: whether it has no blobs, in the trash neither.
        looked_for: how many files of the database were looked for in it.
        found: how many of them are there.
    """

    address: str
    is_bound: bool
    is_marked: bool
    is_empty: bool
    looked_for: int
    found: int


def check(services: Services) -> None:
    """See that the storage is the database's; where both are new, they are from here on.

    A storage that is not marked, since it was filled by an older version or copied without its
    marker, is taken when it has the files that the database knows.

    Raises:
        ForeignStorage: with what to do. Nothing has changed.
        greenroom.storage.StorageUnavailable: it does not answer.
    """
    marker = services.storage.marker()
    with services.reading() as uow:
        if marker is not None and marker == _identity(uow):
            return
    bond = look(services)
    if bond.is_bound:  # another process was faster
        return
    if (marker or "").startswith(f"{_RESTORING} "):
        raise ForeignStorage(_unfinished(bond.address))
    reason = _objection(bond)
    if reason is not None:
        raise ForeignStorage(f"{reason} {_WHAT_TO_DO}")
    _bind(services)
    if bond.found:
        log = structlog.get_logger("greenroom")
        log.info("the storage is marked as this database's", storage=bond.address, found=bond.found)


def check_new(storage: Storage) -> None:
    """See that a storage is empty, for a database that is about to be made.

    Raises:
        ForeignStorage: with what to do.
        greenroom.storage.StorageUnavailable: it does not answer.
    """
    marker = storage.marker()
    if (marker or "").startswith(f"{_RESTORING} "):
        raise ForeignStorage(_unfinished(storage.address))
    if marker is not None or not is_empty(storage):
        raise ForeignStorage(
            f"The storage {storage.address} has files, and there is no database that knows them. "
            f"{_WHAT_TO_DO}"
        )


def look(services: Services) -> Bond:
    """How the database and the storage stand to each other now."""
    storage, marker = services.storage, services.storage.marker()
    with services.reading() as uow:
        identity = _identity(uow)
        # Digests are as good as random, so the first of them are any of them.
        sample = [
            digest
            for column in (File.sha256, UploadPart.sha256)
            for digest in uow.db.scalars(select(column).order_by(column).limit(_SAMPLE))
        ]
    return Bond(
        address=storage.address,
        is_bound=marker is not None and marker == identity,
        is_marked=marker is not None,
        is_empty=is_empty(storage),
        looked_for=len(sample),
        found=_count_kept(storage, sample),
    )


def restoring_marker(identity: str, snapshot: str) -> str:
    """What a storage is marked with while a snapshot of this database is restored into it."""
    return f"{_RESTORING} {identity} {snapshot}".rstrip()


def adopt(services: Services, by: Doer = OPERATOR) -> None:
    """Bind the storage to the database for somebody, whatever either was bound to."""
    _bind(services, by)


def _unfinished(address: str) -> str:
    return (
        f"A backup is being restored into the storage {address}: run 'greenroom restore' again, "
        "which goes on where it was."
    )


def _objection(bond: Bond) -> str | None:
    what = f"The storage {bond.address}"
    if bond.is_marked:
        return f"{what} belongs to another database than this one."
    if bond.looked_for == 0:
        return None if bond.is_empty else f"{what} has files, and the database knows none of them."
    if bond.found < math.ceil(bond.looked_for * _ENOUGH):
        files = counted(bond.looked_for, "file")
        return f"{what} has {bond.found} of {files} that the database looked for."
    return None


def _bind(services: Services, by: Doer | None = None) -> None:
    with services.writing() as uow:
        uow.lock("identity")
        identity = _identity(uow)
        if identity is None:
            identity = secrets.token_hex(16)
            uow.db.add(Identity(id=1, text=identity))
        if by is not None:
            audit.write(uow, Kind.STORAGE_ADOPT, by, detail=services.storage.address)
    services.storage.mark(identity)


def _identity(uow: UnitOfWork) -> str | None:
    return uow.db.scalar(select(Identity.text))


def is_empty(storage: Storage) -> bool:
    """Whether a storage has no blobs, in the trash neither."""
    return all(next(storage.digests(shelf=shelf), None) is None for shelf in Shelf)


def _count_kept(storage: Storage, digests: Iterable[str]) -> int:
    return sum(digest in storage for digest in digests)
