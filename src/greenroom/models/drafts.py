"""Drafts: releases in the making, and the log of what happened to them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, column
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.base import Base, LongText, Name, PrimaryKey
from greenroom.models.projects import Project
from greenroom.models.releases import File, Release


class DraftState(StrEnum):
    """Where a draft stands. All but ``OPEN`` are final."""

    OPEN = "open"
    PUBLISHED = "published"
    DISCARDED = "discarded"
    EXPIRED = "expired"


class Draft(Base):
    """The workspace in which the files of one release are staged.

    ``slug`` is the secret of its address. A draft that has ended stays as a tombstone: project name
    and version are kept as text, because what the foreign keys name may go. ``changed`` is the last
    change of its files; the expiry counts from there.
    """

    __tablename__ = "drafts"
    __table_args__ = (
        Index(
            "uq_drafts_open",
            "project_id",
            "canonical_version",
            unique=True,
            sqlite_where=column("state") == "open",
            postgresql_where=column("state") == "open",
        ),
        Index(None, "state", "expires"),
        CheckConstraint("state IN ('open', 'published', 'discarded', 'expired')", name="state"),
        CheckConstraint(
            "state <> 'open' OR (project_id IS NOT NULL AND release_id IS NOT NULL)",
            name="open_has_a_release",
        ),
    )

    id: Mapped[PrimaryKey]
    slug: Mapped[str] = mapped_column(String(22), unique=True)
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

    project: Mapped[Project | None] = relationship(lazy="joined")
    release: Mapped[Release | None] = relationship(lazy="joined")
    files: Mapped[list[File]] = relationship(
        back_populates="draft", order_by="File.id", passive_deletes=True
    )
    events: Mapped[list[DraftEvent]] = relationship(
        back_populates="draft",
        order_by="DraftEvent.id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class DraftEvent(Base):
    """A line in a draft's log: who did what, when. ``by`` is a user name, or ``operator``."""

    __tablename__ = "draft_events"

    id: Mapped[PrimaryKey]
    draft_id: Mapped[int] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    by: Mapped[Name]
    act: Mapped[Name]
    filename: Mapped[Name | None]
    detail: Mapped[LongText] = mapped_column(default="")

    draft: Mapped[Draft] = relationship(back_populates="events")
