"""Sessions: snapshots to read, locks to write, on both databases."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import alembic.script
import pytest
import sqlalchemy
import sqlalchemy.exc
from sqlalchemy import event, func, select, text

from greenroom.database import MOST_CONNECTIONS, Database, UnusableDatabase, _revisions, lock
from greenroom.models import User
from greenroom.registry.unit_of_work import Services
from tests import factories

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


def users(session: sqlalchemy.orm.Session) -> int:
    return session.scalar(select(func.count(User.id))) or 0


def add_user(services: Services, name: str) -> None:
    with services.writing() as uow:
        factories.make_user(uow, name)


def test_nothing_is_connected_before_a_session_needs_it(tmp_path: Path) -> None:
    Database("postgresql://nobody@nowhere.invalid/nothing").close()
    Database(f"sqlite:///{tmp_path / 'new' / 'index.sqlite'}").close()
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg2"])
def test_postgresql_is_spoken_to_through_one_driver(scheme: str) -> None:
    database = Database(f"{scheme}://u:p@nowhere.invalid/x")
    assert database.engine.dialect.driver == "psycopg2"
    assert not database.is_sqlite


@ON_POSTGRESQL
def test_more_workers_than_the_server_has_connections_for_are_warned_of(
    services: Services,
) -> None:
    with services.database.engine.connect() as connection:
        most = connection.execute(text("SHOW max_connections")).scalar_one()
        reserved = connection.execute(text("SHOW superuser_reserved_connections")).scalar_one()
    there = int(most) - int(reserved)
    fitting = there // MOST_CONNECTIONS

    assert services.database.connection_warning(fitting) is None
    warning = services.database.connection_warning(fitting + 1)

    assert warning is not None
    assert f"has {there} connections" in warning
    assert f"{fitting + 1} workers" in warning
    assert f"may need {(fitting + 1) * MOST_CONNECTIONS} " in warning


def test_sqlite_has_as_many_connections_as_anybody_needs(tmp_path: Path) -> None:
    assert Database(f"sqlite:///{tmp_path / 'x'}").connection_warning(1000) is None


def test_connections_that_nobody_uses_forget_what_they_have_read(services: Services) -> None:
    database = services.database
    asked: list[str] = []
    open_ones = [database.engine.raw_connection() for _ in range(3)]
    for connection in open_ones:
        if database.is_sqlite:
            connection.dbapi_connection.set_trace_callback(asked.append)  # type: ignore[union-attr]
    used, *unused = open_ones
    for connection in unused:
        connection.close()
    database.forget()
    assert asked == 2 * ["PRAGMA shrink_memory"] * database.is_sqlite
    used.close()
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(User)) == 0


def test_a_database_that_is_gone_has_nothing_to_forget(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/index.sqlite")
    database.upgrade()
    with database.reading() as db:
        db.execute(select(User.id))
    (tmp_path / "index.sqlite").unlink()
    database.forget()


def test_a_reading_session_sees_one_snapshot(services: Services) -> None:
    add_user(services, "ada")
    with services.database.reading() as session:
        assert users(session) == 1
        add_user(services, "eve")
        assert users(session) == 1
    with services.database.reading() as session:
        assert users(session) == 2


@ON_POSTGRESQL
def test_a_writing_session_sees_what_others_committed(services: Services) -> None:
    with services.database.writing() as session:
        assert users(session) == 0
        add_user(services, "ada")
        assert users(session) == 1


@ON_POSTGRESQL
def test_so_it_does_where_the_server_would_have_it_otherwise(services: Services) -> None:
    """Whoever has waited for a lock must see what its last holder did."""
    url = services.database.engine.url
    setting = "default_transaction_isolation"
    with services.database.engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {url.database} SET {setting} = 'serializable'")
    other = Database(url.render_as_string(hide_password=False))
    try:
        with other.writing() as session:
            isolation = session.scalar(text("SHOW transaction_isolation"))
            assert isolation == "read committed"
    finally:
        other.close()
        with services.database.engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER DATABASE {url.database} RESET {setting}")


@ON_POSTGRESQL
def test_a_reading_session_cannot_write(database: Database) -> None:
    with (
        database.reading() as session,
        pytest.raises(sqlalchemy.exc.InternalError, match="read-only transaction"),
    ):
        session.execute(text("DELETE FROM users"))
    with database.writing() as session:
        session.execute(text("DELETE FROM users"))


@ON_SQLITE
def test_a_writing_session_has_the_write_lock_when_it_begins(database: Database) -> None:
    impatient = sqlalchemy.create_engine(database.engine.url, connect_args={"timeout": 0})
    with database.writing() as session:
        session.connection()
        with impatient.connect() as connection, pytest.raises(sqlalchemy.exc.OperationalError):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    with impatient.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.exec_driver_sql("ROLLBACK")
    impatient.dispose()


@ON_SQLITE
def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    with database.writing() as writer:
        writer.execute(text("DELETE FROM users"))
        with database.reading() as reader:
            assert users(reader) == 0


@ON_SQLITE
def test_an_embedded_database_is_safe(database: Database) -> None:
    with database.engine.connect() as connection:
        pragmas = ("foreign_keys", "journal_mode", "synchronous")
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert values == [1, "wal", 2]


class Second:
    """A second writer, who wants a lock while the first has one."""

    def __init__(self, database: Database, name: str) -> None:
        self.database, self.name = database, name
        self.has_it = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with self.database.writing() as session:
            lock(session, self.name)
            session.connection()
            self.has_it.set()

    def join(self) -> None:
        self._thread.join()


def test_writers_exclude_each_other_by_the_name_of_a_lock(database: Database) -> None:
    with database.writing() as session:
        session.connection()
        lock(session, "project:example")
        second = Second(database, "project:example")
        assert not second.has_it.wait(0.2)
    second.join()
    assert second.has_it.is_set()


def test_a_lock_ends_with_a_transaction_that_fails(database: Database) -> None:
    with database.writing() as session:
        session.connection()
        lock(session, "project:example")
        lock(session, "project:example")
        session.rollback()
        second = Second(database, "project:example")
        second.join()
    assert second.has_it.is_set()


@ON_POSTGRESQL
def test_writers_with_different_locks_do_not_wait(database: Database) -> None:
    with database.writing() as session:
        lock(session, "project:example")
        second = Second(database, "project:another")
        second.join()
        assert second.has_it.is_set()


def test_the_counter_of_many_writers_is_right(services: Services) -> None:
    add_user(services, "0")

    def count() -> None:
        for _ in range(5):
            with services.writing() as uow:
                uow.lock("counter")
                user = uow.db.scalars(select(User)).one()
                user.username = str(int(user.username) + 1)

    factories.at_once(*[count] * 4)
    with services.reading() as uow:
        assert uow.db.scalars(select(User.username)).one() == "20"


def test_a_schema_is_current_once_it_is_upgraded(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    assert not database.is_current()
    database.upgrade()
    assert database.is_current()
    database.upgrade()
    assert database.is_current()
    database.close()


def test_the_newest_revision_is_the_one_that_alembic_knows(database: Database) -> None:
    script = alembic.script.ScriptDirectory.from_config(database._alembic())
    known = [revision.revision for revision in script.walk_revisions()]
    assert _revisions() == known[::-1]


@pytest.mark.parametrize("act", [Database.is_current, Database.upgrade])
def test_a_newer_schema_is_not_touched(
    database: Database, act: Callable[[Database], object]
) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        with pytest.raises(UnusableDatabase, match=r"newer version of Greenroom \(schema 9999\)"):
            act(database)
    finally:
        with database.engine.begin() as connection:
            connection.execute(
                text("UPDATE alembic_version SET version_num = :newest"),
                {"newest": _revisions()[-1]},
            )


def test_what_is_current_is_not_written_to(database: Database) -> None:
    statements: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda *given: statements.append(given[2])
    )
    database.upgrade()
    assert not [s for s in statements if not s.startswith(("SELECT", "PRAGMA", "BEGIN"))]
