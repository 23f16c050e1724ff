"""Who may read what, as a table: who, with what, in an index that is open to whom."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.models import RoleName, Token, User, Visibility
from greenroom.registry import catalogue, projects, tokens
from greenroom.registry.permissions import ANONYMOUS, Actor, Person
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_wheel

# `role` is the role in the project that is read. `token` is what an API token may do, `-` for the
# session of a browser; `scope` is the project that the token is limited to. What follows says which
# may be read: a public, an internal and a private project where that is decided by project, and any
# project where members read.
TABLE = """
    who            role        token    scope  public internal private  members
    anonymous      -           -        -      yes    -        -        -
    stranger       -           -        -      yes    yes      -        yes
    newcomer       -           -        -      yes    -        -        -
    newcomer       -           read     any    yes    -        -        -
    newcomer       -           read     widget yes    -        -        -
    maintainer     maintainer  -        -      yes    yes      yes      yes
    owner          owner       -        -      yes    yes      yes      yes
    administrator  -           -        -      yes    yes      yes      yes
    stranger       -           read     any    yes    yes      -        yes
    stranger       -           read     widget yes    yes      -        yes
    stranger       -           read     other  yes    -        -        -
    stranger       -           stage    any    yes    -        -        -
    stranger       -           publish  any    yes    -        -        -
    stranger       -           manage   any    yes    -        -        -
    maintainer     maintainer  read     any    yes    yes      yes      yes
    maintainer     maintainer  read     widget yes    yes      yes      yes
    maintainer     maintainer  read     other  yes    -        -        -
    maintainer     maintainer  stage    any    yes    yes      yes      yes
    maintainer     maintainer  stage    widget yes    yes      yes      yes
    maintainer     maintainer  stage    other  yes    -        -        -
    maintainer     maintainer  publish  any    yes    yes      yes      yes
    maintainer     maintainer  discard  any    yes    -        -        -
    maintainer     maintainer  manage   any    yes    -        -        -
    administrator  -           read     any    yes    yes      -        yes
    administrator  -           manage   any    yes    -        -        -
"""
HEAD, *ROWS = [tuple(line.split()) for line in TABLE.strip().splitlines()]


@pytest.fixture
def users(uow: UnitOfWork) -> dict[str, User]:
    return {
        name: factories.make_user(
            uow, name, administrator=name == "administrator", verified=name != "newcomer"
        )
        for name in ("founder", "newcomer", "stranger", "maintainer", "owner", "administrator")
    }


def actor(uow: UnitOfWork, user: User | None, permission: str, scope: str) -> Actor:
    if user is None:
        return ANONYMOUS
    if permission == "-":
        return Person(user)
    only = projects.get(uow, scope) if scope != "any" else None
    # Limited to a project in which they once had a role.
    text = factories.make_token(uow, user, permissions=[permission])
    found = tokens.actor_of_token(uow, text)
    token = uow.db.get_one(Token, found.token.id)
    token.project = only
    uow.db.flush()
    return tokens.actor_of_token(uow, text)


def reads(uow: UnitOfWork, who: Actor, mode: str, visibility: Visibility) -> str:
    """What the table says, and what every way to ask says alike."""
    settings = replace(uow.settings, read=mode)
    project = projects.get(uow, "widget")
    project.visibility = visibility
    uow.db.flush()
    catalogue.limit(uow.db, who.reader(settings))
    answers = {
        catalogue.project(uow.db, "Widget") is not None,
        catalogue.find(uow.db, "widget") is not None,
        "widget" in {each.name for each in catalogue.projects(uow.db)},
        "widget" in catalogue.project_serials(uow.db),
        catalogue.offered_file(uow.db, "widget-1.0-py3-none-any.whl") is not None,
        "widget" in {release.project for release in catalogue.newest_releases(uow.db, 9)},
        "widget" in {each.name for each in catalogue.newest_projects(uow.db, 9)},
        any(r.project.name == "widget" for r in catalogue.newest_release_of_each(uow.db, 9)),
        bool(catalogue.projects_named(uow.db, ["widget"])),
        bool(catalogue.count_projects(uow.db) - ("other" in catalogue.project_serials(uow.db))),
    }
    catalogue.limit(uow.db, catalogue.UNLIMITED)
    (answer,) = answers
    return "yes" if answer else "-"


def test_everybody_reads_what_the_table_says(
    uow: UnitOfWork, users: dict[str, User], tmp_path: Path
) -> None:
    for name in ("widget", "other"):
        factories.release(uow, users["founder"], make_wheel(tmp_path, name))
    other = projects.get(uow, "other")
    other.visibility = Visibility.PRIVATE
    for name in ("maintainer", "owner"):
        factories.add_role(uow, projects.get(uow, "widget"), users[name], RoleName(name))

    found = []
    for who, role, permission, scope, *expected in ROWS:
        actor_ = actor(uow, users.get(who), permission, scope)
        outcomes = [reads(uow, actor_, "projects", Visibility(each)) for each in HEAD[4:7]]
        outcomes.append(reads(uow, actor_, "members", Visibility.PRIVATE))
        assert reads(uow, actor_, "public", Visibility.PRIVATE) == "yes"
        if outcomes != expected:
            found.append((who, role, permission, scope, outcomes))
    assert found == []
