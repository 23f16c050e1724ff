"""Files of indexes behind this one whose bytes are kept here for a while."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, Digest, LongText, Name, PrimaryKey


class UpstreamFile(Base):
    """A file of an upstream that is kept here, until there is no room for it.

    It is none of this index: it is counted apart, is in no backup, and may go at any time.

    Attributes:
        upstream: its name in the settings.
        project: the normalized name.
        filename: that of a metadata file (PEP 658) ends with ``.metadata``.
        url: where it came from, without credentials.
        said: what the page of the upstream said of the content when it was fetched, or the address
            where it said nothing: as long as it says the same, this is that file.
        sha256: the digest of the bytes, which is their key in the storage.
        size: in bytes.
        is_verified: whether the upstream had said a digest that nobody can forge. Else it is what
            came the first time.
        fetched: when the bytes came.
        used: when somebody last asked for it, to within an hour.
    """

    __tablename__ = "upstream_files"
    __table_args__ = (UniqueConstraint("upstream", "project", "filename"),)

    id: Mapped[PrimaryKey]
    upstream: Mapped[Name]
    project: Mapped[Name]
    filename: Mapped[Name]
    url: Mapped[LongText]
    said: Mapped[LongText]
    sha256: Mapped[Digest] = mapped_column(index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    is_verified: Mapped[bool]
    fetched: Mapped[datetime]
    used: Mapped[datetime] = mapped_column(index=True)
