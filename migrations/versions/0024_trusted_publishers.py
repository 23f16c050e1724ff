"""Trusted publishing: the workflows that are trusted, and the tokens that they get.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "project_publishers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("added_by", sa.String(length=255), nullable=False),
        *_workflow(),
        *_constraints("project_publishers", "project_id", "projects"),
    )
    _index("project_publishers", "project_id")
    _index("project_publishers", "issuer", "subject")
    op.create_table(
        "pending_publishers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("project_name", sa.String(length=255), nullable=False),
        sa.Column("normalized_name", sa.String(length=255), nullable=False),
        *_workflow(),
        *_constraints("pending_publishers", "user_id", "users"),
    )
    _index("pending_publishers", "user_id")
    _index("pending_publishers", "normalized_name")
    _index("pending_publishers", "issuer", "subject")
    _tokens()
    op.add_column("draft_events", sa.Column("means", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("draft_events", "means")
    for table in (
        "used_id_tokens",
        "minted_grants",
        "minted_tokens",
        "pending_publishers",
        "project_publishers",
    ):
        op.drop_table(table)


def _workflow() -> list[sa.Column[object]]:
    return [
        sa.Column("service", sa.String(length=255), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("owner_number", sa.String(length=255), nullable=True),
        sa.Column("may_publish", sa.Boolean(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used", sa.DateTime(timezone=True), nullable=True),
    ]


def _tokens() -> None:
    op.create_table(
        "minted_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("prefix", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("means", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("burned", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_minted_tokens")),
        sa.UniqueConstraint("prefix", name=op.f("uq_minted_tokens_prefix")),
    )
    _index("minted_tokens", "expires")
    op.create_table(
        "minted_grants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("publisher_id", sa.Integer(), nullable=True),
        sa.Column("pending_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(publisher_id IS NULL) <> (pending_id IS NULL)", name=op.f("ck_minted_grants_one")
        ),
        _foreign("minted_grants", "publisher_id", "project_publishers"),
        _foreign("minted_grants", "pending_id", "pending_publishers"),
        *_constraints("minted_grants", "token_id", "minted_tokens"),
    )
    for column in ("token_id", "publisher_id", "pending_id"):
        _index("minted_grants", column)
    op.create_table(
        "used_id_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_used_id_tokens")),
    )
    _index("used_id_tokens", "expires")


def _constraints(table: str, column: str, of: str) -> list[sa.Constraint]:
    key = sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}"))
    return [_foreign(table, column, of), key]


def _foreign(table: str, column: str, of: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{of}")
    return sa.ForeignKeyConstraint([column], [f"{of}.id"], name=name, ondelete="CASCADE")


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))
