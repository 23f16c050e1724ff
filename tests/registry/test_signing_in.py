"""Signing in, failures to, and changing the password."""

import threading
from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import Attempt, User
from greenroom.registry import (
    accounts,
    attempts,
    password_turns,
    passwords,
    registration,
    signing_in,
)
from greenroom.registry.accounts import SignedIn
from greenroom.registry.errors import InvalidRequest, TooMany
from greenroom.registry.known_devices import Device
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.conftest import FakeClock
from tests.factories import ELSEWHERE, HOME, PASSWORD, one_unit
from tests.hashing import Watchful
from tests.transactions import statements_of


def signed_in(user: User) -> SignedIn:
    return SignedIn(user.id, user.username, accounts.session_stamp(user))


def test_name_and_password_open_an_account(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    assert signing_in.sign_in(one_unit(uow), "ADA", PASSWORD, HOME) == signed_in(user)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("ada", "wrong"),
        ("ada", "x" * 100_000),
        ("eve", PASSWORD),
        ("", ""),
        ("a\0", PASSWORD),
        ("\udcff", PASSWORD),
        ("x" * 300, PASSWORD),
    ],
)
def test_what_opens_no_account_is_counted(uow: UnitOfWork, username: str, password: str) -> None:
    factories.make_user(uow)
    assert signing_in.sign_in(one_unit(uow), username, password, HOME) is None
    assert len(uow.db.scalars(select(Attempt)).all()) == 1


def fail(uow: UnitOfWork, times: int, account: str = "ada", address: str = HOME) -> None:
    for _ in range(times):
        assert signing_in.sign_in(one_unit(uow), account, "wrong", address) is None


def test_ten_failures_close_an_account_to_an_address(uow: UnitOfWork) -> None:
    factories.make_user(uow)
    fail(uow, 10)
    with pytest.raises(TooMany, match="Too many failed sign-ins") as caught:
        signing_in.sign_in(one_unit(uow), "Ada", PASSWORD, HOME)
    assert timedelta(0) < caught.value.retry_after <= timedelta(minutes=5)
    assert signing_in.sign_in(one_unit(uow), "ada", PASSWORD, ELSEWHERE) is not None


def test_nine_failures_do_not(uow: UnitOfWork) -> None:
    factories.make_user(uow)
    fail(uow, 9)
    assert signing_in.sign_in(one_unit(uow), "ada", PASSWORD, HOME) is not None


def test_fifty_failures_close_all_accounts_to_an_address(uow: UnitOfWork) -> None:
    factories.make_user(uow)
    for number in range(10):
        fail(uow, 5, f"user{number}")
    with pytest.raises(TooMany):
        signing_in.sign_in(one_unit(uow), "ada", PASSWORD, HOME)


def test_failures_of_a_clock_that_was_ahead_do_not_count(uow: UnitOfWork) -> None:
    factories.make_user(uow)
    fail(replace(uow, now=uow.now + timedelta(days=2)), 10)
    assert signing_in.sign_in(one_unit(uow), "ada", PASSWORD, HOME) is not None


def test_failures_are_forgotten_after_five_minutes(services: Services, clock: FakeClock) -> None:
    with services.writing() as uow:
        factories.make_user(uow)
        fail(uow, 10)
    clock.advance(timedelta(minutes=5))
    with services.writing() as uow:
        assert signing_in.sign_in(one_unit(uow), "ada", PASSWORD, HOME) is not None
        assert attempts.forget_old(uow) == 0  # of the account from everywhere they count longer
    clock.advance(timedelta(minutes=55))
    with services.writing() as uow:
        assert attempts.forget_old(uow) == 10
        assert attempts.forget_old(uow) == 0


