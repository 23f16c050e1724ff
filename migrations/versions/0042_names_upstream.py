"""Which index behind this one had a project when its name was reserved; releases that were adopted.

Revision ID: 0042
Revises: 0041
"""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    name = sa.String(length=255)
    op.add_column("projects", sa.Column("found_upstream", name, nullable=True))
    op.add_column("releases", sa.Column("adopted_from", name, nullable=True))
    op.create_table(
        "adopted_files",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("upstream", name, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", name, nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"],
            ["files.id"],
            name=op.f("fk_adopted_files_file_id_files"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adopted_files")),
        sa.UniqueConstraint("file_id", name=op.f("uq_adopted_files_file_id")),
    )


def downgrade() -> None:
    op.drop_table("adopted_files")
    op.drop_column("releases", "adopted_from")
    op.drop_column("projects", "found_upstream")
