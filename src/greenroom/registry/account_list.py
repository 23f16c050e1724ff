"""Which accounts there are, and what belongs to one: for administrators and the operator."""

from enum import StrEnum

from msgspec import Struct
from sqlalchemy import ColumnElement, false, func, or_, select

from greenroom.models import File, Project, Role, RoleName, Team, User
from greenroom.registry import accounts, projects
from greenroom.registry.accounts import UserSummary
from greenroom.registry.names import is_username
from greenroom.registry.unit_of_work import UnitOfWork


class AccountState(StrEnum):
    """Which accounts to choose."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    ADMINISTRATOR = "administrator"
    UNVERIFIED = "unverified"
    DELETED = "deleted"


class WantedAccounts(Struct, frozen=True):
    """What to choose accounts by.

    Attributes:
        words: what is in the name or the address, in any letter case; empty for all.
        state: how they stand; None for all that were not deleted.
    """

    words: str = ""
    state: AccountState | None = None


class ProjectRole(Struct, frozen=True):
    """A part that somebody has in a project."""

    project_name: str
    name: RoleName
    team: str | None
    """By which team, where it is not the person's own."""


def find(uow: UnitOfWork, username: str) -> User | None:
    """The account of this name, in any letter case, also one that was deleted."""
    if not is_username(username):
        return None
    return uow.db.scalar(select(User).where(User.normalized_username == username.lower()))


def listed(uow: UnitOfWork, wanted: WantedAccounts, *, start: int, count: int) -> list[UserSummary]:
    """Some of the accounts: those who wait to be verified first, then the newest."""
    found = uow.db.scalars(
        select(User)
        .where(*_chosen(wanted))
        .order_by(User.email_verified, User.id.desc())
        .offset(start)
        .limit(count)
    )
    return [accounts.summary(user) for user in found]


def count_of(uow: UnitOfWork, wanted: WantedAccounts) -> int:
    """How many accounts there are of these."""
    return uow.db.scalar(select(func.count()).select_from(User).where(*_chosen(wanted))) or 0


def roles_of(uow: UnitOfWork, user: User, *, start: int, count: int) -> list[ProjectRole]:
    """Some of the parts that the user has in projects, by the projects' names."""
    found = uow.db.execute(
        select(Project.name, Role.name, Team.name)
        .join(Role, Role.project_id == Project.id)
        .outerjoin(Team, Team.id == Role.team_id)
        .where(Role.user_id == user.id, projects.is_taken(uow))
        .order_by(Project.normalized_name, Role.id)
        .offset(start)
        .limit(count)
    )
    return [ProjectRole(project, RoleName(name), team) for project, name, team in found]


def count_roles(uow: UnitOfWork, user: User) -> int:
    """How many parts the user has in projects."""
    wanted = (Role.user_id == user.id, projects.is_taken(uow))
    found = select(func.count()).select_from(Role).join(Project, Role.project_id == Project.id)
    return uow.db.scalar(found.where(*wanted)) or 0


def count_uploads(uow: UnitOfWork, user: User) -> int:
    """How many files that are there the user has uploaded."""
    return uow.db.scalar(select(func.count()).where(File.uploaded_by_id == user.id)) or 0


def _chosen(wanted: WantedAccounts) -> list[ColumnElement[bool]]:
    state = wanted.state
    is_deleted = state is AccountState.DELETED
    chosen: list[ColumnElement[bool]] = [
        User.deleted.is_not(None) if is_deleted else User.deleted.is_(None)
    ]
    if state is AccountState.ENABLED:
        chosen.append(User.disabled.is_(None))
    if state is AccountState.DISABLED:
        chosen.append(User.disabled.is_not(None))
    if state is AccountState.ADMINISTRATOR:
        chosen.append(User.is_administrator.is_(True))
    if state is AccountState.UNVERIFIED:
        chosen.append(~User.email_verified)
    words = wanted.words.strip().lower()
    if not words.isprintable():  # nobody is called so, and PostgreSQL cannot be asked for it
        chosen.append(false())
    elif words:
        chosen.append(
            or_(
                User.normalized_username.contains(words, autoescape=True),
                func.lower(User.email).contains(words, autoescape=True),
            )
        )
    return chosen
