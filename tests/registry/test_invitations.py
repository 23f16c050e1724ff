"""Invitations: who may invite, answer and withdraw, and what has changed when they are accepted."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import delete, func, select

from greenroom.models import (
    AuditEntry,
    Project,
    Role,
    RoleInvitation,
    RoleName,
    Team,
    TeamMember,
    User,
)
from greenroom.registry import (
    accounts,
    catalogue,
    drafts,
    housekeeping,
    invitations,
    projects,
    removal,
    roles,
    teams,
    tokens,
)
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound, Refusal, TooMany
from greenroom.registry.permissions import (
    ANONYMOUS,
    OPERATOR,
    TOKEN_PERMISSIONS,
    Actor,
    Importer,
    Person,
    may_see_team,
)
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.artifacts import make_wheel
from tests.conftest import FakeClock

# Who may do what. `owner` and `maintainer` have these roles in the project, `captain` owns the team
# and `crew` is in it; `guest` is invited to the project and to the team, the team to the project.
# `both` owns project and team. A token is the owner's, with every permission.
TABLE = """
    act            anonymous stranger guest maintainer owner crew captain both administrator operator token importer
    see-team       -         -        -     -          -     yes  yes     yes  yes           yes      -     -
    make-team      -         yes      yes   yes        yes   yes  yes     yes  yes           yes      -     -
    give           -         -        -     -          -     -    -       -    -             yes      -     -
    lower          -         -        -     -          yes   -    -       yes  yes           yes      yes   yes
    take           -         -        -     -          yes   -    -       yes  yes           yes      yes   yes
    leave          -         -        -     yes        -     -    -       -    -             -        -     -
    invite         -         -        -     -          yes   -    -       yes  yes           -        yes   yes
    withdraw       -         -        -     -          yes   -    -       yes  yes           yes      yes   yes
    accept         -         -        yes   -          -     -    -       -    -             -        -     -
    decline        -         -        yes   -          -     -    -       -    -             -        -     -
    offer          -         -        -     -          yes   -    -       yes  -             -        -     -
    invite-member  -         -        -     -          -     -    yes     yes  yes           -        -     -
    withdraw-member -        -        -     -          -     -    yes     yes  yes           yes      -     -
    join           -         -        yes   -          -     -    -       -    -             -        -     -
    add-member     -         -        -     -          -     -    -       -    -             yes      -     -
    change-member  -         -        -     -          -     -    yes     yes  yes           yes      -     -
    remove-member  -         -        -     -          -     yes  yes     yes  yes           yes      -     -
    show           -         -        -     -          -     yes  yes     yes  -             -        -     -
    delete-team    -         -        -     -          -     -    yes     yes  yes           yes      -     -
    give-team      -         -        -     -          -     -    -       yes  -             yes      -     -
    invite-team    -         -        -     -          yes   -    -       yes  yes           yes      yes   yes
    take-team      -         -        -     -          yes   -    yes     yes  yes           yes      yes   yes
    accept-for-team -        -        -     -          -     -    yes     yes  -             -        -     -
