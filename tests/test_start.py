"""What a start of the index loads: nothing that only others need."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import processes
from tests.conftest import MakeDatabase

START = """
from greenroom.unread import import_without
import_without("structlog", "rich")
import json, linecache, os, sys
from greenroom.cli import serving, served
from greenroom.services import open_services
from greenroom.settings import load_settings
from greenroom.web.application import make_app

settings = load_settings()
make_app(settings, services=open_services(settings))
sources = [name for name in linecache.cache if os.path.exists(name)]
print(json.dumps({"modules": list(sys.modules), "sources": sources}))
"""


def loaded(environ: Mapping[str, str]) -> tuple[set[str], list[str]]:
    """The modules, and the files whose sources are kept, once the application is there."""
    done = processes.run([sys.executable, "-c", START], env={**os.environ, **environ}, check=True)
    found = json.loads(done.stdout)
    return {*found["modules"]}, found["sources"]


def test_with_sqlite_nothing_of_postgresql_is_loaded(tmp_path: Path) -> None:
    modules, _ = loaded({"GREENROOM_DATA": str(tmp_path)})
    assert "sqlalchemy.dialects.sqlite.base" in modules
    assert {"sqlalchemy.dialects.postgresql", "psycopg2"} & modules == set()


def test_with_postgresql_it_is_loaded_before_workers_start(
    tmp_path: Path, new_postgresql_database: MakeDatabase
) -> None:
    environ = {"GREENROOM_DATA": str(tmp_path), "GREENROOM_DATABASE_URL": new_postgresql_database()}
    modules, _ = loaded(environ)
    assert {"sqlalchemy.dialects.postgresql.psycopg2", "psycopg2"} <= modules


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], list[str]]:
    return loaded({"GREENROOM_DATA": str(tmp_path_factory.mktemp("data"))})


def test_no_source_is_read(start: tuple[set[str], list[str]]) -> None:
    _, sources = start
    assert sources == []


@pytest.mark.parametrize(
    "module",
    [
        "difflib",
        "greenroom.importing",
        "greenroom.registry.backups",
        "greenroom.registry.database_copy",
        "greenroom.registry.restoring",
        "multiprocessing",
        "pkg_resources",
        "rich",
        "tomllib",
    ],
)
def test_what_serving_seldom_needs_is_not_loaded(
    start: tuple[set[str], list[str]], module: str
) -> None:
    modules, _ = start
    assert module not in modules
