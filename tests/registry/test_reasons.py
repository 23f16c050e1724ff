"""An administrator who does to a project or a team of others what only administrators may says why.

Whoever has a role that allows it is asked for nothing, nor is the operator.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.models import AuditEntry, Project, RoleName, Team, Token, Visibility
from greenroom.registry import (
    drafts,
    invitations,
    permissions,
    project_tokens,
    projects,
    removal,
    roles,
    teams,
    trusted_publishers,
    yanking,
)
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.permissions import OPERATOR, Act, Actor, Person
from greenroom.registry.projects import ProjectSettings
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.settings import Settings
from tests import factories
from tests.artifacts import make_wheel

WHY = "The owner is on holiday."
FILE = "example-1.0-py3-none-any.whl"
_WORKFLOW = {"owner": "ada", "repository": "example", "workflow": "release.yml"}


class World:
    """A project of ``ada`` and of a team of hers, and ``root``, who has nothing to do with it."""

    def __init__(self, uow: UnitOfWork, folder: Path) -> None:
        self.uow = uow
        self.ada = factories.make_user(uow, "ada")
        self.eve = factories.make_user(uow, "eve")
        self.root = factories.make_user(uow, "root", administrator=True)
        self.project: Project = factories.release(uow, self.ada, make_wheel(folder))
        self.draft = factories.stage(uow, self.ada, make_wheel(folder, version="2.0"))
        factories.add_role(uow, self.project, self.eve, RoleName.MAINTAINER)
        factories.make_token(uow, self.ada)
        self.team: Team = factories.make_team(uow, self.ada, "wool", self.eve)
        factories.make_user(uow, "kim")

    def invitation(self, to: Project | Team) -> int:
        by = Person(self.ada)
        if isinstance(to, Team):
            return invitations.invite_to_team(self.uow, by, to, "kim", owner=False).id
        return invitations.invite(self.uow, by, to, "kim", RoleName.OWNER).id

    def token(self) -> int:
        return self.uow.db.scalars(select(Token.id)).one()

    def publisher(self) -> int:
        service = trusted_publishers.service_named(self.uow.settings, "github")
        return trusted_publishers.add(
            self.uow, Person(self.ada), self.project, service, _WORKFLOW, may_publish=True
        ).id

    def yanked(self) -> Project:
        yanking.yank_release(self.uow, Person(self.ada), self.project, "1.0", "")
        yanking.yank_file(self.uow, Person(self.ada), self.project, FILE, "")
        return self.project

    def works(self) -> Team:
        teams.give_role(self.uow, OPERATOR, self.team, self.project, RoleName.MAINTAINER)
        return self.team

    def archived(self) -> Project:
        projects.archive(self.uow, Person(self.ada), self.project)
        return self.project

    def quarantined(self) -> Project:
        projects.quarantine(self.uow, OPERATOR, self.project)
        return self.project


Do = Callable[[UnitOfWork, Actor], object]
_Thing = TypeVar("_Thing")


def _with(thing: _Thing, act: Callable[[UnitOfWork, Actor, _Thing], object]) -> Do:
    """An act on something that is there by then."""
    return lambda uow, actor: act(uow, actor, thing)


# What makes the world ready for each act, and gives the act.
ACTS: dict[str, Callable[[World], Do]] = {
    "settings": lambda w: (
        lambda u, a: projects.change_settings(
            u, a, w.project, ProjectSettings(auto_publish_releases=False)
        )
    ),
    "visibility": lambda w: (
        lambda u, a: projects.set_visibility(u, a, w.project, Visibility.PRIVATE)
    ),
    "archive": lambda w: lambda u, a: projects.archive(u, a, w.project, "No more work."),
    "unarchive": lambda w: _with(w.archived(), lambda u, a, p: projects.unarchive(u, a, p)),
    "quarantine": lambda w: lambda u, a: projects.quarantine(u, a, w.project, WHY),
    "lift": lambda w: _with(w.quarantined(), lambda u, a, p: projects.lift_quarantine(u, a, p)),
    "delete": lambda w: lambda u, a: removal.remove_project(u, a, w.project),
    "delete a release": lambda w: lambda u, a: removal.remove_release(u, a, w.project, "1.0"),
    "delete a file": lambda w: lambda u, a: removal.remove_file(u, a, w.project, FILE),
    "yank": lambda w: lambda u, a: yanking.yank_release(u, a, w.project, "1.0", "Broken."),
    "yank a file": lambda w: lambda u, a: yanking.yank_file(u, a, w.project, FILE, ""),
    "unyank": lambda w: _with(w.yanked(), lambda u, a, p: yanking.unyank_release(u, a, p, "1.0")),
    "unyank a file": lambda w: _with(
        w.yanked(), lambda u, a, p: yanking.unyank_file(u, a, p, FILE)
    ),
    "discard": lambda w: lambda u, a: drafts.discard(u, a, w.draft),
    "invite": lambda w: lambda u, a: invitations.invite(u, a, w.project, "kim", RoleName.OWNER),
    "withdraw": lambda w: _with(
        w.invitation(w.project), lambda u, a, n: invitations.withdraw(u, a, n, of=w.project)
    ),
    "take a role": lambda w: lambda u, a: roles.take(u, a, w.project, "eve"),
    "invite a team": lambda w: (
        lambda u, a: invitations.invite_team(u, a, w.project, "wool", RoleName.MAINTAINER)
    ),
    "take the role of a team": lambda w: _with(
        w.works(), lambda u, a, t: teams.take_role(u, a, t, w.project)
    ),
    "trust a workflow": lambda w: (
        lambda u, a: trusted_publishers.add(
            u,
            a,
            w.project,
            trusted_publishers.service_named(u.settings, "github"),
            _WORKFLOW,
            may_publish=False,
        )
    ),
    "trust it no more": lambda w: _with(
        w.publisher(), lambda u, a, n: trusted_publishers.remove(u, a, w.project, n)
    ),
    "end a token": lambda w: lambda u, a: project_tokens.end(u, a, w.project, w.token()),
    "invite to a team": lambda w: (
        lambda u, a: invitations.invite_to_team(u, a, w.team, "kim", owner=False)
    ),
    "withdraw from a team": lambda w: _with(
        w.invitation(w.team), lambda u, a, n: invitations.withdraw(u, a, n, of=w.team)
    ),
    "change a member": lambda w: lambda u, a: teams.change_member(u, a, w.team, "eve", owner=True),
    "remove a member": lambda w: lambda u, a: teams.remove_member(u, a, w.team, "eve"),
    "delete a team": lambda w: lambda u, a: teams.delete(u, a, w.team),
}
_ONLY_OF_ADMINISTRATORS = {"quarantine", "lift"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return factories.configured(settings, trusted_issuers="github")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ACTS)
def test_an_administrator_says_why_and_the_log_keeps_it(
    uow: UnitOfWork, tmp_path: Path, name: str
) -> None:
    world = World(uow, tmp_path)
    act = ACTS[name](world)
    root, ada = Person(world.root), Person(world.ada)
    before = uow.db.query(AuditEntry).count()

    for why in ("", "  ", "x" * 501, "two\nlines"):
        with pytest.raises(InvalidRequest, match="reason"):
            act(uow, replace(root, why=why))
    assert uow.db.query(AuditEntry).count() == before

    if name in _ONLY_OF_ADMINISTRATORS:
        act(uow, replace(root, why=WHY))
    else:
        with uow.db.begin_nested() as whoever_owns_it:
            act(uow, ada)
            lines = uow.db.scalars(select(AuditEntry).where(AuditEntry.id > before)).all()
            assert not any(WHY in line.detail for line in lines)
            whoever_owns_it.rollback()
        uow.db.expire_all()
        act(uow, replace(root, why=WHY))
    last = uow.db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
    assert last.by == "root"
    assert last.detail.endswith(WHY)
    assert last.detail.count(WHY) == 1


def test_only_what_a_role_does_not_allow_takes_a_reason(uow: UnitOfWork, tmp_path: Path) -> None:
    world = World(uow, tmp_path)
    factories.add_role(uow, world.project, world.root, RoleName.MAINTAINER)
    root = Person(world.root)

    owed = {act for act in root.permitted(world.project) if root.owes_reason(act, world.project)}

    assert owed == {Act.MANAGE, Act.QUARANTINE}
    assert not any(OPERATOR.owes_reason(act, world.project) for act in Act)
    drafts.discard(uow, root, world.draft)
    teams.remove_member(uow, Person(world.eve), world.team, "eve")


def test_nothing_in_the_registry_goes_past_it() -> None:
    """What asks for the right alone only looks, or has a page show a form."""
    calls = []
    for module in Path(permissions.__file__).parent.glob("*.py"):
        if module.name != "permissions.py":
            found = re.findall(r"\b(?:require_right\w*|may_run_team|may)\(", module.read_text())
            calls += [f"{module.stem}: {call}" for call in found]

    assert sorted(calls) == KNOWN


KNOWN = [
    *["approvals: may("] * 2,  # whether somebody could publish, which administrators never may
    "draft_comments: may(",  # the sentence that refuses it; then it is asked for
    *["draft_comments: may("] * 2,  # what the page offers
    *["drafts: may("] * 2,  # whether somebody sees a draft
    "invitations: may(",  # whether whoever invited could do so still
    "invitations: may_run_team(",
    *["publishing: may("] * 3,  # whether a set may be named to somebody
    *["publishing: may("] * 7,  # which drafts of a set somebody publishes
    *["release_sets: may("] * 2,  # whether somebody sees a set
    *["release_sets: may("] * 2,  # whether they could publish
    *["release_sets: may("] * 2,  # whether they could stage
    "release_sets: may(",  # the sentence that refuses to discard it; a reason is asked for
    *["set_approvals: may("] * 3,  # of which drafts of a set somebody may approve
    "set_review: may(",  # whether somebody sees a draft of a set
    *["set_schedules: may("] * 2,  # which drafts of a set somebody publishes
    "trusted_publishers: require_right(",  # the list
    "uploads: may(",  # whether somebody is told of a draft
    *["webhooks: require_right("] * 5,  # the list, and one of them
]