"""  # noqa: E501

HEAD, *LINES = [line.split() for line in TABLE.strip().splitlines()]
PEOPLE = ("stranger", "guest", "maintainer", "owner", "crew", "captain", "both", "administrator")


class Scene:
    """A project and a team, with everything of which the table has a word."""

    def __init__(self, uow: UnitOfWork) -> None:
        self.uow = uow
        self.users = {
            name: factories.make_user(uow, name, administrator=name == "administrator")
            for name in (*PEOPLE, "other")
        }
        user = self.users
        self.owner = Person(user["owner"])
        self.project = projects.create(uow, self.owner, "example")
        self.project.registered = uow.now
        self.free = projects.create(uow, self.owner, "free")
        self.free.registered = uow.now
        for name, role in (("maintainer", RoleName.MAINTAINER), ("both", RoleName.OWNER)):
            factories.add_role(uow, self.project, user[name], role)
            factories.add_role(uow, self.free, user[name], role)
        self.team = factories.make_team(
            uow, user["captain"], "wool", user["crew"], user["both"], works_on=self.project
        )
        teams.change_member(uow, OPERATOR, self.team, "both", owner=True)
        self.invited = invitations.invite(
            uow, self.owner, self.project, "guest", RoleName.MAINTAINER
        ).id
        self.called = invitations.invite_to_team(
            uow, Person(user["captain"]), self.team, "guest", owner=False
        ).id
        made = invitations.invite_team(uow, self.owner, self.free, "wool", RoleName.OWNER)
        assert made is not None
        self.for_team = made.id

    def actor(self, who: str) -> Actor:
        if who == "token":
            text = factories.make_token(
                self.uow, self.users["owner"], permissions=TOKEN_PERMISSIONS
            )
            return tokens.actor_of_token(self.uow, text)
        if who == "importer":
            return Importer(self.users["owner"])
        named = {"anonymous": ANONYMOUS, "operator": OPERATOR}
        return named.get(who) or Person(self.users[who], why="Somebody asked.")

    def acts(self, who: str, actor: Actor) -> dict[str, Callable[[], object]]:
        uow, project, team = self.uow, self.project, self.team
        me = self.users.get(who, self.users["other"])

        def see() -> None:
            if not may_see_team(actor, team):
                raise NotAllowed("no")

        maintainer, owner = RoleName.MAINTAINER, RoleName.OWNER
        return {
            "see-team": see,
            "make-team": lambda: teams.create(uow, actor, "new", me),
            "give": lambda: roles.give(uow, actor, project, "other", maintainer),
            "lower": lambda: roles.give(uow, actor, project, "both", maintainer),
            "take": lambda: roles.take(uow, actor, project, "both"),
            "leave": lambda: roles.take(uow, actor, project, "maintainer") if who == "maintainer"
            else roles.take(uow, ANONYMOUS, project, who),
            "invite": lambda: invitations.invite(uow, actor, project, "other", owner),
            "withdraw": lambda: invitations.withdraw(uow, actor, self.invited, of=project),
            "accept": lambda: invitations.accept(uow, actor, self.invited),
            "decline": lambda: invitations.decline(uow, actor, self.invited),
            "offer": lambda: invitations.offer(uow, actor, project, "other", leaves=True),
            "invite-member": lambda: invitations.invite_to_team(
                uow, actor, team, "other", owner=False
            ),
            "withdraw-member": lambda: invitations.withdraw(uow, actor, self.called, of=team),
            "join": lambda: invitations.accept(uow, actor, self.called),
            "add-member": lambda: teams.add_member(uow, actor, team, "other"),
            "change-member": lambda: teams.change_member(uow, actor, team, "crew", owner=True),
            "remove-member": lambda: teams.remove_member(uow, actor, team, "crew"),
            "show": lambda: teams.show(uow, actor, team, shown=True),
            "delete-team": lambda: teams.delete(uow, actor, team),
            "give-team": lambda: teams.give_role(uow, actor, team, self.free, owner),
            "invite-team": lambda: invitations.invite_team(uow, actor, self.free, "yarn", owner),
            "take-team": lambda: teams.take_role(uow, actor, team, project),
            "accept-for-team": lambda: invitations.accept(uow, actor, self.for_team),
        }  # fmt: skip


def lines(uow: UnitOfWork) -> int:
    return uow.db.scalar(select(func.count()).select_from(AuditEntry)) or 0


def test_everybody_may_do_what_the_table_says_and_leaves_one_line(uow: UnitOfWork) -> None:
    scene = Scene(uow)
    factories.make_team(uow, scene.users["other"], "yarn")
    actors = {who: scene.actor(who) for who in HEAD[1:]}
    wrong = []
    for act, *expected in LINES:
        for who, may in zip(HEAD[1:], expected, strict=True):
            before, point = lines(uow), uow.db.begin_nested()
            try:
                scene.acts(who, actors[who])[act]()
                found = "yes"
            except (NotAllowed, NotFound):
                found = "-"
            written = lines(uow) - before
            point.rollback()
            uow.db.expire_all()
            is_read = act == "see-team"
            if (found, written) != (may, int(may == "yes" and not is_read)):
                wrong.append((act, who, found, written))
    assert wrong == []


def test_the_table_has_every_act() -> None:
    assert set(HEAD[1:]) == {*PEOPLE, "anonymous", "operator", "token", "importer"}
    assert len({line[0] for line in LINES}) == len(LINES) == 23


@pytest.fixture
def published(uow: UnitOfWork, ada: Person, eve: Person, tmp_path: Path) -> Project:
    """A project of Ada's; eve has no part in it."""
    return factories.release(uow, ada, make_wheel(tmp_path))


