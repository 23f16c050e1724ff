"""What of the indexes behind this one is let in, what was refused, and what is used.

Revision ID: 0041
Revises: 0040
"""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_NAME = sa.String(length=255)
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _make_rules()
    _make_refusals()
    _make_usage()


def _make_rules() -> None:
    op.create_table(
        "upstream_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", _NAME, nullable=False),
        sa.Column("project", _NAME, nullable=False),
        sa.Column("specifier", _NAME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("by", _NAME, nullable=False),
        sa.CheckConstraint(
            "kind IN ('allow', 'early', 'deny')", name=op.f("ck_upstream_rules_kind")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upstream_rules")),
        sa.UniqueConstraint(
            "project", "specifier", "kind", name=op.f("uq_upstream_rules_project_specifier_kind")
        ),
    )


def _make_refusals() -> None:
    op.create_table(
        "upstream_licenses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("upstream", _NAME, nullable=False),
        sa.Column("project", _NAME, nullable=False),
        sa.Column("filename", _NAME, nullable=False),
        sa.Column("expression", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upstream_licenses")),
        sa.UniqueConstraint(
            "project",
            "upstream",
            "filename",
            name=op.f("uq_upstream_licenses_project_upstream_filename"),
        ),
    )
    op.create_table(
        "upstream_refusals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("upstream", _NAME, nullable=False),
        sa.Column("project", _NAME, nullable=False),
        sa.Column("version", _NAME, nullable=False),
        sa.Column("filename", _NAME, nullable=False),
        sa.Column("why", _NAME, nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first", _MOMENT, nullable=False),
        sa.Column("last", _MOMENT, nullable=False),
        sa.Column("by", _NAME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upstream_refusals")),
        sa.UniqueConstraint(
            "project",
            "upstream",
            "filename",
            name=op.f("uq_upstream_refusals_project_upstream_filename"),
        ),
    )
    op.create_index(op.f("ix_upstream_refusals_last_id"), "upstream_refusals", ["last", "id"])


def _make_usage() -> None:
    op.create_table(
        "upstream_uses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("upstream", _NAME, nullable=False),
        sa.Column("project", _NAME, nullable=False),
        sa.Column("pages", sa.BigInteger(), nullable=False),
        sa.Column("kept_pages", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("kept_files", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("last", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upstream_uses")),
        sa.UniqueConstraint("project", "upstream", name=op.f("uq_upstream_uses_project_upstream")),
    )
    op.create_index(op.f("ix_upstream_uses_last_id"), "upstream_uses", ["last", "id"])
    op.create_table(
        "upstream_users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("upstream", _NAME, nullable=False),
        sa.Column("project", _NAME, nullable=False),
        sa.Column("by", _NAME, nullable=False),
        sa.Column("token", _NAME, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("last", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upstream_users")),
        sa.UniqueConstraint(
            "project",
            "upstream",
            "by",
            "token",
            name=op.f("uq_upstream_users_project_upstream_by_token"),
        ),
    )
    op.create_index(op.f("ix_upstream_users_last"), "upstream_users", ["last"])
    op.create_table(
        "upstream_standings",
        sa.Column("upstream", _NAME, nullable=False),
        sa.Column("answered", _MOMENT, nullable=True),
        sa.Column("failed", _MOMENT, nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("upstream", name=op.f("pk_upstream_standings")),
    )


def downgrade() -> None:
    for table in (
        "upstream_standings",
        "upstream_users",
        "upstream_uses",
        "upstream_refusals",
        "upstream_licenses",
        "upstream_rules",
    ):
        op.drop_table(table)
