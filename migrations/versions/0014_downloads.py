"""How often published files were downloaded, and which logs that was read from.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("file", "project"):
        op.create_table(
            f"{name}_downloads",
            sa.Column(f"{name}_id", sa.Integer(), nullable=False),
            sa.Column("day", sa.Date(), nullable=False),
            sa.Column("count", sa.BigInteger(), nullable=False),
            sa.ForeignKeyConstraint(
                [f"{name}_id"],
                [f"{name}s.id"],
                name=op.f(f"fk_{name}_downloads_{name}_id_{name}s"),
                ondelete="CASCADE",
            ),
            sa.PrimaryKeyConstraint(f"{name}_id", "day", name=op.f(f"pk_{name}_downloads")),
        )
    op.create_table(
        "imported_logs",
        sa.Column("beginning", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("ending", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("beginning", name=op.f("pk_imported_logs")),
    )


def downgrade() -> None:
    op.drop_table("imported_logs")
    op.drop_table("project_downloads")
    op.drop_table("file_downloads")
