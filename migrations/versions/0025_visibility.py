"""Whom a project is open to; a journal for those that are not open to everybody.

PostgreSQL tells who listens when credentials change, so that no process goes on with what it has
kept of a token. On SQLite processes see for themselves that something was written.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# What is noted of a token's use is no change of it.
_TELLING = (
    """
    CREATE FUNCTION tell_of_credentials() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('greenroom_credentials', '');
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER tokens_tell AFTER DELETE OR UPDATE OF
        user_id, project_id, digest, permissions, expires, revoked ON tokens
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_credentials()
    """,
    """
    CREATE TRIGGER token_cut_offs_tell AFTER INSERT OR DELETE ON token_cut_offs
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_credentials()
    """,
    """
    CREATE TRIGGER users_tell AFTER DELETE OR UPDATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_credentials()
    """,
)


def upgrade() -> None:
    # Everybody could read what is there so far.
    op.add_column(
        "projects",
        sa.Column("visibility", sa.String(length=255), nullable=False, server_default="public"),
    )
    op.create_table(
        "unlisted_journal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("after", sa.Integer(), nullable=False),
        sa.Column("project_name", sa.String(length=255), nullable=False),
        sa.Column("normalized_name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("content_digest", sa.String(length=71), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unlisted_journal")),
    )
    for column in ("after", "normalized_name"):
        op.create_index(op.f(f"ix_unlisted_journal_{column}"), "unlisted_journal", [column])
    if op.get_bind().dialect.name == "postgresql":
        for statement in _TELLING:
            op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER users_tell ON users")
        op.execute("DROP TRIGGER token_cut_offs_tell ON token_cut_offs")
        op.execute("DROP TRIGGER tokens_tell ON tokens")
        op.execute("DROP FUNCTION tell_of_credentials()")
    op.drop_table("unlisted_journal")
    op.drop_column("projects", "visibility")
