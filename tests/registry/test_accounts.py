"""Accounts."""

import threading
from collections.abc import Callable

import pytest

from greenroom.registry import (
    accounts,
    registration,
)
from greenroom.registry.accounts import SignedIn
from greenroom.registry.errors import InvalidRequest, NotFound, Refusal
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.factories import HOME, PASSWORD, one_unit


def test_an_account_is_found_in_any_letter_case(uow: UnitOfWork) -> None:
    made = factories.make_user(uow, "Ada")
    assert made.username == "Ada"
    assert accounts.get_user(uow.db, "aDA") is made


@pytest.mark.parametrize("name", ["ada", "", "a\0b", "\udcff", "é"])
def test_there_is_no_account_that_nobody_made(uow: UnitOfWork, name: str) -> None:
    with pytest.raises(NotFound, match="There is no user"):
        accounts.get_user(uow.db, name)


def test_a_user_name_is_taken_in_every_letter_case(uow: UnitOfWork) -> None:
    factories.make_user(uow, "ada")
    with pytest.raises(InvalidRequest, match="'ADA' is taken"):
        factories.make_user(uow, "ADA")


@pytest.mark.parametrize(
    ("username", "email", "password", "about"),
    [
        ("a da", "ada@index.example", PASSWORD, "user name"),
        ("ada", "ada", PASSWORD, "e-mail"),
        ("ada", "@index.example", PASSWORD, "e-mail"),
        ("ada", "ada@index.example\n", PASSWORD, "e-mail"),
        ("ada", "ada@" + "x" * 260, PASSWORD, "e-mail"),
        ("ada", "ada@index.example", "short", "too short"),
        ("ada", "ada@index.example", "x" * 1001, "too long"),
    ],
)
def test_what_does_not_do_for_an_account(
    uow: UnitOfWork, username: str, email: str, password: str, about: str
) -> None:
    key = factories.first_administrator_key(one_unit(uow))
    before = factories.everything(uow)
    with pytest.raises(InvalidRequest, match=about):
        accounts.prepared(username, email, password)
    with pytest.raises(InvalidRequest, match=about):
        registration.register(one_unit(uow), username, email, password, HOME)
    with pytest.raises(InvalidRequest, match=about):
        accounts.create_first_administrator(one_unit(uow), username, email, password, key=key)
    tried = factories.everything(uow).pop("attempts")
    assert len(tried) == 1  # nothing else is left of it
    assert factories.everything(uow) == before | {"attempts": tried}


def test_every_problem_of_an_account_is_told() -> None:
    with pytest.raises(InvalidRequest) as caught:
        accounts.prepared("", "", "")
    assert len(caught.value.details) == 3


def test_a_password_is_not_kept(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    assert PASSWORD not in user.password_hash


def test_there_is_one_first_administrator(uow: UnitOfWork) -> None:
    assert accounts.is_empty(uow.db)
    for key in ("", factories.first_administrator_key(one_unit(uow))[:-1]):
        with pytest.raises(NotFound, match="greenroom user first-administrator-link"):
            accounts.create_first_administrator(
                one_unit(uow), "ada", "ada@index.example", PASSWORD, key=key
            )
    key = factories.first_administrator_key(one_unit(uow))
    made = accounts.create_first_administrator(
        one_unit(uow), "ada", "ada@index.example", PASSWORD, key=key
    )
    first = accounts.get_user(uow.db, "ada")
    assert made == SignedIn(first.id, "ada", accounts.session_stamp(first))
    assert first.is_administrator
    assert first.email_verified
    with pytest.raises(NotFound, match="has an administrator"):
        accounts.create_first_administrator(
            one_unit(uow), "eve", "eve@index.example", PASSWORD, key=key
        )
    with pytest.raises(NotFound, match="has an administrator"):
        accounts.first_administrator_link(uow)


def test_of_two_who_want_to_be_first_one_is(services: Services) -> None:
    key = factories.first_administrator_key(services)

    def claim(name: str) -> Callable[[], bool]:
        def act() -> bool:
            try:
                accounts.create_first_administrator(
                    services, name, f"{name}@index.example", PASSWORD, key=key
                )
            except NotFound:
                return False
            return True

        return act

    assert sorted(factories.at_once(claim("ada"), claim("eve"))) == [False, True]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_comes_while_another_becomes_the_first_waits_and_is_not(services: Services) -> None:
    refusals: list[Refusal] = []
    key = factories.first_administrator_key(services)

    def come_second() -> None:
        try:
            accounts.create_first_administrator(
                services, "eve", "eve@index.example", PASSWORD, key=key
            )
        except Refusal as refusal:
            refusals.append(refusal)

    second = threading.Thread(target=come_second)
    with services.writing() as uow:
        ada = accounts.prepared("ada", "ada@index.example", PASSWORD)
        accounts.create_user(uow, ada, administrator=True)
        second.start()
        second.join(0.3)
    second.join()
    assert [type(refusal) for refusal in refusals] == [NotFound]
