"""People, and what is remembered of who signs in."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, Name, PrimaryKey


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


class Attempt(Base):
    """What counts against an address, kept for as long as a rate limit looks back.

    A sign-in that failed, for an ``account``; or a registration, whose ``account`` is no name.
    ``recorded`` says whether the audit log has it.
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
    recorded: Mapped[bool] = mapped_column(default=False)
