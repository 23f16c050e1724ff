"""Teams: people who hold roles together.

A team has members, of whom some are its owners and say who is in it, and a role in each project
that it works on, which all its members have. What changes a team holds its lock, then those of all
its projects, and changes the rows of ``roles`` in the same transaction.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

from msgspec import Struct
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import selectinload

from greenroom.models import (
    Project,
    Role,
    RoleInvitation,
    RoleName,
    Team,
    TeamMember,
    TeamRole,
    User,
)
from greenroom.registry import accounts, audit, projects, roles
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound
from greenroom.registry.names import is_username
from greenroom.registry.permissions import (
    Act,
    Actor,
    may_see_team,
    require,
    require_running_team,
)
from greenroom.registry.roles import Change
from greenroom.registry.unit_of_work import UnitOfWork

MOST_MEMBERS = 100
MOST_PROJECTS = 200
MOST_TEAMS = 50
"""Of which a person is an owner."""


class TeamSummary(Struct, frozen=True):
    """A team that a person is in, and whether they own it."""

    name: str
    is_owner: bool
    members: int
    projects: int


class MemberSummary(Struct, frozen=True):
    """A person in a team. ``shown`` is whether their profile shows its projects."""

    username: str
    is_owner: bool
    shown: bool
    joined: datetime


class TeamRoleSummary(Struct, frozen=True):
    """The name of a project that a team works on, or of a team that works on a project; as what."""

    name: str
    role: RoleName


def find(uow: UnitOfWork, name: str) -> Team | None:
    """The team of this name, in any letter case, with its members and roles."""
    if not is_username(name):
        return None
    return _loaded(uow, Team.normalized_name == name.lower())


def get(uow: UnitOfWork, name: str) -> Team:
    """The team of this name.

    Raises:
        NotFound: there is none.
    """
    team = find(uow, name)
    if team is None:
        raise NotFound(f"There is no team {name!r}.")
    return team


def visible(uow: UnitOfWork, actor: Actor, name: str) -> Team | None:
    """The team of this name, if the actor may see who is in it."""
    team = find(uow, name)
    return team if team is not None and may_see_team(actor, team) else None


def every(uow: UnitOfWork) -> list[TeamSummary]:
    """All teams, by name: for the operator."""
    return [TeamSummary(name, False, members, working) for name, _, members, working in _rows(uow)]


def of_user(uow: UnitOfWork, user: User) -> list[TeamSummary]:
    """The teams that the user is in, by name."""
    return [
        TeamSummary(name, bool(owned), members, working)
        for name, owned, members, working in _rows(uow, user.id)
    ]


def _rows(uow: UnitOfWork, user_id: int | None = None) -> list[tuple[str, bool, int, int]]:
    members = select(func.count()).where(TeamMember.team_id == Team.id).scalar_subquery()
    working = (
        select(func.count())
        .select_from(TeamRole)
        .join(Project, Project.id == TeamRole.project_id)
        .where(TeamRole.team_id == Team.id, projects.is_taken(uow))
        .scalar_subquery()
    )
    mine = (TeamMember.team_id == Team.id) & (TeamMember.user_id == user_id)
    query = select(Team.name, TeamMember.is_owner, members.correlate(Team), working)
    query = query.select_from(Team).join(TeamMember, mine, isouter=user_id is None)
    rows = uow.db.execute(query.order_by(Team.normalized_name))
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def members(team: Team) -> tuple[MemberSummary, ...]:
    """Who is in the team, who joined first before the others."""
    return tuple(
        MemberSummary(each.user.username, each.is_owner, each.shown, each.joined)
        for each in team.members
    )


def projects_of(uow: UnitOfWork, team: Team) -> list[TeamRoleSummary]:
    """What the team works on, by name."""
    rows = uow.db.execute(
        select(Project.name, TeamRole.name)
        .join(TeamRole, TeamRole.project_id == Project.id)
        .where(TeamRole.team_id == team.id, projects.is_taken(uow))
        .order_by(Project.normalized_name)
    )
    return [TeamRoleSummary(name, RoleName(role)) for name, role in rows]


def project_names(uow: UnitOfWork, numbers: Collection[int]) -> list[tuple[int, str]]:
    """Number of the team and name of the project, by name, for all that these teams work on."""
    rows = uow.db.execute(
        select(TeamRole.team_id, Project.name)
        .join(Project, Project.id == TeamRole.project_id)
        .where(TeamRole.team_id.in_(numbers), projects.is_taken(uow))
        .order_by(Project.normalized_name)
    )
    return [(row[0], row[1]) for row in rows]


def of_project(uow: UnitOfWork, project: Project) -> list[TeamRoleSummary]:
    """The teams that work on the project, by name."""
    rows = uow.db.execute(
        select(Team.name, TeamRole.name)
        .join(TeamRole, TeamRole.team_id == Team.id)
        .where(TeamRole.project_id == project.id)
        .order_by(Team.normalized_name)
    )
    return [TeamRoleSummary(name, RoleName(role)) for name, role in rows]


def create(uow: UnitOfWork, actor: Actor, name: str, owner: User) -> Team:
    """A new team with its first owner, who is whoever makes it, or named by the operator.

    Raises:
        NotAllowed: the actor may not make teams, or not for somebody else.
        InvalidRequest: the name does not do or is taken, or the person owns too many teams.
    """
    refusal = actor.why_no_team()
    if refusal is None and not (actor.answers_for(owner.id) or actor.gives_at_once):
        refusal = f"The user {actor.name!r} may not make a team for somebody else."
    if refusal is not None:
        raise NotAllowed(refusal)
    if not is_username(name):
        raise InvalidRequest(
            "The name of a team has 1 to 50 ASCII letters and digits, and '.', '_' or '-' between "
            f"them; {name[:60]!r} has not."
        )
    uow.lock("teams")
    if find(uow, name) is not None:
        raise InvalidRequest(f"The name {name!r} is that of another team: choose another one.")
    owned = select(func.count()).where(TeamMember.user_id == owner.id, TeamMember.is_owner)
    if (uow.db.scalar(owned) or 0) >= MOST_TEAMS:
        raise InvalidRequest(f"{owner.username!r} owns {MOST_TEAMS} teams, and nobody owns more.")
    team = Team(name=name, normalized_name=name.lower(), created=uow.now)
    team.members.append(TeamMember(user=owner, user_id=owner.id, is_owner=True, joined=uow.now))
    uow.db.add(team)
    uow.db.flush()
    audit.write(uow, Kind.TEAM_CREATE, actor, about=owner, detail=f"team {name}")
    return team


def lock_and_reload(uow: UnitOfWork, team: Team, *more: Project) -> list[Project]:
    """Hold the locks of a team, of its projects and of these, and see all as they are now.

    Returns:
        The projects that the team has a role in, and these, loaded with their roles.

    Raises:
        NotFound: the team, or one of these projects, has gone meanwhile.
    """
    name, wanted = team.name, {project.id for project in more}
    uow.lock(f"team:{team.id}")
    if _loaded(uow, Team.id == team.id) is not team:
        raise NotFound(f"There is no team {name!r}.")
    wanted |= {each.project_id for each in team.roles}
    named = select(Project.name).where(Project.id.in_(wanted)).order_by(Project.normalized_name)
    projects.lock_all(uow, uow.db.scalars(named).all())
    found = projects.reload_all(uow, wanted)
    for project in more:
        if projects.find(uow, project.name) is not project:
            raise NotFound(f"There is no project {project.name!r}.")
    return found


def lock_all(uow: UnitOfWork, numbers: Collection[int]) -> None:
    """Hold the locks of the teams of these numbers, then those of all their projects.

    Whoever changes several teams does this first: teams come before projects.
    """
    if not numbers:
        return
    uow.lock(*(f"team:{number}" for number in sorted(numbers)))
    working = select(TeamRole.project_id).where(TeamRole.team_id.in_(numbers))
    projects.lock_all(
        uow, uow.db.scalars(select(Project.name).where(Project.id.in_(working))).all()
    )


def _loaded(uow: UnitOfWork, condition: ColumnElement[bool]) -> Team | None:
    return uow.db.scalars(
        select(Team)
        .where(condition)
        .options(selectinload(Team.members), selectinload(Team.roles))
        .execution_options(populate_existing=True)
    ).one_or_none()


def add_member(
    uow: UnitOfWork, actor: Actor, team: Team, username: str, *, owner: bool = False
) -> User:
    """Put a person into a team at once: for actors who need not ask them.

    Raises:
        NotAllowed: the actor has to invite the person.
        NotFound: there is no such user.
        InvalidRequest: the person is in it, or the team is as large as can be.
    """
    working = lock_and_reload(uow, team)
    require_running_team(actor, team)
    if not actor.gives_at_once:
        raise NotAllowed(f"Invite {username!r}: nobody is put into a team without accepting.")
    user = accounts.get_user(uow.db, username)
    join(uow, actor, team, working, user, owner=owner)
    audit.write(uow, Kind.TEAM_ADD, actor, about=user, detail=_placed(team, owner=owner))
    return user


def join(
    uow: UnitOfWork,
    by: Actor,
    team: Team,
    working: Iterable[Project],
    user: User,
    *,
    owner: bool,
    shown: bool = False,
) -> None:
    """Let a person be in a team that was locked and reloaded, with its projects.

    Raises:
        InvalidRequest: the person is in it, or the team is as large as can be.
    """
    check_can_join(team, user)
    member = TeamMember(user=user, user_id=user.id, is_owner=owner, shown=shown, joined=uow.now)
    _keep_in_step(uow, by, team, working, lambda: team.members.append(member))
    roles.forget_invitations(
        uow, RoleInvitation.team_id == team.id, RoleInvitation.user_id == user.id
    )


def check_can_join(team: Team, user: User) -> None:
    """Raise InvalidRequest where a person is in the team, or nobody else can be.

    Raises:
        InvalidRequest: so it is.
    """
    if place_of(team, user.id) is not None:
        raise InvalidRequest(f"{user.username!r} is in the team {team.name!r}.")
    if len(team.members) >= MOST_MEMBERS:
        raise InvalidRequest(
            f"The team {team.name!r} has {MOST_MEMBERS} members, and no team has more: make "
            "another one."
        )


def place_of(team: Team, user_id: int) -> TeamMember | None:
    """A person's place in the team."""
    return next((each for each in team.members if each.user_id == user_id), None)


