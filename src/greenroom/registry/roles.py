"""Who works on a project: their own roles, those that they have by a team, and the strongest.

``roles`` has a row for each person's own role, and one for each member of each team that has a role
in the project. Whatever changes either goes through :func:`change`, so that a project never loses
its last owner, its journal says who came and went, and who goes loses the addresses of its drafts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct, field
from sqlalchemy import ColumnElement, delete, select

from greenroom.models import Project, Role, RoleInvitation, RoleName, Team, User
from greenroom.registry import accounts, audit, draft_addresses, journal, projects
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound
from greenroom.registry.permissions import Act, Actor, require
from greenroom.registry.unit_of_work import UnitOfWork

OWN = None
"""In place of a team's number: the roles that people have by themselves."""

Parts: TypeAlias = Mapping[User, RoleName]
"""Who has which role."""


class RoleSummary(Struct, frozen=True):
    """A person's part in a project: the user name, and what the strongest role is called."""

    username: str
    name: RoleName


class ManagedRole(Struct, frozen=True):
    """A person's part in a project, as those see it who work on it.

    Attributes:
        name: the strongest role.
        own: the one that they have by themselves, None where it is by teams alone.
        teams: the names of the teams that they have one by.
    """

    username: str
    name: RoleName
    own: RoleName | None
    teams: tuple[str, ...]


class Change(Struct, frozen=True):
    """What people are to be in a project: by themselves, or by a team; by others nothing changes.

    Attributes:
        project: which, loaded with its roles, under its lock.
        parts: by the number of the team, or :data:`OWN`, all who have a role there afterwards.
    """

    project: Project
    parts: Mapping[int | None, Parts] = field(default_factory=dict)


def stronger(one: str | None, other: str | None) -> bool:
    """Whether the first role allows more than the second; None is no role."""
    ranks = [None, RoleName.MAINTAINER, RoleName.OWNER]
    return ranks.index(RoleName(one) if one else None) > ranks.index(
        RoleName(other) if other else None
    )


def strongest(project: Project) -> dict[User, RoleName]:
    """The strongest role of everybody who works on a project that was loaded with its roles.

    Who joined first comes before the others.
    """
    return _strongest((role.user, role.name) for role in project.roles)


def _strongest(roles: Iterable[tuple[User, str]]) -> dict[User, RoleName]:
    found: dict[User, RoleName] = {}
    for user, name in roles:
        if stronger(name, found.get(user)):
            found[user] = RoleName(name)
    return found


def people(project: Project) -> tuple[RoleSummary, ...]:
    """Who works on a project that was loaded with its roles, who joined first before the others."""
    return tuple(RoleSummary(user.username, name) for user, name in strongest(project).items())


def managed(uow: UnitOfWork, project: Project) -> tuple[ManagedRole, ...]:
    """Who works on a project, and by what, for those who do."""
    numbers = {role.team_id for role in project.roles if role.team_id is not None}
    names: dict[int, str] = {}
    if numbers:
        found = uow.db.execute(select(Team.id, Team.name).where(Team.id.in_(numbers)))
        names = {row.id: row.name for row in found}
    own = own_parts(project)
    return tuple(
        ManagedRole(
            user.username,
            name,
            own.get(user),
            tuple(
                sorted(
                    names[role.team_id]
                    for role in project.roles
                    if role.user_id == user.id and role.team_id in names
                )
            ),
        )
        for user, name in strongest(project).items()
    )


def own_parts(project: Project) -> dict[User, RoleName]:
    """What people are in the project by themselves."""
    return {role.user: RoleName(role.name) for role in project.roles if role.team_id is OWN}


def role_of(project: Project, user_id: int) -> RoleName | None:
    """The strongest role of a person in a project that was loaded with its roles."""
    return next((name for user, name in strongest(project).items() if user.id == user_id), None)


def a(name: str) -> str:
    """The role with its article."""
    return "an owner" if name == RoleName.OWNER else f"a {name}"


def give(uow: UnitOfWork, actor: Actor, project: Project, username: str, name: RoleName) -> User:
    """Let a person have a role of their own at once, which they did not have.

    People accept what they are given (:mod:`greenroom.registry.invitations`); this is for actors
    who need not ask them, and for a weaker role than before.

    Raises:
        NotAllowed: the actor may not manage the project, or has to invite the person.
        NotFound: there is no such user.
        InvalidRequest: the person has this role, or is the last owner.
    """
    projects.lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    user = accounts.get_user(uow.db, username)
    own = own_parts(project)
    check_other_role(project, user, own.get(user), name)
    if stronger(name, own.get(user)) and not actor.gives_at_once:
        raise NotAllowed(f"Invite {user.username!r}: nobody is made {a(name)} without accepting.")
    change(uow, actor, [Change(project, {OWN: own | {user: name}})])
    forget_invitations(
        uow, RoleInvitation.project_id == project.id, RoleInvitation.user_id == user.id
    )
    audit.write(uow, Kind.ROLE_GIVE, actor, about=user, project=project, detail=name.value)
    return user


def check_other_role(project: Project, user: User, former: RoleName | None, name: RoleName) -> None:
    """Raise InvalidRequest where a person is to become what they are.

    Raises:
        InvalidRequest: they are.
    """
    if former == name:
        raise InvalidRequest(f"{user.username!r} is {a(name)} of {project.name!r}, as before.")


