"""Mail about what happened: what was told to whom, and who does not want to be told."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, Name, PrimaryKey


class Notification(Base):
    """That a person was told of an event, or would have been, kept for some days.

    ``event`` is the same for whatever is told once. ``held`` is whether it was one too many of its
    kind within an hour, and waits to be counted in a message that stands for all of them.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("user_id", "event"),
        Index(None, "user_id", "act", "at"),
        Index(None, "at"),
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    event: Mapped[Name]
    act: Mapped[Name]
    at: Mapped[datetime]
    held: Mapped[bool] = mapped_column(default=False)


class UnwantedMail(Base):
    """A category of messages that a person has switched off."""

    __tablename__ = "unwanted_mail"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    category: Mapped[str] = mapped_column(String(32), primary_key=True)


class SignInPlace(Base):
    """A place that a person has signed in from: of IPv6 the network that one customer has."""

    __tablename__ = "sign_in_places"
    __table_args__ = (Index(None, "last_seen"),)

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    place: Mapped[str] = mapped_column(String(64), primary_key=True)
    last_seen: Mapped[datetime]


class ExpiryWarning(Base):
    """That the people of a draft were told when it expires: at ``expires``, as it was then."""

    __tablename__ = "expiry_warnings"

    draft_id: Mapped[int] = mapped_column(
        ForeignKey("drafts.id", ondelete="CASCADE"), primary_key=True
    )
    expires: Mapped[datetime]
