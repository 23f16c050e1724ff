"""Indexes for what a large index would otherwise look through all projects for.

How many names somebody registered of late; and which projects are in quarantine, which are few, so
that all others are counted and searched fast.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_QUARANTINED = "ix_projects_quarantined"
_BY_CREATOR = "ix_projects_created_by_id"
_BY_CREATOR_AND_TIME = "ix_projects_created_by_id_created"


def upgrade() -> None:
    op.create_index(
        _QUARANTINED,
        "projects",
        ["id"],
        sqlite_where=sa.column("quarantined"),
        postgresql_where=sa.column("quarantined"),
    )
    op.create_index(_BY_CREATOR_AND_TIME, "projects", ["created_by_id", "created"])
    op.drop_index(_BY_CREATOR, "projects")


def downgrade() -> None:
    op.create_index(_BY_CREATOR, "projects", ["created_by_id"])
    op.drop_index(_BY_CREATOR_AND_TIME, "projects")
    op.drop_index(_QUARANTINED, "projects")
