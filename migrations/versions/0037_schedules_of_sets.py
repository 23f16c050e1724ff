"""Publications of release sets at a time that was set, and approvals that end with such a time.

Revision ID: 0037
Revises: 0036
"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("release_sets", sa.Column("scheduled", moment, nullable=True))
    with op.batch_alter_table("schedules") as batch:
        batch.alter_column("draft_id", existing_type=sa.Integer(), nullable=True)
        batch.add_column(sa.Column("release_set_id", sa.Integer(), nullable=True))
        batch.create_check_constraint(
            op.f("ck_schedules_of_one"), "(draft_id IS NULL) <> (release_set_id IS NULL)"
        )
        batch.create_foreign_key(
            op.f("fk_schedules_release_set_id_release_sets"),
            "release_sets",
            ["release_set_id"],
            ["id"],
            ondelete="CASCADE",
        )
    op.create_index(op.f("ix_schedules_release_set_id_id"), "schedules", ["release_set_id", "id"])
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "uq_schedules_waiting_sets",
        "schedules",
        ["release_set_id"],
        unique=True,
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    with op.batch_alter_table("approvals") as batch:
        batch.add_column(sa.Column("schedule_id", sa.Integer(), nullable=True))
        batch.create_foreign_key(
            op.f("fk_approvals_schedule_id_schedules"),
            "schedules",
            ["schedule_id"],
            ["id"],
            ondelete="SET NULL",
        )
    op.create_index(op.f("ix_approvals_schedule_id"), "approvals", ["schedule_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_approvals_schedule_id"), "approvals")
    with op.batch_alter_table("approvals") as batch:
        batch.drop_constraint(op.f("fk_approvals_schedule_id_schedules"), type_="foreignkey")
        batch.drop_column("schedule_id")
    op.execute("DELETE FROM schedules WHERE release_set_id IS NOT NULL")
    op.drop_index("uq_schedules_waiting_sets", "schedules")
    op.drop_index(op.f("ix_schedules_release_set_id_id"), "schedules")
    with op.batch_alter_table("schedules") as batch:
        batch.drop_constraint(op.f("fk_schedules_release_set_id_release_sets"), type_="foreignkey")
        batch.drop_constraint(op.f("ck_schedules_of_one"), type_="check")
        batch.drop_column("release_set_id")
        batch.alter_column("draft_id", existing_type=sa.Integer(), nullable=False)
    op.drop_column("release_sets", "scheduled")
