"""The same premises, made faster: tests of rules are many, and each runs on both databases.

An engine forgets what SQLAlchemy has compiled for it when it goes, so one of each kind lives for as
long as the tests do. What was in its database goes before each test.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenroom.database import Database
from greenroom.models import Base
from greenroom.registry.index import Premises
from greenroom.settings import Settings
from greenroom.storage import open_storage
from tests.conftest import FakeClock

Databases = Callable[[str], Database]


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Gives the database of a URL, always the same."""
    made: dict[str, Database] = {}

    def get(url: str) -> Database:
        if url not in made:
            made[url] = Database(url)
        return made[url]

    yield get
    for database in made.values():
        database.close()


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry") / "greenroom.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, databases: Databases) -> str:
    """The URL of a migrated, empty database: each test runs on both kinds."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("migrated_postgresql")
        everything = "; ".join(
            f"DELETE FROM {t.name}" for t in reversed(Base.metadata.sorted_tables)
        )
        with databases(url).engine.begin() as connection:
            connection.exec_driver_sql(everything)
        return url
    file: Path = request.getfixturevalue("sqlite_file")
    url = f"sqlite:///{file}"
    databases(url).close()
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    shutil.copy(request.getfixturevalue("migrated_sqlite"), file)
    return url


@pytest.fixture
def premises(settings: Settings, clock: FakeClock, databases: Databases) -> Premises:
    storage = open_storage(None, settings.files)
    return Premises(databases(settings.sqlalchemy_url), storage, settings, clock)
