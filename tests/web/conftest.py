"""The index over HTTP: WebTest around the real application, with real commits."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
import webtest
from msgspec.structs import replace
from pyramid.router import Router

from greenroom.distributions.filenames import parse_filename
from greenroom.models import RoleName
from greenroom.registry import accounts, projects, roles
from greenroom.registry.permissions import DEFAULT_TOKEN_PERMISSIONS, OPERATOR
from greenroom.registry.unit_of_work import Services
from greenroom.settings import Settings
from greenroom.web.application import make_app
from tests import factories
from tests.conftest import FakeClock
from tests.factories import PASSWORD
from tests.web.rendered import refuse_rows

if TYPE_CHECKING:
    from tests.web.standing import StockedSite

Response: TypeAlias = webtest.TestResponse


def authorization(token: str, user: str = "__token__") -> dict[str, str]:
    """The Authorization header that twine sends."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()}


_routers: dict[Settings, Router] = {}

rendered: dict[str, list[str]] = {}
"""All templates that were rendered so far, and the rows that they were handed."""


class Application:
    """The real application on these services, made once for all that have the same settings.

    Settings that say where things are kept are of the services only.
    """

    def __init__(self, services: Services) -> None:
        assert services.settings.secret_key is not None
        anywhere = {"data": Path(), "database_url": None, "storage_url": None}
        settings = replace(services.settings, **anywhere)
        if settings not in _routers:
            _routers[settings] = make_app(services.settings, services=services)
            refuse_rows(_routers[settings], rendered)
        self.services = services
        self.router = _routers[settings]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.router.registry.services = self.services
        return self.router(environ, start_response)


class Site:
    """A running index: ``app`` is an anonymous browser of it."""

    def __init__(self, services: Services, clock: FakeClock) -> None:
        self.services = services
        self.clock = clock
        self.wsgi = Application(services)
        self.app = self.browser()

    def browser(self) -> webtest.TestApp:
        """A new browser, without cookies."""
        # Asked for by name, so that cookies come back: the index moves requests to its own address.
        return webtest.TestApp(self.wsgi, extra_environ={"HTTP_HOST": "index.example"})

    def user(self, username: str = "ada", **options: bool) -> str:
        """A new account; gives its name."""
        with self.services.writing() as uow:
            return factories.make_user(uow, username, **options).username

    def token(
        self,
        username: str = "ada",
        *,
        project: str | None = None,
        permissions: Iterable[str] = DEFAULT_TOKEN_PERMISSIONS,
        expires_in: timedelta | None = None,
    ) -> str:
        """A new API token of an account."""
        with self.services.writing() as uow:
            user = accounts.get_user(uow.db, username)
            scope = projects.get(uow, project) if project is not None else None
            return factories.make_token(
                uow, user, project=scope, permissions=permissions, expires_in=expires_in
            )

    def role(self, project: str, username: str, name: RoleName) -> None:
        """A role in a project, given by the operator."""
        with self.services.writing() as uow:
            roles.give(uow, OPERATOR, projects.get(uow, project), username, name)

    def release(self, *paths: Path, by: str = "ada") -> None:
        """Publish each file by a direct upload."""
        with self.services.writing() as uow:
            factories.release(uow, accounts.get_user(uow.db, by), *paths)

    def stage(self, *paths: Path, by: str = "ada") -> str:
        """Put files into a draft; gives its slug."""
        with self.services.writing() as uow:
            return factories.stage(uow, accounts.get_user(uow.db, by), *paths).slug

    def sign_in(self, username: str = "ada") -> webtest.TestApp:
        """A browser in which this person is signed in."""
        browser = self.browser()
        form = browser.get("/account/login").forms["login"]
        form["username"] = username
        form["password"] = PASSWORD
        form.submit().follow()
        return browser

    def upload(
        self,
        path: Path,
        token: str,
        *,
        url: str = "/legacy/",
        staged: bool = False,
        filename: str | None = None,
        headers: dict[str, str] | None = None,
        fields: dict[str, str | list[str] | None] | None = None,
        status: int | str = "*",
    ) -> Response:
        """Upload a file as twine does; ``fields`` replaces or, with None, removes form fields."""
        form = form_fields(path)
        if staged:
            form["staged"] = "true"
        form.update(fields or {})
        pairs = [
            (name, value)
            for name, given in form.items()
            if given is not None
            for value in (given if isinstance(given, list) else [given])
        ]
        return self.app.post(
            url,
            pairs,
            headers=authorization(token) | (headers or {}),
            upload_files=[("content", filename or path.name, path.read_bytes())],
            status=status,
        )


def form_fields(path: Path) -> dict[str, str | list[str] | None]:
    """The form that a truthful uploader sends along with a file."""
    named = parse_filename(path.name, private=True)
    return {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": named.name,
        "version": str(named.version),
        "filetype": named.packagetype,
        "pyversion": named.python_tag,
        "sha256_digest": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


@pytest.fixture
def site(services: Services, clock: FakeClock) -> Site:
    """A site of the test's own, with nothing in it."""
    return Site(services, clock)


@pytest.fixture
def account(site: Site) -> str:
    """The name of an account on the site, ``ada``, which owns what nobody else is said to own."""
    return site.user()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stocked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[StockedSite]":
    """The index of ``standing.stock``, which no test may change: one for each module."""
    from tests.web.standing import stocked_site  # which is made of what is here

    with stocked_site(request, tmp_path_factory.mktemp("stocked"), request.param) as stocked:
        yield stocked
