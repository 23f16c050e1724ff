"""Invitations: nobody has a role in a project, or is in a team, without having accepted it.

A person is invited to a project or to a team, and accepts or declines. A team is invited to a
project, and any of its owners answers; where who invites is one of them, that is implied. An owner
can offer a project in the same way: who accepts it owns it, and who offered it no longer does.

What is offered is judged anew when it is accepted, under the locks of what it is about: whoever
invited has to be able to give the role still.
"""

from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import joinedload

from greenroom.models import (
    AuditEntry,
    Project,
    RoleInvitation,
    RoleName,
    Team,
    TeamMember,
    User,
)
from greenroom.models.base import LARGEST_ID
from greenroom.registry import accounts, audit, projects, roles, teams
from greenroom.registry.audit import Kind
from greenroom.registry.errors import AccountDisabled, InvalidRequest, NotAllowed, NotFound, TooMany
from greenroom.registry.permissions import (
    EXPIRY,
    Act,
    Actor,
    Person,
    may,
    may_run_team,
    require,
    require_running_team,
)
from greenroom.registry.rate_limits import waiting_time
from greenroom.registry.roles import OWN, Change
from greenroom.registry.unit_of_work import UnitOfWork

LIFETIME = timedelta(days=14)
MOST_IN_AN_HOUR = 30
"""By one person."""
MOST_TO_ONE_IN_A_DAY = 5
"""By one person to another one."""

MEMBER = "member"
"""What an invitation to a team calls who is no owner of it."""

_INVITING = (Kind.ROLE_INVITE, Kind.TEAM_INVITE, Kind.PROJECT_OFFER)


class InvitationSummary(Struct, frozen=True):
    """An invitation that stands open, or was declined.

    Attributes:
        id: what forms name it by.
        role: ``owner``, ``maintainer`` or, in a team, ``member``.
        by: the user name of who invited.
        project: the name of the project, None where it is to a team alone.
        team: the name of the team that is invited, or that the person is invited to.
        username: who is invited, None where it is a team.
        hands_over: whether the project is given away with it.
        declined: when it was, None while it stands open.
        team_projects: the names of the projects of a team that a person is invited to.
    """

    id: int
    role: str
    by: str
    project: str | None
    team: str | None
    username: str | None
    hands_over: bool
    expires: datetime
    declined: datetime | None
    team_projects: tuple[str, ...] = ()


class Accepted(Struct, frozen=True):
    """What was accepted: a role in a project, a team, or both of a team."""

    project: str | None
    team: str | None
    role: str


# Inviting


def invite(
    uow: UnitOfWork, actor: Actor, project: Project, username: str, name: RoleName
) -> RoleInvitation:
    """Offer a person a role of their own in the project, stronger than the one that they have.

    Raises:
        NotAllowed: the actor may not manage the project, or is nobody who could be asked.
        NotFound: there is no such user.
        InvalidRequest: the person has the role, is invited, or has declined of late.
        TooMany: the actor invited too many of late.
    """
    projects.lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    user = _invitable(uow, actor, project, username, name)
    return _invite(uow, actor, Kind.ROLE_INVITE, project=project, user=user, name=name.value)


def _usable(uow: UnitOfWork, username: str) -> User:
    """The account of this name, if its person can accept anything.

    Raises:
        NotFound: there is none.
        InvalidRequest: it is disabled.
    """
    user = accounts.get_user(uow.db, username)
    if not user.is_enabled:
        raise InvalidRequest(str(AccountDisabled(user.username)))
    return user


def _invitable(
    uow: UnitOfWork, actor: Actor, project: Project, username: str, name: RoleName
) -> User:
    user = _usable(uow, username)
    own = roles.own_parts(project).get(user)
    roles.check_other_role(project, user, own, name)
    if not roles.stronger(name, own):
        raise InvalidRequest(
            f"{user.username!r} is {roles.a(own or name)} of {project.name!r}, which is more: make "
            f"them {roles.a(name)} where the people of the project are listed."
        )
    return user


