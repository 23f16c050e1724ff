"""INSERT statements that say what becomes of rows that are there already."""

from typing import TYPE_CHECKING

from sqlalchemy import Table
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def insert_into(db: Session, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """An INSERT into a table, with ``on_conflict_do_update``, for the database of the session."""
    # What SQLAlchemy has for the other database is not imported: it takes time and memory.
    if db.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)