def take(uow: UnitOfWork, actor: Actor, project: Project, username: str) -> None:
    """Take a person's own role in the project away; or leave it, whoever they are.

    Whoever has none left loses the addresses of its open drafts with it. What they have been
    invited to is withdrawn.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: the person has no role in it.
        InvalidRequest: it is the last owner, or has the role by a team.
    """
    projects.lock_and_reload(uow, project)
    wanted = username.lower()
    user = next((u for u in strongest(project) if u.normalized_username == wanted), None)
    if user is None or not actor.answers_for(user.id):
        require(actor, Act.MANAGE, project)
    if user is None:
        raise NotFound(f"The user {username!r} has no role in the project {project.name!r}.")
    own = own_parts(project)
    if user not in own:
        raise InvalidRequest(
            f"{user.username!r} works on {project.name!r} by a team: take the role of the team, or "
            "let an owner of the team remove the person from it."
        )
    name = own.pop(user)
    changed = change(uow, actor, [Change(project, {OWN: own})])
    forget_invitations(
        uow, RoleInvitation.project_id == project.id, RoleInvitation.user_id == user.id
    )
    detail = f"{name}; draft addresses changed: {changed}" if changed else name.value
    audit.write(uow, Kind.ROLE_TAKE, actor, about=user, project=project, detail=detail)


def without(project: Project, user: User) -> Change:
    """The change that takes a person out of a project, whatever they have a role by."""
    parts: dict[int | None, dict[User, RoleName]] = {}
    for role in project.roles:
        of_team = parts.setdefault(role.team_id, {})
        if role.user_id != user.id:
            of_team[role.user] = RoleName(role.name)
    return Change(project, parts)


def change(uow: UnitOfWork, by: Actor, changes: Sequence[Change]) -> int:
    """Make the rows of ``roles`` what is wanted, in one transaction, and do what follows of it.

    The caller has checked that it may be, holds the locks of the projects, and writes what it was
    into the audit log. The journal says that it was done ``by``.

    Returns:
        How many drafts have another address, since somebody has no role left.

    Raises:
        InvalidRequest: a project would have no owner any more. Nothing was changed.
    """
    before = {each.project: strongest(each.project) for each in changes}
    _check_owned(uow, changes, before)
    for each in changes:
        _write(each)
    uow.db.flush()
    return sum(_follow(uow, by, project, former) for project, former in before.items())


def _check_owned(
    uow: UnitOfWork, changes: Sequence[Change], before: Mapping[Project, Parts]
) -> None:
    for each in changes:
        kept = [
            (role.user, role.name) for role in each.project.roles if role.team_id not in each.parts
        ]
        after = [*kept, *(part for parts in each.parts.values() for part in parts.items())]
        former = [
            user.username for user, name in before[each.project].items() if name is RoleName.OWNER
        ]
        left = any(name == RoleName.OWNER for _, name in after)
        if former and not left and _is_taken(uow, each.project):
            are = "is the last owner" if len(former) == 1 else "are the last owners"
            raise InvalidRequest(
                f"{' and '.join(map(repr, former))} {are} of {each.project.name!r}: make somebody "
                "else an owner first."
            )


def _is_taken(uow: UnitOfWork, project: Project) -> bool:
    """Whether the name is still somebody's; of one that drafts had reserved nothing is left."""
    taken = select(Project.id).where(Project.id == project.id, projects.is_taken(uow))
    return uow.db.scalar(taken) is not None


def _write(wanted: Change) -> None:
    project = wanted.project
    for team_id, parts in wanted.parts.items():
        there = {role.user: role for role in project.roles if role.team_id == team_id}
        for user, role in there.items():
            if user not in parts:
                project.roles.remove(role)
            elif role.name != parts[user]:
                role.name = parts[user]
        for user, name in parts.items():
            if user not in there:
                project.roles.append(Role(user=user, user_id=user.id, name=name, team_id=team_id))


def _follow(uow: UnitOfWork, by: Actor, project: Project, before: Parts) -> int:
    """Write the journal, and change what those who have gone are not to know."""
    after = strongest(project)
    gone = {user: name for user, name in before.items() if user not in after}
    changed = 0
    if gone:
        changed = draft_addresses.change_all(uow, project, by, _why(gone))
    actions = [f"remove {name.title()} {user.username}" for user, name in gone.items()]
    actions += [
        f"add {name.title()} {user.username}"
        for user, name in after.items()
        if before.get(user) != name
    ]
    # A name that is only reserved has no public history; see publication.make_public.
    if actions and project.registered is not None:
        journal.append(uow, project, None, actions, by.name)
    return changed


def _why(gone: Parts) -> str:
    if len(gone) == 1:
        [(user, name)] = gone.items()
        return f"because {user.username} is {a(name)} no more"
    return f"because {len(gone)} people have no role any more"


def say_again(uow: UnitOfWork, by: Actor, project: Project, user: User) -> None:
    """Write into the journal what a person is, because it is shown elsewhere from now on.

    Whatever shows it to everybody is kept until the journal says that something has changed.
    """
    name = strongest(project).get(user)
    if name is not None and project.registered is not None:
        journal.append(uow, project, None, [f"add {name.title()} {user.username}"], by.name)


def forget_invitations(uow: UnitOfWork, *of: ColumnElement[bool]) -> None:
    """Delete the invitations that something else has made void, and what of them was declined."""
    uow.db.execute(delete(RoleInvitation).where(*of))