def invite_team(
    uow: UnitOfWork, actor: Actor, project: Project, team_name: str, name: RoleName
) -> RoleInvitation | None:
    """Offer a team a role in the project; an owner of both gives it at once.

    Returns:
        None where the team has the role.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: there is no such team.
        InvalidRequest: the team has the role, is invited, or has declined of late.
        TooMany: the actor invited too many of late.
    """
    require(actor, Act.MANAGE, project)
    team = teams.get(uow, team_name)
    former = teams.role_in(team, project)
    if actor.gives_at_once or actor.runs(team) or roles.stronger(former, name):
        teams.give_role(uow, actor, team, project, name)
        return None
    teams.lock_and_reload(uow, team, project)
    require(actor, Act.MANAGE, project)
    teams.check_other_role(team, project, name)
    return _invite(uow, actor, Kind.ROLE_INVITE, project=project, team=team, name=name.value)


def invite_to_team(
    uow: UnitOfWork, actor: Actor, team: Team, username: str, *, owner: bool
) -> RoleInvitation:
    """Offer a person a place in the team.

    Raises:
        NotAllowed: the actor does not run the team.
        NotFound: there is no such user.
        InvalidRequest: the person is in it, is invited, or has declined of late.
        TooMany: the actor invited too many of late.
    """
    teams.lock_and_reload(uow, team)
    require_running_team(actor, team)
    user = _usable(uow, username)
    teams.check_can_join(team, user)
    name = RoleName.OWNER.value if owner else MEMBER
    return _invite(uow, actor, Kind.TEAM_INVITE, team=team, user=user, name=name)


def offer(
    uow: UnitOfWork, actor: Actor, project: Project, username: str, *, leaves: bool
) -> RoleInvitation:
    """Offer to hand the project over to a person: who accepts owns it, and the actor no longer.

    Args:
        uow: where.
        actor: an owner.
        project: what is handed over.
        username: to whom.
        leaves: whether the actor has no role in it afterwards, or else is a maintainer.

    Raises:
        NotAllowed: the actor is no owner of the project by themselves.
        NotFound: there is no such user.
        InvalidRequest: the person owns it, is invited, or has declined of late.
        TooMany: the actor invited too many of late.
    """
    projects.lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    _require_own(actor, project)
    user = _invitable(uow, actor, project, username, RoleName.OWNER)
    return _invite(
        uow, actor, Kind.PROJECT_OFFER, project=project, user=user, name=RoleName.OWNER.value,
        leaves=leaves, hands_over=True,
    )  # fmt: skip


def offer_to_team(
    uow: UnitOfWork, actor: Actor, project: Project, team_name: str, *, leaves: bool
) -> RoleInvitation | None:
    """Offer to hand the project over to a team; an owner of it does so at once.

    Returns:
        None where the team owns the project.

    Raises:
        NotAllowed: the actor is no owner of the project by themselves.
        NotFound: there is no such team.
        InvalidRequest: the team owns it, is invited, or has declined of late.
        TooMany: the actor invited too many of late.
    """
    team = teams.get(uow, team_name)
    working = teams.lock_and_reload(uow, team, project)
    require(actor, Act.MANAGE, project)
    giver = _require_own(actor, project)
    teams.check_other_role(team, project, RoleName.OWNER)
    if not actor.runs(team):
        return _invite(
            uow, actor, Kind.PROJECT_OFFER, project=project, team=team, name=RoleName.OWNER.value,
            leaves=leaves, hands_over=True,
        )  # fmt: skip
    own = _handed_over(project, giver, None, leaves=leaves)
    teams.take_on(uow, actor, team, project, RoleName.OWNER, working, own=own)
    detail = f"to the team {team.name}"
    audit.write(uow, Kind.PROJECT_HAND_OVER, actor, about=giver, project=project, detail=detail)
    return None


