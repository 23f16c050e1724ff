"""Yanked files, archived and quarantined projects, and the names of deleted ones.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATES = {"files": ("yanked",), "projects": ("archived", "quarantined")}


def upgrade() -> None:
    for table, states in STATES.items():
        for state in states:
            op.add_column(
                table, sa.Column(state, sa.Boolean(), nullable=False, server_default=sa.false())
            )
            op.add_column(
                table, sa.Column(f"{state}_reason", sa.Text(), nullable=False, server_default="")
            )
        with op.batch_alter_table(table) as batch:
            for state in states:
                batch.alter_column(state, server_default=None)
                batch.alter_column(f"{state}_reason", server_default=None)

    op.create_index("ix_projects_registered", "projects", ["registered"], unique=False)

    op.create_table(
        "retired_names",
        sa.Column("normalized_name", sa.String(length=255), nullable=False),
        sa.Column("confusable_name", sa.String(length=255), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("normalized_name", name="pk_retired_names"),
    )
    op.create_index(
        "ix_retired_names_confusable_name", "retired_names", ["confusable_name"], unique=False
    )


def downgrade() -> None:
    op.drop_table("retired_names")
    op.drop_index("ix_projects_registered", "projects")
    for table, states in STATES.items():
        with op.batch_alter_table(table) as batch:
            for state in states:
                batch.drop_column(f"{state}_reason")
                batch.drop_column(state)
