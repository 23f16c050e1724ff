"""A real server for real clients.

How a client behaves does not depend on the database, and what the index does with each is tested
on both elsewhere: so the main flows run on both here, all else on PostgreSQL, or on SQLite in the
tests of ``twine stage``.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from greenroom.registry.unit_of_work import Services
from tests.artifacts import make_sdist, make_wheel
from tests.clients import maintainer
from tests.serving import Server, Servers, new_database, serving, standing_servers

DATABASES = ["sqlite", "postgresql"]
SERVER_ON_BOTH = pytest.mark.parametrize("server", DATABASES, indirect=True)
SHARED_ON_BOTH = pytest.mark.parametrize("shared", DATABASES, indirect=True)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with standing_servers(tmp_path_factory) as servers:
        yield servers


@pytest.fixture
def server(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Server:
    """An index in which nobody has done anything."""
    return servers.get(request, tmp_path / "home", getattr(request, "param", "postgresql"))


@pytest.fixture
def release(tmp_path: Path) -> list[Path]:
    """A release of three files that pip can install."""
    folder = tmp_path / "dist"
    return [
        make_sdist(folder, "thing"),
        make_wheel(folder, "thing"),
        make_wheel(folder, "thing", tag="cp39-cp39-win_amd64"),
    ]


@pytest.fixture
def beside(server: Server) -> Iterator[Services]:
    """The services of the server, in this process too."""
    with server.services() as services:
        yield services


@dataclass(frozen=True)
class SharedServer:
    """An index that tests share: each works on projects of its own."""

    server: Server
    services: Services
    token: str


class SharedServers:
    """The shared server on each database, begun when it is first wanted."""

    def __init__(self, stack: ExitStack, folders: pytest.TempPathFactory) -> None:
        self._stack = stack
        self._folders = folders
        self._running: dict[str, SharedServer] = {}

    def get(self, request: pytest.FixtureRequest, database: str) -> SharedServer:
        if database not in self._running:
            folder = self._folders.mktemp("shared")
            url = new_database(request, database)
            settings = {"GREENROOM_NEW_PROJECTS_PER_HOUR": "0"}
            server = self._stack.enter_context(serving(folder, url, settings=settings))
            services = self._stack.enter_context(server.services())
            token = maintainer.join(services)
            self._running[database] = SharedServer(server, services, token)
        return self._running[database]


@pytest.fixture(scope="session")
def shared_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServers]:
    with ExitStack() as stack:
        yield SharedServers(stack, tmp_path_factory)


@pytest.fixture
def shared(request: pytest.FixtureRequest, shared_servers: SharedServers) -> SharedServer:
    """An index with one user, who may upload whatever there is not yet."""
    return shared_servers.get(request, getattr(request, "param", "postgresql"))
