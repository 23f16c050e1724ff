"""The digest under which a draft was approved, kept with what came of it.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLES = ("drafts", "releases", "journal")


def upgrade() -> None:
    # What was published before has none.
    for table in _TABLES:
        op.add_column(table, sa.Column("content_digest", sa.String(length=71), nullable=True))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "content_digest")
