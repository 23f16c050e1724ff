"""Projects, as administrators and the operator see them: all, with their sizes and quotas."""

from enum import StrEnum

from msgspec import Struct
from sqlalchemy import ColumnElement, func, select

from greenroom.models import File, Project, Release, RoleName
from greenroom.registry import accounts, audit, projects, roles, teams
from greenroom.registry.administering import check_administrator, check_reason
from greenroom.registry.audit import Kind
from greenroom.registry.errors import AccountDisabled, InvalidRequest
from greenroom.registry.names import confusable_form
from greenroom.registry.permissions import Actor
from greenroom.registry.projects import ProjectSummary
from greenroom.registry.roles import Change
from greenroom.registry.unit_of_work import UnitOfWork

_LARGEST_QUOTA = 2**60


class ProjectState(StrEnum):
    """Which projects to choose."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"
    RESERVED = "reserved"
    WITH_QUOTA = "quota"


class WantedProjects(Struct, frozen=True):
    """What to choose projects by.

    Attributes:
        words: what is in the name, in any spelling; empty for all.
        state: how they stand; None for all.
    """

    words: str = ""
    state: ProjectState | None = None


class OverseenProject(Struct, frozen=True):
    """A project, with what administrators decide on.

    Attributes:
        size: the bytes of all its files, staged ones too.
        quota: how many it may have, None where the index's own setting says so.
        limit: how many it may have in any case.
    """

    project: ProjectSummary
    size: int
    quota: int | None
    limit: int


def listed(
    uow: UnitOfWork, wanted: WantedProjects, *, start: int, count: int
) -> list[OverseenProject]:
    """Some of the projects, by name."""
    found = uow.db.scalars(
        select(Project)
        .where(*_chosen(uow, wanted))
        .order_by(Project.normalized_name)
        .offset(start)
        .limit(count)
    ).all()
    sizes = _sizes(uow, [project.id for project in found])
    return [_overseen(uow, project, sizes.get(project.id, 0)) for project in found]


def count_of(uow: UnitOfWork, wanted: WantedProjects) -> int:
    """How many projects there are of these."""
    found = select(func.count()).select_from(Project).where(*_chosen(uow, wanted))
    return uow.db.scalar(found) or 0


def look_at(uow: UnitOfWork, project: Project) -> OverseenProject:
    """One project."""
    return _overseen(uow, project, projects.size(uow, project))


def set_quota(
    uow: UnitOfWork, actor: Actor, project: Project, quota: int | None, reason: str = ""
) -> None:
    """Let the files of a project have so many bytes together; with None, as the index's setting.

    A project that is larger keeps its files, and takes no more.

    Raises:
        NotAllowed: the actor is no administrator.
        InvalidRequest: the number or the reason does not do.
        NotFound: it has gone meanwhile.
    """
    check_administrator(uow, actor)
    reason = check_reason(actor, reason)
    if quota is not None and not 0 <= quota <= _LARGEST_QUOTA:
        raise InvalidRequest("A quota is a number of bytes, 0 or more.")
    projects.lock_and_reload(uow, project)
    project.quota = quota
    uow.db.flush()
    says = f"{quota} bytes" if quota is not None else "that of the index"
    detail = f"{says}; {reason}" if reason else says
    audit.write(uow, Kind.PROJECT_QUOTA, actor, project=project, detail=detail)


def transfer(
    uow: UnitOfWork, actor: Actor, project: Project, username: str, reason: str = ""
) -> None:
    """Make a person the only owner of a project; who owned it before is a maintainer from then on.

    It is for projects whose owners are gone, and for disputes about a name. Nobody is asked.

    Raises:
        NotAllowed: the actor is no administrator, or the person's account is disabled.
        NotFound: there is no such person, or the project has gone meanwhile.
        InvalidRequest: the person is its only owner, or the reason does not do.
    """
    check_administrator(uow, actor)
    reason = check_reason(actor, reason)
    teams.lock_of_project(uow, project)
    user = accounts.get_user(uow.db, username)
    if not user.is_enabled:
        raise AccountDisabled(user.username)
    owners = [each for each, name in roles.strongest(project).items() if name is RoleName.OWNER]
    own = roles.own_parts(project)
    if owners == [user] and own.get(user) is RoleName.OWNER:
        raise InvalidRequest(f"{user.username!r} is the only owner of {project.name!r}, as before.")
    by_teams = teams.demoted(uow, project)
    people = dict.fromkeys(own, RoleName.MAINTAINER) | {user: RoleName.OWNER}
    roles.change(uow, actor, [Change(project, {**by_teams, roles.OWN: people})])
    audit.write(uow, Kind.PROJECT_TRANSFER, actor, about=user, project=project, detail=reason)


def _overseen(uow: UnitOfWork, project: Project, size: int) -> OverseenProject:
    limit = project.quota if project.quota is not None else uow.settings.max_project_size
    return OverseenProject(projects.summary(project), size, project.quota, limit)


def _sizes(uow: UnitOfWork, numbers: list[int]) -> dict[int, int]:
    found = uow.db.execute(
        select(Release.project_id, func.sum(File.size))
        .join(Release, File.release_id == Release.id)
        .where(Release.project_id.in_(numbers), projects.is_present(uow))
        .group_by(Release.project_id)
    )
    return {number: int(size) for number, size in found}


def _chosen(uow: UnitOfWork, wanted: WantedProjects) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = [projects.is_taken(uow)]
    words = wanted.words.strip().lower()
    if words:
        plain = confusable_form(words.replace("_", "-").replace(".", "-"))
        shown = plain if plain.isprintable() else "\N{REPLACEMENT CHARACTER}"
        chosen.append(Project.confusable_name.contains(shown, autoescape=True))
    if wanted.state is ProjectState.ACTIVE:
        chosen += [~Project.quarantined, ~Project.archived, Project.registered.is_not(None)]
    if wanted.state is ProjectState.ARCHIVED:
        chosen.append(Project.archived.is_(True))
    if wanted.state is ProjectState.QUARANTINED:
        chosen.append(Project.quarantined.is_(True))
    if wanted.state is ProjectState.RESERVED:
        chosen.append(Project.registered.is_(None))
    if wanted.state is ProjectState.WITH_QUOTA:
        chosen.append(Project.quota.is_not(None))
    return chosen