def change_member(uow: UnitOfWork, actor: Actor, team: Team, username: str, *, owner: bool) -> User:
    """Let a member be an owner of the team, or no more than a member.

    Raises:
        NotAllowed: the actor does not run the team.
        NotFound: the person is not in it.
        InvalidRequest: the person is that, or the last owner.
    """
    lock_and_reload(uow, team)
    require_running_team(actor, team)
    member = _member(team, username)
    if member.is_owner == owner:
        raise InvalidRequest(f"{member.user.username!r} is {_place(owner=owner)}, as before.")
    if not owner:
        _check_not_last_owner(team, member)
    member.is_owner = owner
    uow.db.flush()
    audit.write(uow, Kind.TEAM_CHANGE, actor, about=member.user, detail=_placed(team, owner=owner))
    return member.user


def remove_member(uow: UnitOfWork, actor: Actor, team: Team, username: str) -> User:
    """Take a person out of the team, and the roles with it; or leave it.

    Raises:
        NotAllowed: the actor does not run the team.
        NotFound: the person is not in it.
        InvalidRequest: it is the last owner of the team.
    """
    working = lock_and_reload(uow, team)
    user = accounts.find_user(uow.db, username)
    if user is None or not actor.answers_for(user.id):
        require_running_team(actor, team)
    member = _member(team, username)
    _check_not_last_owner(team, member)
    user = member.user
    changed = _keep_in_step(uow, actor, team, working, lambda: team.members.remove(member))
    detail = f"team {team.name}" + (f"; draft addresses changed: {changed}" if changed else "")
    audit.write(uow, Kind.TEAM_REMOVE, actor, about=user, detail=detail)
    return user


