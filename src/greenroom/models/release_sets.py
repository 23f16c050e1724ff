"""Release sets: drafts of several projects that become public together."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, column
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.accounts import User
from greenroom.models.base import Base, ContentDigest, LongText, Name, PrimaryKey, partial_index
from greenroom.models.drafts import Draft


class SetState(StrEnum):
    """Where a release set stands. All but ``OPEN`` are final."""

    OPEN = "open"
    PUBLISHED = "published"
    DISCARDED = "discarded"
    EXPIRED = "expired"


class ReleaseSet(Base):
    """Several drafts under one name, which belongs to an account and is its own among open ones.

    ``slug`` is the secret of its address, as a draft's is; ``key`` is in its address of Upload 2.0.
    ``owner_name`` stays when the account goes. ``changed`` is when a draft last came.

    ``content_digest`` is what was approved: set when a review was asked for, and when the set was
    published. ``in_review`` says that its drafts are being reviewed, to be published together.
    ``scheduled`` is when it is to be published by itself (``models/schedules.py``).
    """

    __tablename__ = "release_sets"
    __table_args__ = (
        partial_index(
            "uq_release_sets_open",
            "owner_id",
            "normalized_name",
            unique=True,
            where=column("state") == "open",
        ),
        Index(None, "state", "changed"),
        CheckConstraint("state IN ('open', 'published', 'discarded', 'expired')", name="state"),
    )

    id: Mapped[PrimaryKey]
    slug: Mapped[str] = mapped_column(String(22), unique=True)
    key: Mapped[str] = mapped_column(String(22), unique=True)
    name: Mapped[Name]
    normalized_name: Mapped[Name]
    owner_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), index=True
    )
    owner_name: Mapped[Name]
    state: Mapped[Name] = mapped_column(default=SetState.OPEN)
    only_together: Mapped[bool] = mapped_column(default=False)
    in_review: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime]
    changed: Mapped[datetime]
    ended: Mapped[datetime | None]
    content_digest: Mapped[ContentDigest | None]
    scheduled: Mapped[datetime | None]

    owner: Mapped[User | None] = relationship()


class ReleaseSetMember(Base):
    """That a draft is in a set; it is in one at most.

    ``go_digest`` is the content with which somebody who may publish the draft lets it go with the
    set: ``go_by``, a user name or ``operator``. With another content that says nothing any more.
    ``go_with_factor`` says that it was a person, who had shown a second factor of late.
    ``review_passed`` says that its review is over, and that it waits for those of the others.
    """

    __tablename__ = "release_set_members"

    draft_id: Mapped[int] = mapped_column(
        ForeignKey("drafts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    release_set_id: Mapped[int] = mapped_column(
        ForeignKey("release_sets.id", ondelete="CASCADE"), index=True
    )
    added: Mapped[datetime]
    added_by: Mapped[Name]
    go_digest: Mapped[ContentDigest | None]
    go_by: Mapped[Name | None]
    go_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), index=True
    )
    go_at: Mapped[datetime | None]
    go_with_factor: Mapped[bool] = mapped_column(default=False)
    review_passed: Mapped[bool] = mapped_column(default=False)

    draft: Mapped[Draft] = relationship()
    release_set: Mapped[ReleaseSet] = relationship()
    go_user: Mapped[User | None] = relationship()


class ReleaseSetInvitation(Base):
    """That the people of a project, by its normalized name, may add drafts of it to a set."""

    __tablename__ = "release_set_invitations"

    release_set_id: Mapped[int] = mapped_column(
        ForeignKey("release_sets.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    normalized_name: Mapped[str] = mapped_column(String(255), primary_key=True, index=True)


class ReleaseSetEvent(Base):
    """A line in a set's log: who did what, when, with which draft."""

    __tablename__ = "release_set_events"

    id: Mapped[PrimaryKey]
    release_set_id: Mapped[int] = mapped_column(
        ForeignKey("release_sets.id", ondelete="CASCADE"), index=True
    )
    at: Mapped[datetime]
    by: Mapped[Name]
    act: Mapped[Name]
    release: Mapped[Name | None]
    detail: Mapped[LongText] = mapped_column(default="")
