"""What people show beside their password, or in its place."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, Digest, LongText, Name, PrimaryKey


class FactorKind(StrEnum):
    """What a second factor is."""

    APP = "app"
    PASSKEY = "passkey"


class SecondFactor(Base):
    """An authenticator app, or a passkey, of a person.

    Of an app: ``sealed_secret`` is what both sides compute codes of, encrypted; ``last_step`` is
    the time step of the newest code that was taken. Of a passkey: ``credential`` is what WebAuthn
    calls attested credential data, as Base64, ``credential_digest`` the SHA-256 of its id, and
    ``sign_count`` what the authenticator last counted.
    """

    __tablename__ = "second_factors"
    __table_args__ = (CheckConstraint("kind IN ('app', 'passkey')", name="kind"),)

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[Name]
    name: Mapped[Name]
    created: Mapped[datetime]
    last_used: Mapped[datetime | None]
    sealed_secret: Mapped[LongText | None]
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    credential: Mapped[LongText | None]
    credential_digest: Mapped[Digest | None] = mapped_column(unique=True)
    sign_count: Mapped[int | None] = mapped_column(BigInteger)


class RecoveryCode(Base):
    """A code that stands once for a second factor that was lost. ``digest`` is its SHA-256."""

    __tablename__ = "recovery_codes"

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    digest: Mapped[Digest]
    used: Mapped[datetime | None]


class UsedChallenge(Base):
    """A challenge that a passkey has signed: nobody shows that signature again."""

    __tablename__ = "used_challenges"

    digest: Mapped[Digest] = mapped_column(primary_key=True)
    forgotten: Mapped[datetime] = mapped_column(index=True)
