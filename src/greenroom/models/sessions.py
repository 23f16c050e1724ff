"""Sessions of people who are signed in."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, Digest, Name, PrimaryKey


class SignInSession(Base):
    """A browser in which somebody is signed in. ``digest`` is the SHA-256 of the cookie's secret.

    ``stamp`` is that of the account when the session began, or since its password was changed here
    (``session_stamp`` in ``registry/accounts.py``): with another one the session opens nothing.
    ``authenticated`` is when the person last showed who it is, ``second_factor`` when that was with
    a second factor, too, and ``factor_kind`` which kind that was. ``last_used`` is to the minute;
    ``address`` is where it was last used from, of IPv6 the network that one customer has.
    ``user_agent`` is what the browser said of itself when the session began. ``kept_form`` is what
    was typed, at ``kept_at``, into a form that came too late, sealed (``registry/kept_forms.py``);
    it is read by whoever asks for it alone.
    """

    __tablename__ = "sign_in_sessions"

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    digest: Mapped[Digest] = mapped_column(unique=True)
    stamp: Mapped[Name]
    begun: Mapped[datetime]
    last_used: Mapped[datetime]
    authenticated: Mapped[datetime]
    second_factor: Mapped[datetime | None]
    factor_kind: Mapped[Name | None]
    address: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[Name]
    ended: Mapped[datetime | None]
    kept_form: Mapped[str | None] = mapped_column(Text, deferred=True)
    kept_at: Mapped[datetime | None] = mapped_column(deferred=True)
