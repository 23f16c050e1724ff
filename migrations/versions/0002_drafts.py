"""Drafts: releases that wait unseen.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=22), nullable=False),
        sa.Column("state", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("release_id", sa.Integer(), nullable=True),
        sa.Column("project_name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("canonical_version", sa.String(length=255), nullable=False),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state <> 'open' OR (project_id IS NOT NULL AND release_id IS NOT NULL)",
            name="open_has_a_release",
        ),
        sa.CheckConstraint("state IN ('open', 'published', 'discarded', 'expired')", name="state"),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name="fk_drafts_project_id_projects",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["release_id"],
            ["releases.id"],
            name="fk_drafts_release_id_releases",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_drafts"),
        sa.UniqueConstraint("slug", name="uq_drafts_slug"),
    )
    op.create_index("ix_drafts_project_id", "drafts", ["project_id"], unique=False)
    op.create_index("ix_drafts_release_id", "drafts", ["release_id"], unique=False)
    op.create_index("ix_drafts_state_expires", "drafts", ["state", "expires"], unique=False)
    op.create_index(
        "uq_drafts_open",
        "drafts",
        ["project_id", "canonical_version"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )

    op.create_table(
        "draft_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("draft_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("act", sa.String(length=255), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["draft_id"], ["drafts.id"], name="fk_draft_events_draft_id_drafts", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_draft_events"),
    )
    op.create_index("ix_draft_events_draft_id", "draft_events", ["draft_id"], unique=False)

    op.add_column("releases", sa.Column("published", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_releases_published", "releases", ["published"])
    # What was there before drafts were known has been public from its first moment.
    op.execute("UPDATE releases SET published = created")

    op.add_column("projects", sa.Column("registered", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE projects SET registered = created")
    op.add_column(
        "projects",
        sa.Column("auto_publish_releases", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    with op.batch_alter_table("projects") as batch:
        batch.alter_column("auto_publish_releases", server_default=None)

    op.add_column("files", sa.Column("published", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE files SET published = created")
    with op.batch_alter_table("files") as batch:
        batch.add_column(sa.Column("draft_id", sa.Integer(), nullable=True))
        batch.create_foreign_key(
            "fk_files_draft_id_drafts", "drafts", ["draft_id"], ["id"], ondelete="CASCADE"
        )
        batch.drop_constraint("uq_files_filename", type_="unique")
        batch.create_unique_constraint("uq_files_draft_id_filename", ["draft_id", "filename"])
        batch.create_check_constraint(
            "staged_or_published",
            "(draft_id IS NULL) = (published IS NOT NULL)",
        )
    op.create_index(
        "uq_files_published_filename",
        "files",
        ["filename"],
        unique=True,
        sqlite_where=sa.text("draft_id IS NULL"),
        postgresql_where=sa.text("draft_id IS NULL"),
    )


def downgrade() -> None:
    # Staged files have no place in a schema that knows no drafts.
    op.execute("DELETE FROM files WHERE draft_id IS NOT NULL")
    op.execute("DELETE FROM draft_events")
    op.execute("DELETE FROM drafts")
    op.execute("DELETE FROM releases WHERE published IS NULL")
    # SQLite does not cascade while tables are replaced, and gives the numbers of rows out again:
    # a role that was left behind would be one in somebody else's project.
    op.execute(
        "DELETE FROM roles WHERE project_id IN (SELECT id FROM projects WHERE registered IS NULL)"
    )
    op.execute(
        "DELETE FROM tokens WHERE project_id IN (SELECT id FROM projects WHERE registered IS NULL)"
    )
    op.execute("DELETE FROM projects WHERE registered IS NULL")

    op.drop_index("uq_files_published_filename", "files")
    with op.batch_alter_table("files") as batch:
        batch.drop_constraint("staged_or_published", type_="check")
        batch.drop_constraint("uq_files_draft_id_filename", type_="unique")
        batch.drop_constraint("fk_files_draft_id_drafts", type_="foreignkey")
        batch.drop_column("draft_id")
        batch.drop_column("published")
        batch.create_unique_constraint("uq_files_filename", ["filename"])

    with op.batch_alter_table("projects") as batch:
        batch.drop_column("auto_publish_releases")
        batch.drop_column("registered")

    op.drop_index("ix_releases_published", "releases")
    with op.batch_alter_table("releases") as batch:
        batch.drop_column("published")

    op.drop_table("draft_events")
    op.drop_table("drafts")
