"""What was found out about a draft before it is published: results of checks, and installations."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, ContentDigest, Digest, LongText, Name, PrimaryKey


class CheckStatus(StrEnum):
    """What a check came to."""

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class DraftCheck(Base):
    """One result of a check of a draft. Of several of one name the newest counts.

    ``content_digest`` is what the draft had in it when it was checked. ``by`` and ``means`` are who
    posted it, as in the draft's log.
    """

    __tablename__ = "draft_checks"
    __table_args__ = (
        Index(None, "draft_id", "name", "id"),
        CheckConstraint("status IN ('pending', 'passed', 'failed', 'skipped')", name="status"),
    )

    id: Mapped[PrimaryKey]
    draft_id: Mapped[int] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"))
    name: Mapped[Name]
    status: Mapped[Name]
    link: Mapped[LongText]
    summary: Mapped[LongText]
    content_digest: Mapped[ContentDigest]
    at: Mapped[datetime]
    by: Mapped[Name]
    means: Mapped[LongText | None]


class DraftInstallation(Base):
    """That an installer took a file from a draft's address, with what it says of itself.

    ``client`` is in words: ``pip 26.0 on Linux x86_64, cp313``. Nothing says whose it was.
    """

    __tablename__ = "draft_installations"
    __table_args__ = (UniqueConstraint("draft_id", "filename", "sha256", "client"),)

    id: Mapped[PrimaryKey]
    draft_id: Mapped[int] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"))
    filename: Mapped[Name]
    sha256: Mapped[Digest]
    client: Mapped[Name]
    last: Mapped[datetime]
    count: Mapped[int]


class RequiredCheck(Base):
    """A check without which no draft of the project is published."""

    __tablename__ = "required_checks"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    id: Mapped[PrimaryKey]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    name: Mapped[Name]