def show(uow: UnitOfWork, actor: Actor, team: Team, *, shown: bool) -> None:
    """Let the profile of whoever asks show the projects of the team, or not.

    Raises:
        NotAllowed: the actor is not in it.
    """
    working = lock_and_reload(uow, team)
    member = next((each for each in team.members if actor.answers_for(each.user_id)), None)
    if member is None:
        raise NotAllowed(f"The user {actor.name!r} is not in the team {team.name!r}.")
    if member.shown == shown:
        return
    member.shown = shown
    uow.db.flush()
    for project in working:
        roles.say_again(uow, actor, project, member.user)
    says = "shown" if shown else "not shown"
    detail = f"team {team.name}: {says} on the profile"
    audit.write(uow, Kind.TEAM_SHOW, actor, about=member.user, detail=detail)


def lock_of_project(uow: UnitOfWork, project: Project) -> None:
    """Hold the locks of all teams that work on a project, and then that of the project.

    Raises:
        NotFound: the project has gone meanwhile.
        InvalidRequest: another team works on it by then, whose lock comes before.
    """
    working = select(TeamRole.team_id).where(TeamRole.project_id == project.id)
    numbers = sorted(uow.db.scalars(working))
    if numbers:
        uow.lock(*(f"team:{number}" for number in numbers))
    projects.lock_and_reload(uow, project)
    if not set(uow.db.scalars(working)) <= set(numbers):
        raise InvalidRequest(f"Another team has just got a role in {project.name}: try again.")


