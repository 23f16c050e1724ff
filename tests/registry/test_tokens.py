"""API tokens."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import AuditEntry, RoleName, Token
from greenroom.registry import (
    accounts,
    drafts,
    projects,
    token_texts,
    tokens,
)
from greenroom.registry.errors import InvalidRequest, NotAuthenticated, NotFound
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.random_text import random_text
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock


def test_a_token_stands_for_its_user(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    token, text = tokens.create(uow, user, " laptop ", permissions=["stage"])
    assert text.startswith("gr_")
    assert token.label == "laptop"
    shown = tokens.actor_of_token(uow, text).token
    assert (shown.id, shown.user.username, shown.permissions) == (token.id, "ada", ("stage",))


def test_the_text_of_a_token_is_not_kept(uow: UnitOfWork) -> None:
    text = factories.make_token(uow, factories.make_user(uow))
    assert all(text not in row for rows in factories.everything(uow).values() for row in rows)


def test_permissions_may_come_one_after_the_other(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    given = (name for name in ("publish", "stage"))
    token, _ = tokens.create(uow, user, "ci", permissions=given)
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
        tokens.actor_of_token(uow, text)


def test_the_start_of_a_token_is_not_enough(uow: UnitOfWork) -> None:
    text = factories.make_token(uow, factories.make_user(uow))
    for wrong in (text[:-1], text + "x", text[:11], text.swapcase()):
        with pytest.raises(NotAuthenticated):
            tokens.actor_of_token(uow, wrong)


def test_a_token_ends_at_the_second(services: Services, clock: FakeClock) -> None:
    with services.writing() as uow:
        text = factories.make_token(uow, factories.make_user(uow), expires_in=timedelta(minutes=5))
    clock.advance(timedelta(minutes=5) - timedelta(microseconds=1))
    with services.reading() as uow:
        assert tokens.actor_of_token(uow, text).name == "ada"
    clock.advance(timedelta(microseconds=1))
    with services.reading() as uow, pytest.raises(NotAuthenticated):
        tokens.actor_of_token(uow, text)


def test_a_revoked_token_is_gone_at_once(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    token, text = tokens.create(uow, user, "ci", permissions=["stage"])
    tokens.revoke(uow, user, token.id)
    assert tokens.of_user(uow, user) == []
    with pytest.raises(NotAuthenticated):
        tokens.actor_of_token(uow, text)
    with pytest.raises(NotFound):
        tokens.revoke(uow, user, token.id)


def test_nobody_revokes_the_token_of_another(uow: UnitOfWork) -> None:
    ada, eve = Person(factories.make_user(uow, "ada")), Person(factories.make_user(uow, "eve"))
    token, text = tokens.create(uow, ada.user, "ci", permissions=["stage"])
    with pytest.raises(NotFound, match="no such token"):
        tokens.revoke(uow, eve.user, token.id)
    assert tokens.actor_of_token(uow, text).user_id == ada.user.id


def test_tokens_are_listed_newest_first(uow: UnitOfWork) -> None:
    user = factories.make_user(uow)
    for label in ("first", "second"):
        factories.make_token(uow, user, label=label)
    assert [token.label for token in tokens.of_user(uow, user)] == ["second", "first"]


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
        tokens.create(uow, user, label, permissions=permissions, expires_in=expires_in)
    assert uow.db.scalars(select(Token)).all() == []


def test_a_token_for_a_project_is_for_who_has_a_part_in_it(uow: UnitOfWork) -> None:
    ada, eve = Person(factories.make_user(uow, "ada")), Person(factories.make_user(uow, "eve"))
    project = projects.create(uow, ada, "example")
    project.registered = uow.now
    with pytest.raises(NotFound, match="has no role in the project"):
        factories.make_token(uow, eve.user, project=project)
    factories.add_role(uow, project, eve.user, RoleName.MAINTAINER)
    text = factories.make_token(uow, eve.user, project=project)
    token = tokens.actor_of_token(uow, text).token
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
            actor = tokens.actor_of_token(uow, text)
            actor.note_use(uow)
            return tokens.actor_of_token(uow, text) != actor

    assert use()
    clock.advance(timedelta(seconds=59))
    assert not use()
    clock.advance(timedelta(seconds=1))
    assert use()


def test_slugs_and_tokens_are_random_letters_and_digits() -> None:
    made = {random_text(22) for _ in range(100)}
    assert len(made) == 100
    assert all(len(text) == 22 and text.isascii() and text.isalnum() for text in made)


@pytest.mark.parametrize(
    ("lifetime", "soon_before"),
    [(365, timedelta(days=14)), (20, timedelta(days=5)), (1, timedelta(hours=6))],
)
def test_a_token_says_when_it_expires_soon(
    uow: UnitOfWork, lifetime: int, soon_before: timedelta
) -> None:
    user = factories.make_user(uow)
    lives = timedelta(days=lifetime)
    if lifetime == 365:  # which nobody has to say
        token, _ = tokens.create(uow, user, "ci", permissions=["stage"])
    else:
        token, _ = tokens.create(uow, user, "ci", permissions=["stage"], expires_in=lives)
    assert token.expires == uow.now + lives
    instant = timedelta(microseconds=1)
    for moment, expected in [
        (timedelta(0), (False, False)),
        (lives - soon_before - instant, (False, False)),
        (lives - soon_before, (True, False)),
        (lives - instant, (True, False)),
        (lives, (False, True)),
    ]:
        shown = tokens.summary(replace(uow, now=uow.now + moment), token)
        assert (shown.expires_soon, shown.is_expired) == expected, moment
    for_ever, _ = tokens.create(uow, user, "ci", permissions=["stage"], expires_in=None)
    assert not tokens.summary(replace(uow, now=uow.now + lives), for_ever).expires_soon


def test_tokens_without_a_checksum_go_on(uow: UnitOfWork) -> None:
    token, _ = tokens.create(uow, factories.make_user(uow), "old", permissions=["stage"])
    text = "gr_" + random_text(48)
    token.prefix, token.digest = token_texts.prefix_of(text), token_texts.digest_of(text)
    uow.db.flush()
    assert tokens.actor_of_token(uow, text).token.id == token.id


def test_all_tokens_of_a_person_are_revoked_at_once(uow: UnitOfWork) -> None:
    ada, eve = factories.make_user(uow), factories.make_user(uow, "eve")
    mine, others = (
        [factories.make_token(uow, ada) for _ in range(3)],
        factories.make_token(uow, eve),
    )
    assert tokens.revoke_all(uow, ada) == 3
    assert tokens.revoke_all(uow, ada) == 0
    for text in mine:
        with pytest.raises(NotAuthenticated):
            tokens.actor_of_token(uow, text)
    tokens.actor_of_token(uow, others)
    written = uow.db.scalars(select(AuditEntry).where(AuditEntry.act == "token-revoke-all")).all()
    assert [(line.by, line.about) for line in written] == [("ada", "ada")]
    assert all(text[:11] in written[0].detail for text in mine)
