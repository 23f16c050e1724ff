"""Blobs that nobody wants any more, since an act has let them go."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, Digest, PrimaryKey


class ReleasedBlob(Base):
    """A blob that was let go with its last file, or with one of several; maybe more than once."""

    __tablename__ = "released_blobs"

    id: Mapped[PrimaryKey]
    digest: Mapped[Digest] = mapped_column(index=True)
    at: Mapped[datetime] = mapped_column(index=True)