def _require_own(actor: Actor, project: Project) -> User:
    """Who acts, as an owner of the project by themselves.

    Raises:
        NotAllowed: they are none.
    """
    for user, name in roles.own_parts(project).items():
        if name is RoleName.OWNER and actor.answers_for(user.id):
            return user
    raise NotAllowed(
        f"Only who owns {project.name!r} by themselves hands it over: {actor.name!r} does not."
    )


def _invite(
    uow: UnitOfWork,
    actor: Actor,
    kind: Kind,
    *,
    name: str,
    project: Project | None = None,
    team: Team | None = None,
    user: User | None = None,
    leaves: bool = False,
    hands_over: bool = False,
) -> RoleInvitation:
    """Write an invitation, of which there is one at most; the caller holds the locks."""
    if actor.user_id is None:
        raise NotAllowed(f"Nobody can be invited by {actor.name!r}: give the role at once.")
    _check_none(uow, project, team, user)
    _check_rate(uow, actor, user)
    made = RoleInvitation(
        project=project,
        team=team,
        user=user,
        name=name,
        by=uow.db.get_one(User, actor.user_id),
        created=uow.now,
        expires=uow.now + LIFETIME,
        leaves=leaves,
        hands_over=hands_over,
    )
    uow.db.add(made)
    uow.db.flush()
    audit.write(uow, kind, actor, about=user, project=project, detail=_described(made))
    return made


def _check_none(
    uow: UnitOfWork, project: Project | None, team: Team | None, user: User | None
) -> None:
    """Raise InvalidRequest where they are invited, or have declined; forget what has fallen due."""
    former = uow.db.scalars(
        select(RoleInvitation).where(
            RoleInvitation.project_id == (project.id if project is not None else None),
            RoleInvitation.team_id == (team.id if team is not None else None),
            RoleInvitation.user_id == (user.id if user is not None else None),
        )
    ).one_or_none()
    if former is None:
        return
    if former.expires <= uow.now:
        _end(uow, former)
        return
    who = repr(user.username) if user is not None else f"The team {team.name!r}" if team else ""
    if former.declined is None:
        raise InvalidRequest(
            f"{who} is invited as {former.name}, until {former.expires:%Y-%m-%d}: withdraw that "
            "first."
        )
    raise InvalidRequest(
        f"{who} has declined, and can be invited again from {former.expires:%Y-%m-%d} on."
    )


def _check_rate(uow: UnitOfWork, actor: Actor, user: User | None) -> None:
    mine = (
        AuditEntry.by == actor.name,
        AuditEntry.by_id == actor.user_id,
        AuditEntry.act.in_(_INVITING),
    )
    wait = waiting_time(uow, AuditEntry.at, *mine, limit=MOST_IN_AN_HOUR, within=timedelta(hours=1))
    if wait is not None:
        raise TooMany(
            f"{actor.name!r} invited {MOST_IN_AN_HOUR} times within an hour, as often as this "
            "index allows: wait before you invite more.",
            wait,
        )
    if user is None:
        return
    wait = waiting_time(
        uow, AuditEntry.at, *mine, AuditEntry.about_id == user.id,
        limit=MOST_TO_ONE_IN_A_DAY, within=timedelta(days=1),
    )  # fmt: skip
    if wait is not None:
        raise TooMany(
            f"{actor.name!r} invited {user.username!r} {MOST_TO_ONE_IN_A_DAY} times within a day, "
            "as often as this index allows.",
            wait,
        )


# Answering


