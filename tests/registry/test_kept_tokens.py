"""Tokens that read: kept for some seconds, and forgotten at once when anything of them changes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import event

from greenroom.database import Database
from greenroom.models import Token, User
from greenroom.registry import accounts, tokens
from greenroom.registry.credential_changes import CredentialChanges
from greenroom.registry.errors import NotAuthenticated
from greenroom.registry.kept_tokens import KeptTokens
from greenroom.registry.unit_of_work import Origin, Services, UnitOfWork
from tests import factories
from tests.conftest import FakeClock

Find = Callable[[], str]


@contextmanager
def queries(database: Database) -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield asked
    event.remove(database.engine, "before_cursor_execute", note)


@pytest.fixture
def text(services: Services) -> str:
    with services.writing() as uow:
        return factories.make_token(
            uow,
            factories.make_user(uow, "ada"),
            permissions=("read",),
            expires_in=timedelta(seconds=25),
        )


def name(services: Services, kept: KeptTokens, text: str) -> str:
    return kept.find(services, text).name


def selects(asked: list[str]) -> int:
    return sum("SELECT" in statement for statement in asked if "LISTEN" not in statement)


def test_a_token_that_is_kept_costs_no_query(
    services: Services, text: str, clock: FakeClock
) -> None:
    find = partial(name, services, KeptTokens(services), text)
    find()  # its use is noted, and on SQLite something was written
    with queries(services.database) as first:
        assert find() == "ada"
    with queries(services.database) as kept:
        assert [find() for _ in range(5)] == ["ada"] * 5
    clock.advance(timedelta(seconds=11))
    with queries(services.database) as later:
        find()

    assert (selects(first) <= 1, kept, selects(later)) == (True, [], 1)


def test_it_is_noted_that_a_token_reads_and_from_where(
    services: Services, text: str, clock: FakeClock
) -> None:
    kept = KeptTokens(services)
    for address in ("192.0.2.1", "192.0.2.1", "198.51.100.9"):
        kept.find(services.coming_from(Origin(address)), text)
    with services.reading() as uow:
        token = uow.db.query(Token).one()
        assert (token.last_used, token.last_address) == (clock.now, "198.51.100.9")


def look_for_long(services: Services, kept: KeptTokens, text: str) -> None:
    """PostgreSQL tells of a change when it is committed, which takes its way; time stands still."""
    for _ in range(1000):
        kept.find(services, text)
        time.sleep(0.01)


ENDS: dict[str, Callable[[UnitOfWork, User], object]] = {
    "revoked": lambda uow, user: tokens.revoke(uow, user, uow.db.query(Token).one().id),
    "deleted": lambda uow, user: uow.db.delete(uow.db.query(Token).one()),
    "with its user": lambda uow, user: uow.db.delete(user),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_token_that_ends_is_forgotten_at_once(services: Services, text: str, how: str) -> None:
    """In every process: each has its own connections, as these two have."""
    others = [KeptTokens(services), KeptTokens(services)]
    for kept in others * 2:
        kept.find(services, text)
    with services.writing() as uow:
        user: User = accounts.get_user(uow.db, "ada")
        ENDS[how](uow, user)

    for kept in others:
        with pytest.raises(NotAuthenticated):
            look_for_long(services, kept, text)


def test_a_token_is_not_kept_beyond_its_end(
    services: Services, text: str, clock: FakeClock
) -> None:
    kept = KeptTokens(services)
    clock.advance(timedelta(seconds=20))
    kept.find(services, text)
    clock.advance(timedelta(seconds=5))

    with pytest.raises(NotAuthenticated, match="expired"):
        kept.find(services, text)


def test_who_cannot_hear_of_changes_keeps_nothing(services: Services, text: str) -> None:
    changes = CredentialChanges(services.database)
    assert changes.have_come()
    changes.have_come()
    assert not changes.have_come()
    connection = changes._connection
    assert connection is not None
    assert connection.dbapi_connection is not None
    connection.dbapi_connection.close()

    assert changes.have_come()
    assert changes.have_come()
