"""That every request with a token is noted, wherever it asks and whatever becomes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import select

from greenroom.models import AuditEntry, Token
from greenroom.registry import accounts, upload_sessions
from greenroom.registry.permissions import Person
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Site, authorization

AT_HOME, ELSEWHERE = "192.0.2.1", "198.51.100.9"

# Method, address and status: reading ones, and those that change nothing as they are refused.
REQUESTS = [
    ("GET", "/api/drafts/example/1.0", 200),
    ("GET", "/api/drafts/example/9.9", 404),
    ("GET", "/upload/2.0/session/{draft}/", 200),
    ("GET", "/upload/2.0/session/{draft}/file/{file}/", 200),
    ("HEAD", "/upload/2.0/session/{draft}/file/{file}/bytes", 204),
    ("GET", "/upload/2.0/session/{other}/", 403),
    ("POST", "/upload/2.0/session/{other}/publish", 403),
    ("POST", "/upload/2.0/", 415),
    ("DELETE", "/draft/{slug}/files/other-1.0-py3-none-any.whl", 403),
    ("POST", "/legacy/", 400),
]


class Place:
    """An index with a draft of the token's user, one of somebody else, and the token."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        site.user()
        site.user("eve")
        with site.services.writing() as uow:
            ada = Person(accounts.get_user(uow.db, "ada"))
            eve = Person(accounts.get_user(uow.db, "eve"))
            draft = factories.open_new(uow, ada)
            other = factories.stage(uow, eve, make_wheel(folder, "other"))
            file = factories.announce(
                uow, ada, draft, make_wheel(folder), mechanism=upload_sessions.RESUMABLE
            )
            self.keys = {
                "draft": draft.key,
                "file": file.key,
                "other": other.key,
                "slug": other.slug,
            }
        self.token = site.token()

    def ask(self, method: str, address: str, status: int, come_from: str) -> None:
        self.site.app.request(
            address.format(**self.keys),
            method=method,
            headers=authorization(self.token) | {"Accept": "*/*"},
            environ={"REMOTE_ADDR": come_from},
            status=status,
        )

    def noted(self) -> tuple[object, ...]:
        """When and where the token was last used, and what the audit log has of that."""
        new = select(AuditEntry.address, AuditEntry.by).where(AuditEntry.act == "token-new-address")
        with self.site.services.reading() as uow:
            token = uow.db.scalars(select(Token)).one()
            lines = [tuple(row) for row in uow.db.execute(new)]
            return token.last_used, token.last_address, lines


@pytest.fixture
def place(site: Site, tmp_path: Path) -> Place:
    return Place(site, tmp_path)


def test_every_use_of_a_token_is_noted(place: Place) -> None:
    lines: list[tuple[str, str]] = []
    for number, (method, address, status) in enumerate(REQUESTS):
        come_from = f"192.0.2.{number}"
        place.site.clock.advance(timedelta(minutes=1))
        place.ask(method, address, status, come_from)
        lines += [(come_from, "ada")] if number else []  # the first one is new to nobody
        assert place.noted() == (place.site.clock.now, come_from, lines), (method, address)


def test_what_is_noted_is_not_written_again(place: Place) -> None:
    method, address, status = REQUESTS[0]
    place.ask(method, address, status, AT_HOME)
    noted = place.noted()
    place.site.clock.advance(timedelta(seconds=59))
    with writes_fail(place.site):  # where nothing is written, nothing fails
        place.ask(method, address, status, AT_HOME)
    assert place.noted() == noted


def test_a_read_does_not_wait_for_those_who_write(place: Place) -> None:
    method, address, status = REQUESTS[2]
    place.ask(method, address, status, AT_HOME)
    noted = place.noted()
    with place.site.services.writing() as uow:
        uow.db.scalars(select(Token).with_for_update()).one().label = "changed meanwhile"
        uow.db.flush()
        place.ask(method, address, status, ELSEWHERE)
    assert place.noted() == noted

    place.ask(method, address, status, ELSEWHERE)
    assert place.noted() == (place.site.clock.now, ELSEWHERE, [(ELSEWHERE, "ada")])


def test_a_database_that_takes_no_changes_is_read(place: Place) -> None:
    method, address, status = REQUESTS[2]
    with writes_fail(place.site):
        place.ask(method, address, status, AT_HOME)
    assert place.noted() == (None, None, [])


@contextmanager
def writes_fail(site: Site) -> Iterator[None]:
    """Let the database refuse every change, as a copy that is only read does."""
    database = site.services.database
    statement = "PRAGMA query_only = ON" if database.is_sqlite else "SET TRANSACTION READ ONLY"

    def refuse(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql(statement)

    sqlalchemy.event.listen(database.engine, "begin", refuse)
    yield
    sqlalchemy.event.remove(database.engine, "begin", refuse)
    database.close()  # SQLite's connections are so for good
