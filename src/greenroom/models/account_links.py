"""One-time links: whoever opens one may do one thing, once, without being signed in."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.models.accounts import User
from greenroom.models.base import Base, Digest, Name, PrimaryKey


class LinkKind(StrEnum):
    """What a link is good for."""

    INVITATION = "invitation"
    PASSWORD_RESET = "password-reset"  # noqa: S105 (a kind of link)
    EMAIL_VERIFICATION = "email-verification"
    FIRST_ADMINISTRATOR = "first-administrator"


class AccountLink(Base):
    """A link that was not used yet. ``digest`` is the SHA-256 of its key, which nobody has kept.

    ``user`` is whose account it is for, where there is one; ``email`` the address that it was made
    for, empty where none matters; ``made_by`` the name of who made it.
    """

    __tablename__ = "account_links"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('invitation', 'password-reset', 'email-verification', 'first-administrator')",
            name="kind",
        ),
        Index(None, "kind", "email"),
    )

    id: Mapped[PrimaryKey]
    kind: Mapped[Name]
    digest: Mapped[Digest] = mapped_column(unique=True)
    user_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    email: Mapped[Name] = mapped_column(default="")
    made_by: Mapped[Name]
    created: Mapped[datetime]
    expires: Mapped[datetime] = mapped_column(index=True)

    user: Mapped[User | None] = relationship()
