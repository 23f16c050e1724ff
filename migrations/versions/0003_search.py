"""Search: the words of what is public, and an engine of each database's own that finds them.

Revision ID: 0003
Revises: 0002
"""

from itertools import groupby

import sqlalchemy as sa
from alembic import op
from packaging.version import Version

from greenroom.core_metadata import CoreMetadata
from greenroom.database import UnusableDatabase
from greenroom.registry import catalogue, search_words

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BATCH = 500

# An index over the columns of search_documents, without a second copy of them. The words come
# separated by spaces; this tokenizer takes whatever is not ASCII for a part of a word.
_FTS5 = """
CREATE VIRTUAL TABLE search_words USING fts5(
    name, joined, keywords, summary,
    content='search_documents', content_rowid='project_id', tokenize='ascii', prefix='1 2 3'
)
"""
_FORGET = """
    INSERT INTO search_words (search_words, rowid, name, joined, keywords, summary)
    VALUES ('delete', old.project_id, old.name, old.joined, old.keywords, old.summary);
"""
_LEARN = """
    INSERT INTO search_words (rowid, name, joined, keywords, summary)
    VALUES (new.project_id, new.name, new.joined, new.keywords, new.summary);
"""
_TRIGGERS = {
    "INSERT": _LEARN,
    "DELETE": _FORGET,
    "UPDATE": _FORGET + _LEARN,
}

# PostgreSQL's own parser depends on the locale of the database, and takes words apart. Words of
# ours need no parser: each is written as the lexeme that it is, with its position and its weight.
_LEXEMES = " || ' ' || ".join(
    rf"regexp_replace({column}, '([^ ]+)', '''\1'':{position}{weight}', 'g')"
    for position, (column, weight) in enumerate(
        [("name", "A"), ("joined", "A"), ("keywords", "B"), ("summary", "C")], 1
    )
)


def upgrade() -> None:
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite and not _has_fts5(connection):
        raise UnusableDatabase(
            "The SQLite of this Python has no full-text search: use one that is compiled with "
            "FTS5, or PostgreSQL."
        )
    # Whether a project is public is asked of every one that matches.
    op.create_index("ix_releases_project_id_published", "releases", ["project_id", "published"])
    documents = op.create_table(
        "search_documents",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("release_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("joined", sa.Text(), nullable=False),
        sa.Column("keywords", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name="fk_search_documents_project_id_projects",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["release_id"],
            ["releases.id"],
            name="fk_search_documents_release_id_releases",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", name="pk_search_documents"),
    )
    op.create_index("ix_search_documents_release_id", "search_documents", ["release_id"])
    if is_sqlite:
        op.execute(_FTS5)
        for event, what in _TRIGGERS.items():
            op.execute(
                f"CREATE TRIGGER search_words_{event.lower()} AFTER {event} ON search_documents "
                f"BEGIN {what} END"
            )
    _fill(connection, documents)
    if not is_sqlite:
        connection.exec_driver_sql(
            "ALTER TABLE search_documents ADD COLUMN search_words tsvector "
            f"GENERATED ALWAYS AS (({_LEXEMES})::tsvector) STORED"
        )
        op.create_index(
            "ix_search_documents_search_words",
            "search_documents",
            ["search_words"],
            postgresql_using="gin",
        )


def _has_fts5(connection: sa.Connection) -> bool:
    found = connection.exec_driver_sql("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'")
    return found.first() is not None


def _fill(connection: sa.Connection, documents: sa.Table) -> None:
    """A document for each project that is public."""
    releases = sa.table(
        "releases", *map(sa.column, ("id", "project_id", "version", "yanked", "published"))
    )
    public = connection.execute(
        sa.select(releases).where(releases.c.published.is_not(None)).order_by(releases.c.project_id)
    )
    standing = [
        catalogue.latest(sorted(rows, key=lambda row: Version(row.version), reverse=True)).id
        for _, rows in groupby(public.all(), key=lambda row: row.project_id)
    ]
    described = (
        sa.text(
            "SELECT r.id, r.project_id, p.name, r.summary, r.core_metadata "
            "FROM releases r JOIN projects p ON p.id = r.project_id WHERE r.id IN :ids"
        )
        .bindparams(sa.bindparam("ids", expanding=True))
        .columns(core_metadata=sa.JSON())
    )
    for start in range(0, len(standing), _BATCH):
        rows = connection.execute(described, {"ids": standing[start : start + _BATCH]})
        connection.execute(
            sa.insert(documents),
            [
                {"project_id": row.project_id, "release_id": row.id}
                | search_words.document(
                    row.name, row.summary, CoreMetadata.from_json(row.core_metadata).keywords
                )
                for row in rows
            ],
        )


def downgrade() -> None:
    op.drop_index("ix_releases_project_id_published", "releases")
    op.drop_table("search_documents")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_words")
