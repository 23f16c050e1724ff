"""Comments: what uploaders say of their files.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("files", sa.Column("comment", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("files", "comment")
