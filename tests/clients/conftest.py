"""A real server for real clients, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from greenroom.registry.unit_of_work import Services
from tests.artifacts import make_sdist, make_wheel
from tests.clients import maintainer
from tests.serving import Server, Servers, new_database, serving, standing_servers

DATABASES = ["sqlite", "postgresql"]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with standing_servers(tmp_path_factory) as servers:
        yield servers


@pytest.fixture(params=DATABASES)
def server(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Server:
    """An index in which nobody has done anything."""
    return servers.get(request, tmp_path / "home", request.param)


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


@pytest.fixture(scope="session", params=DATABASES)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedServer]:
    """An index with one user, who may upload whatever there is not yet."""
    folder = tmp_path_factory.mktemp("shared")
    settings = {"GREENROOM_NEW_PROJECTS_PER_HOUR": "0"}
    with (
        serving(folder, new_database(request, folder, request.param), settings=settings) as server,
        server.services() as services,
    ):
        yield SharedServer(server, services, maintainer.join(services))
