"""What a start of the index loads: nothing that only others need."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import processes
from tests.conftest import MakeDatabase
from tests.s3_server import s3_server
from tests.serving import plain_environment

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


NEW = """
import sys
from greenroom.cli.opening import opened_to_fork

with opened_to_fork() as services:
    print(services.database.is_current(), "alembic" in sys.modules)
"""


def test_a_new_database_is_made_in_another_process(tmp_path: Path) -> None:
    environ = {**os.environ, "GREENROOM_DATA": str(tmp_path / "data")}
    done = processes.run([sys.executable, "-c", NEW], env=environ, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_why_a_new_database_cannot_be_made_is_said(tmp_path: Path) -> None:
    environ = plain_environment(tmp_path / "home") | {
        "GREENROOM_DATA": str(tmp_path / "data"),
        "PYTHONPATH": str(tmp_path),
    }
    (tmp_path / "alembic").mkdir()
    broken = "raise ValueError('There is no alembic here.')"
    (tmp_path / "alembic" / "__init__.py").write_text(broken)
    done = processes.run([sys.executable, "-c", NEW], env=environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: There is no alembic here.\n"


def test_the_storage_is_looked_at_in_another_process(tmp_path: Path) -> None:
    """The driver of S3 has threads as soon as it was asked for anything, which no fork stands."""
    program = NEW.replace('"alembic" in sys.modules', "len(os.listdir('/proc/self/task'))")
    program = f"import os\n{program}"
    with s3_server() as s3:
        found = []
        for folder in ("first", "other"):
            environ = plain_environment(tmp_path / folder) | {
                **s3.environment,
                "GREENROOM_DATA": str(tmp_path / folder / "data"),
                "GREENROOM_STORAGE_URL": s3.url,
                "GREENROOM_S3_ENDPOINT": s3.endpoint,
            }
            found.append(processes.run([sys.executable, "-c", program], env=environ))
    first, other = found
    assert (first.returncode, first.stdout.split()) == (0, ["True", "1"])
    assert (other.returncode, other.stdout) == (1, "")
    assert other.stderr.startswith("Error: ")
    assert "there is no database that knows them" in other.stderr


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
