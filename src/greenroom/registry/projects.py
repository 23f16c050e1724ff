"""Projects: finding, registering, roles, settings and status."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from packaging.utils import NormalizedName
from sqlalchemy import ColumnElement, bindparam, exists, func, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from greenroom.database import run
from greenroom.models import (
    Draft,
    DraftState,
    File,
    Project,
    ProjectStatus,
    Release,
    RetiredName,
    Role,
    RoleName,
    User,
)
from greenroom.registry import audit, catalogue, draft_addresses, journal, live_drafts, purging
from greenroom.registry.audit import Kind
from greenroom.registry.errors import (
    InvalidRequest,
    NameNotAvailable,
    NotFound,
    TooMany,
)
from greenroom.registry.names import (
    check_not_prohibited,
    check_project_name,
    confusable_form,
    is_username,
    lookup_name,
)
from greenroom.registry.permissions import Act, Actor, require, require_registering
from greenroom.registry.rate_limits import waiting_time
from greenroom.registry.unit_of_work import UnitOfWork

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class ProjectSummary:
    """What pages say of a project.

    Attributes:
        name: as the project spells itself.
        registered: when the name became its for good, None where drafts only reserve it.
        status: the one that it has to the world.
        archived_reason: may be empty, as the reason of a quarantine may.
    """

    name: str
    normalized_name: str
    registered: datetime | None
    status: ProjectStatus
    archived: bool
    archived_reason: str
    quarantined: bool
    quarantined_reason: str


@dataclass(frozen=True, slots=True)
class RoleSummary:
    """A person's part in a project: the user name, and what the role is called."""

    username: str
    name: RoleName


def find(uow: UnitOfWork, name: str) -> Project | None:
    """The project of this name, in any spelling, registered or reserved, with its roles.

    A name that was only reserved is free from the second its last draft falls due.
    """
    found = uow.db.scalars(_TAKEN, {"name": lookup_name(name), "now": uow.now})
    return found.unique().one_or_none()


def summary(project: Project) -> ProjectSummary:
    """What pages say of a project."""
    return ProjectSummary(
        name=project.name,
        normalized_name=project.normalized_name,
        registered=project.registered,
        status=project.status,
        archived=project.archived,
        archived_reason=project.archived_reason,
        quarantined=project.quarantined,
        quarantined_reason=project.quarantined_reason,
    )


def people(project: Project) -> tuple[RoleSummary, ...]:
    """Who works on a project that was loaded with its roles, who joined first before the others."""
    return tuple(role_summary(role) for role in project.roles)


def role_summary(role: Role) -> RoleSummary:
    """What pages say of a person's part in a project."""
    return RoleSummary(role.user.username, RoleName(role.name))


def of_user(uow: UnitOfWork, user: User) -> list[Project]:
    """The projects that the user has a role in, by name, with their roles."""
    return list(
        uow.db.scalars(
            select(Project)
            .join(Role, Role.project_id == Project.id)
            .where(Role.user_id == user.id, is_taken(uow))
            .options(selectinload(Project.roles))
            .order_by(Project.normalized_name)
        )
    )


def get(uow: UnitOfWork, name: str) -> Project:
    """The project of this name.

    Raises:
        NotFound: there is none.
    """
    project = find(uow, name)
    if project is None:
        raise NotFound(f"There is no project {name!r}.")
    return project


def lock(uow: UnitOfWork, name: str) -> None:
    """Be the only one that changes the project of this name, also when it does not exist yet.

    Names that look alike have one lock, so that two of them cannot be registered at once.
    """
    uow.lock(f"project:{confusable_form(lookup_name(name))}")


def lock_and_reload(uow: UnitOfWork, project: Project) -> None:
    """Hold the project's lock, and see it and its roles as the last holder left them.

    Raises:
        NotFound: it has gone meanwhile.
    """
    lock(uow, project.name)
    if find(uow, project.name) is not project:
        raise NotFound(f"There is no project {project.name!r}.")


def lock_registered(uow: UnitOfWork, actor: Actor, act: Act, project: Project) -> None:
    """Hold the lock of a project that is more than a reserved name, to do this to it.

    Raises:
        NotAllowed: the actor may not.
        InvalidRequest: only drafts hold the name.
        NotFound: it has gone meanwhile.
    """
    lock_and_reload(uow, project)
    require(actor, act, project)
    if project.registered is None:
        raise InvalidRequest(
            f"Nothing of {project.name!r} is public: its name is reserved by drafts, and free when "
            "they are discarded."
        )


def reload(uow: UnitOfWork, project: Project) -> None:
    """See the project and its roles as they are in the database now."""
    uow.db.scalars(
        select(Project)
        .where(Project.id == project.id)
        .options(joinedload(Project.roles))
        .execution_options(populate_existing=True)
    ).unique().one()


