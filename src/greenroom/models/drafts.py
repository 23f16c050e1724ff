"""Drafts: releases in the making, and the log of what happened to them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, column, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.accounts import User
from greenroom.models.base import (
    Base,
    ContentDigest,
    Digest,
    LongText,
    Name,
    PrimaryKey,
    partial_index,
)
from greenroom.models.projects import Project
from greenroom.models.releases import File, Release


class DraftState(StrEnum):
    """Where a draft stands. All but ``OPEN`` are final."""

    OPEN = "open"
    PUBLISHED = "published"
    DISCARDED = "discarded"
    EXPIRED = "expired"


class ReviewState(StrEnum):
    """What a review that is not passed came to; it keeps a draft from being public so far."""

    PROCESSING = "processing"
    ERROR = "error"


class Draft(Base):
    """The workspace in which the files of one release are staged.

    ``slug`` is the secret of its address; ``key`` is in the session's address (PEP 694), which says
    nothing to whoever has no credentials, and stays the same for good. A draft that has ended stays
    as a tombstone: project name and version are kept as text, because what the foreign keys name
    may go. ``changed`` is the last change of its files; the expiry counts from there.

    ``review`` is set while publication is being decided, and after it was refused, for the reasons
    in ``review_notices``. ``review_by`` asked for it (the operator, where it is nobody);
    ``review_due`` is set once somebody is at it, who has decided by then or is gone.

    ``review_in_person`` is whether a person asked for the review, who had shown a second factor.

    ``content_digest`` is what was approved: set when a review was asked for, and when the draft was
    published. ``scheduled`` is when it is to be published by itself (``models/schedules.py``), and
    ``members_only`` whether its address takes an account besides.
    """

    __tablename__ = "drafts"
    __table_args__ = (
        partial_index(
            "uq_drafts_open",
            "project_id",
            "canonical_version",
            unique=True,
            where=column("state") == "open",
        ),
        Index(None, "state", "expires"),
        CheckConstraint("state IN ('open', 'published', 'discarded', 'expired')", name="state"),
        CheckConstraint("review IN ('processing', 'error')", name="review"),
        CheckConstraint(
            "state <> 'open' OR (project_id IS NOT NULL AND release_id IS NOT NULL)",
            name="open_has_a_release",
        ),
    )

    id: Mapped[PrimaryKey]
    slug: Mapped[str] = mapped_column(String(22), unique=True)
    key: Mapped[str] = mapped_column(String(22), unique=True)
    state: Mapped[Name] = mapped_column(default=DraftState.OPEN)
    project_id: Mapped[int | None] = mapped_column(
        ForeignKey("projects.id", ondelete="SET NULL"), index=True
    )
    release_id: Mapped[int | None] = mapped_column(
        ForeignKey("releases.id", ondelete="SET NULL"), index=True
    )
    project_name: Mapped[Name]
    version: Mapped[Name]
    canonical_version: Mapped[Name]
    opened: Mapped[datetime]
    changed: Mapped[datetime]
    expires: Mapped[datetime]
    ended: Mapped[datetime | None]
    review: Mapped[Name | None]
    review_notices: Mapped[list[str]] = mapped_column(default=list)
    review_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), index=True
    )
    review_due: Mapped[datetime | None]
    review_in_person: Mapped[bool] = mapped_column(default=False, server_default=false())
    content_digest: Mapped[ContentDigest | None]
    scheduled: Mapped[datetime | None]
    members_only: Mapped[bool] = mapped_column(default=False, server_default=false())

    project: Mapped[Project | None] = relationship(lazy="joined")
    release: Mapped[Release | None] = relationship(lazy="joined")
    review_by: Mapped[User | None] = relationship()
    files: Mapped[list[File]] = relationship(order_by="File.id", passive_deletes=True)
    events: Mapped[list[DraftEvent]] = relationship(
        back_populates="draft",
        order_by="DraftEvent.id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class DraftEvent(Base):
    """A line in a draft's log: who did what, when. ``by`` is a user name, or ``operator``.

    ``means`` is which run of which workflow did it, where it was one. ``credential`` is what was
    shown for it, ``sha256`` what a file has from then on that was staged.
    """

    __tablename__ = "draft_events"

    id: Mapped[PrimaryKey]
    draft_id: Mapped[int] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    by: Mapped[Name]
    act: Mapped[Name]
    filename: Mapped[Name | None]
    detail: Mapped[LongText] = mapped_column(default="")
    means: Mapped[LongText | None]
    credential: Mapped[LongText | None]
    sha256: Mapped[Digest | None] = mapped_column(index=True)

    draft: Mapped[Draft] = relationship(back_populates="events")
