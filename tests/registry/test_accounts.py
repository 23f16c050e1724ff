"""Accounts, passwords, signing in, and API tokens."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from greenroom.models import Attempt, RoleName, Token
from greenroom.registry import accounts, drafts, projects
from greenroom.registry.errors import (
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    Refusal,
    TooMany,
)
from greenroom.registry.index import Index, Premises
from greenroom.registry.permissions import OPERATOR, Actor
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock
from tests.factories import PASSWORD

HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def test_an_account_is_found_in_any_letter_case(index: Index) -> None:
    made = factories.make_user(index, "Ada")
    assert made.username == "Ada"
    assert accounts.get_user(index.session, "aDA") is made


@pytest.mark.parametrize("name", ["ada", "", "a\0b", "\udcff", "é"])
def test_there_is_no_account_that_nobody_made(index: Index, name: str) -> None:
    with pytest.raises(NotFound, match="There is no user"):
        accounts.get_user(index.session, name)


def test_a_user_name_is_taken_in_every_letter_case(index: Index) -> None:
    factories.make_user(index, "ada")
    with pytest.raises(InvalidRequest, match="'ADA' is taken"):
        factories.make_user(index, "ADA")


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
    index: Index, username: str, email: str, password: str, about: str
) -> None:
    before = factories.everything(index)
    with pytest.raises(InvalidRequest, match=about):
        accounts.create_user(index, username, email, password)
    assert factories.everything(index) == before


def test_every_problem_of_an_account_is_told(index: Index) -> None:
    with pytest.raises(InvalidRequest) as caught:
        accounts.create_user(index, "", "", "")
    assert len(caught.value.details) == 3


def test_a_password_is_not_kept(index: Index) -> None:
    user = factories.make_user(index)
    assert PASSWORD not in user.password_hash


def test_there_is_one_first_administrator(index: Index) -> None:
    assert accounts.is_empty(index.session)
    first = accounts.create_first_administrator(index, "ada", "ada@index.example", PASSWORD)
    assert first.is_administrator
    assert first.email_verified
    with pytest.raises(NotFound, match="has an administrator"):
        accounts.create_first_administrator(index, "eve", "eve@index.example", PASSWORD)


def test_of_two_who_want_to_be_first_one_is(premises: Premises) -> None:
    def claim(name: str) -> Callable[[], bool]:
        def act() -> bool:
            try:
                with premises.writing() as index:
                    accounts.create_first_administrator(
                        index, name, f"{name}@index.example", PASSWORD
                    )
            except NotFound:
                return False
            return True

        return act

    assert sorted(factories.at_once(claim("ada"), claim("eve"))) == [False, True]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_comes_while_another_becomes_the_first_waits_and_is_not(premises: Premises) -> None:
    refusals: list[Refusal] = []

    def come_second() -> None:
        try:
            with premises.writing() as index:
                accounts.create_first_administrator(index, "eve", "eve@index.example", PASSWORD)
        except Refusal as refusal:
            refusals.append(refusal)

    second = threading.Thread(target=come_second)
    with premises.writing() as index:
        accounts.create_first_administrator(index, "ada", "ada@index.example", PASSWORD)
        second.start()
        second.join(0.3)
    second.join()
    assert [type(refusal) for refusal in refusals] == [NotFound]


def test_name_and_password_open_an_account(index: Index) -> None:
    user = factories.make_user(index)
    assert accounts.sign_in(index, "ADA", PASSWORD, HOME) is user


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
def test_what_opens_no_account_is_counted(index: Index, username: str, password: str) -> None:
    factories.make_user(index)
    assert accounts.sign_in(index, username, password, HOME) is None
    assert len(index.session.scalars(select(Attempt)).all()) == 1


def fail(index: Index, times: int, account: str = "ada", address: str = HOME) -> None:
    for _ in range(times):
        assert accounts.sign_in(index, account, "wrong", address) is None


def test_ten_failures_close_an_account_to_an_address(index: Index) -> None:
    factories.make_user(index)
    fail(index, 10)
    with pytest.raises(TooMany, match="Too many failed sign-ins") as caught:
        accounts.sign_in(index, "Ada", PASSWORD, HOME)
    assert timedelta(0) < caught.value.retry_after <= accounts.FAILURES_COUNT_FOR
    assert accounts.sign_in(index, "ada", PASSWORD, ELSEWHERE) is not None


def test_nine_failures_do_not(index: Index) -> None:
    factories.make_user(index)
    fail(index, 9)
    assert accounts.sign_in(index, "ada", PASSWORD, HOME) is not None


def test_fifty_failures_close_all_accounts_to_an_address(index: Index) -> None:
    factories.make_user(index)
    for number in range(10):
        fail(index, 5, f"user{number}")
    with pytest.raises(TooMany):
        accounts.sign_in(index, "ada", PASSWORD, HOME)


def test_failures_are_forgotten_after_five_minutes(premises: Premises, clock: FakeClock) -> None:
    with premises.writing() as index:
        factories.make_user(index)
        fail(index, 10)
    clock.advance(accounts.FAILURES_COUNT_FOR)
    with premises.writing() as index:
        assert accounts.sign_in(index, "ada", PASSWORD, HOME) is not None
        assert accounts.forget_old_attempts(index) == 10
        assert accounts.forget_old_attempts(index) == 0


def test_an_address_registers_ten_accounts_within_an_hour(
    premises: Premises, clock: FakeClock
) -> None:
    with premises.writing() as index:
        register(index, 10, HOME)
    clock.advance(timedelta(minutes=20))
    with premises.writing() as index:
        with pytest.raises(TooMany, match="10 accounts were registered") as caught:
            accounts.register(index, "late", "late@index.example", PASSWORD, HOME)
        assert caught.value.retry_after == timedelta(minutes=40)
        register(index, 1, ELSEWHERE)
    clock.advance(timedelta(minutes=40))
    with premises.writing() as index:
        assert accounts.register(index, "late", "late@index.example", PASSWORD, HOME)


def test_what_does_not_do_for_an_account_does_not_count_as_one(index: Index) -> None:
    for _ in range(11):
        with pytest.raises(InvalidRequest):
            accounts.register(index, "ada", "ada@index.example", "short", HOME)


def test_registrations_are_no_failures_to_sign_in(index: Index) -> None:
    register(index, 10, HOME)

    fail(index, 9)

    assert accounts.sign_in(index, "user-1", PASSWORD, HOME) is not None


def test_registrations_are_forgotten_after_an_hour(premises: Premises, clock: FakeClock) -> None:
    with premises.writing() as index:
        register(index, 1, HOME)
    clock.advance(accounts.FAILURES_COUNT_FOR)
    with premises.writing() as index:
        assert accounts.forget_old_attempts(index) == 0
    clock.advance(accounts.REGISTRATIONS_COUNT_FOR)
    with premises.writing() as index:
        assert accounts.forget_old_attempts(index) == 1


def register(index: Index, count: int, address: str) -> None:
    for number in range(count):
        name = f"user-{number}" if address == HOME else f"guest-{number}"
        accounts.register(index, name, f"{name}@index.example", PASSWORD, address)


def test_many_attempts_at_once_are_counted_like_many_in_a_row(premises: Premises) -> None:
    with premises.writing() as index:
        factories.make_user(index)

    def attempt() -> bool:
        try:
            with premises.writing() as index:
                accounts.sign_in(index, "ada", "wrong", HOME)
        except TooMany:
            return False
        return True

    assert factories.at_once(*[attempt] * 16).count(True) == 10


def test_another_password_ends_sessions(index: Index) -> None:
    user = factories.make_user(index)
    before = accounts.session_stamp(user)
    accounts.change_password(index, user, PASSWORD, "another good password")
    assert accounts.session_stamp(user) != before
    assert accounts.sign_in(index, "ada", PASSWORD, HOME) is None
    assert accounts.sign_in(index, "ada", "another good password", HOME) is user


@pytest.mark.parametrize(
    ("current", "new"), [("wrong", "another good password"), (PASSWORD, "short")]
)
def test_a_password_is_changed_by_who_knows_it_to_one_that_does(
    index: Index, current: str, new: str
) -> None:
    user = factories.make_user(index)
    with pytest.raises(InvalidRequest):
        accounts.change_password(index, user, current, new)
    assert accounts.sign_in(index, "ada", PASSWORD, HOME) is user


# Tokens


def test_a_token_stands_for_its_user(index: Index) -> None:
    user = factories.make_user(index)
    token, text = accounts.create_token(index, user, " laptop ", permissions=["stage"])
    assert text.startswith("gr_")
    assert token.label == "laptop"
    assert accounts.actor_of_token(index, text) == Actor(user, token)


def test_the_text_of_a_token_is_not_kept(index: Index) -> None:
    text = factories.make_token(index, factories.make_user(index))
    assert all(text not in row for rows in factories.everything(index).values() for row in rows)


def test_permissions_may_come_one_after_the_other(index: Index) -> None:
    user = factories.make_user(index)
    given = (name for name in ("publish", "stage"))
    token, _ = accounts.create_token(index, user, "ci", permissions=given)
    assert token.permissions == ["stage", "publish"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gr_",
        "gr_" + "x" * 48,
        "pypi-abc",
        "gr_\0" + "x" * 47,
        "gr_\udcff",
        "gr_é",
        "x" * 100_000,
    ],
)
def test_what_is_no_token_is_refused(index: Index, text: str) -> None:
    factories.make_token(index, factories.make_user(index))
    with pytest.raises(NotAuthenticated, match="Invalid or non-existent authentication"):
        accounts.actor_of_token(index, text)


def test_the_start_of_a_token_is_not_enough(index: Index) -> None:
    text = factories.make_token(index, factories.make_user(index))
    for wrong in (text[:-1], text + "x", text[:11], text.swapcase()):
        with pytest.raises(NotAuthenticated):
            accounts.actor_of_token(index, wrong)


def test_a_token_ends_at_the_second(premises: Premises, clock: FakeClock) -> None:
    with premises.writing() as index:
        text = factories.make_token(
            index, factories.make_user(index), expires_in=timedelta(minutes=5)
        )
    clock.advance(timedelta(minutes=5) - timedelta(microseconds=1))
    with premises.reading() as index:
        assert accounts.actor_of_token(index, text).name == "ada"
    clock.advance(timedelta(microseconds=1))
    with premises.reading() as index, pytest.raises(NotAuthenticated):
        accounts.actor_of_token(index, text)


def test_a_revoked_token_is_gone_at_once(index: Index) -> None:
    user = factories.make_user(index)
    token, text = accounts.create_token(index, user, "ci", permissions=["stage"])
    accounts.revoke_token(index, user, token.id)
    assert accounts.tokens_of(index.session, user) == []
    with pytest.raises(NotAuthenticated):
        accounts.actor_of_token(index, text)
    with pytest.raises(NotFound):
        accounts.revoke_token(index, user, token.id)


def test_nobody_revokes_the_token_of_another(index: Index) -> None:
    ada, eve = factories.make_user(index, "ada"), factories.make_user(index, "eve")
    token, text = accounts.create_token(index, ada, "ci", permissions=["stage"])
    with pytest.raises(NotFound, match="no such token"):
        accounts.revoke_token(index, eve, token.id)
    assert accounts.actor_of_token(index, text).user is ada


def test_tokens_are_listed_newest_first(index: Index) -> None:
    user = factories.make_user(index)
    for label in ("first", "second"):
        factories.make_token(index, user, label=label)
    assert [token.label for token in accounts.tokens_of(index.session, user)] == ["second", "first"]


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
    index: Index, label: str, permissions: list[str], expires_in: timedelta | None
) -> None:
    user = factories.make_user(index)
    with pytest.raises(InvalidRequest):
        accounts.create_token(index, user, label, permissions=permissions, expires_in=expires_in)
    assert index.session.scalars(select(Token)).all() == []


def test_a_token_for_a_project_is_for_who_has_a_part_in_it(index: Index) -> None:
    ada, eve = factories.make_user(index, "ada"), factories.make_user(index, "eve")
    project = projects.create(index, Actor(ada), "example")
    project.registered = index.now
    with pytest.raises(NotFound, match="has no role in the project"):
        factories.make_token(index, eve, project=project)
    factories.add_role(index, project, eve, RoleName.MAINTAINER)
    text = factories.make_token(index, eve, project=project)
    token = accounts.actor_of_token(index, text).token
    assert token is not None
    assert token.project is project


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_project_that_goes_meanwhile_gets_no_token(premises: Premises, tmp_path: Path) -> None:
    """A reserved name may be given up between the page that offers a token and the answer."""
    with premises.writing() as index:
        draft = factories.stage(index, factories.make_user(index), make_wheel(tmp_path))
        slug = draft.slug
    with premises.writing() as slow:
        user = accounts.get_user(slow.session, "ada")
        project = projects.get(slow, "example")
        with premises.writing() as index:
            found = drafts.by_slug(index.session, slug)
            assert found is not None
            drafts.discard(index, OPERATOR, found)
        with pytest.raises(NotFound, match="There is no project 'example'"):
            factories.make_token(slow, user, project=project)


def test_the_last_use_of_a_token_is_kept_to_the_minute(
    premises: Premises, clock: FakeClock
) -> None:
    with premises.writing() as index:
        text = factories.make_token(index, factories.make_user(index))

    def use() -> bool:
        with premises.writing() as index:
            token = accounts.actor_of_token(index, text).token
            assert token is not None
            accounts.note_use(index, token)
            return index.session.is_modified(token)

    assert use()
    clock.advance(timedelta(seconds=59))
    assert not use()
    clock.advance(timedelta(seconds=1))
    assert use()


def test_slugs_and_tokens_are_random_letters_and_digits() -> None:
    made = {accounts.random_text(22) for _ in range(100)}
    assert len(made) == 100
    assert all(len(text) == 22 and text.isascii() and text.isalnum() for text in made)
