"""Publications at a time that was set, and drafts whose address takes an account.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment, name = sa.DateTime(timezone=True), sa.String(length=255)
    op.add_column("drafts", sa.Column("scheduled", moment, nullable=True))
    op.add_column(
        "drafts",
        sa.Column("members_only", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("draft_id", sa.Integer(), nullable=False),
        sa.Column("state", name, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", name, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("asked", moment, nullable=False),
        sa.Column("content_digest", sa.String(length=71), nullable=False),
        sa.Column("with_factor", sa.Boolean(), nullable=False),
        sa.Column("ended", moment, nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'done', 'canceled', 'refused')",
            name=op.f("ck_schedules_state"),
        ),
        sa.ForeignKeyConstraint(
            ["draft_id"],
            ["drafts.id"],
            name=op.f("fk_schedules_draft_id_drafts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_schedules_user_id_users"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index(op.f("ix_schedules_draft_id_id"), "schedules", ["draft_id", "id"])
    op.create_index(op.f("ix_schedules_user_id"), "schedules", ["user_id"])
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "uq_schedules_waiting",
        "schedules",
        ["draft_id"],
        unique=True,
        sqlite_where=waiting,
        postgresql_where=waiting,
    )


def downgrade() -> None:
    op.drop_table("schedules")
    op.drop_column("drafts", "members_only")
    op.drop_column("drafts", "scheduled")
