"""Approvals of drafts: who has said of which content that it may be published."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.accounts import User
from greenroom.models.base import Base, ContentDigest, JSONObject, Name, PrimaryKey
from greenroom.models.drafts import Draft
from greenroom.models.schedules import Schedule


class Approval(Base):
    """That a person has approved of what a draft had in it then.

    Attributes:
        by: the user name, which stays when the account goes.
        factor: the kind of second factor that the person had shown.
        content_digest: of what was approved: of other files it says nothing.
        standing: what was known of the draft at that moment, for people to read later.
        schedule_id: the time with which it was given, and ends; ``NULL`` where it was by hand.
        withdrawn: when the person took it back, or that time ended.
        counted: whether it stood when the draft was published; only then the public may see it.
    """

    __tablename__ = "approvals"
    __table_args__ = (Index(None, "draft_id", "id"),)

    id: Mapped[PrimaryKey]
    draft_id: Mapped[int] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"))
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), index=True
    )
    by: Mapped[Name]
    at: Mapped[datetime]
    factor: Mapped[Name]
    content_digest: Mapped[ContentDigest]
    standing: Mapped[JSONObject] = mapped_column(default=dict)
    schedule_id: Mapped[int | None] = mapped_column(
        ForeignKey("schedules.id", ondelete="SET NULL"), index=True
    )
    withdrawn: Mapped[datetime | None]
    counted: Mapped[bool] = mapped_column(default=False, server_default=false())

    draft: Mapped[Draft] = relationship()
    user: Mapped[User | None] = relationship()
    schedule: Mapped[Schedule | None] = relationship()
