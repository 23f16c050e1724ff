"""Which projects of the indexes behind this one are used, and by whom."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, LongText, Name, PrimaryKey


class UpstreamUse(Base):
    """How much a project of an upstream is used.

    Attributes:
        pages: how often its page was asked for; ``kept_pages`` how often the upstream need not be
            asked for it.
        files: how often a file was asked for; ``kept_files`` how often it was here.
        size: bytes of the files that were sent.
        last: when it was last asked for.
    """

    __tablename__ = "upstream_uses"
    __table_args__ = (UniqueConstraint("project", "upstream"), Index(None, "last", "id"))

    id: Mapped[PrimaryKey]
    upstream: Mapped[Name]
    project: Mapped[Name]
    pages: Mapped[int] = mapped_column(BigInteger)
    kept_pages: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[int] = mapped_column(BigInteger)
    kept_files: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    last: Mapped[datetime]


class UpstreamUser(Base):
    """Who asks for a project of an upstream.

    ``by`` is an account, ``token`` the token of it that was shown, if one was; both are empty for
    those of whom nobody knows who they are.
    """

    __tablename__ = "upstream_users"
    __table_args__ = (UniqueConstraint("project", "upstream", "by", "token"), Index(None, "last"))

    id: Mapped[PrimaryKey]
    upstream: Mapped[Name]
    project: Mapped[Name]
    by: Mapped[Name]
    token: Mapped[Name]
    count: Mapped[int] = mapped_column(BigInteger)
    last: Mapped[datetime]


class UpstreamStanding(Base):
    """How an upstream last answered, as far as this index has asked it.

    ``answered`` is when it last did, ``failed`` when it last did not; ``failure`` says how.
    """

    __tablename__ = "upstream_standings"

    upstream: Mapped[Name] = mapped_column(primary_key=True)
    answered: Mapped[datetime | None]
    failed: Mapped[datetime | None]
    failure: Mapped[LongText]
