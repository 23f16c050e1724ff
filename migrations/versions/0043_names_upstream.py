"""Which index behind this one had a project when its name was reserved here.

Revision ID: 0043
Revises: 0042
"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("found_upstream", sa.String(length=255), nullable=True))


def downgrade() -> None:
    op.drop_column("projects", "found_upstream")
