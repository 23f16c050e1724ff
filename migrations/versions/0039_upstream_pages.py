"""What indexes behind this one have said of projects.

Revision ID: 0039
Revises: 0038
"""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment, name = sa.DateTime(timezone=True), sa.String(length=255)
    op.create_table(
        "upstream_pages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("upstream", name, nullable=False),
        sa.Column("project", name, nullable=False),
        sa.Column("is_there", sa.Boolean(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("last_modified", name, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("digest", name, nullable=False),
        sa.Column("checked", moment, nullable=False),
        sa.Column("fresh_until", moment, nullable=False),
        sa.Column("changed", moment, nullable=False),
        sa.Column("used", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upstream_pages")),
        sa.UniqueConstraint("upstream", "project", name=op.f("uq_upstream_pages_upstream_project")),
    )
    op.create_index(op.f("ix_upstream_pages_project"), "upstream_pages", ["project"])
    op.create_index(op.f("ix_upstream_pages_used"), "upstream_pages", ["used"])
    op.create_table(
        "upstream_requests",
        sa.Column("upstream", name, nullable=False),
        sa.Column("project", name, nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.Column("key", name, nullable=False),
        sa.PrimaryKeyConstraint("upstream", "project", name=op.f("pk_upstream_requests")),
    )


def downgrade() -> None:
    op.drop_table("upstream_requests")
    op.drop_table("upstream_pages")
