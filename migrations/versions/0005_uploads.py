"""Upload 2.0: sessions have keys and reviews, files arrive in parts.

Revision ID: 0005
Revises: 0004
"""

import secrets
from string import ascii_letters, digits

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UNDER_WAY = sa.text("state IN ('pending', 'processing', 'error')")


def random_key() -> str:
    return "".join(secrets.choice(ascii_letters + digits) for _ in range(22))


def upgrade() -> None:
    op.add_column("drafts", sa.Column("key", sa.String(length=22), nullable=True))
    drafts = sa.table("drafts", sa.column("id", sa.Integer), sa.column("key", sa.String))
    connection = op.get_bind()
    for draft_id in connection.scalars(sa.select(drafts.c.id)).all():
        connection.execute(drafts.update().where(drafts.c.id == draft_id).values(key=random_key()))
    with op.batch_alter_table("drafts") as batch:
        batch.alter_column("key", nullable=False)
        batch.create_unique_constraint("uq_drafts_key", ["key"])
        batch.add_column(sa.Column("review", sa.String(length=255), nullable=True))
        batch.add_column(
            sa.Column("review_notices", sa.JSON(), nullable=False, server_default="[]")
        )
        batch.add_column(sa.Column("review_by_id", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("review_due", sa.DateTime(timezone=True), nullable=True))
        batch.create_foreign_key(
            "fk_drafts_review_by_id_users", "users", ["review_by_id"], ["id"], ondelete="SET NULL"
        )
        batch.create_check_constraint("review", "review IN ('processing', 'error')")
    with op.batch_alter_table("drafts") as batch:
        batch.alter_column("review_notices", server_default=None)

    op.create_index("ix_drafts_review_by_id", "drafts", ["review_by_id"], unique=False)

    op.create_table(
        "file_uploads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=22), nullable=False),
        sa.Column("draft_id", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=True),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digests", sa.JSON(), nullable=False),
        sa.Column("mechanism", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=255), nullable=False),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'processing', 'completed', 'error', 'canceled')", name="state"
        ),
        sa.ForeignKeyConstraint(
            ["draft_id"], ["drafts.id"], name="fk_file_uploads_draft_id_drafts", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name="fk_file_uploads_file_id_files", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_file_uploads"),
        sa.UniqueConstraint("key", name="uq_file_uploads_key"),
    )
    op.create_index("ix_file_uploads_draft_id", "file_uploads", ["draft_id"], unique=False)
    op.create_index("ix_file_uploads_file_id", "file_uploads", ["file_id"], unique=False)
    op.create_index(
        "ix_file_uploads_state_expires", "file_uploads", ["state", "expires"], unique=False
    )
    op.create_index(
        "uq_file_uploads_under_way",
        "file_uploads",
        ["draft_id", "filename"],
        unique=True,
        sqlite_where=UNDER_WAY,
        postgresql_where=UNDER_WAY,
    )

    op.create_table(
        "upload_parts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("upload_id", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("digests", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"],
            ["file_uploads.id"],
            name="fk_upload_parts_upload_id_file_uploads",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_upload_parts"),
        sa.UniqueConstraint("upload_id", "start", name="uq_upload_parts_upload_id_start"),
    )
    op.create_index("ix_upload_parts_sha256", "upload_parts", ["sha256"], unique=False)


def downgrade() -> None:
    op.drop_table("upload_parts")
    op.drop_table("file_uploads")
    op.drop_index("ix_drafts_review_by_id", "drafts")
    with op.batch_alter_table("drafts") as batch:
        batch.drop_constraint("fk_drafts_review_by_id_users", type_="foreignkey")
        batch.drop_constraint("review", type_="check")
        batch.drop_constraint("uq_drafts_key", type_="unique")
        for name in ("review_due", "review_by_id", "review_notices", "review", "key"):
            batch.drop_column(name)
