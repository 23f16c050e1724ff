"""A real server for real clients, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeDatabase
from tests.serving import Server, greenroom, plain_environment, serving


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A new index in which nobody has done anything."""
    url = None
    if request.param == "postgresql":
        make: MakeDatabase = request.getfixturevalue("new_postgresql_database")
        url = make()
        greenroom(
            plain_environment(tmp_path / "home") | {"GREENROOM_DATABASE_URL": url}, "db", "upgrade"
        )
    with serving(tmp_path, url) as running:
        yield running
