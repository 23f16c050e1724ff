"""Roles, teams and invitations against a model: whatever is done in whatever order, by whomever.

The rows of ``roles`` are always what people have by themselves and by their teams, and no project
and no team is ever without an owner.
"""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from greenroom.database import Database
from greenroom.models import Project, Role, RoleInvitation, RoleName, Team, User
from greenroom.registry import (
    accounts,
    invitations,
    journal,
    projects,
    roles,
    teams,
)
from greenroom.registry.errors import Refusal
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.settings import Settings
from greenroom.storage import open_storage
from tests import factories
from tests.conftest import FakeClock, MakeDatabase, empty, unflushed
from tests.fuzzing import walk

PEOPLE = ("ada", "bob", "eve", "kim")
PROJECTS = ("alpha", "beta")
TEAMS = ("wool", "yarn")

person, project_, team_ = map(st.sampled_from, (PEOPLE, PROJECTS, TEAMS))
role_ = st.sampled_from(list(RoleName))
# Mostly an owner, so that more is done than refused.
by = st.sampled_from((*(["owner"] * 8), *PEOPLE, "operator"))


# What becomes of an invitation at once.
then_ = st.sampled_from((*(["yes"] * 4), "no", "later", "later", "withdrawn"))


class Teamwork(RuleBasedStateMachine):
    """Two projects and two teams of four people; the model is what was done and not refused."""

    database: Database

    @initialize()
    def build(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="greenroom-teams-"))
        url = self.database.engine.url.render_as_string(hide_password=False)
        empty(url)
        self.clock = FakeClock()
        settings = Settings(data=self.folder, database_url=url)
        self.services = Services(
            self.database, open_storage(None, settings.files), settings, self.clock
        )
        self.own: dict[str, dict[str, str]] = {name: {"ada": "owner"} for name in PROJECTS}
        self.members = {"wool": {"bob": True}, "yarn": {"ada": True}}
        self.works: dict[str, dict[str, str]] = {name: {} for name in TEAMS}
        with self.services.writing() as uow:
            for name in PEOPLE:
                factories.make_user(uow, name)
            for name in PROJECTS:
                projects.create(uow, self.actor(uow, "ada"), name).registered = uow.now
            for name, (owner,) in self.members.items():
                found = accounts.get_user(uow.db, owner)
                teams.create(uow, self.actor(uow, owner), name, found)

    def actor(self, uow: UnitOfWork, name: str, of: str = "") -> Actor:
        """Whoever is called so; or an owner of this project or team, the last that became one."""
        if name == "operator":
            return OPERATOR
        if name == "owner":
            owners = [u for u, is_owner in self.members.get(of, {}).items() if is_owner]
            owners += [u for u, role in self.own.get(of, {}).items() if role == "owner"]
            name = owners[-1] if owners else PEOPLE[0]
        return Person(accounts.get_user(uow.db, name))

    @rule(who=by, name=project_, about=person, role=role_)
    def give(self, who: str, name: str, about: str, role: RoleName) -> None:
        try:
            with self.services.writing() as uow:
                roles.give(uow, self.actor(uow, who, name), projects.get(uow, name), about, role)
        except Refusal:
            return
        self.own[name][about] = role.value

    @rule(who=by, name=project_, about=person)
    def take(self, who: str, name: str, about: str) -> None:
        try:
            with self.services.writing() as uow:
                roles.take(uow, self.actor(uow, who, name), projects.get(uow, name), about)
        except Refusal:
            return
        del self.own[name][about]

    @rule(who=by, name=team_, owner=person)
    def make_team(self, who: str, name: str, owner: str) -> None:
        try:
            with self.services.writing() as uow:
                first = owner if who in ("operator", "owner") else who
                found = accounts.get_user(uow.db, first)
                who = first if who == "owner" else who
                teams.create(uow, self.actor(uow, who), name, found)
        except Refusal:
            return
        self.members[name], self.works[name] = {first: True}, {}

    @rule(who=by, name=team_, about=person, owner=st.booleans())
    def add_member(self, who: str, name: str, about: str, owner: bool) -> None:
        try:
            with self.services.writing() as uow:
                found = teams.get(uow, name)
                teams.add_member(uow, self.actor(uow, who, name), found, about, owner=owner)
        except Refusal:
            return
        self.members[name][about] = owner

    @rule(who=by, name=team_, about=person, owner=st.booleans())
    def change_member(self, who: str, name: str, about: str, owner: bool) -> None:
        try:
            with self.services.writing() as uow:
                found = teams.get(uow, name)
                teams.change_member(uow, self.actor(uow, who, name), found, about, owner=owner)
        except Refusal:
            return
        self.members[name][about] = owner

    @rule(who=by, name=team_, about=person)
    def remove_member(self, who: str, name: str, about: str) -> None:
        try:
            with self.services.writing() as uow:
                teams.remove_member(uow, self.actor(uow, who, name), teams.get(uow, name), about)
        except Refusal:
            return
        del self.members[name][about]

    @rule(who=by, name=team_, works=project_, role=role_)
    def give_team(self, who: str, name: str, works: str, role: RoleName) -> None:
        try:
            with self.services.writing() as uow:
                found, project = teams.get(uow, name), projects.get(uow, works)
                teams.give_role(uow, self.actor(uow, who, works), found, project, role)
        except Refusal:
            return
        self.works[name][works] = role.value

    @rule(who=by, name=team_, works=project_)
    def take_team(self, who: str, name: str, works: str) -> None:
        try:
            with self.services.writing() as uow:
                found, project = teams.get(uow, name), projects.get(uow, works)
                teams.take_role(uow, self.actor(uow, who, works), found, project)
        except Refusal:
            return
        del self.works[name][works]

    @rule(who=by, name=team_)
    def delete_team(self, who: str, name: str) -> None:
        try:
            with self.services.writing() as uow:
                teams.delete(uow, self.actor(uow, who, name), teams.get(uow, name))
        except Refusal:
            return
        del self.members[name], self.works[name]

    @rule(who=by, name=project_, about=person, role=role_, hands_over=st.booleans(), then=then_)
    def invite(
        self, who: str, name: str, about: str, role: RoleName, hands_over: bool, then: str
    ) -> None:
        try:
            with self.services.writing() as uow:
                actor, project = self.actor(uow, who, name), projects.get(uow, name)
                if hands_over:
                    invitations.offer(uow, actor, project, about, leaves=role == RoleName.OWNER)
                else:
                    invitations.invite(uow, actor, project, about, role)
        except Refusal:
            return
        self.answer(then, -1)

    @rule(who=by, name=team_, about=person, owner=st.booleans(), then=then_)
    def invite_to_team(self, who: str, name: str, about: str, owner: bool, then: str) -> None:
        try:
            with self.services.writing() as uow:
                actor, found = self.actor(uow, who, name), teams.get(uow, name)
                invitations.invite_to_team(uow, actor, found, about, owner=owner)
        except Refusal:
            return
        self.answer(then, -1)

    @rule(
        who=by,
        name=project_,
        works=team_,
        role=role_,
        leaves=st.none() | st.booleans(),
        then=then_,
    )
    def invite_team(
        self, who: str, name: str, works: str, role: RoleName, leaves: bool | None, then: str
    ) -> None:
        try:
            with self.services.writing() as uow:
                actor, project = self.actor(uow, who, name), projects.get(uow, name)
                giver = actor.name
                if leaves is None:
                    made = invitations.invite_team(uow, actor, project, works, role)
                else:
                    made = invitations.offer_to_team(uow, actor, project, works, leaves=leaves)
        except Refusal:
            return
        if made is None:
            self.works[works][name] = role.value if leaves is None else "owner"
            if leaves is not None:
                self._hand_over(name, giver, leaves)
        else:
            self.answer(then, -1)

    @rule(accepts=st.sampled_from((*(["yes"] * 6), "no", "withdrawn")), number=st.integers(0, 9))
    def answer(self, accepts: str, number: int) -> None:
        """Whoever may answers one of what stands open."""
        try:
            with self.services.writing() as uow:
                found = uow.db.scalars(
                    select(RoleInvitation)
                    .where(RoleInvitation.declined.is_(None))
                    .order_by(RoleInvitation.id)
                ).all()
                if not found or accepts == "later":
                    return
                each = found[number % len(found)]
                if accepts == "withdrawn":
                    of = each.project or each.team
                    assert of is not None
                    invitations.withdraw(uow, OPERATOR, each.id, of=of)
                    return
                person = each.user
                if person is None:
                    assert each.team is not None
                    person = next(m.user for m in each.team.members if m.is_owner)
                giver, leaves = each.by.username, each.leaves if each.hands_over else None
                role, user = each.name, person.username if each.user is not None else None
                project = each.project.name if each.project is not None else None
                team = each.team.name if each.team is not None else None
                if accepts == "no":
                    invitations.decline(uow, Person(person), each.id)
                    return
                invitations.accept(uow, Person(person), each.id)
        except Refusal:
            return
        self._accept(role, project, team, user, giver, leaves)

    def _accept(self, role: str, project: str | None, team: str | None, user: str | None,
                giver: str, leaves: bool | None) -> None:  # fmt: skip
        if team is not None and user is not None:
            self.members[team][user] = role == "owner"
            return
        assert project is not None
        if leaves is not None:
            self._hand_over(project, giver, leaves)
        parts = self.own[project] if user is not None else self.works[team or ""]
        key = user if user is not None else project
        if parts.get(key) != "owner":
            parts[key] = role

    def _hand_over(self, project: str, giver: str, leaves: bool) -> None:
        if leaves:
            del self.own[project][giver]
        else:
            self.own[project][giver] = "maintainer"

    @rule(days=st.sampled_from((1, 3, 15)))
    def wait(self, days: int) -> None:
        self.clock.advance(timedelta(days=days))
        if days % 2:
            with self.services.reading() as uow:
                due = invitations.due(uow, 100)
            with self.services.writing() as uow:
                invitations.expire(uow, due)

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @invariant()
    def the_rows_are_what_people_have_by_themselves_and_by_teams(self) -> None:
        if not hasattr(self, "own"):
            return
        expected: list[tuple[str, str, str | None, str]] = [
            *((p, u, None, r) for p, parts in self.own.items() for u, r in parts.items()),
            *(
                (project, user, team, role)
                for team, works in self.works.items()
                for project, role in works.items()
                for user in self.members[team]
            ),
        ]
        with self.services.reading() as uow:
            rows = uow.db.execute(
                select(Project.name, User.username, Team.name, Role.name)
                .select_from(Role)
                .join(Project, Project.id == Role.project_id)
                .join(User, User.id == Role.user_id)
                .outerjoin(Team, Team.id == Role.team_id)
            )
            assert sorted(map(tuple, rows), key=str) == sorted(expected, key=str)
            for name in PROJECTS:
                project = projects.get(uow, name)
                standing = {u.username: r.value for u, r in roles.strongest(project).items()}
                assert "owner" in standing.values()
                assert self._told(uow, project) == standing
        assert all(any(each.values()) for each in self.members.values())

    def _told(self, uow: UnitOfWork, project: Project) -> dict[str, str]:
        """Who works on the project as a reader of the journal has it."""
        told = {"ada": "owner"}
        for line in reversed(journal.of_project(uow.db, project, start=0, count=1000)):
            act, role, user = line.action.split()
            if act == "add":
                told[user] = role.lower()
            else:
                del told[user]
        return told


def run(url: str, seed: int) -> None:
    database = unflushed(Database(url))
    machine = type("Machine", (Teamwork,), {"database": database})
    try:
        walk(machine, seed, walks=8, steps=60, at_least=60)
    finally:
        database.close()


def test_roles_are_kept_in_step_on_sqlite(migrated_sqlite: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "copy.sqlite")
    run(f"sqlite:///{tmp_path / 'copy.sqlite'}", seed=1)


def test_roles_are_kept_in_step_on_postgresql(new_migrated_postgresql: MakeDatabase) -> None:
    run(new_migrated_postgresql(), seed=2)
