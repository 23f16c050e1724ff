"""Files that were imported as they were taken in their time, eggs and installers among them.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_KINDS = "packagetype IN ('sdist', 'bdist_wheel', 'bdist_egg', 'bdist_wininst')"
_FORMER_KINDS = "packagetype IN ('sdist', 'bdist_wheel')"


def upgrade() -> None:
    op.add_column(
        "files",
        sa.Column("historical", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    _allow(_KINDS)


def downgrade() -> None:
    # A schema that knows no eggs has no place for them.
    op.execute("DELETE FROM files WHERE packagetype NOT IN ('sdist', 'bdist_wheel')")
    _allow(_FORMER_KINDS)
    op.drop_column("files", "historical")


def _allow(kinds: str) -> None:
    with op.batch_alter_table("files") as batch:
        batch.drop_constraint(op.f("ck_files_packagetype"), type_="check")
        batch.create_check_constraint("packagetype", kinds)
