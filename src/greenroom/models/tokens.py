"""API tokens."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.accounts import User
from greenroom.models.base import Base, Digest, Name, PrimaryKey
from greenroom.models.projects import Project


class TokenCutOff(Base):
    """A project that a token reaches no more, though it covers all projects of its user."""

    __tablename__ = "token_cut_offs"

    token_id: Mapped[int] = mapped_column(
        ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True
    )
    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    at: Mapped[datetime]


class Token(Base):
    """An API token. ``prefix`` finds it, ``digest`` (SHA-256 of the whole token) proves it.

    ``last_address`` is where it was last used from, as :class:`TokenAddress` has it.
    """

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
    last_address: Mapped[str | None] = mapped_column(String(64))

    user: Mapped[User] = relationship()
    project: Mapped[Project | None] = relationship()
