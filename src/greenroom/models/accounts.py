"""People, and what is remembered of who signs in."""

from datetime import datetime

from sqlalchemy import Index, true
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, LongText, Name, PrimaryKey


class User(Base):
    """A person with an account.

    Without a password, ``password_hash`` is one that nothing opens: the person signs in otherwise.
    ``disabled`` is since when the account is, with a reason and the name of who did it; it may be
    enabled again. ``deleted`` is when it was for good: the row keeps nothing but its name, which
    files and drafts go on naming, and which nobody gets again.

    ``new_email`` is the address that ``email`` becomes once somebody has opened the link that was
    sent there; ``former_email`` is what it was before the last change.
    """

    __tablename__ = "users"

    id: Mapped[PrimaryKey]
    username: Mapped[Name]
    normalized_username: Mapped[Name] = mapped_column(unique=True)
    email: Mapped[Name]
    email_verified: Mapped[bool] = mapped_column(default=False)
    new_email: Mapped[Name | None]
    former_email: Mapped[Name | None]
    password_hash: Mapped[Name]
    has_password: Mapped[bool] = mapped_column(default=True, server_default=true())
    is_administrator: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime]
    disabled: Mapped[datetime | None]
    disabled_reason: Mapped[LongText] = mapped_column(default="", server_default="")
    disabled_by: Mapped[Name] = mapped_column(default="", server_default="")
    deleted: Mapped[datetime | None]

    @property
    def is_enabled(self) -> bool:
        """Whether anything can be done with the account."""
        return self.disabled is None and self.deleted is None


class Attempt(Base):
    """What was tried and may be tried so often only, kept for as long as a limit looks back.

    Attributes:
        purpose: what was tried (:class:`greenroom.registry.attempts.Purpose`).
        account: for whom: the normalized name of an account, which may not exist; a digest where
            what was typed can be no name; empty where it is about none.
        address: from where: an IPv4 address, or an IPv6 /64.
        site: the IPv6 /48 around it, or empty.
        device: the browser that is known to the account and has shown it, or empty.
        recorded: whether the audit log has it.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index(None, "address", "at"),
        Index(None, "account", "at"),
        Index(None, "site", "at"),
        Index(None, "at"),
    )

    id: Mapped[PrimaryKey]
    purpose: Mapped[Name]
    account: Mapped[Name]
    address: Mapped[Name]
    site: Mapped[Name] = mapped_column(default="")
    device: Mapped[Name] = mapped_column(default="")
    at: Mapped[datetime]
    recorded: Mapped[bool] = mapped_column(default=False)