def demoted(uow: UnitOfWork, project: Project) -> dict[int | None, roles.Parts]:
    """Let the teams of a project be maintainers of it, as a part of another act.

    The caller holds the locks of the teams and of the project.

    Returns:
        What the members are then, by the number of the team, for :class:`roles.Change`.
    """
    of_project = select(TeamRole).where(TeamRole.project_id == project.id)
    for role in uow.db.scalars(of_project):
        role.name = RoleName.MAINTAINER
    parts: dict[int | None, dict[User, RoleName]] = {}
    for each in project.roles:
        if each.team_id is not None:
            parts.setdefault(each.team_id, {})[each.user] = RoleName.MAINTAINER
    return dict(parts)


def give_role(uow: UnitOfWork, actor: Actor, team: Team, project: Project, name: RoleName) -> None:
    """Let all members of a team have a role in a project at once, or another one than before.

    Raises:
        NotAllowed: the actor may not manage the project, or is no owner of the team, who has to
            accept it.
        InvalidRequest: the team has this role, or too many, or the project has no other owner.
    """
    working = lock_and_reload(uow, team, project)
    require(actor, Act.MANAGE, project)
    former = role_in(team, project)
    check_other_role(team, project, name)
    if roles.stronger(name, former) and not (actor.gives_at_once or actor.runs(team)):
        raise NotAllowed(
            f"Invite the team {team.name!r}: nobody is made {roles.a(name)} without accepting."
        )
    take_on(uow, actor, team, project, name, working)
    detail = f"team {team.name}: {name.value}"
    audit.write(uow, Kind.TEAM_ROLE_GIVE, actor, project=project, detail=detail)


def check_other_role(team: Team, project: Project, name: RoleName) -> None:
    """Raise InvalidRequest where a team is to become what it is, or works on too much.

    Raises:
        InvalidRequest: so it is.
    """
    former = role_in(team, project)
    if former == name:
        raise InvalidRequest(
            f"The team {team.name!r} is {roles.a(name)} of {project.name!r}, as before."
        )
    if former is None and len(team.roles) >= MOST_PROJECTS:
        raise InvalidRequest(
            f"The team {team.name!r} works on {MOST_PROJECTS} projects, and no team on more."
        )


def take_on(
    uow: UnitOfWork,
    by: Actor,
    team: Team,
    project: Project,
    name: RoleName,
    working: Iterable[Project],
    *,
    own: roles.Parts | None = None,
) -> None:
    """Let a team that was locked and reloaded with the project have this role in it.

    Args:
        uow: where.
        by: who the journal says did it.
        team: which.
        project: in what.
        name: the role.
        working: all projects that were reloaded with the team.
        own: what people are in the project by themselves afterwards, where that changes too.

    Raises:
        InvalidRequest: the project has no other owner.
    """

    def take_on() -> None:
        role = next((each for each in team.roles if each.project_id == project.id), None)
        if role is None:
            team.roles.append(TeamRole(project_id=project.id, project=project, name=name))
        else:
            role.name = name

    _keep_in_step(uow, by, team, working, take_on, {} if own is None else {project.id: own})
    roles.forget_invitations(
        uow, RoleInvitation.team_id == team.id, RoleInvitation.project_id == project.id
    )


def take_role(uow: UnitOfWork, actor: Actor, team: Team, project: Project) -> None:
    """Take a team's role in a project away: whoever manages the project, or runs the team.

    Raises:
        NotAllowed: the actor does neither.
        NotFound: the team has no role in it.
        InvalidRequest: the project has no other owner.
    """
    working = lock_and_reload(uow, team, project)
    if not actor.runs(team):
        require(actor, Act.MANAGE, project)
    role = next((each for each in team.roles if each.project_id == project.id), None)
    if role is None:
        raise NotFound(f"The team {team.name!r} has no role in the project {project.name!r}.")
    name = role.name
    changed = _keep_in_step(uow, actor, team, working, lambda: team.roles.remove(role))
    roles.forget_invitations(
        uow, RoleInvitation.team_id == team.id, RoleInvitation.project_id == project.id
    )
    detail = f"team {team.name}: {name}"
    detail += f"; draft addresses changed: {changed}" if changed else ""
    audit.write(uow, Kind.TEAM_ROLE_TAKE, actor, project=project, detail=detail)