def accept(uow: UnitOfWork, actor: Actor, invitation_id: int, *, shown: bool = False) -> Accepted:
    """Have the role that is offered.

    Args:
        uow: where.
        actor: who is invited, or an owner of the team that is.
        invitation_id: which.
        shown: whether the actor's profile is to show the projects of the team that they join.

    Raises:
        NotFound: the actor has no such invitation, or it was withdrawn or has fallen due.
        InvalidRequest: who invited can no longer give the role, or it cannot be had.
    """
    invitation = _answerable(uow, actor, invitation_id)
    working = _lock(uow, actor, invitation)
    _check_standing(invitation)
    accepted = Accepted(
        invitation.project.name if invitation.project is not None else None,
        invitation.team.name if invitation.team is not None else None,
        invitation.name,
    )
    _perform(uow, actor, invitation, working, shown=shown)
    roles.forget_invitations(uow, RoleInvitation.id == invitation_id)
    return accepted


def decline(uow: UnitOfWork, actor: Actor, invitation_id: int) -> Accepted:
    """Refuse what is offered; until it would have fallen due, it cannot be offered again.

    Raises:
        NotFound: the actor has no such invitation, or it was withdrawn or has fallen due.
    """
    invitation = _answerable(uow, actor, invitation_id)
    _lock(uow, actor, invitation)
    invitation.declined = uow.now
    uow.db.flush()
    project, team = invitation.project, invitation.team
    kind = Kind.TEAM_DECLINE if project is None else Kind.ROLE_DECLINE
    detail = _described(invitation)
    audit.write(uow, kind, actor, about=invitation.by, project=project, detail=detail)
    return Accepted(
        project.name if project is not None else None,
        team.name if team is not None else None,
        invitation.name,
    )


def withdraw(uow: UnitOfWork, actor: Actor, invitation_id: int, *, of: Project | Team) -> None:
    """Take an invitation back that stands open.

    Args:
        uow: where.
        actor: whoever could invite.
        invitation_id: which.
        of: the project, or the team, that it is an invitation to.

    Raises:
        NotAllowed: the actor may neither manage the project nor run the team.
        NotFound: there is no such invitation.
    """
    if isinstance(of, Team):
        teams.lock_and_reload(uow, of)
        require_running_team(actor, of)
    else:
        projects.lock_and_reload(uow, of)
        require(actor, Act.MANAGE, of)
    found = _open(uow, invitation_id)
    target = None if found is None else found.team if found.project_id is None else found.project
    if found is None or target is not of:
        raise NotFound("There is no such invitation.")
    project, user, detail = found.project, found.user, _described(found)
    kind = Kind.TEAM_WITHDRAW if project is None else Kind.ROLE_WITHDRAW
    uow.db.delete(found)
    uow.db.flush()
    audit.write(uow, kind, actor, about=user, project=project, detail=detail)


def _answerable(uow: UnitOfWork, actor: Actor, invitation_id: int) -> RoleInvitation:
    found = _open(uow, invitation_id)
    if found is None or not _answers(uow, actor, found):
        raise NotFound("There is no such invitation: it was withdrawn, or has fallen due.")
    return found


def _open(uow: UnitOfWork, invitation_id: int) -> RoleInvitation | None:
    if not 0 < invitation_id <= LARGEST_ID:
        return None
    return uow.db.scalars(
        _LOADED.where(RoleInvitation.id == invitation_id, _is_open(uow)).execution_options(
            populate_existing=True
        )
    ).one_or_none()


def _answers(uow: UnitOfWork, actor: Actor, invitation: RoleInvitation) -> bool:
    if invitation.user_id is not None:
        return actor.answers_for(invitation.user_id)
    return invitation.team is not None and actor.runs(invitation.team)


def _lock(uow: UnitOfWork, actor: Actor, invitation: RoleInvitation) -> list[Project]:
    """Hold the locks of what the invitation is about, and see all of it as it is now.

    Raises:
        NotFound: it has gone meanwhile, or is nobody's to answer who asks.
    """
    project, team = invitation.project, invitation.team
    working: list[Project] = []
    if team is not None:
        working = teams.lock_and_reload(uow, team, *([project] if project is not None else []))
    elif project is not None:
        projects.lock_and_reload(uow, project)
    _answerable(uow, actor, invitation.id)
    return working


