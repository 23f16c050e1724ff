"""What people who work on a draft say to each other of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, LongText, Name, PrimaryKey


class DraftComment(Base):
    """A comment, in Markdown and as it is shown.

    ``by`` is what the author was called. Of a comment that was deleted nothing is left but that it
    was there, and who deleted it.
    """

    __tablename__ = "draft_comments"
    __table_args__ = (Index(None, "draft_id", "id"),)

    id: Mapped[PrimaryKey]
    draft_id: Mapped[int] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"))
    by: Mapped[Name]
    by_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), index=True
    )
    at: Mapped[datetime]
    edited: Mapped[datetime | None]
    deleted: Mapped[datetime | None]
    deleted_by: Mapped[Name | None]
    text: Mapped[LongText]
    html: Mapped[LongText]