def role_in(team: Team, project: Project) -> RoleName | None:
    """What the team is in the project."""
    found = (each.name for each in team.roles if each.project_id == project.id)
    return next(map(RoleName, found), None)


def delete(uow: UnitOfWork, actor: Actor, team: Team) -> None:
    """Delete a team, and the roles that its members have by it.

    Raises:
        NotAllowed: the actor does not run the team.
        InvalidRequest: it is all that owns a project.
    """
    working = lock_and_reload(uow, team)
    require_running_team(actor, team)
    detail = f"team {team.name}; members: {len(team.members)}, projects: {len(team.roles)}"
    roles.change(uow, actor, [Change(project, {team.id: {}}) for project in working])
    uow.db.delete(team)
    uow.db.flush()
    audit.write(uow, Kind.TEAM_DELETE, actor, detail=detail)


def leave_everything(uow: UnitOfWork, by: Actor, user: User) -> list[Project]:
    """Take a person out of all projects and teams, whose account ends; nobody has to accept it.

    A team that nobody else is in goes with them, and so does what they are invited to, and what
    they invited others to. The caller has checked that it may be, and writes it into the audit log.

    Returns:
        The projects that they worked on.

    Raises:
        InvalidRequest: they are the last owner of a project, or of a team with other members.
    """
    numbers = select(TeamMember.team_id).where(TeamMember.user_id == user.id)
    mine = sorted(uow.db.scalars(numbers))
    if mine:
        uow.lock(*(f"team:{number}" for number in mine))
    found = [team for number in mine if (team := _loaded(uow, Team.id == number)) is not None]
    wanted = set(uow.db.scalars(select(Role.project_id).where(Role.user_id == user.id)))
    named = select(Project.name).where(Project.id.in_(wanted))
    projects.lock_all(uow, uow.db.scalars(named).all())
    working = projects.reload_all(uow, wanted)
    for team in found:
        member = place_of(team, user.id)
        if member is not None and len(team.members) > 1:
            _check_not_last_owner(team, member)
    roles.change(uow, by, [roles.without(project, user) for project in working])
    for team in found:
        if len(team.members) == 1:
            uow.db.delete(team)
        else:
            team.members = [each for each in team.members if each.user_id != user.id]
    uow.db.flush()
    of_person = (RoleInvitation.user_id == user.id) | (RoleInvitation.by_id == user.id)
    roles.forget_invitations(uow, of_person)
    return working


def _keep_in_step(
    uow: UnitOfWork,
    by: Actor,
    team: Team,
    working: Iterable[Project],
    act: Callable[[], None],
    own: Mapping[int, roles.Parts] | None = None,
) -> int:
    """Change the team, and make its rows of ``roles`` what its members and its roles say then.

    Nothing of it is left where it is refused: pages show what is there with the refusal.
    """
    with uow.db.begin_nested():
        act()
        return roles.change(uow, by, _changes(team, working, own or {}))


def _changes(
    team: Team, working: Iterable[Project], own: Mapping[int, roles.Parts]
) -> list[Change]:
    names = {role.project_id: RoleName(role.name) for role in team.roles}
    people = [each.user for each in team.members]
    changes = []
    for project in working:
        name = names.get(project.id)
        parts: dict[int | None, roles.Parts] = {
            team.id: dict.fromkeys(people, name) if name is not None else {}
        }
        if project.id in own:
            parts[roles.OWN] = own[project.id]
        changes.append(Change(project, parts))
    return changes


def _member(team: Team, username: str) -> TeamMember:
    wanted = username.lower()
    for each in team.members:
        if each.user.normalized_username == wanted:
            return each
    raise NotFound(f"The user {username!r} is not in the team {team.name!r}.")


def _check_not_last_owner(team: Team, member: TeamMember) -> None:
    if [each for each in team.members if each.is_owner] == [member]:
        raise InvalidRequest(
            f"{member.user.username!r} is the last owner of the team {team.name!r}: make somebody "
            "else an owner of it first, or delete the team."
        )


def _place(*, owner: bool) -> str:
    return "an owner" if owner else "a member"


def _placed(team: Team, *, owner: bool) -> str:
    return f"team {team.name}: {'owner' if owner else 'member'}"