def later(uow: UnitOfWork, length: timedelta) -> UnitOfWork:
    return replace(uow, now=uow.now + length)


def standing(project: Project) -> dict[str, str]:
    return {user.username: name.value for user, name in roles.strongest(project).items()}


def _let_somebody_else_own(uow: UnitOfWork, ada: Person, project: Project) -> None:
    roles.give(uow, OPERATOR, project, "bob", RoleName.OWNER)
    roles.take(uow, OPERATOR, project, "ada")


def _quarantine(uow: UnitOfWork, ada: Person, project: Project) -> None:
    projects.quarantine(uow, OPERATOR, project)


def _give(uow: UnitOfWork, ada: Person, project: Project) -> None:
    roles.give(uow, OPERATOR, project, "eve", RoleName.OWNER)


def _decline(uow: UnitOfWork, ada: Person, project: Project) -> None:
    eve = Person(accounts.get_user(uow.db, "eve"))
    invitations.decline(uow, eve, uow.db.scalars(select(RoleInvitation.id)).one())


Spoil = Callable[[UnitOfWork, Person, Project], None]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_let_somebody_else_own, "can no longer give roles in 'example'"),
        (_quarantine, "is in quarantine"),
        (removal.remove_project, "There is no such invitation"),
        (_give, "There is no such invitation"),
        (_decline, "There is no such invitation"),
    ],
)
@pytest.mark.parametrize("hands_over", [False, True])
def test_what_has_changed_meanwhile_is_seen_when_it_is_accepted(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project,
    spoil: Spoil, says: str, hands_over: bool,
) -> None:  # fmt: skip
    factories.make_user(uow, "bob")
    if hands_over:
        made = invitations.offer(uow, ada, published, "eve", leaves=True).id
    else:
        made = invitations.invite(uow, ada, published, "eve", RoleName.MAINTAINER).id
    spoil(uow, ada, published)
    before = factories.everything(uow)

    with pytest.raises((InvalidRequest, NotFound), match=says):
        invitations.accept(uow, eve, made)

    assert factories.everything(uow) == before


def test_an_offer_of_who_owns_by_a_team_alone_is_none(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project
) -> None:
    """An owner who lost the own role, but has it by a team, may still give roles, not hand over."""
    team = factories.make_team(uow, ada.user, "wool")
    made = invitations.offer(uow, ada, published, "eve", leaves=False).id
    invitation = invitations.invite_to_team(uow, ada, team, "eve", owner=False)
    teams.give_role(uow, ada, team, published, RoleName.OWNER)
    roles.take(uow, ada, published, "ada")
    with pytest.raises(InvalidRequest, match="can no longer give roles"):
        invitations.accept(uow, eve, made)
    with pytest.raises(NotAllowed, match="Only who owns 'example' by themselves"):
        invitations.offer(uow, ada, published, "eve", leaves=False)
    invitations.accept(uow, eve, invitation.id)
    assert standing(published) == {"ada": "owner", "eve": "owner"}


def test_an_invitation_ends_by_the_clock_and_housekeeping_sweeps_it_up(
    services: Services, clock: FakeClock
) -> None:
    with services.writing() as uow:
        ada = Person(factories.make_user(uow, "ada"))
        eve = Person(factories.make_user(uow, "eve"))
        project = projects.create(uow, ada, "example")
        project.registered = uow.now
        made = invitations.invite(uow, ada, project, "eve", RoleName.OWNER).id
    clock.advance(invitations.LIFETIME)
    with services.writing() as uow:
        eve = Person(accounts.get_user(uow.db, "eve"))
        project = projects.get(uow, "example")
        assert invitations.waiting_for(uow, eve.user) == []
        assert invitations.count_waiting(uow, eve.user.id) == 0
        assert invitations.of_project(uow, project) == []
        with pytest.raises(NotFound):
            invitations.accept(uow, eve, made)
        with pytest.raises(NotFound):
            invitations.withdraw(uow, OPERATOR, made, of=project)
    housekeeping.keep_house(services)
    with services.writing() as uow:
        assert uow.db.scalars(select(RoleInvitation)).all() == []
        newest = uow.db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
        assert (newest.act, newest.by, newest.about) == ("role-expire", "expiry", "eve")
        ada = Person(accounts.get_user(uow.db, "ada"))
        invitations.invite(uow, ada, projects.get(uow, "example"), "eve", RoleName.OWNER)


