"""Webhooks: receivers that are told of events, and what was sent to them.

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment, name, key = sa.DateTime(timezone=True), sa.String(length=255), sa.String(length=16)
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("scope", name, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("name", name, nullable=False),
        sa.Column("host", name, nullable=False),
        sa.Column("format", name, nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("key_id", key, nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("former_key_id", key, nullable=True),
        sa.Column("former_secret", sa.Text(), nullable=True),
        sa.Column("former_until", moment, nullable=True),
        sa.Column("created", moment, nullable=False),
        sa.Column("created_by", name, nullable=False),
        sa.Column("disabled", moment, nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", moment, nullable=True),
        sa.Column("not_before", moment, nullable=True),
        sa.Column("busy_until", moment, nullable=True),
        sa.CheckConstraint("scope IN ('index', 'project')", name=op.f("ck_webhooks_scope")),
        sa.CheckConstraint(
            "(scope = 'project') = (project_id IS NOT NULL)",
            name=op.f("ck_webhooks_has_its_project"),
        ),
        sa.CheckConstraint(
            "format IN ('json', 'slack', 'matrix')", name=op.f("ck_webhooks_format")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_webhooks_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_project_id"), "webhooks", ["project_id"])
    op.create_index(op.f("ix_webhooks_scope_disabled"), "webhooks", ["scope", "disabled"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("webhook_id", sa.Integer(), nullable=False),
        sa.Column("event_key", name, nullable=False),
        sa.Column("message_id", name, nullable=False),
        sa.Column("event", name, nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("state", name, nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("queued", moment, nullable=False),
        sa.Column("due", moment, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempted", moment, nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'failed')", name=op.f("ck_webhook_deliveries_state")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name=op.f("fk_webhook_deliveries_webhook_id_webhooks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint(
            "webhook_id", "event_key", name=op.f("uq_webhook_deliveries_webhook_id_event_key")
        ),
    )
    op.create_index(
        op.f("ix_webhook_deliveries_webhook_id_state_due"),
        "webhook_deliveries",
        ["webhook_id", "state", "due"],
    )
    op.create_index(op.f("ix_webhook_deliveries_created"), "webhook_deliveries", ["created"])


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
