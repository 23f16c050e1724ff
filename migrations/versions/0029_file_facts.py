"""Facts that were found in files, silenced findings, expected files, who staged with what.

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment, name = sa.DateTime(timezone=True), sa.String(length=255)
    op.create_table(
        "file_facts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=True),
        sa.Column("filename", name, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("analysis", sa.Integer(), nullable=False),
        sa.Column("found", moment, nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"],
            ["files.id"],
            name=op.f("fk_file_facts_file_id_files"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_facts")),
        sa.UniqueConstraint("file_id", name=op.f("uq_file_facts_file_id")),
    )
    op.create_index(op.f("ix_file_facts_sha256"), "file_facts", ["sha256"])
    op.create_table(
        "silenced_findings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("code", name, nullable=False),
        sa.Column("pattern", name, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", name, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_silenced_findings_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silenced_findings")),
        sa.UniqueConstraint(
            "project_id",
            "code",
            "pattern",
            name=op.f("uq_silenced_findings_project_id_code_pattern"),
        ),
    )
    op.add_column(
        "projects", sa.Column("expected_files", sa.Text(), nullable=False, server_default="")
    )
    op.add_column("draft_events", sa.Column("credential", sa.Text(), nullable=True))
    op.add_column("draft_events", sa.Column("sha256", sa.String(length=64), nullable=True))
    # What the log says of a file in words: "sha256 …", or "sha256 … became …".
    op.execute(
        "UPDATE draft_events SET sha256 = substr(detail, 8, 64) "
        "WHERE act = 'added' AND detail LIKE 'sha256 %' AND length(detail) = 71"
    )
    op.execute(
        "UPDATE draft_events SET sha256 = substr(detail, 80, 64) "
        "WHERE act = 'replaced' AND detail LIKE 'sha256 % became %' AND length(detail) = 143"
    )
    op.create_index(op.f("ix_draft_events_sha256"), "draft_events", ["sha256"])


def downgrade() -> None:
    op.drop_index(op.f("ix_draft_events_sha256"), "draft_events")
    op.drop_column("draft_events", "sha256")
    op.drop_column("draft_events", "credential")
    op.drop_column("projects", "expected_files")
    op.drop_table("silenced_findings")
    op.drop_index(op.f("ix_file_facts_sha256"), "file_facts")
    op.drop_table("file_facts")