def test_who_declined_is_left_alone_until_it_would_have_ended(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project
) -> None:
    made = invitations.invite(uow, ada, published, "eve", RoleName.OWNER)
    with pytest.raises(InvalidRequest, match="'eve' is invited as owner, until 2026-06-15"):
        invitations.invite(uow, ada, published, "eve", RoleName.MAINTAINER)
    invitations.decline(uow, eve, made.id)
    with pytest.raises(NotFound):
        invitations.withdraw(uow, ada, made.id, of=published)
    soon = later(uow, invitations.LIFETIME - timedelta(seconds=1))
    with pytest.raises(InvalidRequest, match="'eve' has declined, and can be invited again"):
        invitations.invite(soon, ada, published, "eve", RoleName.MAINTAINER)
    with pytest.raises(InvalidRequest, match="'eve' has declined, and can be invited again"):
        invitations.offer(soon, ada, published, "eve", leaves=True)
    [shown] = invitations.of_project(soon, published)
    assert shown.declined == uow.now
    invitations.invite(later(uow, invitations.LIFETIME), ada, published, "eve", RoleName.MAINTAINER)


def test_nobody_is_flooded_with_invitations(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project
) -> None:
    for _ in range(invitations.MOST_TO_ONE_IN_A_DAY):
        made = invitations.invite(uow, ada, published, "eve", RoleName.OWNER)
        invitations.withdraw(uow, ada, made.id, of=published)
    with pytest.raises(TooMany, match="invited 'eve' 5 times within a day"):
        invitations.offer(uow, ada, published, "eve", leaves=True)
    left = invitations.MOST_IN_AN_HOUR - invitations.MOST_TO_ONE_IN_A_DAY
    team = factories.make_team(uow, ada.user, "wool")
    for number in range(left):
        name = factories.make_user(uow, f"user-{number}").username
        invitations.invite_to_team(uow, ada, team, name, owner=False)
    factories.make_user(uow, "last")
    with pytest.raises(TooMany, match="invited 30 times within an hour"):
        invitations.invite_to_team(uow, ada, team, "last", owner=False)
    invitations.invite_to_team(later(uow, timedelta(hours=1)), ada, team, "last", owner=False)


def test_the_strongest_role_counts_and_everybody_comes_once(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project
) -> None:
    bob = factories.make_user(uow, "bob")
    factories.add_role(uow, published, eve.user, RoleName.MAINTAINER)
    team = factories.make_team(uow, ada.user, "wool", eve.user, bob)
    before = len(factories.journal_of(uow))
    teams.give_role(uow, ada, team, published, RoleName.OWNER)

    assert [action for _, _, action in factories.journal_of(uow)[before:]] == [
        "add Owner eve",
        "add Owner bob",
    ]
    shown = catalogue.find(uow.db, "example")
    assert shown is not None
    expected = [("owner", "ada"), ("owner", "bob"), ("owner", "eve")]
    assert catalogue.people(uow.db, shown) == expected
    assert standing(published) == {"ada": "owner", "eve": "owner", "bob": "owner"}
    assert projects.of_user(uow, eve.user) == [published]
    assert projects.size_of_user(uow, eve.user.id) == projects.size(uow, published)
    # A profile has what its person accepted, not all that a team has got.
    assert catalogue.roles_of(uow.db, eve.user) == [("maintainer", "example")]
    assert (catalogue.roles_of(uow.db, bob), catalogue.projects_of(uow.db, bob)) == ([], [])
    teams.show(uow, Person(bob), team, shown=True)
    assert catalogue.roles_of(uow.db, bob) == [("owner", "example")]
    assert catalogue.projects_of(uow.db, bob) == [published]
    teams.remove_member(uow, eve, team, "eve")
    assert standing(published) == {"ada": "owner", "eve": "maintainer", "bob": "owner"}


