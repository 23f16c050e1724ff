"""What was typed into a form that came too late, until its person has shown who they are.

Revision ID: 0035
Revises: 0034
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sign_in_sessions", sa.Column("kept_form", sa.Text(), nullable=True))
    op.add_column(
        "sign_in_sessions", sa.Column("kept_at", sa.DateTime(timezone=True), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("sign_in_sessions", "kept_at")
    op.drop_column("sign_in_sessions", "kept_form")