def _check_standing(invitation: RoleInvitation) -> None:
    """Raise InvalidRequest where who invited can no longer do so.

    Raises:
        InvalidRequest: so it is.
    """
    by, project, team = invitation.by, invitation.project, invitation.team
    giver = Person(by)
    if project is not None and project.quarantined:
        raise InvalidRequest(
            f"The project {project.name!r} is in quarantine: accept when an administrator of this "
            "index has lifted it."
        )
    if project is not None:
        stands = may(giver, Act.MANAGE, project)
        if invitation.hands_over:
            stands &= roles.own_parts(project).get(by) is RoleName.OWNER
    else:
        stands = team is not None and may_run_team(giver, team)
    if not stands:
        what = project.name if project is not None else team.name if team is not None else ""
        raise InvalidRequest(
            f"{by.username!r}, who invited you, can no longer give roles in {what!r}: ask an owner "
            "of it to invite you anew."
        )


def _perform(
    uow: UnitOfWork,
    actor: Actor,
    invitation: RoleInvitation,
    working: list[Project],
    *,
    shown: bool,
) -> None:
    """Do what was accepted. The journal says that whoever invited did it."""
    project, team, user = invitation.project, invitation.team, invitation.user
    giver, detail = Person(invitation.by), _described(invitation)
    kind, about = Kind.ROLE_ACCEPT, user
    if team is not None and user is not None:
        teams.join(
            uow, giver, team, working, user, owner=invitation.name == RoleName.OWNER, shown=shown
        )
        kind = Kind.TEAM_JOIN
    elif project is not None:
        if invitation.hands_over:
            kind, about = Kind.PROJECT_HAND_OVER, invitation.by
        _take_on(uow, giver, invitation, project, working)
    audit.write(uow, kind, actor, about=about, project=project, detail=detail)


def _take_on(
    uow: UnitOfWork,
    giver: Actor,
    invitation: RoleInvitation,
    project: Project,
    working: list[Project],
) -> None:
    name, team, user = RoleName(invitation.name), invitation.team, invitation.user
    own = roles.own_parts(project)
    if invitation.hands_over:
        own = _handed_over(project, invitation.by, user, leaves=invitation.leaves)
    if team is not None:
        former = teams.role_in(team, project)
        name = former if former is not None and roles.stronger(former, name) else name
        teams.take_on(uow, giver, team, project, name, working, own=own)
        return
    if user is not None and roles.stronger(name, own.get(user)):
        own = own | {user: name}
    roles.change(uow, giver, [Change(project, {OWN: own})])


def _handed_over(
    project: Project, giver: User, to: User | None, *, leaves: bool
) -> dict[User, RoleName]:
    """What people are in a project by themselves once it was handed over."""
    own = roles.own_parts(project)
    if leaves:
        del own[giver]
    else:
        own[giver] = RoleName.MAINTAINER
    return own | {to: RoleName.OWNER} if to is not None else own


# Reading


def waiting_for(uow: UnitOfWork, user: User) -> list[InvitationSummary]:
    """What a person, or a team that they own, is invited to and has not answered yet."""
    found = uow.db.scalars(
        _LOADED.where(_is_for(user.id), _is_open(uow)).order_by(RoleInvitation.id)
    ).all()
    named = {each.team_id for each in found if each.project_id is None and each.team_id is not None}
    working = _projects_of(uow, named)
    return [
        _summary(each, working.get(each.team_id or 0, ()) if each.project_id is None else ())
        for each in found
    ]


def _projects_of(uow: UnitOfWork, numbers: set[int]) -> dict[int, tuple[str, ...]]:
    """The names of the projects that teams work on."""
    found: dict[int, tuple[str, ...]] = {}
    if numbers:
        for team_id, name in teams.project_names(uow, numbers):
            found[team_id] = (*found.get(team_id, ()), name)
    return found


