"""Run migrations, on an engine made here or on the one that ``greenroom.database`` hands in."""

import alembic.context
from sqlalchemy import Connection, Engine

from greenroom.database import Database
from greenroom.models import Base
from greenroom.models.search import FULL_TEXT
from greenroom.settings import load_settings

context = alembic.context


def engine() -> Engine:
    """The caller's engine, or one for the settings when ``alembic`` itself was called."""
    given = context.config.attributes.get("engine")
    return given if isinstance(given, Engine) else Database(load_settings().sqlalchemy_url).engine


def run(connection: Connection) -> None:
    """Migrate in one transaction, on both databases."""
    if context.config.cmd_opts is not None:
        ask_indexes_for_their_conditions()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        include_name=is_of_the_models,
        # Alembic takes SQLite for a database that cannot, and would commit after each revision:
        # another process would begin in between.
        transactional_ddl=True,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # Two processes that upgrade at once: the second waits, then finds nothing to do.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727204519)")
        context.run_migrations()


def ask_indexes_for_their_conditions() -> None:
    """Autogenerate writes down those that somebody has asked for (see ``partial_index``)."""
    for table in Base.metadata.tables.values():
        for index in table.indexes:
            for database in ("sqlite", "postgresql"):
                index.dialect_options[database]


def is_of_the_models(name: str | None, kind: str, parents: object) -> bool:
    """Whether models can say what this is; each database searches in a way of its own."""
    return FULL_TEXT not in (name or "")


def enforce_foreign_keys(connection: Connection, state: str) -> None:
    """On SQLite a table is altered by replacing it; dropping the old one must not cascade."""
    if connection.dialect.name == "sqlite":
        # Outside any transaction, where alone SQLite heeds it.
        cursor = connection.connection.cursor()
        cursor.execute(f"PRAGMA foreign_keys = {state}")
        cursor.close()


with engine().execution_options(greenroom_writes=True).connect() as connection:
    enforce_foreign_keys(connection, "OFF")
    try:
        run(connection)
        connection.commit()
    finally:
        connection.rollback()
        enforce_foreign_keys(connection, "ON")