def test_who_loses_the_last_role_by_a_team_loses_the_addresses_of_drafts(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project, tmp_path: Path
) -> None:
    team = factories.make_team(uow, ada.user, "wool", eve.user, works_on=published)
    other = factories.make_team(uow, ada.user, "yarn", eve.user, works_on=published)
    draft = factories.stage(uow, eve, make_wheel(tmp_path, version="2.0"))
    slug = draft.slug
    teams.take_role(uow, ada, team, published)
    assert draft.slug == slug
    teams.remove_member(uow, ada, other, "eve")
    assert drafts.by_slug(uow.db, slug) is None


def test_a_project_that_a_team_owns_alone_keeps_it(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project
) -> None:
    team = factories.make_team(uow, ada.user, "wool", eve.user)
    invitations.offer_to_team(uow, ada, published, "wool", leaves=True)
    assert standing(published) == {"ada": "owner", "eve": "owner"}
    teams.remove_member(uow, ada, team, "eve")
    for act in (
        lambda: teams.take_role(uow, ada, team, published),
        lambda: teams.delete(uow, ada, team),
        lambda: teams.give_role(uow, ada, team, published, RoleName.MAINTAINER),
        lambda: teams.remove_member(uow, ada, team, "ada"),
    ):
        before = factories.everything(uow)
        with pytest.raises(InvalidRequest, match="'ada' is the last owner of"):
            act()
        assert factories.everything(uow) == before


def test_teams_that_cannot_be(uow: UnitOfWork, ada: Person, eve: Person) -> None:
    factories.make_team(uow, ada.user, "Wool")
    for name, says in (("wOOl", "that of another team"), ("-", "1 to 50"), ("a\0", "1 to 50")):
        with pytest.raises(InvalidRequest, match=says):
            teams.create(uow, ada, name, ada.user)
    unverified = factories.make_user(uow, "new", verified=False)
    with pytest.raises(NotAllowed, match="no verified e-mail address"):
        teams.create(uow, Person(unverified), "yarn", unverified)
    with pytest.raises(NotAllowed, match="for somebody else"):
        teams.create(uow, ada, "yarn", eve.user)
    assert teams.find(uow, "wool") is not None
    assert teams.find(uow, "\0") is None


def test_limits_of_a_team(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, most in (("MOST_MEMBERS", 1), ("MOST_PROJECTS", 0), ("MOST_TEAMS", 1)):
        monkeypatch.setattr(teams, name, most)
    team = factories.make_team(uow, ada.user, "wool")
    with pytest.raises(InvalidRequest, match="has 1 members, and no team has more"):
        invitations.invite_to_team(uow, ada, team, "eve", owner=False)
    with pytest.raises(InvalidRequest, match="works on 0 projects"):
        teams.give_role(uow, ada, team, published, RoleName.OWNER)
    with pytest.raises(InvalidRequest, match="owns 1 teams"):
        teams.create(uow, ada, "yarn", ada.user)


def test_a_reserved_name_that_lapses_takes_its_invitations_with_it(
    uow: UnitOfWork, ada: Person, eve: Person, tmp_path: Path
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path, "secret"))
    project = projects.get(uow, "secret")
    made = invitations.invite(uow, ada, project, "eve", RoleName.OWNER).id
    team = factories.make_team(uow, ada.user, "wool", works_on=project)
    assert [w.project for w in invitations.waiting_for(uow, eve.user)] == ["secret"]
    assert draft.expires <= uow.now + invitations.LIFETIME
    due = replace(uow, now=draft.expires)
    soon = replace(uow, now=draft.expires - timedelta(seconds=1))
    uow.db.get_one(RoleInvitation, made).expires = draft.expires + timedelta(days=1)
    assert invitations.count_waiting(soon, eve.user.id) == 1
    assert invitations.count_waiting(due, eve.user.id) == 0
    assert invitations.waiting_for(due, eve.user) == []
    assert teams.projects_of(due, team) == []
    with pytest.raises(NotFound):
        invitations.accept(due, eve, made)


# At once


