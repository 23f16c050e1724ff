"""Where files come from that were adopted from an index behind this one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, Digest, LongText, Name, PrimaryKey


class AdoptedFile(Base):
    """That a published file was copied from an upstream, to stay.

    Attributes:
        upstream: what the settings called it.
        url: of the file there, without credentials.
        sha256: of what came.
        at: when.
        by: the user name of who had it adopted, or ``operator``.
    """

    __tablename__ = "adopted_files"

    id: Mapped[PrimaryKey]
    file_id: Mapped[int] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"), unique=True)
    upstream: Mapped[Name]
    url: Mapped[LongText]
    sha256: Mapped[Digest]
    at: Mapped[datetime]
    by: Mapped[Name]
