"""Results of checks of drafts, installations from drafts, required checks, comments on drafts.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment, name = sa.DateTime(timezone=True), sa.String(length=255)
    op.create_table(
        "draft_checks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("draft_id", sa.Integer(), nullable=False),
        sa.Column("name", name, nullable=False),
        sa.Column("status", name, nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.String(length=71), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", name, nullable=False),
        sa.Column("means", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'passed', 'failed', 'skipped')",
            name=op.f("ck_draft_checks_status"),
        ),
        _of_draft("draft_checks"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft_checks")),
    )
    op.create_index(
        op.f("ix_draft_checks_draft_id_name_id"), "draft_checks", ["draft_id", "name", "id"]
    )
    op.create_table(
        "draft_installations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("draft_id", sa.Integer(), nullable=False),
        sa.Column("filename", name, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("client", name, nullable=False),
        sa.Column("last", moment, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        _of_draft("draft_installations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft_installations")),
        sa.UniqueConstraint(
            "draft_id",
            "filename",
            "sha256",
            "client",
            name=op.f("uq_draft_installations_draft_id_filename_sha256_client"),
        ),
    )
    op.create_table(
        "required_checks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", name, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_required_checks_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_required_checks")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_required_checks_project_id_name")),
    )
    _create_comments(moment, name)


def _create_comments(moment: sa.DateTime, name: sa.String) -> None:
    op.create_table(
        "draft_comments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("draft_id", sa.Integer(), nullable=False),
        sa.Column("by", name, nullable=False),
        sa.Column("by_id", sa.Integer(), nullable=True),
        sa.Column("at", moment, nullable=False),
        sa.Column("edited", moment, nullable=True),
        sa.Column("deleted", moment, nullable=True),
        sa.Column("deleted_by", name, nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        _of_draft("draft_comments"),
        sa.ForeignKeyConstraint(
            ["by_id"],
            ["users.id"],
            name=op.f("fk_draft_comments_by_id_users"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft_comments")),
    )
    op.create_index(op.f("ix_draft_comments_draft_id_id"), "draft_comments", ["draft_id", "id"])
    op.create_index(op.f("ix_draft_comments_by_id"), "draft_comments", ["by_id"])


def _of_draft(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["draft_id"],
        ["drafts.id"],
        name=op.f(f"fk_{table}_draft_id_drafts"),
        ondelete="CASCADE",
    )


def downgrade() -> None:
    for table in ("draft_comments", "required_checks", "draft_installations", "draft_checks"):
        op.drop_table(table)
