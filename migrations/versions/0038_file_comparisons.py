"""What came of comparing files with their predecessors, and wheels with source distributions.

Revision ID: 0038
Revises: 0037
"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "file_comparisons",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("other_id", sa.Integer(), nullable=True),
        sa.Column("comparison", sa.Integer(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"],
            ["files.id"],
            name=op.f("fk_file_comparisons_file_id_files"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["other_id"],
            ["files.id"],
            name=op.f("fk_file_comparisons_other_id_files"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_comparisons")),
        sa.UniqueConstraint(
            "file_id", "other_id", name=op.f("uq_file_comparisons_file_id_other_id")
        ),
    )
    op.create_index(op.f("ix_file_comparisons_other_id"), "file_comparisons", ["other_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_file_comparisons_other_id"), "file_comparisons")
    op.drop_table("file_comparisons")
