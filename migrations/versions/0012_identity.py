"""Which index a database is of, for the storage to be marked with.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(length=64), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_identity_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity")),
    )


def downgrade() -> None:
    op.drop_table("identity")
