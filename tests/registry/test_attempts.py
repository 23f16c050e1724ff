"""What may be tried so often only, from where and for whom."""

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from greenroom.models import Attempt, AuditEntry
from greenroom.networks import site_of
from greenroom.registry import attempts, failed_attempts
from greenroom.registry.attempt_limits import LIMITS, Purpose, place_of
from greenroom.registry.audit import Kind
from greenroom.registry.errors import TooMany
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.conftest import FakeClock
from tests.factories import ELSEWHERE, HOME


def place(number: int) -> str:
    """An address in a network of its own."""
    return f"2001:db8:{number:x}::1"


def tried(uow: UnitOfWork, purpose: Purpose, account: str, address: str, device: str = "") -> bool:
    try:
        attempts.begin(uow, purpose, account, address, device)
    except TooMany:
        return False
    return True


def room(uow: UnitOfWork, purpose: Purpose, count: int, account: str, address: str) -> list[bool]:
    """Whether there is room for the last and for one more, where all but one were tried before.

    ``#`` in account and address stands for a number, which is another one each time.
    """
    of = [
        (account.replace("#", f"{n:x}"), address.replace("#", f"{n:x}")) for n in range(count + 1)
    ]
    rows = [
        {
            "purpose": purpose.value,
            "account": who,
            "address": place_of(where),
            "site": site_of(where) or "",
            "at": uow.now,
        }
        for who, where in of[:-2]
    ]
    uow.db.execute(insert(Attempt), rows)
    return [tried(uow, purpose, who, where) for who, where in of[-2:]]


@pytest.mark.parametrize("purpose", list(Purpose))
def test_each_limit_holds_and_none_before_it(
    services: Services, clock: FakeClock, purpose: Purpose
) -> None:
    limits = LIMITS[purpose]
    assert limits.address is not None
    assert limits.site is not None
    assert limits.site.most >= 5 * limits.address.most
    with services.writing() as uow:
        if limits.here is not None:
            assert room(uow, purpose, limits.here.most, "ada", HOME) == [True, False]
            assert tried(uow, purpose, "ada", ELSEWHERE)
        # From one address, for whichever account: of IPv6 all of a /64.
        done = room(uow, purpose, limits.address.most, "u#", "2001:db8::#")
        assert done == [True, False]
        assert tried(uow, purpose, "another", "2001:db8:0:1::1")
        # From one /48: loosely.
        assert room(uow, purpose, limits.site.most, "v#", "2001:db8:1:#::1") == [True, False]
        assert tried(uow, purpose, "another", "2001:db8:2::1")
        # For one account, from everywhere.
        if limits.account is not None:
            done = room(uow, purpose, limits.account.most, "eve", "2001:db8:f#::1")
            assert done == [True, False]
        counted = uow.db.scalar(select(func.count()).select_from(Attempt))
        assert not tried(uow, purpose, "another", "2001:db8::1")
        # Who is refused is not counted.
        assert uow.db.scalar(select(func.count()).select_from(Attempt)) == counted
    clock.advance(limits.longest)
    with services.writing() as uow:
        assert tried(uow, purpose, "eve", "2001:db8::1")


def test_every_purpose_has_limits_by_address_and_network() -> None:
    assert set(LIMITS) == set(Purpose)
    for limits in LIMITS.values():
        assert limits.address is not None
        assert limits.site is not None
    # Whatever can be guessed for an account is limited for it, from wherever one guesses.
    for purpose in (Purpose.SIGN_IN, Purpose.SECOND_FACTOR, Purpose.CURRENT_PASSWORD):
        account = LIMITS[purpose].account
        assert account is not None
        assert account.most <= 100  # NIST SP 800-63B, 5.2.2
        # Whoever signs in is not kept out by others; who asks for more signs in again.
        assert (LIMITS[purpose].device is None) == (purpose is Purpose.CURRENT_PASSWORD)


def test_one_purpose_does_not_count_for_another(uow: UnitOfWork) -> None:
    for purpose in Purpose:
        assert tried(uow, purpose, "ada", HOME)
    assert place_of("unknown") == "unknown"
    for _ in range(9):
        assert tried(uow, Purpose.SIGN_IN, "ada", "unknown")


