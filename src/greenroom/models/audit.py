"""The audit log: who did what to what, when, from where, and with what."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, LongText, Name, PrimaryKey


class AuditEntry(Base):
    """One act. Triggers of the database let no entry be changed, nor deleted before its time.

    ``by`` and ``about`` are who did it, and the account that it was done to, by name, because
    accounts may go; ``by_id`` and ``about_id`` are the accounts, and no foreign keys for that
    reason. ``project`` is as the project spelled itself then. A name that was only reserved may be
    given out again: ``project_created`` tells its holders apart. ``count`` is more than 1 where one
    entry stands for several failures.
    """

    __tablename__ = "audit"
    __table_args__ = (
        Index(None, "at", "id"),
        Index(None, "act", "at", "id"),
        Index(None, "by", "at", "id"),
        Index(None, "about", "at", "id"),
        Index(None, "normalized_project", "at", "id"),
    )

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True
    )
    at: Mapped[datetime]
    act: Mapped[Name]
    by: Mapped[Name]
    by_id: Mapped[int | None]
    credential: Mapped[Name]
    address: Mapped[Name | None]
    request_id: Mapped[Name | None]
    about: Mapped[Name | None]
    about_id: Mapped[int | None]
    project: Mapped[Name | None]
    normalized_project: Mapped[Name | None]
    project_created: Mapped[datetime | None]
    version: Mapped[Name | None]
    filename: Mapped[Name | None]
    detail: Mapped[LongText]
    count: Mapped[int]


class AuditRetention(Base):
    """What may be deleted of the audit log: what happened before ``until``.

    The row is there only within the transactions of housekeeping that delete.
    """

    __tablename__ = "audit_retention"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[PrimaryKey]
    until: Mapped[datetime]


class TokenAddress(Base):
    """An address that a token was used from: of IPv6 the network that one customer has."""

    __tablename__ = "token_addresses"

    token_id: Mapped[int] = mapped_column(
        ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True
    )
    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    first_used: Mapped[datetime]
