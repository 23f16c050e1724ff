"""Accounts, passwords, signing in, and API tokens."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from greenroom.models import Attempt, RoleName, Token, User
from greenroom.registry import accounts, drafts, password_turns, projects
from greenroom.registry.accounts import SignedIn
from greenroom.registry.errors import InvalidRequest, NotAuthenticated, NotFound, Refusal, TooMany
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.random_text import random_text
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.factories import PASSWORD, OneUnit
from tests.hashing import Watchful

HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def signed_in(user: User) -> SignedIn:
    return SignedIn(user.id, user.username, accounts.session_stamp(user))


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
    before = factories.everything(uow)
    with pytest.raises(InvalidRequest, match=about):
        accounts.prepared(username, email, password)
    with pytest.raises(InvalidRequest, match=about):
        accounts.register(OneUnit(uow), username, email, password, HOME)
    with pytest.raises(InvalidRequest, match=about):
        accounts.create_first_administrator(OneUnit(uow), username, email, password)
    assert factories.everything(uow) == before


def test_every_problem_of_an_account_is_told() -> None:
    with pytest.raises(InvalidRequest) as caught:
        accounts.prepared("", "", "")
    assert len(caught.value.details) == 3


def test_a_password_is_not_kept(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    assert PASSWORD not in user.password_hash


def test_there_is_one_first_administrator(uow: UnitOfWork) -> None:
    assert accounts.is_empty(uow.db)
    made = accounts.create_first_administrator(OneUnit(uow), "ada", "ada@index.example", PASSWORD)
    first = accounts.get_user(uow.db, "ada")
    assert made == SignedIn(first.id, "ada", accounts.session_stamp(first))
    assert first.is_administrator
    assert first.email_verified
    with pytest.raises(NotFound, match="has an administrator"):
        accounts.create_first_administrator(OneUnit(uow), "eve", "eve@index.example", PASSWORD)


def test_of_two_who_want_to_be_first_one_is(services: Services) -> None:
    def claim(name: str) -> Callable[[], bool]:
        def act() -> bool:
            try:
                accounts.create_first_administrator(
                    services, name, f"{name}@index.example", PASSWORD
                )
            except NotFound:
                return False
            return True

        return act

    assert sorted(factories.at_once(claim("ada"), claim("eve"))) == [False, True]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_comes_while_another_becomes_the_first_waits_and_is_not(services: Services) -> None:
    refusals: list[Refusal] = []

    def come_second() -> None:
        try:
            accounts.create_first_administrator(services, "eve", "eve@index.example", PASSWORD)
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


def test_name_and_password_open_an_account(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    assert accounts.sign_in(OneUnit(uow), "ADA", PASSWORD, HOME) == signed_in(user)


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
    assert accounts.sign_in(OneUnit(uow), username, password, HOME) is None
    assert len(uow.db.scalars(select(Attempt)).all()) == 1


def fail(uow: UnitOfWork, times: int, account: str = "ada", address: str = HOME) -> None:
    for _ in range(times):
        assert accounts.sign_in(OneUnit(uow), account, "wrong", address) is None


def test_ten_failures_close_an_account_to_an_address(uow: UnitOfWork) -> None:
    factories.make_user(uow)
    fail(uow, 10)
    with pytest.raises(TooMany, match="Too many failed sign-ins") as caught:
        accounts.sign_in(OneUnit(uow), "Ada", PASSWORD, HOME)
    assert timedelta(0) < caught.value.retry_after <= accounts.FAILURES_COUNT_FOR
    assert accounts.sign_in(OneUnit(uow), "ada", PASSWORD, ELSEWHERE) is not None


def test_nine_failures_do_not(uow: UnitOfWork) -> None:
    factories.make_user(uow)
    fail(uow, 9)
    assert accounts.sign_in(OneUnit(uow), "ada", PASSWORD, HOME) is not None


def test_fifty_failures_close_all_accounts_to_an_address(uow: UnitOfWork) -> None:
    factories.make_user(uow)
    for number in range(10):
        fail(uow, 5, f"user{number}")
    with pytest.raises(TooMany):
        accounts.sign_in(OneUnit(uow), "ada", PASSWORD, HOME)


def test_failures_of_a_clock_that_was_ahead_do_not_count(uow: UnitOfWork) -> None:
    factories.make_user(uow)
    fail(replace(uow, now=uow.now + timedelta(days=2)), 10)
    assert accounts.sign_in(OneUnit(uow), "ada", PASSWORD, HOME) is not None


def test_failures_are_forgotten_after_five_minutes(services: Services, clock: FakeClock) -> None:
    with services.writing() as uow:
        factories.make_user(uow)
        fail(uow, 10)
    clock.advance(accounts.FAILURES_COUNT_FOR)
    with services.writing() as uow:
        assert accounts.sign_in(OneUnit(uow), "ada", PASSWORD, HOME) is not None
        assert accounts.forget_old_attempts(uow) == 10
        assert accounts.forget_old_attempts(uow) == 0


def test_an_address_registers_ten_accounts_within_an_hour(
    services: Services, clock: FakeClock
) -> None:
    with services.writing() as uow:
        register(uow, 10, HOME)
    clock.advance(timedelta(minutes=20))
    with services.writing() as uow:
        with pytest.raises(TooMany, match="10 accounts were registered") as caught:
            accounts.register(OneUnit(uow), "late", "late@index.example", PASSWORD, HOME)
        assert caught.value.retry_after == timedelta(minutes=40)
        register(uow, 1, ELSEWHERE)
    clock.advance(timedelta(minutes=40))
    with services.writing() as uow:
        assert accounts.register(OneUnit(uow), "late", "late@index.example", PASSWORD, HOME)


def test_what_does_not_do_for_an_account_does_not_count_as_one(uow: UnitOfWork) -> None:
    for _ in range(11):
        with pytest.raises(InvalidRequest):
            accounts.register(OneUnit(uow), "ada", "ada@index.example", "short", HOME)


def test_registrations_are_no_failures_to_sign_in(uow: UnitOfWork) -> None:
    register(uow, 10, HOME)

    fail(uow, 9)

    assert accounts.sign_in(OneUnit(uow), "user-1", PASSWORD, HOME) is not None


def test_registrations_are_forgotten_after_an_hour(services: Services, clock: FakeClock) -> None:
    with services.writing() as uow:
        register(uow, 1, HOME)
    clock.advance(accounts.FAILURES_COUNT_FOR)
    with services.writing() as uow:
        assert accounts.forget_old_attempts(uow) == 0
    clock.advance(accounts.REGISTRATIONS_COUNT_FOR)
    with services.writing() as uow:
        assert accounts.forget_old_attempts(uow) == 1


def register(uow: UnitOfWork, count: int, address: str) -> None:
    for number in range(count):
        name = f"user-{number}" if address == HOME else f"guest-{number}"
        accounts.register(OneUnit(uow), name, f"{name}@index.example", PASSWORD, address)


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
            accounts.sign_in(services, "ada", "wrong", HOME)
        except TooMany:
            return False
        return True

    assert factories.at_once(*[attempt] * 16).count(True) == 10


@pytest.mark.usefixtures("room_for_all")
def test_who_signs_in_at_once_with_the_right_password_does(services: Services) -> None:
    with services.writing() as uow:
        user = signed_in(factories.make_user(uow))

    def attempt() -> SignedIn | None:
        return accounts.sign_in(services, "ada", PASSWORD, HOME)

    assert factories.at_once(*[attempt] * 8) == [user] * 8
    with services.reading() as uow:
        assert uow.db.scalars(select(Attempt)).all() == []


@pytest.fixture
def watchful(services: Services, monkeypatch: pytest.MonkeyPatch) -> Watchful:
    return Watchful(services.database, monkeypatch)


def test_passwords_are_hashed_in_no_transaction(services: Services, watchful: Watchful) -> None:
    ada = accounts.create_first_administrator(services, "ada", "ada@index.example", PASSWORD)
    accounts.register(services, "eve", "eve@index.example", PASSWORD, HOME)
    with pytest.raises(InvalidRequest):
        accounts.register(services, "eve", "eve@index.example", PASSWORD, HOME)
    accounts.change_password(services, ada.id, PASSWORD, "another good password")
    with pytest.raises(InvalidRequest):
        accounts.change_password(services, ada.id, PASSWORD, "another good password")
    assert accounts.sign_in(services, "ada", "another good password", HOME)
    assert accounts.sign_in(services, "ada", PASSWORD, HOME) is None
    assert accounts.sign_in(services, "nobody", PASSWORD, HOME) is None
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
    accounts.change_password(OneUnit(uow), user.id, PASSWORD, "another good password")
    assert accounts.session_stamp(user) != before
    assert accounts.sign_in(OneUnit(uow), "ada", PASSWORD, HOME) is None
    assert accounts.sign_in(OneUnit(uow), "ada", "another good password", HOME) == signed_in(user)


@pytest.mark.parametrize(
    ("current", "new"), [("wrong", "another good password"), (PASSWORD, "short")]
)
def test_a_password_is_changed_by_who_knows_it_to_one_that_does(
    uow: UnitOfWork, current: str, new: str
) -> None:
    user = factories.make_user(uow)
    with pytest.raises(InvalidRequest):
        accounts.change_password(OneUnit(uow), user.id, current, new)
    assert accounts.sign_in(OneUnit(uow), "ada", PASSWORD, HOME) == signed_in(user)


# Tokens


def test_a_token_stands_for_its_user(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    token, text = accounts.create_token(uow, user, " laptop ", permissions=["stage"])
    assert text.startswith("gr_")
    assert token.label == "laptop"
    shown = accounts.actor_of_token(uow, text).token
    assert (shown.id, shown.user.username, shown.permissions) == (token.id, "ada", ("stage",))


def test_the_text_of_a_token_is_not_kept(uow: UnitOfWork) -> None:
    text = factories.make_token(uow, factories.make_user(uow))
    assert all(text not in row for rows in factories.everything(uow).values() for row in rows)


def test_permissions_may_come_one_after_the_other(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    given = (name for name in ("publish", "stage"))
    token, _ = accounts.create_token(uow, user, "ci", permissions=given)
    assert token.permissions == ["stage", "publish"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gr_",
        "gr_" + "x" * 48,
        "pypi",
        "gr_\0" + "x" * 47,
        "gr_\udcff",
        "gr_é",
        "x" * 100_000,
    ],
)
def test_what_is_no_token_is_refused(uow: UnitOfWork, text: str) -> None:
    factories.make_token(uow, factories.make_user(uow))
    with pytest.raises(NotAuthenticated, match="Invalid or non-existent authentication"):
        accounts.actor_of_token(uow, text)


def test_the_start_of_a_token_is_not_enough(uow: UnitOfWork) -> None:
    text = factories.make_token(uow, factories.make_user(uow))
    for wrong in (text[:-1], text + "x", text[:11], text.swapcase()):
        with pytest.raises(NotAuthenticated):
            accounts.actor_of_token(uow, wrong)


def test_a_token_ends_at_the_second(services: Services, clock: FakeClock) -> None:
    with services.writing() as uow:
        text = factories.make_token(uow, factories.make_user(uow), expires_in=timedelta(minutes=5))
    clock.advance(timedelta(minutes=5) - timedelta(microseconds=1))
    with services.reading() as uow:
        assert accounts.actor_of_token(uow, text).name == "ada"
    clock.advance(timedelta(microseconds=1))
    with services.reading() as uow, pytest.raises(NotAuthenticated):
        accounts.actor_of_token(uow, text)


def test_a_revoked_token_is_gone_at_once(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    token, text = accounts.create_token(uow, user, "ci", permissions=["stage"])
    accounts.revoke_token(uow, user, token.id)
    assert accounts.tokens_of(uow, user) == []
    with pytest.raises(NotAuthenticated):
        accounts.actor_of_token(uow, text)
    with pytest.raises(NotFound):
        accounts.revoke_token(uow, user, token.id)


def test_nobody_revokes_the_token_of_another(uow: UnitOfWork) -> None:
    ada, eve = Person(factories.make_user(uow, "ada")), Person(factories.make_user(uow, "eve"))
    token, text = accounts.create_token(uow, ada.user, "ci", permissions=["stage"])
    with pytest.raises(NotFound, match="no such token"):
        accounts.revoke_token(uow, eve.user, token.id)
    assert accounts.actor_of_token(uow, text).user_id == ada.user.id


def test_tokens_are_listed_newest_first(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    for label in ("first", "second"):
        factories.make_token(uow, user, label=label)
    assert [token.label for token in accounts.tokens_of(uow, user)] == ["second", "first"]


@pytest.mark.parametrize(
    ("label", "permissions", "expires_in"),
    [
        ("ci", [], None),
        ("ci", ["see"], None),
        ("ci", ["stage", "everything"], None),
        ("", ["stage"], None),
        ("  ", ["stage"], None),
        ("x" * 101, ["stage"], None),
        ("a\0", ["stage"], None),
        ("ci", ["stage"], timedelta(0)),
        ("ci", ["stage"], timedelta(seconds=-1)),
    ],
)
def test_what_does_not_do_for_a_token(
    uow: UnitOfWork, label: str, permissions: list[str], expires_in: timedelta | None
) -> None:
    user = factories.make_user(uow)
    with pytest.raises(InvalidRequest):
        accounts.create_token(uow, user, label, permissions=permissions, expires_in=expires_in)
    assert uow.db.scalars(select(Token)).all() == []


def test_a_token_for_a_project_is_for_who_has_a_part_in_it(uow: UnitOfWork) -> None:
    ada, eve = Person(factories.make_user(uow, "ada")), Person(factories.make_user(uow, "eve"))
    project = projects.create(uow, ada, "example")
    project.registered = uow.now
    with pytest.raises(NotFound, match="has no role in the project"):
        factories.make_token(uow, eve.user, project=project)
    factories.add_role(uow, project, eve.user, RoleName.MAINTAINER)
    text = factories.make_token(uow, eve.user, project=project)
    token = accounts.actor_of_token(uow, text).token
    assert token.project_id == project.id


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_project_that_goes_meanwhile_gets_no_token(services: Services, tmp_path: Path) -> None:
    """A reserved name may be given up between the page that offers a token and the answer."""
    with services.writing() as uow:
        draft = factories.stage(uow, factories.make_user(uow), make_wheel(tmp_path))
        slug = draft.slug
    with services.writing() as slow:
        user = accounts.get_user(slow.db, "ada")
        project = projects.get(slow, "example")
        with services.writing() as uow:
            found = drafts.by_slug(uow.db, slug)
            assert found is not None
            drafts.discard(uow, OPERATOR, found)
        with pytest.raises(NotFound, match="There is no project 'example'"):
            factories.make_token(slow, user, project=project)


def test_the_last_use_of_a_token_is_kept_to_the_minute(
    services: Services, clock: FakeClock
) -> None:
    with services.writing() as uow:
        text = factories.make_token(uow, factories.make_user(uow))

    def use() -> bool:
        with services.writing() as uow:
            actor = accounts.actor_of_token(uow, text)
            actor.note_use(uow)
            return accounts.actor_of_token(uow, text) != actor

    assert use()
    clock.advance(timedelta(seconds=59))
    assert not use()
    clock.advance(timedelta(seconds=1))
    assert use()


def test_slugs_and_tokens_are_random_letters_and_digits() -> None:
    made = {random_text(22) for _ in range(100)}
    assert len(made) == 100
    assert all(len(text) == 22 and text.isascii() and text.isalnum() for text in made)