def check_can_register(uow: UnitOfWork, actor: Actor, name: str, *, staged: bool) -> None:
    """Raise a refusal unless the actor may register this name, which no project has.

    Raises:
        InvalidMetadata: it is no valid name.
        NameNotAvailable: it is prohibited, was deleted, or is confusingly similar to another one.
        NotAllowed: the actor may not register names.
        TooMany: the actor registered too many of late.
    """
    check_name_is_free(uow, name)
    settings = uow.settings
    require_registering(actor, name, staged=staged)
    _check_rate(uow, actor, settings.new_projects_per_hour, timedelta(hours=1), "an hour")
    _check_rate(uow, actor, settings.new_projects_per_day, timedelta(days=1), "a day")


def check_name_is_free(uow: UnitOfWork, name: str, *, historical: bool = False) -> None:
    """Raise a refusal where nobody may register this name, which no project has.

    Args:
        uow: where to look.
        name: in any spelling.
        historical: whether the project had its name elsewhere before this index had rules for
            names. Those of deleted projects are not given out again for that either.

    Raises:
        InvalidMetadata: it is no valid name.
        NameNotAvailable: it is prohibited, was deleted, or is confusingly similar to another one.
    """
    normalized = check_project_name(name)
    settings = uow.settings
    if not historical:
        check_not_prohibited(name, normalized, settings.prohibited_names, private=settings.private)
    _check_not_retired(uow, name, normalized)
    if not historical:
        _check_not_confusable(uow, name, normalized)


def create(uow: UnitOfWork, actor: Actor, name: str) -> Project:
    """A project of this name that belongs to the actor. It is reserved, not yet registered.

    The caller has checked that it may be, and holds the project's lock.
    """
    normalized = check_project_name(name)
    project = Project(
        name=name,
        normalized_name=normalized,
        confusable_name=confusable_form(normalized),
        created=uow.now,
        created_by_id=actor.user_id,
    )
    if actor.user_id is not None:
        owner = uow.db.get_one(User, actor.user_id)
        project.roles.append(Role(user=owner, name=RoleName.OWNER))
    uow.db.add(project)
    uow.db.flush()
    return project


def spell(uow: UnitOfWork, project: Project, said: str | None = None) -> None:
    """Spell the project as the newest of its public releases does, in its open drafts too.

    To be called under the project's lock by whatever changes which releases are public, or what
    they say. Where none says it, the project keeps its spelling, and it does where nothing has
    changed but a release that came or changed and says it as the project does: ``said``.
    """
    if said == project.name:
        return
    name = catalogue.spelling(uow.db, project)
    if name is None or name == project.name:
        return
    project.name = name
    uow.db.execute(
        update(Draft)
        .where(Draft.project_id == project.id, Draft.state == DraftState.OPEN)
        .values(project_name=name)
    )
    uow.db.flush()


def size(uow: UnitOfWork, project: catalogue.HasId) -> int:
    """The bytes of all its files, staged ones too."""
    total = run(uow.db, SIZE, {"project": project.id, "now": uow.now}).scalar()
    return int(total or 0)  # PostgreSQL's sum is a decimal number


def total_size(uow: UnitOfWork) -> int:
    """The bytes of all files of the index, staged ones too."""
    return int(uow.db.scalar(select(func.sum(File.size)).where(is_present(uow))) or 0)


def size_of_user(uow: UnitOfWork, user_id: int) -> int:
    """The bytes of all files of the projects that this user owns, staged ones too."""
    total = uow.db.scalar(
        select(func.sum(File.size))
        .join(Release, File.release_id == Release.id)
        .join(Role, Role.project_id == Release.project_id)
        .where(Role.user_id == user_id, Role.name == RoleName.OWNER, is_present(uow))
    )
    return int(total or 0)


def is_present(uow: UnitOfWork) -> ColumnElement[bool]:
    """Whether a file is there at all: those of a draft are gone from the second it falls due."""
    return _is_present(live_drafts.is_live(uow))


def _is_present(is_live: ColumnElement[bool]) -> ColumnElement[bool]:
    of_live_draft = exists().where(Draft.id == File.draft_id, is_live)
    return File.draft_id.is_(None) | of_live_draft


# Made once: to make a query takes longer than to have it executed.
SIZE = (
    select(func.sum(File.size))
    .join(Release, File.release_id == Release.id)
    .where(Release.project_id == bindparam("project"), _is_present(live_drafts.LIVE_NOW))
)
"""What :func:`size` asks for, with ``project`` and ``now``: also as a part of other queries."""


