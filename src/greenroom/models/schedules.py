"""Publications that are to happen by themselves, at a time that somebody has set."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, column
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.accounts import User
from greenroom.models.base import Base, ContentDigest, Name, PrimaryKey, partial_index
from greenroom.models.drafts import Draft
from greenroom.models.release_sets import ReleaseSet


class ScheduleState(StrEnum):
    """What became of a schedule. All but ``WAITING`` are final."""

    WAITING = "waiting"
    DONE = "done"
    CANCELED = "canceled"
    REFUSED = "refused"


class Schedule(Base):
    """That a draft, or a release set, is to be published at a time, with the content it had then.

    Attributes:
        draft_id: which draft, ``NULL`` where it is a set.
        release_set_id: which set, ``NULL`` where it is a draft.
        at: when.
        by: who has set it; ``operator`` where ``user_id`` never was an account.
        user_id: the account, ``NULL`` once it is gone.
        asked: when that was.
        with_factor: whether they had shown a second factor of late then.
        ended: when it was carried out, canceled or refused.
        reasons: why it was refused.
    """

    __tablename__ = "schedules"
    __table_args__ = (
        partial_index(
            "uq_schedules_waiting",
            "draft_id",
            unique=True,
            where=column("state") == "waiting",
        ),
        partial_index(
            "uq_schedules_waiting_sets",
            "release_set_id",
            unique=True,
            where=column("state") == "waiting",
        ),
        Index(None, "draft_id", "id"),
        Index(None, "release_set_id", "id"),
        CheckConstraint("state IN ('waiting', 'done', 'canceled', 'refused')", name="state"),
        CheckConstraint("(draft_id IS NULL) <> (release_set_id IS NULL)", name="of_one"),
    )

    id: Mapped[PrimaryKey]
    draft_id: Mapped[int | None] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"))
    release_set_id: Mapped[int | None] = mapped_column(
        ForeignKey("release_sets.id", ondelete="CASCADE")
    )
    state: Mapped[Name] = mapped_column(default=ScheduleState.WAITING)
    at: Mapped[datetime]
    by: Mapped[Name]
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), index=True
    )
    asked: Mapped[datetime]
    content_digest: Mapped[ContentDigest]
    with_factor: Mapped[bool] = mapped_column(default=False)
    ended: Mapped[datetime | None]
    reasons: Mapped[list[str]] = mapped_column(default=list)

    draft: Mapped[Draft | None] = relationship()
    release_set: Mapped[ReleaseSet | None] = relationship()
    user: Mapped[User | None] = relationship()
