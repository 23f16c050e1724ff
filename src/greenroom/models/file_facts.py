"""What was found in files, and which findings projects do not want to be told of."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, Digest, JSONObject, LongText, Name, PrimaryKey


class FileFacts(Base):
    """What one pass over a file has found: see :mod:`greenroom.distributions.facts`.

    They are facts of the bytes under this name. Those of a file that has gone are kept for a while
    without it, and are those of the same bytes when they come again.

    Attributes:
        analysis: by which way of looking they were found; 0 where the bytes were not there.
        said: the facts.
        members: what is in the archive, packed.
    """

    __tablename__ = "file_facts"

    id: Mapped[PrimaryKey]
    file_id: Mapped[int | None] = mapped_column(
        ForeignKey("files.id", ondelete="SET NULL"), unique=True
    )
    filename: Mapped[Name]
    sha256: Mapped[Digest] = mapped_column(index=True)
    analysis: Mapped[int]
    found: Mapped[datetime]
    said: Mapped[JSONObject]
    members: Mapped[LongText] = mapped_column(deferred=True)


class FileComparison(Base):
    """What came of comparing a file with another: see :mod:`greenroom.distributions.compared`.

    It goes with either of the two.

    Attributes:
        other_id: the predecessor, or the source distribution beside a wheel; None where there is no
            predecessor, so that all is new.
        comparison: by which way of comparing it was found.
        said: what came of it.
        changes: of members, packed.
    """

    __tablename__ = "file_comparisons"
    __table_args__ = (UniqueConstraint("file_id", "other_id"),)

    id: Mapped[PrimaryKey]
    file_id: Mapped[int] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"))
    other_id: Mapped[int | None] = mapped_column(
        ForeignKey("files.id", ondelete="CASCADE"), index=True
    )
    comparison: Mapped[int]
    made: Mapped[datetime]
    said: Mapped[JSONObject]
    changes: Mapped[LongText] = mapped_column(deferred=True)


class SilencedFinding(Base):
    """That a project does not want to be told of a finding, and why.

    ``pattern`` is for the paths of members, with ``*`` and ``?``; empty for all of the code.
    """

    __tablename__ = "silenced_findings"
    __table_args__ = (UniqueConstraint("project_id", "code", "pattern"),)

    id: Mapped[PrimaryKey]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    code: Mapped[Name]
    pattern: Mapped[Name]
    reason: Mapped[LongText]
    by: Mapped[Name]
    at: Mapped[datetime]