def add_role(
    uow: UnitOfWork, actor: Actor, project: Project, username: str, name: RoleName
) -> Role:
    """Give a person a part in the project, or another part than before.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: there is no such user.
        InvalidRequest: the person has this role, or is the last owner.
    """
    lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    user = _user(uow.db, username)
    role = next((role for role in project.roles if role.user_id == user.id), None)
    if role is not None and role.name == name:
        raise InvalidRequest(f"{user.username!r} is {_a(name)} of {project.name!r}, as before.")
    if role is None:
        role = Role(user=user, name=name)
        project.roles.append(role)
    else:
        _check_not_last_owner(project, role)
        role.name = name
    uow.db.flush()
    _journal_role(uow, actor, project, f"add {name.value.title()} {user.username}")
    audit.write(uow, Kind.ROLE_GIVE, actor, about=user, project=project, detail=name.value)
    return role


def remove_role(uow: UnitOfWork, actor: Actor, project: Project, username: str) -> None:
    """Take a person's part in the project away, and the addresses of its open drafts with it.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: the person has no role in it.
        InvalidRequest: it is the last owner.
    """
    lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    wanted = username.lower()
    role = next((r for r in project.roles if r.user.normalized_username == wanted), None)
    if role is None:
        raise NotFound(f"The user {username!r} has no role in the project {project.name!r}.")
    _check_not_last_owner(project, role)
    project.roles.remove(role)
    uow.db.flush()
    why = f"because {role.user.username} is {_a(RoleName(role.name))} no more"
    changed = draft_addresses.change_all(uow, project, actor, why)
    _journal_role(uow, actor, project, f"remove {role.name.title()} {role.user.username}")
    detail = f"{role.name}; draft addresses changed: {changed}" if changed else role.name
    audit.write(uow, Kind.ROLE_TAKE, actor, about=role.user, project=project, detail=detail)


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """What an owner can set."""

    auto_publish_releases: bool


def change_settings(
    uow: UnitOfWork, actor: Actor, project: Project, settings: ProjectSettings
) -> None:
    """Set what an owner can set.

    Raises:
        NotAllowed: the actor may not manage the project.
    """
    lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    if project.auto_publish_releases == settings.auto_publish_releases:
        return
    project.auto_publish_releases = settings.auto_publish_releases
    uow.db.flush()
    says = "on" if settings.auto_publish_releases else "off"
    audit.write(
        uow, Kind.PROJECT_SETTINGS, actor, project=project, detail=f"auto_publish_releases {says}"
    )


def archive(uow: UnitOfWork, actor: Actor, project: Project, reason: str = "") -> None:
    """Say that the project is finished: it takes no files until it is taken out again (PEP 792).

    Raises:
        NotAllowed: the actor may not manage the project.
        InvalidRequest: nothing of it is public, or the reason does not do.
    """
    lock_registered(uow, actor, Act.MANAGE, project)
    reason = check_reason(reason)
    if (project.archived, project.archived_reason) != (True, reason):
        project.archived, project.archived_reason = True, reason
        _journal_status(uow, actor, project, Kind.PROJECT_ARCHIVE, "archive project", reason)


def unarchive(uow: UnitOfWork, actor: Actor, project: Project) -> None:
    """Let the project go on.

    Raises:
        NotAllowed: the actor may not manage the project.
    """
    lock_registered(uow, actor, Act.MANAGE, project)
    if project.archived:
        project.archived, project.archived_reason = False, ""
        _journal_status(uow, actor, project, Kind.PROJECT_UNARCHIVE, "unarchive project")


def quarantine(uow: UnitOfWork, actor: Actor, project: Project, reason: str = "") -> None:
    """Keep the project away from everyone: it offers no files and takes none (PEP 792).

    Raises:
        NotAllowed: the actor is no administrator.
        InvalidRequest: nothing of it is public, or the reason does not do.
    """
    lock_registered(uow, actor, Act.QUARANTINE, project)
    reason = check_reason(reason)
    if (project.quarantined, project.quarantined_reason) != (True, reason):
        project.quarantined, project.quarantined_reason = True, reason
        _journal_status(uow, actor, project, Kind.PROJECT_QUARANTINE, "quarantine project", reason)


def lift_quarantine(uow: UnitOfWork, actor: Actor, project: Project) -> None:
    """Give the project back as it was.

    Raises:
        NotAllowed: the actor is no administrator.
    """
    lock_registered(uow, actor, Act.QUARANTINE, project)
    if project.quarantined:
        project.quarantined, project.quarantined_reason = False, ""
        _journal_status(uow, actor, project, Kind.PROJECT_UNQUARANTINE, "unquarantine project")


