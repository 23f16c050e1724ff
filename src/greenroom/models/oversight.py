"""What administrators keep order with: names that nobody gets, and what was reported to them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, LongText, Name, PrimaryKey


class ProhibitedName(Base):
    """A name that nobody may register, or a pattern of names: ``*`` stands for any text.

    ``name`` is normalized. ``confusable_name`` is that of a name with look-alike characters folded,
    ``NULL`` of a pattern. ``by`` is who prohibits it, by name.
    """

    __tablename__ = "prohibited_names"

    id: Mapped[PrimaryKey]
    name: Mapped[Name] = mapped_column(unique=True)
    confusable_name: Mapped[Name | None] = mapped_column(index=True)
    reason: Mapped[LongText]
    at: Mapped[datetime]
    by: Mapped[Name]


class ReportKind(StrEnum):
    """What a project is reported for."""

    MALWARE = "malware"
    SPAM = "spam"
    NAME_DISPUTE = "name-dispute"
    OTHER = "other"


class ProjectReport(Base):
    """What somebody has told the administrators of a project.

    ``project`` is as it spelled itself then. ``by`` is the name of who was signed in, or
    ``anonymous``; ``address`` where they came from, of IPv6 the network that one customer has.
    ``handled`` is when an administrator was done with it, with a note of what was done.
    """

    __tablename__ = "project_reports"
    __table_args__ = (
        CheckConstraint("kind IN ('malware', 'spam', 'name-dispute', 'other')", name="kind"),
        Index(None, "address", "at"),
        Index(None, "by", "at"),
        Index(None, "handled", "id"),
    )

    id: Mapped[PrimaryKey]
    project: Mapped[Name]
    normalized_project: Mapped[Name] = mapped_column(index=True)
    kind: Mapped[Name]
    text: Mapped[LongText]
    by: Mapped[Name]
    address: Mapped[Name]
    at: Mapped[datetime] = mapped_column(index=True)
    handled: Mapped[datetime | None]
    handled_by: Mapped[Name] = mapped_column(default="")
    note: Mapped[LongText] = mapped_column(default="")
