"""An index in this process, with the people that the suite needs."""

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import requests
from msgspec import structs
from sqlalchemy import select, update

from conformance.client import basic
from conformance.laboratory import Choices
from greenroom.database import Database
from greenroom.models import Project, RoleName
from greenroom.registry import projects, reviews, roles
from greenroom.registry.permissions import OPERATOR, Act
from greenroom.registry.unit_of_work import Services, utc_now
from greenroom.settings import Settings
from greenroom.storage import open_storage
from greenroom.web.application import make_app
from tests import factories
from tests.conformance.wsgi_adapter import session_of
from tests.conftest import unflushed

URL = "http://index.example"
ROOT = f"{URL}/upload/2.0/"
REFUSED_VERSION = "6.6.6"
# To the letter, in its quotes: as a pattern it is found in one digest of a hundred, or so.
_REFUSES = f"""if grep -qF '"{REFUSED_VERSION}"'; then echo It is not good.; exit 1; fi"""
_REVIEW = shlex.join(["sh", "-c", _REFUSES])


@dataclass(frozen=True)
class Subject:
    """The index that is examined, and what the suite is told of it."""

    services: Services
    app: WSGIApplication
    choices: Choices

    def get(self, path: str, accept: str) -> requests.Response:
        return session_of(self.app).get(f"{URL}{path}", headers={"Accept": accept})

    def project_names(self) -> set[str]:
        """Every project that the database knows, public or not."""
        with self.services.reading() as uow:
            return set(uow.db.scalars(select(Project.normalized_name)))


class ReviewedAtTheThirdLook:
    """Reviews what waits for it when it is looked at for the third time, and no sooner.

    The suite has its time to interfere, and nobody waits for a clock.
    """

    def __init__(self, app: WSGIApplication, services: Services) -> None:
        self.app = app
        self.services = services
        self.looks = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path.endswith("/publish"):
            self.looks = 0
        elif method == "GET" and path.startswith("/upload/"):
            self.looks += 1
            if self.looks == 3:
                reviews.review_all(self.services)
        return self.app(environ, start_response)


class TokensPublishAgain:
    """Lets API tokens publish in every project, as its people could, also if a draft began it."""

    def __init__(self, app: WSGIApplication, services: Services) -> None:
        self.app = app
        self.services = services

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].endswith("/publish"):
            with self.services.writing() as uow:
                uow.db.execute(update(Project).values(auto_publish_releases=True))
        return self.app(environ, start_response)


@contextmanager
def examined(settings: Settings, *, reviewed: bool = False) -> Iterator[Subject]:
    """An index with these settings, which reviews publications if it shall.

    Its clock is the true one, as clients have none but that.
    """
    if reviewed:
        settings = structs.replace(settings, review_command=_REVIEW)
    database = unflushed(Database(settings.sqlalchemy_url))
    services = Services(database, open_storage(None, settings.files), settings, utc_now)
    with services.writing() as uow:
        ada, grace = (factories.make_user(uow, name) for name in ("ada", "grace"))
        first, second = (factories.make_token(uow, user) for user in (ada, grace))
        stage_only = factories.make_token(uow, ada, permissions=[Act.STAGE])

    def grant(project: str) -> None:
        with services.writing() as uow:
            found = projects.get(uow, project)
            roles.give(uow, OPERATOR, found, "grace", RoleName.MAINTAINER)

    def revoke(project: str) -> None:
        with services.writing() as uow:
            roles.take(uow, OPERATOR, projects.get(uow, project), "grace")

    choices = Choices(
        root=ROOT,
        authorization=basic(first),
        second=basic(second),
        stage_only=basic(stage_only),
        index=f"{URL}/simple/",
        grant=grant,
        revoke=revoke,
    )
    app: WSGIApplication = TokensPublishAgain(make_app(settings, services=services), services)
    if reviewed:
        app = ReviewedAtTheThirdLook(app, services)
        choices = replace(choices, refused_version=REFUSED_VERSION, longest_pause=0.01)
    yield Subject(services, app, replace(choices, transport=lambda: session_of(app)))
    database.close()
