"""The journal that mirrors follow."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, ContentDigest, LongText, Name, PrimaryKey


class JournalEntry(Base):
    """One public change. ``id`` is the serial; ``registry/journal.py`` gives it out.

    ``project_name`` is as the project spelled itself then; ``normalized_name`` stays the same.
    ``content_digest`` is that of a draft, in the first entry that its publication wrote of the
    release.
    """

    __tablename__ = "journal"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    project_name: Mapped[Name]
    normalized_name: Mapped[Name] = mapped_column(index=True)
    version: Mapped[Name | None]
    action: Mapped[LongText]
    at: Mapped[datetime]
    by: Mapped[Name]
    content_digest: Mapped[ContentDigest | None]


class UnlistedEntry(Base):
    """A change of a project that was not open to everybody then. It has no serial.

    Serials without gaps would show that something happened. ``after`` is the serial of the newest
    entry of the journal at that time; the rest is as there.
    """

    __tablename__ = "unlisted_journal"

    id: Mapped[PrimaryKey]
    after: Mapped[int] = mapped_column(index=True)
    project_name: Mapped[Name]
    normalized_name: Mapped[Name] = mapped_column(index=True)
    version: Mapped[Name | None]
    action: Mapped[LongText]
    at: Mapped[datetime]
    by: Mapped[Name]
    content_digest: Mapped[ContentDigest | None]
