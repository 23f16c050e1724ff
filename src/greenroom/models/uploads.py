"""Files on their way into a draft, in several requests (PEP 694, file upload sessions)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    column,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.base import Base, Digest, Name, PrimaryKey, TextMap, partial_index
from greenroom.models.drafts import Draft
from greenroom.models.releases import File

PRESIGNED = "vnd-greenroom-presigned-v1"
"""The mechanism of uploads whose parts a client puts into the storage itself."""


class UploadState(StrEnum):
    """Where a file's upload stands, in the words of PEP 694. ``CANCELED`` alone is final."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ERROR = "error"
    CANCELED = "canceled"


class UploadSession(Base):
    """One file's way into a draft: announced, then received in parts, then completed.

    ``key`` is what its address has. ``digests`` maps names of hash functions to what the client
    says the file has. ``changed`` is when the state was last set, ``file`` what it became once it
    is completed. ``problems`` says why it is in error.
    """

    __tablename__ = "file_uploads"
    __table_args__ = (
        # Whoever announces a file that is under way, or failed and still there, is in conflict.
        partial_index(
            "uq_file_uploads_under_way",
            "draft_id",
            "filename",
            unique=True,
            where=column("state").in_(["pending", "processing", "error"]),
        ),
        Index(None, "state", "expires"),
        CheckConstraint(
            "state IN ('pending', 'processing', 'completed', 'error', 'canceled')", name="state"
        ),
    )

    id: Mapped[PrimaryKey]
    key: Mapped[str] = mapped_column(String(22), unique=True)
    draft_id: Mapped[int] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"), index=True)
    file_id: Mapped[int | None] = mapped_column(
        ForeignKey("files.id", ondelete="SET NULL"), index=True
    )
    filename: Mapped[Name]
    size: Mapped[int] = mapped_column(BigInteger)
    digests: Mapped[TextMap]
    mechanism: Mapped[Name]
    state: Mapped[Name] = mapped_column(default=UploadState.PENDING)
    problems: Mapped[list[str]] = mapped_column(default=list)
    created: Mapped[datetime]
    changed: Mapped[datetime]
    expires: Mapped[datetime]

    draft: Mapped[Draft] = relationship()
    file: Mapped[File | None] = relationship()
    parts: Mapped[list[UploadPart]] = relationship(
        back_populates="upload",
        order_by="UploadPart.start",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class UploadPart(Base):
    """Bytes of a file that have arrived: ``size`` of them from ``start`` on, kept as a blob.

    ``digests`` has all that were asked for, hexadecimal, by name; one of them, ``sha256``, is the
    blob's.
    """

    __tablename__ = "upload_parts"
    __table_args__ = (UniqueConstraint("upload_id", "start"),)

    id: Mapped[PrimaryKey]
    upload_id: Mapped[int] = mapped_column(ForeignKey("file_uploads.id", ondelete="CASCADE"))
    start: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[Digest] = mapped_column(index=True)
    digests: Mapped[TextMap]

    upload: Mapped[UploadSession] = relationship(back_populates="parts")
