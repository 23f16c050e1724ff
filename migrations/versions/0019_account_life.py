"""Accounts that are disabled or deleted, and one-time links.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("users", sa.Column("disabled", moment, nullable=True))
    op.add_column(
        "users", sa.Column("disabled_reason", sa.Text(), server_default="", nullable=False)
    )
    op.add_column(
        "users", sa.Column("disabled_by", sa.String(length=255), server_default="", nullable=False)
    )
    op.add_column("users", sa.Column("deleted", moment, nullable=True))
    op.create_table(
        "account_links",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("made_by", sa.String(length=255), nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("expires", moment, nullable=False),
        sa.CheckConstraint(
            "kind IN ('invitation', 'password-reset', 'email-verification', 'first-administrator')",
            name=op.f("ck_account_links_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_account_links_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_links")),
        sa.UniqueConstraint("digest", name=op.f("uq_account_links_digest")),
    )
    op.create_index(op.f("ix_account_links_kind_email"), "account_links", ["kind", "email"])
    for column in ("user_id", "expires"):
        op.create_index(op.f(f"ix_account_links_{column}"), "account_links", [column])


def downgrade() -> None:
    op.drop_table("account_links")
    for column in ("deleted", "disabled_by", "disabled_reason", "disabled"):
        op.drop_column("users", column)
