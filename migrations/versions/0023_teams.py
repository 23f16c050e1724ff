"""Teams, whose members hold roles together, and invitations to roles.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_teams()
    _create_invitations()
    with op.batch_alter_table("roles") as batch:
        batch.add_column(sa.Column("team_id", sa.Integer(), nullable=True))
        batch.create_foreign_key(
            op.f("fk_roles_team_id_teams"), "teams", ["team_id"], ["id"], ondelete="CASCADE"
        )
        batch.drop_constraint(op.f("uq_roles_project_id_user_id"), type_="unique")
        batch.create_unique_constraint(
            op.f("uq_roles_project_id_user_id_team_id"), ["project_id", "user_id", "team_id"]
        )
    op.create_index(op.f("ix_roles_team_id"), "roles", ["team_id"])
    op.create_index(
        "ix_roles_own",
        "roles",
        ["project_id", "user_id"],
        unique=True,
        sqlite_where=sa.text("team_id IS NULL"),
        postgresql_where=sa.text("team_id IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_roles_own", "roles")
    op.drop_index(op.f("ix_roles_team_id"), "roles")
    # Whoever works on a project goes on to, as the strongest that they are.
    op.execute(
        "UPDATE roles SET name = 'owner' WHERE EXISTS (SELECT 1 FROM roles AS other WHERE "
        "other.project_id = roles.project_id AND other.user_id = roles.user_id "
        "AND other.name = 'owner')"
    )
    op.execute(
        "DELETE FROM roles WHERE id NOT IN (SELECT min(id) FROM roles GROUP BY project_id, user_id)"
    )
    with op.batch_alter_table("roles") as batch:
        batch.drop_constraint(op.f("uq_roles_project_id_user_id_team_id"), type_="unique")
        batch.create_unique_constraint(
            op.f("uq_roles_project_id_user_id"), ["project_id", "user_id"]
        )
        batch.drop_constraint(op.f("fk_roles_team_id_teams"), type_="foreignkey")
        batch.drop_column("team_id")
    for table in ("role_invitations", "team_roles", "team_members", "teams"):
        op.drop_table(table)


def _create_teams() -> None:
    op.create_table(
        "teams",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("normalized_name", sa.String(length=255), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("normalized_name", name=op.f("uq_teams_normalized_name")),
    )
    op.create_table(
        "team_members",
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("is_owner", sa.Boolean(), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("joined", sa.DateTime(timezone=True), nullable=False),
        _reference("team_members", "team_id", "teams"),
        _reference("team_members", "user_id", "users"),
        sa.PrimaryKeyConstraint("team_id", "user_id", name=op.f("pk_team_members")),
    )
    op.create_index(op.f("ix_team_members_user_id"), "team_members", ["user_id"])
    op.create_table(
        "team_roles",
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.CheckConstraint("name IN ('owner', 'maintainer')", name=op.f("ck_team_roles_name")),
        _reference("team_roles", "team_id", "teams"),
        _reference("team_roles", "project_id", "projects"),
        sa.PrimaryKeyConstraint("team_id", "project_id", name=op.f("pk_team_roles")),
    )
    op.create_index(op.f("ix_team_roles_project_id"), "team_roles", ["project_id"])


def _create_invitations() -> None:
    table = "role_invitations"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("team_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("by_id", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("declined", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hands_over", sa.Boolean(), nullable=False),
        sa.Column("leaves", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "name IN ('owner', 'maintainer', 'member')", name=op.f("ck_role_invitations_name")
        ),
        sa.CheckConstraint(
            "(project_id IS NULL AND team_id IS NOT NULL AND user_id IS NOT NULL) OR "
            "(project_id IS NOT NULL AND team_id IS NULL AND user_id IS NOT NULL) OR "
            "(project_id IS NOT NULL AND team_id IS NOT NULL AND user_id IS NULL)",
            name=op.f("ck_role_invitations_two"),
        ),
        _reference(table, "project_id", "projects"),
        _reference(table, "team_id", "teams"),
        _reference(table, "user_id", "users"),
        _reference(table, "by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_invitations")),
        *(
            sa.UniqueConstraint(*pair, name=op.f(f"uq_role_invitations_{'_'.join(pair)}"))
            for pair in (
                ("project_id", "user_id"),
                ("team_id", "user_id"),
                ("project_id", "team_id"),
            )
        ),
    )
    for column in ("by_id", "expires", "user_id"):
        op.create_index(op.f(f"ix_role_invitations_{column}"), table, [column])


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"), ondelete="CASCADE"
    )
