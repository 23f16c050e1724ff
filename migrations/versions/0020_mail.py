"""What was told to whom by mail, what people do not want to be told, and where they signed in.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_TABLES = ("notifications", "unwanted_mail", "sign_in_places", "expiry_warnings")
_ADDRESSES = ("new_email", "former_email")


def upgrade() -> None:
    for column in _ADDRESSES:
        op.add_column("users", sa.Column(column, sa.String(length=255), nullable=True))
    op.create_table(
        "notifications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(length=255), nullable=False),
        sa.Column("act", sa.String(length=255), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        _of("notifications", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("user_id", "event", name=op.f("uq_notifications_user_id_event")),
    )
    op.create_index(op.f("ix_notifications_at"), "notifications", ["at"])
    op.create_index(
        op.f("ix_notifications_user_id_act_at"), "notifications", ["user_id", "act", "at"]
    )
    op.create_table(
        "unwanted_mail",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(length=32), nullable=False),
        _of("unwanted_mail", "users"),
        sa.PrimaryKeyConstraint("user_id", "category", name=op.f("pk_unwanted_mail")),
    )
    op.create_table(
        "sign_in_places",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(length=64), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        _of("sign_in_places", "users"),
        sa.PrimaryKeyConstraint("user_id", "place", name=op.f("pk_sign_in_places")),
    )
    op.create_index(op.f("ix_sign_in_places_last_seen"), "sign_in_places", ["last_seen"])
    op.create_table(
        "expiry_warnings",
        sa.Column("draft_id", sa.Integer(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        _of("expiry_warnings", "drafts"),
        sa.PrimaryKeyConstraint("draft_id", name=op.f("pk_expiry_warnings")),
    )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
    for column in reversed(_ADDRESSES):
        op.drop_column("users", column)


def _of(table: str, whose: str) -> sa.ForeignKeyConstraint:
    """What goes with the row of another table."""
    column = f"{whose.removesuffix('s')}_id"
    return sa.ForeignKeyConstraint(
        [column],
        [f"{whose}.id"],
        name=op.f(f"fk_{table}_{column}_{whose}"),
        ondelete="CASCADE",
    )
