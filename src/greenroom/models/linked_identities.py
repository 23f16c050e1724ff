"""Who people are to an identity provider."""

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, Name, PrimaryKey


class LinkedIdentity(Base):
    """An account, as an issuer of ID tokens knows its person.

    ``subject`` is the issuer's name for the person, which it gives to nobody else ever (OpenID
    Connect Core 1.0, section 2, ``sub``). Names and e-mail addresses may change there.
    """

    __tablename__ = "linked_identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[Name]
    subject: Mapped[Name]
    created: Mapped[datetime]
    last_used: Mapped[datetime]
