"""The blobs that the database knows, and what it knows of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from msgspec import Struct
from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from greenroom.models import File, UploadPart, UploadSession

Sessions = Callable[[], AbstractContextManager[Session]]
"""Gives a session that reads, for some queries."""

_BATCH = 500


class KnownBlob(Struct, frozen=True):
    """A blob that the database knows.

    Attributes:
        digest: its key.
        size: how many bytes it has; None where the database does not say so (metadata files).
        filename: what has this content, or one of those that have.
    """

    digest: str
    size: int | None
    filename: str


def count(sessions: Sessions) -> tuple[int, int]:
    """How many blobs the database knows, and how many bytes it knows that they have."""
    blobs = 0
    with sessions() as db:
        for column in (File.sha256, File.metadata_sha256, UploadPart.sha256):
            blobs += db.scalar(select(func.count(column.distinct()))) or 0
        sizes = select(File.size).group_by(File.sha256, File.size).subquery()
        size = db.scalar(select(func.sum(sizes.c.size))) or 0
    return blobs, int(size)


def all_of(sessions: Sessions) -> Iterator[KnownBlob]:
    """Every blob that the database knows, with few of them in memory at once.

    A blob that is known in several ways may come more than once.
    """
    contents = select(File.sha256, func.min(File.size), func.min(File.filename))
    yield from _pages(sessions, contents, File.sha256)
    metadata = select(File.metadata_sha256, func.min(File.size), func.min(File.filename))
    for found in _pages(sessions, metadata, File.metadata_sha256):
        yield KnownBlob(found.digest, None, f"{found.filename}.metadata")
    parts = select(
        UploadPart.sha256, func.min(UploadPart.size), func.min(UploadSession.filename)
    ).join(UploadPart.upload)
    yield from _pages(sessions, parts, UploadPart.sha256)


def _pages(
    sessions: Sessions, query: Select[str, int, str], digest: InstrumentedAttribute[str]
) -> Iterator[KnownBlob]:
    """What the query finds, by digest, each page of it in a session of its own."""
    last = ""
    while True:
        page = query.where(digest > last).group_by(digest).order_by(digest).limit(_BATCH)
        with sessions() as db:
            rows = [KnownBlob(*row) for row in db.execute(page)]
        yield from rows
        if len(rows) < _BATCH:
            return
        last = rows[-1].digest