@pytest.fixture
def room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many sign in at once, each waits for its turn."""
    monkeypatch.setattr(password_turns, "_places", threading.BoundedSemaphore(100))


@pytest.mark.usefixtures("room_for_all")
def test_many_attempts_at_once_are_counted_like_many_in_a_row(services: Services) -> None:
    with services.writing() as uow:
        factories.make_user(uow)

    def attempt() -> bool:
        try:
            signing_in.sign_in(services, "ada", "wrong", HOME)
        except TooMany:
            return False
        return True

    assert factories.at_once(*[attempt] * 16).count(True) == 10


@pytest.mark.usefixtures("room_for_all")
def test_who_signs_in_at_once_with_the_right_password_does(services: Services) -> None:
    with services.writing() as uow:
        user = signed_in(factories.make_user(uow))

    def attempt() -> SignedIn | None:
        return signing_in.sign_in(services, "ada", PASSWORD, HOME)

    assert factories.at_once(*[attempt] * 8) == [user] * 8
    with services.reading() as uow:
        assert uow.db.scalars(select(Attempt)).all() == []


@pytest.fixture
def watchful(services: Services, monkeypatch: pytest.MonkeyPatch) -> Watchful:
    return Watchful(services.database, monkeypatch)


def test_passwords_are_hashed_in_no_transaction(services: Services, watchful: Watchful) -> None:
    key = factories.first_administrator_key(services)
    ada = accounts.create_first_administrator(
        services, "ada", "ada@index.example", PASSWORD, key=key
    )
    registration.register(services, "eve", "eve@index.example", PASSWORD, HOME)
    with pytest.raises(InvalidRequest):
        registration.register(services, "eve", "eve@index.example", PASSWORD, HOME)
    signing_in.change_password(services, ada.id, PASSWORD, "another good password")
    with pytest.raises(InvalidRequest):
        signing_in.change_password(services, ada.id, PASSWORD, "another good password")
    assert signing_in.sign_in(services, "ada", "another good password", HOME)
    assert signing_in.sign_in(services, "ada", PASSWORD, HOME) is None
    assert signing_in.sign_in(services, "nobody", PASSWORD, HOME) is None
    assert watchful.computed == 9


def test_a_password_that_is_hashed_in_a_transaction_is_seen(
    services: Services, watchful: Watchful
) -> None:
    with services.reading() as uow:
        assert accounts.is_empty(uow.db)
        with pytest.raises(AssertionError):
            factories.make_user(uow)


def test_passwords_are_hashed_one_after_the_other(services: Services, watchful: Watchful) -> None:
    factories.at_once(*[lambda: accounts.prepared("ada", "ada@index.example", PASSWORD)] * 6)
    assert watchful.computed == 6
    assert watchful.most == 1


def test_another_password_ends_sessions(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    before = accounts.session_stamp(user)
    signing_in.change_password(one_unit(uow), user.id, PASSWORD, "another good password")
    assert accounts.session_stamp(user) != before
    assert signing_in.sign_in(one_unit(uow), "ada", PASSWORD, HOME) is None
    now = signing_in.sign_in(one_unit(uow), "ada", "another good password", HOME)
    assert now == signed_in(user)


@pytest.mark.parametrize(
    ("current", "new"), [("wrong", "another good password"), (PASSWORD, "short")]
)
def test_a_password_is_changed_by_who_knows_it_to_one_that_does(
    uow: UnitOfWork, current: str, new: str
) -> None:
    user = factories.make_user(uow)
    with pytest.raises(InvalidRequest):
        signing_in.change_password(one_unit(uow), user.id, current, new)
    assert signing_in.sign_in(one_unit(uow), "ada", PASSWORD, HOME) == signed_in(user)


def test_it_takes_the_same_steps_whether_or_not_there_is_an_account(
    services: Services, watchful: Watchful
) -> None:
    with services.writing() as uow:
        for name in ("ada", "eve"):
            uow.db.add(
                User(
                    username=name,
                    normalized_username=name,
                    email=f"{name}@index.example",
                    password_hash=passwords.dummy_hash(),
                    created=uow.now,
                )
            )

    def steps(username: str, address: str, device: Device | None = None) -> tuple[int, list[str]]:
        computed = watchful.computed
        with statements_of(services.database) as statements:
            assert signing_in.sign_in(services, username, "no such horse", address, device) is None
        return watchful.computed - computed, statements

    known = steps("ada", "192.0.2.1")
    assert known[0] == 1
    assert steps("nobody", "192.0.2.2") == known
    again = steps("ada", "192.0.2.1")
    assert steps("nobody", "192.0.2.2") == again
    # Nor does a device that says it is known to an account tell whether that is there.
    device = Device("0" * 16, "0" * 16)
    assert steps("eve", "192.0.2.3", device) == steps("nobody2", "192.0.2.4", device)
