"""One-time links."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from greenroom.models import AccountLink, LinkKind
from greenroom.registry import account_links, housekeeping
from greenroom.registry.errors import NotFound
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.conftest import FakeClock


def test_a_link_is_used_once_and_only_as_what_it_is(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    link = account_links.make(uow, LinkKind.PASSWORD_RESET, by=OPERATOR, user=user)
    for other in set(LinkKind) - {LinkKind.PASSWORD_RESET}:
        with pytest.raises(NotFound):
            account_links.use(uow, other, link.key)
    for key in ("", link.key[:-1], link.key + "x", link.key.swapcase(), "\0", "é" * 43):
        with pytest.raises(NotFound):
            account_links.use(uow, LinkKind.PASSWORD_RESET, key)
    for _ in range(2):  # to look at it uses nothing up
        found = account_links.look_at(uow, LinkKind.PASSWORD_RESET, link.key)
        assert (found.username, found.made_by) == ("ada", "operator")
    assert account_links.use(uow, LinkKind.PASSWORD_RESET, link.key) == found
    with pytest.raises(NotFound, match="Ask for another one"):
        account_links.use(uow, LinkKind.PASSWORD_RESET, link.key)


def test_the_key_is_not_kept(uow: UnitOfWork) -> None:
    link = account_links.make(uow, LinkKind.INVITATION, by=OPERATOR, email="eve@index.example")
    assert all(link.key not in row for rows in factories.everything(uow).values() for row in rows)


def test_a_newer_link_ends_the_older_ones_of_its_kind_alone(uow: UnitOfWork) -> None:
    ada, eve = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")

    def make(kind: LinkKind, **owner: object) -> Callable[[], object]:
        made = account_links.make(uow, kind, by=OPERATOR, **owner)  # type: ignore[arg-type]
        return lambda: account_links.look_at(uow, kind, made.key)

    older = [
        make(LinkKind.PASSWORD_RESET, user=ada),
        make(LinkKind.INVITATION, email="Bob@index.example"),
        make(LinkKind.FIRST_ADMINISTRATOR),
    ]
    others = [
        make(LinkKind.EMAIL_VERIFICATION, user=ada, email="ada@index.example"),
        make(LinkKind.PASSWORD_RESET, user=eve),
        make(LinkKind.INVITATION, email="bobby@index.example"),
    ]
    newer = [
        make(LinkKind.PASSWORD_RESET, user=ada),
        make(LinkKind.INVITATION, email="bob@INDEX.example "),
        make(LinkKind.FIRST_ADMINISTRATOR),
    ]
    for gone in older:
        with pytest.raises(NotFound):
            gone()
    for there in (*others, *newer):
        there()
    assert account_links.end(uow, ada, LinkKind.PASSWORD_RESET) == 1
    with pytest.raises(NotFound):
        newer[0]()
    assert account_links.end(uow, ada) == 1
    with pytest.raises(NotFound):
        others[0]()


def test_links_of_an_account_that_is_disabled_are_no_good(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    link = account_links.make(uow, LinkKind.PASSWORD_RESET, by=OPERATOR, user=user)
    user.disabled = uow.now
    with pytest.raises(NotFound):
        account_links.use(uow, LinkKind.PASSWORD_RESET, link.key)


@pytest.mark.parametrize("kind", LinkKind)
def test_links_expire_to_the_second(services: Services, clock: FakeClock, kind: LinkKind) -> None:
    with services.writing() as uow:
        link = account_links.make(uow, kind, by=OPERATOR)
    clock.advance(account_links.LIFETIMES[kind] - timedelta(seconds=1))
    housekeeping.keep_house(services)
    with services.reading() as uow:
        account_links.look_at(uow, kind, link.key)
    clock.advance(timedelta(seconds=1))
    with services.reading() as uow, pytest.raises(NotFound):
        account_links.look_at(uow, kind, link.key)
    housekeeping.keep_house(services)
    with services.reading() as uow:
        assert uow.db.scalars(select(AccountLink)).all() == []


def test_of_two_that_use_a_link_at_once_one_does(services: Services) -> None:
    with services.writing() as uow:
        link = account_links.make(uow, LinkKind.FIRST_ADMINISTRATOR, by=OPERATOR)

    def use() -> str:
        try:
            with services.writing() as uow:
                account_links.use(uow, link.kind, link.key)
        except NotFound:
            return "refused"
        return "used"

    assert sorted(factories.at_once(*[use] * 8)) == ["refused"] * 7 + ["used"]
