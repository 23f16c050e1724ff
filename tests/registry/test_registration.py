"""Registering, where anyone may."""

from datetime import timedelta

import pytest

from greenroom.registry import (
    attempts,
    registration,
    signing_in,
)
from greenroom.registry.errors import InvalidRequest, TooMany
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests.conftest import FakeClock
from tests.factories import ELSEWHERE, HOME, PASSWORD, one_unit


def test_an_address_registers_ten_accounts_within_an_hour(
    services: Services, clock: FakeClock
) -> None:
    with services.writing() as uow:
        register(uow, 10, HOME)
    clock.advance(timedelta(minutes=20))
    with services.writing() as uow:
        with pytest.raises(TooMany, match="10 accounts were registered") as caught:
            registration.register(one_unit(uow), "late", "late@index.example", PASSWORD, HOME)
        assert caught.value.retry_after == timedelta(minutes=40)
        register(uow, 1, ELSEWHERE)
    clock.advance(timedelta(minutes=40))
    with services.writing() as uow:
        assert registration.register(one_unit(uow), "late", "late@index.example", PASSWORD, HOME)


def test_what_does_not_do_for_an_account_does_not_count_as_one(uow: UnitOfWork) -> None:
    for _ in range(11):
        with pytest.raises(InvalidRequest):
            registration.register(one_unit(uow), "ada", "ada@index.example", "short", HOME)


def test_registrations_are_no_failures_to_sign_in(uow: UnitOfWork) -> None:
    register(uow, 10, HOME)

    for _ in range(9):
        assert signing_in.sign_in(one_unit(uow), "ada", "wrong", HOME) is None

    assert signing_in.sign_in(one_unit(uow), "user-1", PASSWORD, HOME) is not None


def test_registrations_are_forgotten_after_an_hour(services: Services, clock: FakeClock) -> None:
    with services.writing() as uow:
        register(uow, 1, HOME)
    clock.advance(timedelta(minutes=59))
    with services.writing() as uow:
        assert attempts.forget_old(uow) == 0
    clock.advance(timedelta(minutes=1))
    with services.writing() as uow:
        assert attempts.forget_old(uow) == 2  # that it was asked for, and that it was made


def register(uow: UnitOfWork, count: int, address: str) -> None:
    for number in range(count):
        name = f"user-{number}" if address == HOME else f"guest-{number}"
        registration.register(one_unit(uow), name, f"{name}@index.example", PASSWORD, address)
