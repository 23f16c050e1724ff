"""Blobs that an act has made unwanted: a draft that was discarded, a file that was deleted.

That nobody refers to a blob may mean that the database is an old one, which does not know of it. Of
these it is known, since the same transaction that forgot them wrote so.
"""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, insert, literal, select, union_all
from sqlalchemy.orm import Session

from greenroom.models import File, ReleasedBlob, UploadPart
from greenroom.models.base import UTCDateTime
from greenroom.registry.unit_of_work import UnitOfWork

_KEPT = timedelta(days=30)


def note_files(uow: UnitOfWork, which: ColumnElement[bool]) -> None:
    """Write down that the blobs of these files are let go; to be called before they are deleted."""
    now = literal(uow.now, UTCDateTime)
    digests = union_all(
        select(File.sha256, now).where(which), select(File.metadata_sha256, now).where(which)
    )
    uow.db.execute(insert(ReleasedBlob).from_select(["digest", "at"], digests))


def note_parts(uow: UnitOfWork, which: ColumnElement[bool]) -> None:
    """Write down that what has arrived of these uploads is let go, as :func:`note_files` does."""
    digests = select(UploadPart.sha256, literal(uow.now, UTCDateTime)).where(which)
    uow.db.execute(insert(ReleasedBlob).from_select(["digest", "at"], digests))


def note(uow: UnitOfWork, digest: str) -> None:
    """Write down that a blob is let go."""
    uow.db.execute(insert(ReleasedBlob).values(digest=digest, at=uow.now))


def among(db: Session, digests: Iterable[str]) -> set[str]:
    """Those of the digests that were let go."""
    found = select(ReleasedBlob.digest).where(ReleasedBlob.digest.in_(list(digests)))
    return set(db.scalars(found))


def forget(uow: UnitOfWork, digest: str) -> None:
    """Forget that a blob was let go, since it is where it belongs."""
    uow.db.execute(delete(ReleasedBlob).where(ReleasedBlob.digest == digest))


def forget_old(uow: UnitOfWork) -> None:
    """Forget what was let go long ago."""
    uow.db.execute(delete(ReleasedBlob).where(ReleasedBlob.at <= uow.now - _KEPT))
