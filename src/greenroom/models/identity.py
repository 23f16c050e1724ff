"""Which index a database is of, so that it can be told from others."""

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, PrimaryKey


class Identity(Base):
    """The one row that says which index this is, in random text. The storage is marked with it."""

    __tablename__ = "identity"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[PrimaryKey]
    text: Mapped[str] = mapped_column(String(64))
