"""Who sees and ends the API tokens that reach a project, and what comes of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import AuditEntry, Project, RoleName, User
from greenroom.registry import (
    accounts,
    project_tokens,
    projects,
    roles,
    token_oversight,
    tokens,
)
from greenroom.registry.errors import NotAllowed, NotFound, Refusal
from greenroom.registry.permissions import ANONYMOUS, OPERATOR, Act, Actor, Person
from greenroom.registry.unit_of_work import Origin, Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel

# Who may look at the list, and end a token of either kind; whether the project is quarantined.
TABLE = """
    who            quarantined  may
    anonymous      -            -
    stranger       -            -
    maintainer     -            -
    owner          -            yes
    owner          yes          yes
    administrator  -            yes
    operator       -            yes
    owner-token    -            -
"""
ROWS = [row.split() for row in TABLE.strip().splitlines()[1:]]


class World:
    """A project with two people and their tokens, and another project of one of them."""

    def __init__(self, uow: UnitOfWork, folder: Path) -> None:
        self.uow = uow
        self.users = {
            name: factories.make_user(uow, name, administrator=name == "administrator")
            for name in ("owner", "maintainer", "stranger", "administrator")
        }
        owner, maintainer = self.users["owner"], self.users["maintainer"]
        self.project = factories.release(uow, owner, make_wheel(folder))
        self.other = factories.release(uow, maintainer, make_wheel(folder, "other"))
        factories.add_role(uow, self.project, maintainer, RoleName.MAINTAINER)
        self.texts = {
            "limited": self.token(maintainer, self.project),
            "wide": self.token(maintainer),
            "elsewhere": self.token(maintainer, self.other),
            "of a stranger": self.token(self.users["stranger"]),
            "of the owner": self.token(owner),
        }

    def token(self, user: User, project: Project | None = None) -> str:
        return factories.make_token(
            self.uow, user, project=project, permissions=["manage", "stage"]
        )

    def number(self, name: str) -> int:
        return tokens.actor_of_token(self.uow, self.texts[name]).token.id

    def actor(self, who: str) -> Actor:
        if who in ("anonymous", "operator"):
            return ANONYMOUS if who == "anonymous" else OPERATOR
        if who == "owner-token":
            return tokens.actor_of_token(self.uow, self.texts["of the owner"])
        return Person(self.users[who], why="Somebody asked.")

    def reaching(self, actor: Actor) -> set[str]:
        found = project_tokens.listed(self.uow, actor, self.project, start=0, count=100)
        assert project_tokens.count(self.uow, actor, self.project) == len(found)
        numbers = {each.token.id for each in found}
        return {name for name in self.texts if self.is_valid(name) and self.number(name) in numbers}

    def is_valid(self, name: str) -> bool:
        try:
            return bool(self.number(name))
        except Refusal:
            return False

    def may(self, name: str, project: Project) -> bool:
        actor = tokens.actor_of_token(self.uow, self.texts[name])
        return bool(actor.permitted(projects.get(self.uow, project.name)) & {Act.STAGE})


ACTS: list[Callable[[World, Actor], object]] = [
    lambda at, actor: project_tokens.listed(at.uow, actor, at.project, start=0, count=10),
    lambda at, actor: project_tokens.count(at.uow, actor, at.project),
    lambda at, actor: project_tokens.find(at.uow, actor, at.project, at.number("wide")),
    lambda at, actor: project_tokens.end(at.uow, actor, at.project, at.number("wide")),
    lambda at, actor: project_tokens.end(at.uow, actor, at.project, at.number("limited")),
]


@pytest.fixture
def world(uow: UnitOfWork, tmp_path: Path) -> World:
    return World(uow, tmp_path)


def test_owners_and_administrators_see_and_end_what_reaches_a_project(world: World) -> None:
    uow, project = world.uow, world.project
    wrong = []
    for who, quarantined, may in ROWS:
        undone = uow.db.begin_nested()
        if quarantined == "yes":
            projects.quarantine(uow, world.actor("administrator"), project)
        for number, act in enumerate(ACTS):
            try:
                act(world, world.actor(who))
                allowed = "yes"
            except NotAllowed:
                allowed = "-"
            if allowed != may:
                wrong.append((who, quarantined, number))
        undone.rollback()
        uow.db.expire_all()
    assert wrong == []


def test_a_limited_token_is_revoked_and_one_of_many_projects_is_cut_off(world: World) -> None:
    uow, project, owner = world.uow, world.project, world.actor("owner")
    assert world.reaching(owner) == {"limited", "wide", "of the owner"}
    limited, wide = world.number("limited"), world.number("wide")
    here = replace(uow, origin=Origin("192.0.2.7"))
    for name in ("limited", "wide"):
        tokens.actor_of_token(here, world.texts[name]).used(here)
    used = {
        each.token.id: each.token.last_address
        for each in project_tokens.listed(uow, owner, project, start=0, count=10)
    }
    assert (used[limited], used[wide]) == ("192.0.2.7", None)

    project_tokens.end(uow, owner, project, limited)
    ended = project_tokens.end(uow, owner, project, wide)

    assert (ended.username, ended.is_limited) == ("maintainer", False)
    assert not world.is_valid("limited")
    assert not world.may("wide", project)
    assert world.may("wide", world.other)
    assert world.reaching(owner) == {"of the owner"}
    for number in (limited, wide, world.number("elsewhere"), world.number("of a stranger"), 0):
        with pytest.raises(NotFound):
            project_tokens.end(uow, owner, project, number)
    [shown] = [each for each in tokens.of_user(uow, world.users["maintainer"]) if each.id == wide]
    assert shown.cut_off == ("example",)
    told = select(AuditEntry.act, AuditEntry.by, AuditEntry.about, AuditEntry.project).order_by(
        AuditEntry.id.desc()
    )
    assert [tuple(row) for row in uow.db.execute(told.limit(2))] == [
        ("token-cut-off", "owner", "maintainer", "example"),
        ("token-revoke", "owner", "maintainer", "example"),
    ]
    roles.take(uow, owner, project, "maintainer")
    factories.add_role(uow, project, world.users["maintainer"], RoleName.OWNER)
    assert not world.may("wide", project)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("other", ["owner of the project", "administrator", "themselves"])
def test_a_token_ends_once_whoever_ends_it_at_the_same_time(
    services: Services, tmp_path: Path, other: str
) -> None:
    with services.writing() as uow:
        ada = factories.make_user(uow, "ada")
        project = factories.release(uow, ada, make_wheel(tmp_path))
        number = tokens.create(uow, ada, "ci", project=project, permissions=["stage"])[0].id

    def end() -> str:
        try:
            with services.writing() as uow:
                user = accounts.get_user(uow.db, "ada")
                if other == "owner of the project":
                    project_tokens.end(uow, Person(user), projects.get(uow, "example"), number)
                elif other == "administrator":
                    token_oversight.revoke(uow, OPERATOR, str(number))
                else:
                    tokens.revoke(uow, user, number)
        except NotFound:
            return "there is none"
        return "ended"

    with ThreadPoolExecutor(1) as executor:
        with services.writing() as uow:
            tokens.revoke(uow, accounts.get_user(uow.db, "ada"), number)
            running = executor.submit(end)
            factories.until_somebody_waits(services)
        assert running.result() == "there is none"
    with services.reading() as uow:
        found = select(AuditEntry).where(AuditEntry.act == "token-revoke")
        assert len(uow.db.scalars(found).all()) == 1
