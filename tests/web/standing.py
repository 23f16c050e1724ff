"""An index that the tests of a module share, because none of them changes it."""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
import webob
from msgspec.structs import replace
from webob.request import BaseRequest

from greenroom.database import Database
from greenroom.models import AuditEntry, Base, SignInSession, TokenAddress
from greenroom.registry import (
    accounts,
    drafts,
    projects,
    publishing,
)
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services
from greenroom.settings import Settings
from greenroom.storage import open_storage
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import SECRET_KEY, FakeClock, MakeDatabase, unflushed
from tests.web.conftest import Site

KINDS = ("sqlite", "postgresql")

Rows = list[tuple[object, ...]]


@contextmanager
def standing_site(request: pytest.FixtureRequest, folder: Path, kind: str) -> Iterator[Site]:
    """An empty index on a database of its own, of one of the ``KINDS``."""
    settings = Settings(
        data=folder / "data",
        database_url=_database_url(request, folder, kind),
        secret_key=SECRET_KEY,
        url="http://index.example",
    )
    clock = FakeClock()
    database = unflushed(Database(settings.sqlalchemy_url))
    services = Services(database, open_storage(None, settings.files), settings, clock)
    yield Site(services, clock)
    database.close()


def _database_url(request: pytest.FixtureRequest, folder: Path, kind: str) -> str:
    if kind == "sqlite":
        path = folder / "standing.sqlite"
        migrated: Path = request.getfixturevalue("migrated_sqlite")
        path.write_bytes(migrated.read_bytes())
        return f"sqlite:///{path}"
    make: MakeDatabase = request.getfixturevalue("new_migrated_postgresql")
    return make()


@dataclass(frozen=True)
class StockedSite:
    """A site with something of every kind on it; :func:`stock` says what.

    ``slugs`` has the address of a draft in each state, ``files`` paths by file name.
    """

    site: Site
    token: str
    reading: str
    slugs: dict[str, str]
    files: dict[str, Path]


@contextmanager
def stocked_site(request: pytest.FixtureRequest, folder: Path, kind: str) -> Iterator[StockedSite]:
    """An index to look at: no test that shares it may change anything."""
    with standing_site(request, folder, kind) as site:
        yield stock(site, folder / "dist")


def stock(site: Site, folder: Path) -> StockedSite:
    """Ada has published ``example`` 1.0 and 2.0rc1, and has a draft of 3.0.

    ``hidden`` has an open draft and nothing else. Drafts of ``released``, ``discarded``,
    ``expired`` and ``swept`` have ended in different ways; ``rotated`` is an address that the
    draft of 3.0 had once.
    """
    site.user("ada")
    files = [
        make_sdist(folder, "Example", "1.0", requires_python=">=3.9"),
        make_wheel(folder, "Example", "1.0", requires_python=">=3.9"),
        make_wheel(folder, "Example", "2.0rc1", tag="cp312-cp312-manylinux_2_17_x86_64"),
        make_sdist(folder, "Example", "3.0", requires_python=">=3.11"),
        make_wheel(folder, "Example", "3.0", requires_python=">=3.11"),
    ]
    slugs = {}
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        for name in ("expired", "swept"):
            slugs[name] = factories.stage(uow, ada, make_wheel(folder, name)).slug
    site.clock.advance(timedelta(days=14))
    with site.services.writing() as uow:
        swept = drafts.by_slug(uow.db, slugs["swept"])
        assert swept is not None
        drafts.expire(uow, swept)
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        factories.release(uow, ada, *files[:3])
        draft = factories.stage(uow, ada, *files[3:])
        slugs["rotated"] = draft.slug
        drafts.rotate(uow, ada, draft)
        slugs["open"] = draft.slug
        for name, end in (("released", publishing.publish), ("discarded", drafts.discard)):
            ended = factories.stage(uow, ada, make_wheel(folder, name))
            end(uow, ada, ended)
            slugs[name] = ended.slug
        slugs["hidden"] = factories.stage(uow, ada, make_wheel(folder, "hidden")).slug
        assert projects.find(uow, "expired") is None
    reading = site.token(permissions=("read",))
    return StockedSite(
        site, site.token(), reading, slugs, {path.name: path for path in folder.iterdir()}
    )


def with_settings(site: Site, **changes: object) -> Site:
    """The same index, on the same data, with other settings."""
    settings = factories.configured(site.services.settings, **changes)
    return Site(replace(site.services, settings=settings), site.clock)


def fetch(
    site: Site,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    environ: Mapping[str, object] | None = None,
) -> webob.Response:
    """An answer to any request, also to one that no sane client would send.

    ``path`` may have a query; it reaches the application as a server would hand it over.
    """
    quoted, _, query = path.partition("?")
    made: dict[str, object] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(quoted).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost:80",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body:
        made["CONTENT_LENGTH"] = str(len(body))
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        made[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    made |= environ or {}
    made = {name: value for name, value in made.items() if value is not None}
    response: webob.Response = BaseRequest(made).send(site.wsgi)
    _ = response.body  # read it to its end and close it, as a server does
    return response


@dataclass(frozen=True)
class State:
    """Everything that a request could have changed."""

    tables: dict[str, Rows]
    files: list[str]


def state(site: Site) -> State:
    """All rows but for who has shown credentials, and the names of all files below the storage.

    It is asked for before and after thousands of requests: rows are as the driver has them, and in
    an order that the database finds in an index.
    """
    with site.services.database.engine.connect() as connection:
        tables = {
            name: [tuple(row) for row in connection.exec_driver_sql(statement)]
            for name, statement in _statements().items()
        }
        connection.rollback()
    folders = os.walk(site.services.settings.files)
    return State(
        tables=tables,
        files=sorted(f"{folder}/{name}" for folder, _, names in folders for name in names),
    )


_OF_ACTS = "WHERE act NOT IN ('sign-in', 'sign-out', 'sign-in-failed', 'token-new-address')"


@cache
def _statements() -> dict[str, str]:
    """What reads each table."""
    made = {}
    of_uses = ("last_used", "last_address")
    for table in Base.metadata.sorted_tables:
        if table.name in (TokenAddress.__tablename__, SignInSession.__tablename__):
            continue
        columns = ", ".join(f'"{c.name}"' for c in table.columns if c.key not in of_uses)
        key = ", ".join(f'"{c.name}"' for c in table.primary_key)
        some = _OF_ACTS if table.name == AuditEntry.__tablename__ else ""
        made[table.name] = f'SELECT {columns} FROM "{table.name}" {some} ORDER BY {key}'
    return made
