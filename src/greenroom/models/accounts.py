"""People and their tokens."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.base import Base, Digest, Name, PrimaryKey

if TYPE_CHECKING:
    from greenroom.models.projects import Project


class User(Base):
    """A person with an account."""

    __tablename__ = "users"

    id: Mapped[PrimaryKey]
    username: Mapped[Name]
    normalized_username: Mapped[Name] = mapped_column(unique=True)
    email: Mapped[Name]
    email_verified: Mapped[bool] = mapped_column(default=False)
    password_hash: Mapped[Name]
    is_administrator: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime]

    tokens: Mapped[list[Token]] = relationship(
        back_populates="user", cascade="all, delete-orphan", passive_deletes=True
    )


class Token(Base):
    """An API token. ``prefix`` finds it, ``digest`` (SHA-256 of the whole token) proves it."""

    __tablename__ = "tokens"

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    project_id: Mapped[int | None] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), index=True
    )
    label: Mapped[Name]
    prefix: Mapped[Name] = mapped_column(unique=True)
    digest: Mapped[Digest]
    permissions: Mapped[list[str]]
    created: Mapped[datetime]
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]
    last_used: Mapped[datetime | None]

    user: Mapped[User] = relationship(back_populates="tokens")
    project: Mapped[Project | None] = relationship()


class Attempt(Base):
    """What counts against an address, kept for as long as a rate limit looks back.

    A sign-in that failed, for an ``account``; or a registration, whose ``account`` is no name.
    """

    __tablename__ = "failed_sign_ins"
    __table_args__ = (
        Index(None, "address", "at"),
        Index(None, "at"),
    )

    id: Mapped[PrimaryKey]
    account: Mapped[Name]
    address: Mapped[Name]
    at: Mapped[datetime]
