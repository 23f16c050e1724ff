"""Releases and their files."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    UniqueConstraint,
    column,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from greenroom.core_metadata import CoreMetadata
from greenroom.models.accounts import User
from greenroom.models.base import (
    Base,
    ContentDigest,
    Digest,
    LongText,
    Name,
    PrimaryKey,
    partial_index,
)
from greenroom.models.projects import Project


class Release(Base):
    """A project at a version.

    ``published`` is the moment the release became public; ``NULL`` means never. ``version`` is the
    version as the files spell it, normalized; ``canonical_version`` also drops trailing zeros, so
    that 1.0 and 1.0.0 are one release. ``core_metadata`` is what the files say together, and with
    it all that is derived of it, ``version`` too.
    ``content_digest`` is that of the last draft that was published into it. ``adopted_from`` is the
    index behind this one that files of it were copied from (``models/adoptions.py``).
    """

    __tablename__ = "releases"
    __table_args__ = (
        UniqueConstraint("project_id", "canonical_version"),
        # Answers which projects are public, without a look at the rows, which are long.
        Index(None, "project_id", "published"),
    )

    id: Mapped[PrimaryKey]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    version: Mapped[Name]
    canonical_version: Mapped[Name]
    created: Mapped[datetime]
    published: Mapped[datetime | None] = mapped_column(index=True)
    yanked: Mapped[bool] = mapped_column(default=False)
    yanked_reason: Mapped[LongText] = mapped_column(default="")
    summary: Mapped[LongText] = mapped_column(default="")
    requires_python: Mapped[LongText | None]
    content_digest: Mapped[ContentDigest | None]
    adopted_from: Mapped[Name | None]
    core_metadata: Mapped[CoreMetadata] = mapped_column(default=CoreMetadata, deferred=True)
    description_html: Mapped[LongText] = mapped_column(default="", deferred=True)

    project: Mapped[Project] = relationship()
    files: Mapped[list[File]] = relationship(
        back_populates="release", passive_deletes=True, cascade="all, delete-orphan"
    )


class File(Base):
    """A distribution. ``draft_id`` is set while it is staged and ``NULL`` once it is published.

    ``published`` is the moment it became public, ``created`` the moment it arrived. ``sha256`` is
    also the key of its bytes in the storage, as ``metadata_sha256`` is that of its metadata file
    (PEP 658). A file is yanked by itself or with its release. ``comment`` is what its uploader said
    of it beside what is inside. ``historical`` is true of what was imported although no upload of
    it would be taken; it alone may be an egg or a Windows installer.
    """

    __tablename__ = "files"
    __table_args__ = (
        partial_index(
            "uq_files_published_filename",
            "filename",
            unique=True,
            where=column("draft_id").is_(None),
        ),
        UniqueConstraint("draft_id", "filename"),
        CheckConstraint("(draft_id IS NULL) = (published IS NOT NULL)", name="staged_or_published"),
        CheckConstraint(
            "packagetype IN ('sdist', 'bdist_wheel', 'bdist_egg', 'bdist_wininst')",
            name="packagetype",
        ),
    )

    id: Mapped[PrimaryKey]
    release_id: Mapped[int] = mapped_column(
        ForeignKey("releases.id", ondelete="CASCADE"), index=True
    )
    draft_id: Mapped[int | None] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"))
    filename: Mapped[Name]
    packagetype: Mapped[Name]
    python_tag: Mapped[Name]
    requires_python: Mapped[LongText | None]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[Digest] = mapped_column(index=True)
    md5: Mapped[Digest]
    blake2_256: Mapped[Digest]
    metadata_sha256: Mapped[Digest] = mapped_column(index=True)
    core_metadata: Mapped[CoreMetadata] = mapped_column(deferred=True)
    created: Mapped[datetime]
    published: Mapped[datetime | None]
    yanked: Mapped[bool] = mapped_column(default=False)
    yanked_reason: Mapped[LongText] = mapped_column(default="")
    comment: Mapped[LongText] = mapped_column(default="", server_default="")
    historical: Mapped[bool] = mapped_column(default=False, server_default=false())
    uploaded_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL"), index=True
    )

    release: Mapped[Release] = relationship(back_populates="files")
    uploaded_by: Mapped[User | None] = relationship()

    @property
    def is_sdist(self) -> bool:
        """Whether it is a source distribution, not a wheel."""
        return self.packagetype == "sdist"


class PublishedName(Base):
    """A file name that was published once, for ever: also after the file is deleted."""

    __tablename__ = "published_names"

    filename: Mapped[Name] = mapped_column(primary_key=True)
    sha256: Mapped[Digest]
