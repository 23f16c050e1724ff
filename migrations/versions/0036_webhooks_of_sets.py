"""Webhooks of a release set.

Revision ID: 0036
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("webhooks") as batch:
        batch.add_column(sa.Column("release_set_id", sa.Integer(), nullable=True))
        batch.drop_constraint(op.f("ck_webhooks_scope"), type_="check")
        batch.create_check_constraint(
            op.f("ck_webhooks_scope"), "scope IN ('index', 'project', 'set')"
        )
        batch.create_check_constraint(
            op.f("ck_webhooks_has_its_set"), "(scope = 'set') = (release_set_id IS NOT NULL)"
        )
        batch.create_foreign_key(
            op.f("fk_webhooks_release_set_id_release_sets"),
            "release_sets",
            ["release_set_id"],
            ["id"],
            ondelete="CASCADE",
        )
    op.create_index(op.f("ix_webhooks_release_set_id"), "webhooks", ["release_set_id"])


def downgrade() -> None:
    op.execute("DELETE FROM webhooks WHERE scope = 'set'")
    op.drop_index(op.f("ix_webhooks_release_set_id"), "webhooks")
    with op.batch_alter_table("webhooks") as batch:
        batch.drop_constraint(op.f("fk_webhooks_release_set_id_release_sets"), type_="foreignkey")
        batch.drop_constraint(op.f("ck_webhooks_has_its_set"), type_="check")
        batch.drop_constraint(op.f("ck_webhooks_scope"), type_="check")
        batch.create_check_constraint(op.f("ck_webhooks_scope"), "scope IN ('index', 'project')")
        batch.drop_column("release_set_id")
