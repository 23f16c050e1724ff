"""Files of indexes behind this one that are kept here for a while.

Revision ID: 0040
Revises: 0039
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment, name = sa.DateTime(timezone=True), sa.String(length=255)
    op.create_table(
        "upstream_files",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("upstream", name, nullable=False),
        sa.Column("project", name, nullable=False),
        sa.Column("filename", name, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("is_verified", sa.Boolean(), nullable=False),
        sa.Column("fetched", moment, nullable=False),
        sa.Column("used", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upstream_files")),
        sa.UniqueConstraint(
            "upstream",
            "project",
            "filename",
            name=op.f("uq_upstream_files_upstream_project_filename"),
        ),
    )
    op.create_index(op.f("ix_upstream_files_sha256"), "upstream_files", ["sha256"])
    op.create_index(op.f("ix_upstream_files_used"), "upstream_files", ["used"])


def downgrade() -> None:
    op.drop_table("upstream_files")
