"""Classifiers: projects are found by those of their standing release, also without a new one.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

from greenroom.core_metadata import CoreMetadata
from greenroom.registry import search_words

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_BATCH = 500
_SAID = (
    sa.text(
        "SELECT d.project_id, d.keywords, r.core_metadata FROM search_documents d "
        "JOIN releases r ON r.id = d.release_id "
        "WHERE d.project_id > :after ORDER BY d.project_id LIMIT :most"
    )
    .bindparams(most=_BATCH)
    .columns(core_metadata=sa.JSON())
)
_LEARN = sa.text("UPDATE search_documents SET keywords = :words WHERE project_id = :project")


def upgrade() -> None:
    _rewrite(with_classifiers=True)


def downgrade() -> None:
    _rewrite(with_classifiers=False)


def _rewrite(*, with_classifiers: bool) -> None:
    """Give each document the words of the keywords, and those of the classifiers or not."""
    connection, after = op.get_bind(), 0
    while rows := connection.execute(_SAID, {"after": after}).all():
        after = rows[-1].project_id
        changed = []
        for row in rows:
            said = CoreMetadata.from_json(row.core_metadata)
            classifiers = said.classifiers if with_classifiers else ()
            words = search_words.document("", "", said.keywords, classifiers)["keywords"]
            if words != row.keywords:
                changed.append({"project": row.project_id, "words": words})
        if changed:
            connection.execute(_LEARN, changed)
