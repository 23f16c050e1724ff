"""What projects are found by."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from greenroom.models.base import Base, LongText, Name

# Each kind of database searches in a way of its own. What it has for that (a column, an index,
# tables) has this in its name, is made by migrations, and is known to registry/search.py alone.
FULL_TEXT = "search_words"


class SearchDocument(Base):
    """The words of a public project, as its standing release has them.

    All of it is plain words with single spaces between them (``registry/search_words.py``).
    ``joined`` has the parts of the name run together, from each of them to the last.
    """

    __tablename__ = "search_documents"

    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    release_id: Mapped[int] = mapped_column(
        ForeignKey("releases.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[Name]
    joined: Mapped[LongText]
    keywords: Mapped[LongText]
    summary: Mapped[LongText]
