"""The audit log, which only grows; and what tells a token's new addresses from those it has had.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# A migration that replaces the table on SQLite has to make its triggers again. "INSERT OR REPLACE"
# deletes without asking the trigger of deletions, so that the first one is needed, too.
_OF_SQLITE = (
    """
    CREATE TRIGGER audit_no_replacement BEFORE INSERT ON audit
    WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    """
    CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    """
    CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    WHEN NOT EXISTS (SELECT 1 FROM audit_retention WHERE OLD.at < until)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
)
_OF_POSTGRESQL = (
    """
    CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF EXISTS (SELECT 1 FROM audit_retention WHERE OLD.at < until) THEN
                RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION 'the audit log is append-only';
    END $$
    """,
    """
    CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()
    """,
    """
    CREATE TRIGGER audit_no_truncation BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()
    """,
)


def upgrade() -> None:
    _create_audit()
    op.create_table(
        "audit_retention",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_retention_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_retention")),
    )
    op.create_table(
        "token_addresses",
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("first_used", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["token_id"],
            ["tokens.id"],
            name=op.f("fk_token_addresses_token_id_tokens"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_id", "address", name=op.f("pk_token_addresses")),
    )
    op.add_column("tokens", sa.Column("last_address", sa.String(length=64), nullable=True))
    op.add_column(
        "failed_sign_ins",
        sa.Column("recorded", sa.Boolean(), server_default=sa.true(), nullable=False),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _OF_SQLITE if is_sqlite else _OF_POSTGRESQL:
        op.execute(statement)


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("act", sa.String(length=255), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("by_id", sa.Integer(), nullable=True),
        sa.Column("credential", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=True),
        sa.Column("request_id", sa.String(length=255), nullable=True),
        sa.Column("about", sa.String(length=255), nullable=True),
        sa.Column("about_id", sa.Integer(), nullable=True),
        sa.Column("project", sa.String(length=255), nullable=True),
        sa.Column("normalized_project", sa.String(length=255), nullable=True),
        sa.Column("project_created", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.String(length=255), nullable=True),
        sa.Column("filename", sa.String(length=255), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_at_id", "audit", ["at", "id"])
    for column in ("act", "by", "about", "normalized_project"):
        op.create_index(f"ix_audit_{column}_at_id", "audit", [column, "at", "id"])


def downgrade() -> None:
    op.drop_column("failed_sign_ins", "recorded")
    op.drop_column("tokens", "last_address")
    op.drop_table("token_addresses")
    op.drop_table("audit")
    op.drop_table("audit_retention")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION audit_is_append_only()")
