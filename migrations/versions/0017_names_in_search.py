"""The words of names once more, marked, so that PostgreSQL's index finds them among all words.

The index knows words and not where they stand: to look for a word in names, each document that has
it anywhere had to be read.

Revision ID: 0017
Revises: 0016
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TEXTS = [("name", "A"), ("joined", "A"), ("keywords", "B"), ("summary", "C")]


def _lexemes(column: str, position: int, weight: str, mark: str = "") -> str:
    """The words of a column as lexemes with a position and a weight."""
    return rf"regexp_replace({column}, '([^ ]+)', '''{mark}\1'':{position}{weight}', 'g')"


_BEFORE = [_lexemes(text, place, weight) for place, (text, weight) in enumerate(_TEXTS, 1)]
_MARKED = [_lexemes(text, place, "A", mark="=") for place, text in enumerate(("name", "joined"), 1)]


def upgrade() -> None:
    _remake([*_BEFORE, *_MARKED])


def downgrade() -> None:
    _remake(_BEFORE)


def _remake(lexemes: list[str]) -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    # With the column goes its index.
    connection.exec_driver_sql("ALTER TABLE search_documents DROP COLUMN search_words")
    expression = " || ' ' || ".join(lexemes)
    connection.exec_driver_sql(
        "ALTER TABLE search_documents ADD COLUMN search_words tsvector "
        f"GENERATED ALWAYS AS (({expression})::tsvector) STORED"
    )
    op.create_index(
        "ix_search_documents_search_words",
        "search_documents",
        ["search_words"],
        postgresql_using="gin",
    )
