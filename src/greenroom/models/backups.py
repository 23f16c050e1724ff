"""Backups that are being made."""

from datetime import datetime

from sqlalchemy.orm import Mapped

from greenroom.models.base import Base, PrimaryKey


class RunningBackup(Base):
    """A backup that is being made: until ``held_until`` nothing is deleted for good."""

    __tablename__ = "running_backups"

    id: Mapped[PrimaryKey]
    begun: Mapped[datetime]
    held_until: Mapped[datetime]
