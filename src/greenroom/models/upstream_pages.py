"""What indexes behind this one have said of projects."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, LongText, Name, PrimaryKey


class UpstreamPage(Base):
    """What an upstream last said of a project, and until when that is taken as said.

    Attributes:
        upstream: its name in the settings.
        project: the normalized name.
        is_there: whether it has such a project: what it has said when it had none is kept, too.
        base: where the upstream was then, without credentials: what another one has said under its
            name counts no more.
        url: of the page, after redirects, without credentials.
        etag: by which the upstream knows it, or empty; ``last_modified`` likewise.
        content: the page, read and written again in a form of our own (JSON); empty where there is
            none.
        digest: of the content (SHA-256): it changes when that does.
        checked: when the upstream last said that it is so.
        fresh_until: until when it need not be asked again.
        changed: since when it is so.
        used: when somebody last asked for it, to within an hour.
    """

    __tablename__ = "upstream_pages"
    __table_args__ = (UniqueConstraint("upstream", "project"),)

    id: Mapped[PrimaryKey]
    upstream: Mapped[Name]
    project: Mapped[Name] = mapped_column(index=True)
    is_there: Mapped[bool]
    base: Mapped[LongText]
    url: Mapped[LongText]
    etag: Mapped[LongText]
    last_modified: Mapped[Name]
    content: Mapped[LongText] = mapped_column(deferred=True)
    digest: Mapped[Name]
    checked: Mapped[datetime]
    fresh_until: Mapped[datetime]
    changed: Mapped[datetime]
    used: Mapped[datetime] = mapped_column(index=True)


class UpstreamRequest(Base):
    """That a process asks an upstream for something just now, so that no other one does.

    Attributes:
        upstream: its name in the settings.
        project: the normalized name of the project whose page is asked for.
        until: when whoever asks must have died.
        key: known to whoever asks alone.
    """

    __tablename__ = "upstream_requests"

    upstream: Mapped[Name] = mapped_column(primary_key=True)
    project: Mapped[Name] = mapped_column(primary_key=True)
    until: Mapped[datetime]
    key: Mapped[Name]
