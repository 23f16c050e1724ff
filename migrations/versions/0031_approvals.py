"""Approvals of drafts, and what a project wants before it publishes.

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment, name = sa.DateTime(timezone=True), sa.String(length=255)
    op.add_column("sign_in_sessions", sa.Column("factor_kind", name, nullable=True))
    op.add_column(
        "drafts",
        sa.Column("review_in_person", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    # Who asked for a review before this was known is taken at their word.
    op.execute("UPDATE drafts SET review_in_person = true WHERE review = 'processing'")
    with op.batch_alter_table("projects") as batch:
        batch.add_column(
            sa.Column("approvals_needed", sa.Integer(), nullable=False, server_default="0")
        )
        for flag in ("approvals_by_others", "approvals_by_team"):
            batch.add_column(
                sa.Column(flag, sa.Boolean(), nullable=False, server_default=sa.false())
            )
        batch.add_column(sa.Column("approving_team_id", sa.Integer(), nullable=True))
        batch.create_foreign_key(
            op.f("fk_projects_approving_team_id_teams"),
            "teams",
            ["approving_team_id"],
            ["id"],
            ondelete="SET NULL",
        )
        batch.create_index(op.f("ix_projects_approving_team_id"), ["approving_team_id"])
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("draft_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("by", name, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("factor", name, nullable=False),
        sa.Column("content_digest", sa.String(length=71), nullable=False),
        sa.Column("standing", sa.JSON(), nullable=False),
        sa.Column("withdrawn", moment, nullable=True),
        sa.Column("counted", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(
            ["draft_id"],
            ["drafts.id"],
            name=op.f("fk_approvals_draft_id_drafts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_approvals_user_id_users"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    op.create_index(op.f("ix_approvals_draft_id_id"), "approvals", ["draft_id", "id"])
    op.create_index(op.f("ix_approvals_user_id"), "approvals", ["user_id"])


def downgrade() -> None:
    op.drop_table("approvals")
    with op.batch_alter_table("projects") as batch:
        batch.drop_index(op.f("ix_projects_approving_team_id"))
        batch.drop_constraint(op.f("fk_projects_approving_team_id_teams"), type_="foreignkey")
        batch.drop_column("approving_team_id")
        for column in ("approvals_by_team", "approvals_by_others", "approvals_needed"):
            batch.drop_column(column)
    op.drop_column("drafts", "review_in_person")
    op.drop_column("sign_in_sessions", "factor_kind")