def test_a_known_device_is_counted_by_itself(services: Services, clock: FakeClock) -> None:
    with services.writing() as uow:
        for n in range(100):  # from everywhere, until the account is closed to strangers
            assert tried(uow, Purpose.SIGN_IN, "ada", place(n))
        for n in range(50):  # and from here, for others
            assert tried(uow, Purpose.SIGN_IN, f"u{n}", HOME)
        assert not tried(uow, Purpose.SIGN_IN, "ada", HOME)
        assert [tried(uow, Purpose.SIGN_IN, "Ada", HOME, "mine") for _ in range(20)] == [True] * 20
        # A stolen cookie is no way round the limit, nor does it close the other devices.
        assert not tried(uow, Purpose.SIGN_IN, "ada", HOME, "mine")
        assert tried(uow, Purpose.SIGN_IN, "ada", HOME, "another")
    clock.advance(timedelta(hours=1))
    with services.writing() as uow:
        assert tried(uow, Purpose.SIGN_IN, "ada", HOME, "mine")


def test_how_long_to_wait_is_until_there_is_room(services: Services, clock: FakeClock) -> None:
    with services.writing() as uow:
        assert tried(uow, Purpose.SIGN_IN, "ada", HOME)
        clock.advance(timedelta(minutes=2))
    with services.writing() as uow:
        for _ in range(9):
            assert tried(uow, Purpose.SIGN_IN, "ada", HOME)
        with pytest.raises(TooMany) as caught:
            attempts.begin(uow, Purpose.SIGN_IN, "ada", HOME)
        assert caught.value.retry_after == timedelta(minutes=3)
    clock.advance(timedelta(minutes=3))
    with services.writing() as uow:
        assert tried(uow, Purpose.SIGN_IN, "ada", HOME)
        assert not tried(uow, Purpose.SIGN_IN, "ada", HOME)


def test_many_at_once_count_like_many_in_a_row(services: Services) -> None:
    def attempt(number: int) -> bool:
        with services.writing() as uow:
            return tried(uow, Purpose.SECOND_FACTOR, "ada", place(number))

    acts = [lambda number=number: attempt(number) for number in range(26)]
    assert factories.at_once(*acts).count(True) == 20


def test_what_was_typed_where_a_name_belongs_is_not_kept(uow: UnitOfWork) -> None:
    assert tried(uow, Purpose.RESET, "my secret words", HOME)
    assert tried(uow, Purpose.RESET, "ada@index.example", HOME)
    assert tried(uow, Purpose.RESET, "ADA", HOME)
    kept = uow.db.scalars(select(Attempt.account)).all()
    assert kept[2] == "ada"
    assert not {"secret", "ada@"} & {word for text in kept[:2] for word in (text[:6], text[:4])}
    for _ in range(2):  # however it is written
        assert tried(uow, Purpose.RESET, "Ada@Index.Example", HOME)
    assert not tried(uow, Purpose.RESET, "ada@index.example", HOME)


def test_only_failures_to_show_who_one_is_come_into_the_audit_log(
    services: Services, clock: FakeClock
) -> None:
    with services.writing() as uow:
        factories.make_user(uow)
        for purpose in Purpose:
            assert tried(uow, purpose, "ada", ELSEWHERE)
        failed_attempts.record(uow, Purpose.SECOND_FACTOR, "ada", ELSEWHERE)
        failed_attempts.record(uow, Purpose.SECOND_FACTOR, "ada", ELSEWHERE)
    clock.advance(timedelta(hours=1))
    with services.writing() as uow:
        attempts.forget_old(uow)
        assert uow.db.scalars(select(Attempt)).all() == []
        failed = AuditEntry.act == Kind.SIGN_IN_FAILED
        details = uow.db.scalars(select(AuditEntry.detail).where(failed)).all()
    assert sorted(details) == [
        "",
        "by a second factor",
        "by single sign-on",
        "the current password was asked for",
    ]
