"""Names that nobody gets, reports of projects, and quotas of projects.

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment, name = sa.DateTime(timezone=True), sa.String(length=255)
    op.add_column("projects", sa.Column("quota", sa.BigInteger(), nullable=True))
    op.create_table(
        "prohibited_names",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", name, nullable=False),
        sa.Column("confusable_name", name, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", name, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prohibited_names")),
        sa.UniqueConstraint("name", name=op.f("uq_prohibited_names_name")),
    )
    op.create_index(
        op.f("ix_prohibited_names_confusable_name"), "prohibited_names", ["confusable_name"]
    )
    op.create_table(
        "project_reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project", name, nullable=False),
        sa.Column("normalized_project", name, nullable=False),
        sa.Column("kind", name, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", name, nullable=False),
        sa.Column("address", name, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("handled", moment, nullable=True),
        sa.Column("handled_by", name, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('malware', 'spam', 'name-dispute', 'other')",
            name=op.f("ck_project_reports_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_reports")),
    )
    for columns in (["address", "at"], ["by", "at"], ["handled", "id"]):
        op.create_index(op.f(f"ix_project_reports_{'_'.join(columns)}"), "project_reports", columns)
    for column in ("normalized_project", "at"):
        op.create_index(op.f(f"ix_project_reports_{column}"), "project_reports", [column])


def downgrade() -> None:
    op.drop_table("project_reports")
    op.drop_table("prohibited_names")
    op.drop_column("projects", "quota")
