"""Release sets: drafts of several projects that become public together.

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_NAME = sa.String(length=255)


def upgrade() -> None:
    _add_sets()
    _add_members()
    op.create_table(
        "release_set_invitations",
        sa.Column("release_set_id", sa.Integer(), nullable=False),
        sa.Column("normalized_name", _NAME, nullable=False),
        _reference("release_set_invitations", "release_set_id", "release_sets", "CASCADE"),
        sa.PrimaryKeyConstraint(
            "release_set_id", "normalized_name", name=op.f("pk_release_set_invitations")
        ),
    )
    op.create_index(
        op.f("ix_release_set_invitations_normalized_name"),
        "release_set_invitations",
        ["normalized_name"],
    )
    op.create_table(
        "release_set_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("release_set_id", sa.Integer(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("by", _NAME, nullable=False),
        sa.Column("act", _NAME, nullable=False),
        sa.Column("release", _NAME, nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        _reference("release_set_events", "release_set_id", "release_sets", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_set_events")),
    )
    op.create_index(
        op.f("ix_release_set_events_release_set_id"), "release_set_events", ["release_set_id"]
    )


def _add_sets() -> None:
    op.create_table(
        "release_sets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=22), nullable=False),
        sa.Column("key", sa.String(length=22), nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("normalized_name", _NAME, nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("owner_name", _NAME, nullable=False),
        sa.Column("state", _NAME, nullable=False),
        sa.Column("only_together", sa.Boolean(), nullable=False),
        sa.Column("in_review", sa.Boolean(), nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("changed", _MOMENT, nullable=False),
        sa.Column("ended", _MOMENT, nullable=True),
        sa.Column("content_digest", sa.String(length=71), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'published', 'discarded', 'expired')",
            name=op.f("ck_release_sets_state"),
        ),
        _reference("release_sets", "owner_id", "users", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_sets")),
        sa.UniqueConstraint("key", name=op.f("uq_release_sets_key")),
        sa.UniqueConstraint("slug", name=op.f("uq_release_sets_slug")),
    )
    op.create_index(op.f("ix_release_sets_owner_id"), "release_sets", ["owner_id"])
    op.create_index(op.f("ix_release_sets_state_changed"), "release_sets", ["state", "changed"])
    op.create_index(
        "uq_release_sets_open",
        "release_sets",
        ["owner_id", "normalized_name"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )


def _add_members() -> None:
    op.create_table(
        "release_set_members",
        sa.Column("draft_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("release_set_id", sa.Integer(), nullable=False),
        sa.Column("added", _MOMENT, nullable=False),
        sa.Column("added_by", _NAME, nullable=False),
        sa.Column("go_digest", sa.String(length=71), nullable=True),
        sa.Column("go_by", _NAME, nullable=True),
        sa.Column("go_by_id", sa.Integer(), nullable=True),
        sa.Column("go_at", _MOMENT, nullable=True),
        sa.Column("go_with_factor", sa.Boolean(), nullable=False),
        sa.Column("review_passed", sa.Boolean(), nullable=False),
        _reference("release_set_members", "draft_id", "drafts", "CASCADE"),
        _reference("release_set_members", "go_by_id", "users", "SET NULL"),
        _reference("release_set_members", "release_set_id", "release_sets", "CASCADE"),
        sa.PrimaryKeyConstraint("draft_id", name=op.f("pk_release_set_members")),
    )
    for name in ("go_by_id", "release_set_id"):
        op.create_index(op.f(f"ix_release_set_members_{name}"), "release_set_members", [name])


def _reference(table: str, name: str, to: str, ondelete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [name], [f"{to}.id"], name=op.f(f"fk_{table}_{name}_{to}"), ondelete=ondelete
    )


def downgrade() -> None:
    op.drop_table("release_set_events")
    op.drop_table("release_set_invitations")
    op.drop_table("release_set_members")
    op.drop_table("release_sets")
