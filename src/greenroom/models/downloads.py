"""How often published files were downloaded."""

from datetime import date

from sqlalchemy import BigInteger, Date, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, Digest


class FileDownloads(Base):
    """How often a file was downloaded on a day of UTC."""

    __tablename__ = "file_downloads"

    file_id: Mapped[int] = mapped_column(
        ForeignKey("files.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class ProjectDownloads(Base):
    """How often the files of a project were downloaded on a day of UTC, deleted ones too."""

    __tablename__ = "project_downloads"

    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class ImportedLog(Base):
    """An access log whose downloads are counted: the first ``position`` bytes of it.

    It is known by the SHA-256 of its first line, whatever it is called; ``ending`` is that of the
    last bytes that were read.
    """

    __tablename__ = "imported_logs"

    beginning: Mapped[Digest] = mapped_column(String(64), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    ending: Mapped[Digest] = mapped_column(String(64))
