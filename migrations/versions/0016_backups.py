"""Which backups are being made, and which blobs were let go on purpose.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "running_backups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("begun", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_running_backups")),
    )
    op.create_table(
        "released_blobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_released_blobs")),
    )
    for column in ("at", "digest"):
        op.create_index(op.f(f"ix_released_blobs_{column}"), "released_blobs", [column])


def downgrade() -> None:
    op.drop_table("released_blobs")
    op.drop_table("running_backups")