def count_waiting(uow: UnitOfWork, user_id: int) -> int:
    """To how much a person, or a team that they own, is invited and has not answered yet."""
    return uow.db.scalar(select(func.count()).where(_is_for(user_id), _is_open(uow))) or 0


def of_project(uow: UnitOfWork, project: Project) -> list[InvitationSummary]:
    """Who is invited to the project, and who has declined of late; the first before the others."""
    return _listed(uow, RoleInvitation.project_id == project.id)


def of_team(uow: UnitOfWork, team: Team) -> list[InvitationSummary]:
    """Who is invited to the team, and who has declined of late; the first before the others."""
    return _listed(uow, RoleInvitation.team_id == team.id, RoleInvitation.project_id.is_(None))


def _listed(uow: UnitOfWork, *of: ColumnElement[bool]) -> list[InvitationSummary]:
    found = uow.db.scalars(
        _LOADED.where(*of, RoleInvitation.expires > uow.now).order_by(RoleInvitation.id)
    )
    return [_summary(each) for each in found]


def _summary(each: RoleInvitation, working: tuple[str, ...] = ()) -> InvitationSummary:
    return InvitationSummary(
        id=each.id,
        role=each.name,
        by=each.by.username,
        project=each.project.name if each.project is not None else None,
        team=each.team.name if each.team is not None else None,
        username=each.user.username if each.user is not None else None,
        hands_over=each.hands_over,
        expires=each.expires,
        declined=each.declined,
        team_projects=working,
    )


_LOADED = select(RoleInvitation).options(
    joinedload(RoleInvitation.project),
    joinedload(RoleInvitation.team),
    joinedload(RoleInvitation.user),
    joinedload(RoleInvitation.by),
)


def _is_open(uow: UnitOfWork) -> ColumnElement[bool]:
    """Whether an invitation can be answered: a name that was only reserved may have gone."""
    there = exists().where(Project.id == RoleInvitation.project_id, projects.is_taken(uow))
    return (
        RoleInvitation.declined.is_(None)
        & (RoleInvitation.expires > uow.now)
        & or_(RoleInvitation.project_id.is_(None), there)
    )


def _is_for(user_id: int) -> ColumnElement[bool]:
    """Whether an invitation is one that this person answers."""
    owned = select(TeamMember.team_id).where(TeamMember.user_id == user_id, TeamMember.is_owner)
    return or_(
        RoleInvitation.user_id == user_id,
        RoleInvitation.user_id.is_(None) & RoleInvitation.team_id.in_(owned),
    )


# Falling due


def due(uow: UnitOfWork, most: int) -> list[int]:
    """The numbers of some invitations that have fallen due."""
    return list(
        uow.db.scalars(
            select(RoleInvitation.id)
            .where(RoleInvitation.expires <= uow.now)
            .order_by(RoleInvitation.id)
            .limit(most)
        )
    )


def expire(uow: UnitOfWork, numbers: list[int]) -> None:
    """End those of these invitations that have fallen due; what was declined is forgotten."""
    found = uow.db.scalars(
        _LOADED.where(RoleInvitation.id.in_(numbers), RoleInvitation.expires <= uow.now)
    )
    for each in found:
        _end(uow, each)


def _end(uow: UnitOfWork, invitation: RoleInvitation) -> None:
    if invitation.declined is None:
        audit.write(
            uow,
            Kind.ROLE_EXPIRE,
            EXPIRY,
            about=invitation.user,
            project=invitation.project,
            detail=_described(invitation),
        )
    uow.db.delete(invitation)
    uow.db.flush()


def _described(invitation: RoleInvitation) -> str:
    """What is offered, and by whom, for the audit log."""
    words = [invitation.name]
    if invitation.team is not None:
        words.insert(0, f"team {invitation.team.name}:")
    if invitation.hands_over:
        words.append("handed over,")
        words.append("leaving" if invitation.leaves else "staying as a maintainer")
    return f"{' '.join(words)}, invited by {invitation.by.username}"
