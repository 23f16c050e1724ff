"""A real server for real clients, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from greenroom.database import Database
from greenroom.registry.index import Premises
from greenroom.settings import load_settings
from greenroom.storage import open_storage
from tests.clients import maintainer
from tests.conftest import MakeDatabase
from tests.serving import Server, greenroom, plain_environment, serving

DATABASES = ["sqlite", "postgresql"]


@pytest.fixture(params=DATABASES)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A new index in which nobody has done anything."""
    with serving(tmp_path, _database(request, tmp_path)) as running:
        yield running


@pytest.fixture
def beside(server: Server) -> Iterator[Premises]:
    """The premises of the server, in this process too."""
    with _beside(server) as premises:
        yield premises


@dataclass(frozen=True)
class SharedServer:
    """An index that tests share: each works on projects of its own."""

    server: Server
    premises: Premises
    token: str


@pytest.fixture(scope="session", params=DATABASES)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedServer]:
    """An index with one user, who may upload whatever there is not yet."""
    folder = tmp_path_factory.mktemp("shared")
    settings = {"GREENROOM_NEW_PROJECTS_PER_HOUR": "0"}
    with (
        serving(folder, _database(request, folder), settings=settings) as server,
        _beside(server) as premises,
    ):
        yield SharedServer(server, premises, maintainer.join(premises))


def _database(request: pytest.FixtureRequest, folder: Path) -> str | None:
    """The URL of the database that the parameter names; None is the embedded one."""
    if request.param == "sqlite":
        return None
    make: MakeDatabase = request.getfixturevalue("new_postgresql_database")
    url = make()
    environment = plain_environment(folder / "home") | {"GREENROOM_DATABASE_URL": url}
    greenroom(environment, "db", "upgrade")
    return url


@contextmanager
def _beside(server: Server) -> Iterator[Premises]:
    settings = load_settings(server.environment)
    database = Database(settings.sqlalchemy_url)
    yield Premises(database, open_storage(None, settings.files), settings)
    database.close()
