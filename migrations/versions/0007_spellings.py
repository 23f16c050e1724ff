"""Spellings: the journal tells what is about a project, however it spelled itself.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from packaging.utils import canonicalize_name

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journal", sa.Column("normalized_name", sa.String(length=255), nullable=True))
    journal = sa.table(
        "journal",
        sa.column("project_name", sa.String),
        sa.column("normalized_name", sa.String),
    )
    connection = op.get_bind()
    for name in connection.scalars(sa.select(journal.c.project_name).distinct()).all():
        connection.execute(
            sa.update(journal)
            .where(journal.c.project_name == name)
            .values(normalized_name=canonicalize_name(name))
        )
    op.drop_index("ix_journal_project_name", "journal")
    with op.batch_alter_table("journal") as batch:
        batch.alter_column("normalized_name", existing_type=sa.String(length=255), nullable=False)
    op.create_index("ix_journal_normalized_name", "journal", ["normalized_name"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_journal_normalized_name", "journal")
    with op.batch_alter_table("journal") as batch:
        batch.drop_column("normalized_name")
    op.create_index("ix_journal_project_name", "journal", ["project_name"], unique=False)