def in_quarantine(db: Session) -> list[Project]:
    """The projects in quarantine, by name: for administrators."""
    return list(
        db.scalars(select(Project).where(Project.quarantined).order_by(Project.normalized_name))
    )


def check_reason(text: str) -> str:
    """A reason that everybody will read: one line, which may be empty.

    Raises:
        InvalidRequest: it is longer, or has characters that cannot be shown.
    """
    reason = text.strip()
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise InvalidRequest(
            f"A reason is one line of at most {LONGEST_REASON} characters that can be printed."
        )
    return reason


def _journal_status(
    uow: UnitOfWork, actor: Actor, project: Project, kind: Kind, action: str, reason: str = ""
) -> None:
    uow.db.flush()
    journal.append(uow, project, None, [action], actor.name)
    purging.purge_files(uow, project)
    audit.write(uow, kind, actor, project=project, detail=reason)


def is_taken(uow: UnitOfWork) -> ColumnElement[bool]:
    """Whether a project holds its name: for good, or because a draft of it is live now."""
    """Whether the name is a project's: a reserved one is from no second after its last draft on."""
    return _is_taken(live_drafts.is_live(uow))


def _is_taken(is_live: ColumnElement[bool]) -> ColumnElement[bool]:
    reserved = exists().where(Draft.project_id == Project.id, is_live)
    return Project.registered.is_not(None) | reserved


IS_TAKEN_NOW = _is_taken(live_drafts.LIVE_NOW)
"""What :func:`is_taken` gives, for queries that are made once: they are executed with ``now``."""

_TAKEN = (
    select(Project)
    .where(Project.normalized_name == bindparam("name"), IS_TAKEN_NOW)
    .options(joinedload(Project.roles))
    .execution_options(populate_existing=True)
)


def _user(db: Session, username: str) -> User:
    named = User.normalized_username == username.lower()
    user = db.scalar(select(User).where(named)) if is_username(username) else None
    if user is None:
        raise NotFound(f"There is no user {username!r}.")
    return user


def _a(name: RoleName) -> str:
    return "an owner" if name is RoleName.OWNER else "a maintainer"


def _check_not_last_owner(project: Project, role: Role) -> None:
    owners = [role for role in project.roles if role.name == RoleName.OWNER]
    if owners == [role]:
        raise InvalidRequest(
            f"{role.user.username!r} is the last owner of {project.name!r}: make somebody else an "
            "owner first."
        )


def _journal_role(uow: UnitOfWork, actor: Actor, project: Project, action: str) -> None:
    # A name that is only reserved has no public history; see publication.make_public.
    if project.registered is not None:
        journal.append(uow, project, None, [action], actor.name)


def _check_not_confusable(uow: UnitOfWork, name: str, normalized: NormalizedName) -> None:
    asked = {"name": confusable_form(normalized), "now": uow.now}
    similar = run(uow.db, _SIMILAR, asked).scalar()
    if similar is not None:
        # A name that only drafts hold is their secret.
        public = catalogue.name_like(uow.db, confusable_form(normalized))
        which = f", {public!r}" if public is not None else ""
        raise NameNotAvailable(
            f"The name {name!r} is too similar to that of an existing project{which}: "
            "choose one that nobody can mistake for another."
        )


_SIMILAR = (
    select(Project.name)
    .where(Project.confusable_name == bindparam("name"), IS_TAKEN_NOW)
    .order_by(Project.id)
    .limit(1)
)


def _check_not_retired(uow: UnitOfWork, name: str, normalized: NormalizedName) -> None:
    retired = run(uow.db, _RETIRED, {"name": confusable_form(normalized)}).scalar()
    if retired is not None:
        fact = (
            f"The name {name!r} is that of a project that was deleted."
            if retired == normalized
            else f"The name {name!r} looks like that of a project that was deleted, {retired!r}."
        )
        raise NameNotAvailable(
            f"{fact} The name of a deleted project is not given out again, so that nobody takes "
            "over its users: choose another one."
        )


_RETIRED = (
    select(RetiredName.normalized_name)
    .where(RetiredName.confusable_name == bindparam("name"))
    .order_by(RetiredName.normalized_name)
    .limit(1)
)


def _check_rate(uow: UnitOfWork, actor: Actor, limit: int, within: timedelta, length: str) -> None:
    counted = actor.registrations() if limit else None
    if counted is None:
        return
    wait = waiting_time(uow, Project.created, counted, limit=limit, within=within)
    if wait is not None:
        raise TooMany(
            f"The user {actor.name!r} registered {limit} project names within {length}, as many "
            "as this index allows: wait before you register the next one.",
            wait,
        )