def test_of_what_is_accepted_and_withdrawn_at_once_one_happens(services: Services) -> None:
    with services.writing() as uow:
        ada = Person(factories.make_user(uow, "ada"))
        factories.make_user(uow, "eve")
        project = projects.create(uow, ada, "example")
        project.registered = uow.now
        made = invitations.invite(uow, ada, project, "eve", RoleName.OWNER).id

    def accept() -> bool:
        with suppress(Refusal), services.writing() as uow:
            invitations.accept(uow, Person(accounts.get_user(uow.db, "eve")), made)
            return True
        return False

    def withdraw() -> bool:
        with suppress(Refusal), services.writing() as uow:
            invitations.withdraw(uow, OPERATOR, made, of=projects.get(uow, "example"))
            return True
        return False

    outcomes = factories.at_once(accept, withdraw)
    assert sorted(outcomes) == [False, True]
    with services.reading() as uow:
        assert ("eve" in standing(projects.get(uow, "example"))) == outcomes[0]
        assert uow.db.scalars(select(RoleInvitation)).all() == []


def test_members_and_roles_that_come_at_once_meet(services: Services) -> None:
    """Somebody joins while the team gets a project, and another of its projects changes."""
    with services.writing() as uow:
        ada, eve = factories.make_user(uow, "ada"), factories.make_user(uow, "eve")
        for name in ("one", "two"):
            projects.create(uow, Person(ada), name).registered = uow.now
        factories.make_team(uow, ada, "wool", works_on=projects.get(uow, "one"))
        factories.make_user(uow, "bob")
        assert eve.id

    def join(name: str) -> Callable[[], None]:
        def act() -> None:
            with services.writing() as uow:
                teams.add_member(uow, OPERATOR, teams.get(uow, "wool"), name)

        return act

    def work() -> None:
        with services.writing() as uow:
            found = projects.get(uow, "two")
            teams.give_role(uow, OPERATOR, teams.get(uow, "wool"), found, RoleName.MAINTAINER)

    factories.at_once(join("eve"), work, join("bob"))
    with services.reading() as uow:
        for name in ("one", "two"):
            assert set(standing(projects.get(uow, name))) == {"ada", "eve", "bob"}


def test_who_leaves_everything_has_no_part_in_anything(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project, tmp_path: Path
) -> None:
    other = factories.release(uow, eve, make_wheel(tmp_path, "other"))
    bob = factories.make_user(uow, "bob")
    factories.make_team(uow, ada.user, "wool", eve.user, works_on=published)
    factories.make_team(uow, eve.user, "alone", works_on=published)
    both = factories.make_team(uow, eve.user, "both", ada.user)
    factories.add_role(uow, published, eve.user, RoleName.MAINTAINER)
    invitations.invite(uow, ada, published, "eve", RoleName.OWNER)
    invitations.invite_to_team(uow, eve, both, "bob", owner=True)

    def is_refused(says: str) -> None:
        before = factories.everything(uow)
        with pytest.raises(InvalidRequest, match=says):
            teams.leave_everything(uow, OPERATOR, eve.user)
        assert factories.everything(uow) == before

    is_refused("the last owner of the team 'both'")
    teams.change_member(uow, OPERATOR, both, "ada", owner=True)
    is_refused("the last owner of 'other'")
    factories.add_role(uow, other, bob, RoleName.OWNER)

    left = teams.leave_everything(uow, OPERATOR, eve.user)

    assert {project.name for project in left} == {"example", "other"}
    assert (standing(published), standing(other)) == ({"ada": "owner"}, {"bob": "owner"})
    assert [team.name for team in teams.every(uow)] == ["both", "wool"]
    assert {team.members for team in teams.every(uow)} == {1}
    assert uow.db.scalars(select(RoleInvitation)).all() == []
    assert [action for _, _, action in factories.journal_of(uow)][-2:] == [
        "remove Maintainer eve",
        "remove Owner eve",
    ]


def test_a_persons_end_ends_their_part_in_everything(
    uow: UnitOfWork, ada: Person, eve: Person, published: Project
) -> None:
    factories.make_team(uow, ada.user, "wool", eve.user, works_on=published)
    invitations.invite(uow, ada, published, "eve", RoleName.OWNER)
    uow.db.execute(delete(User).where(User.id == eve.user.id))
    for table in (Role, TeamMember, RoleInvitation):
        rows = uow.db.scalar(select(func.count()).select_from(table))
        assert rows == {"roles": 2, "team_members": 1}.get(table.__tablename__, 0)
    assert uow.db.scalar(select(func.count()).select_from(Team)) == 1
