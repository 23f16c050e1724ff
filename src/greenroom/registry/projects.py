"""Projects: finding, registering, settings and status."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct
from msgspec.structs import asdict
from packaging.utils import NormalizedName
from sqlalchemy import ColumnElement, Select, bindparam, exists, func, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from greenroom.database import run
from greenroom.models import (
    Draft,
    DraftState,
    File,
    Project,
    ProjectStatus,
    Release,
    RequiredCheck,
    RetiredName,
    Role,
    RoleName,
    User,
    Visibility,
)
from greenroom.registry import (
    audit,
    catalogue,
    claimed_names,
    journal,
    live_drafts,
    prohibited_names,
    publishing_policy,
    purging,
    upstream_names,
)
from greenroom.registry.audit import Kind
from greenroom.registry.errors import (
    InvalidRequest,
    NameNotAvailable,
    NotFound,
    Refusal,
    TooMany,
)
from greenroom.registry.names import (
    check_not_prohibited,
    check_project_name,
    confusable_form,
    lookup_name,
)
from greenroom.registry.permissions import Act, Actor, require, require_registering
from greenroom.registry.rate_limits import waiting_time
from greenroom.registry.reasons import check_line
from greenroom.registry.unit_of_work import UnitOfWork


class ProjectSummary(Struct, frozen=True):
    """What pages say of a project.

    Attributes:
        name: as the project spells itself.
        visibility: whom it is open to, where the index decides that by project.
        registered: when the name became its for good, None where drafts only reserve it.
        status: the one that it has to the world.
        archived_reason: may be empty, as the reason of a quarantine may.
    """

    name: str
    normalized_name: str
    visibility: Visibility
    registered: datetime | None
    status: ProjectStatus
    archived: bool
    archived_reason: str
    quarantined: bool
    quarantined_reason: str


class HasRegistration(Protocol):
    """A project, by whether its name is its own: a row, or a value that was made of one."""

    @property
    def name(self) -> str:
        """As it spells itself."""

    @property
    def normalized_name(self) -> str:
        """Normalized."""

    @property
    def registered(self) -> datetime | None:
        """When the name became its own, None where drafts only reserve it."""


class HasReservation(HasRegistration, catalogue.HasId, Protocol):
    """A project that the database knows, by whether its name is its own."""


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
        visibility=Visibility(project.visibility),
        registered=project.registered,
        status=project.status,
        archived=project.archived,
        archived_reason=project.archived_reason,
        quarantined=project.quarantined,
        quarantined_reason=project.quarantined_reason,
    )


def of_user(uow: UnitOfWork, user: User) -> list[Project]:
    """The projects that the user has a role in, by name, with their roles."""
    return list(
        uow.db.scalars(
            select(Project)
            .where(Project.id.in_(_of(user.id)), is_taken(uow))
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


def lock_all(uow: UnitOfWork, names: Sequence[str]) -> None:
    """Be the only one that changes the projects of these names.

    Whoever changes several takes their locks in one order, so that two never wait for each other.
    """
    wanted = sorted({f"project:{confusable_form(lookup_name(name))}" for name in names})
    if wanted:
        uow.lock(*wanted)


def reload_all(uow: UnitOfWork, numbers: Collection[int]) -> list[Project]:
    """Those of the projects with these numbers that there are, with their roles as of now."""
    return list(
        uow.db.scalars(
            select(Project)
            .where(Project.id.in_(numbers))
            .options(joinedload(Project.roles))
            .order_by(Project.normalized_name)
            .execution_options(populate_existing=True)
        ).unique()
    )


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


def is_hidden(uow: UnitOfWork, project: HasRegistration) -> bool:
    """Whether there are people who may not know that there is this project."""
    return uow.settings.read != "public" or project.registered is None


def check_can_register(uow: UnitOfWork, actor: Actor, name: str, *, staged: bool) -> None:
    """Raise a refusal unless the actor may register this name, which no project has.

    Raises:
        InvalidMetadata: it is no valid name.
        NameNotAvailable: it is prohibited, was deleted, or is confusingly similar to another one.
        NotAllowed: the actor may not register names, or not this one, which is claimed.
        TooMany: the actor registered too many of late.
    """
    settings = uow.settings
    check_project_name(name)
    # Nobody else learns which names are taken, or look like one that is.
    require_registering(actor, name, staged=staged)
    owner_id = actor.account_for(name, None)
    claimed_names.check(uow, name, owner_id, is_administrator=actor.is_administrator)
    check_name_is_free(uow, name)
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
        prohibited_names.check(uow, name, normalized)
    _check_not_retired(uow, name, normalized)
    if not historical:
        _check_not_confusable(uow, name, normalized)


def check_may_be_registered(uow: UnitOfWork, project: HasReservation) -> None:
    """Raise a refusal where a name that is only reserved was prohibited or claimed meanwhile.

    Raises:
        NameNotAvailable: it was prohibited.
        NotAllowed: it was claimed, and is not for those who have reserved it.
    """
    for refusal in not_registrable(uow, [project]).values():
        raise refusal


def not_registrable(uow: UnitOfWork, projects_: Iterable[HasReservation]) -> dict[str, Refusal]:
    """Why those of these projects cannot be registered whose names are not to be had any more.

    They were prohibited or claimed meanwhile. By their normalized names. Nothing is asked where all
    of them are registered.
    """
    reserved = [each for each in projects_ if each.registered is None]
    names = {each.normalized_name: each.name for each in reserved}
    prohibited = prohibited_names.refusals(uow, names) if names else {}
    return {**claimed_names.refusals(uow, reserved), **prohibited}


def create(
    uow: UnitOfWork, actor: Actor, name: str, *, staged: bool = False, imported: bool = False
) -> Project:
    """A project of this name, of whomever the actor acts for. It is reserved, not yet registered.

    The caller has checked that it may be, and holds the project's lock. Where it begins with a
    draft (``staged``), a person publishes in it; not where it was published elsewhere before
    (``imported``), until somebody says so.

    Raises:
        NotAsked: it was not published elsewhere before, and the indexes behind this one have to be
            asked first whether they have the name: see :mod:`greenroom.registry.preparations`.
    """
    normalized = check_project_name(name)
    owner_id = actor.account_for(name, None)
    project = Project(
        name=name,
        normalized_name=normalized,
        confusable_name=confusable_form(normalized),
        created=uow.now,
        created_by_id=owner_id,
        visibility=_FIRST_VISIBILITY[uow.settings.read],
        auto_publish_releases=imported
        or publishing_policy.starts_with(uow.settings, staged=staged),
        found_upstream=None if imported else upstream_names.found_upstream(uow, normalized),
    )
    if owner_id is not None:
        owner = uow.db.get_one(User, owner_id)
        project.roles.append(Role(user=owner, name=RoleName.OWNER))
    uow.db.add(project)
    uow.db.flush()
    actor.has_created(uow, project)
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
    return sizes(uow, [project])[project.id]


def sizes(uow: UnitOfWork, projects_: Iterable[catalogue.HasId]) -> dict[int, int]:
    """The same for each of these projects, by its number, with one query."""
    found = {project.id: 0 for project in projects_}
    rows = run(uow.db, _SIZES, {"projects": list(found), "now": uow.now})
    for number, total in rows:
        found[number] = int(total or 0)  # PostgreSQL's sum is a decimal number
    return found


def total_size(uow: UnitOfWork) -> int:
    """The bytes of all files of the index, staged ones too."""
    return int(uow.db.scalar(select(func.sum(File.size)).where(is_present(uow))) or 0)


def size_of_user(uow: UnitOfWork, user_id: int) -> int:
    """The bytes of all files of the projects that this user owns, staged ones too."""
    owned = _of(user_id).where(Role.name == RoleName.OWNER)
    total = uow.db.scalar(
        select(func.sum(File.size))
        .join(Release, File.release_id == Release.id)
        .where(Release.project_id.in_(owned), is_present(uow))
    )
    return int(total or 0)


def _of(user_id: int) -> Select[int]:
    """The numbers of the projects that a user has a part in; of some there are several rows."""
    return select(Role.project_id).where(Role.user_id == user_id)


def is_present(uow: UnitOfWork) -> ColumnElement[bool]:
    """Whether a file is there at all: those of a draft are gone from the second it falls due."""
    return _is_present(live_drafts.is_live(uow))


def _is_present(is_live: ColumnElement[bool]) -> ColumnElement[bool]:
    of_live_draft = exists().where(Draft.id == File.draft_id, is_live)
    return File.draft_id.is_(None) | of_live_draft


# Made once: to make a query takes longer than to have it executed.
_ALL_SIZES = (
    select(func.sum(File.size))
    .join(Release, File.release_id == Release.id)
    .where(_is_present(live_drafts.LIVE_NOW))
)
_SIZES = (
    select(Release.project_id, *_ALL_SIZES.selected_columns)
    .join_from(Release, File, File.release_id == Release.id)
    .where(
        Release.project_id.in_(bindparam("projects", expanding=True)),
        _is_present(live_drafts.LIVE_NOW),
    )
    .group_by(Release.project_id)
)
SIZE = _ALL_SIZES.where(Release.project_id == bindparam("project"))
"""What :func:`size` asks for, with ``project`` and ``now``: also as a part of other queries."""


class ProjectSettings(Struct, frozen=True):
    """What an owner can set.

    Attributes:
        auto_publish_releases: whether uploads need no draft.
        reauthenticate_to_publish: whether people who publish have to confirm who they are; None
            leaves it as it is.
    """

    auto_publish_releases: bool
    reauthenticate_to_publish: bool | None = None


def change_settings(
    uow: UnitOfWork, actor: Actor, project: Project, settings: ProjectSettings
) -> None:
    """Set what an owner can set.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotConfirmed: it would be protected less, and the actor has not shown who they are.
        InvalidRequest: uploads are to be published directly, and the project requires checks, or
            approvals.
    """
    lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    changed = [
        (field, value)
        for field, value in asdict(settings).items()
        if value is not None and getattr(project, field) != value
    ]
    if not changed:
        return
    if settings.auto_publish_releases and project.approvals_needed:
        raise InvalidRequest(
            f"The project {project.name!r} wants approvals, which only a draft can have: let it "
            "want none first, or leave direct publication off."
        )
    if settings.auto_publish_releases and _requires_checks(uow, project):
        raise InvalidRequest(
            f"The project {project.name!r} requires checks, which only a draft can have: let it "
            "require none first, or leave direct publication off."
        )
    loosens = ("auto_publish_releases", True) in changed
    loosens |= ("reauthenticate_to_publish", False) in changed
    publishing_policy.check_change(actor, uow.now, loosens=loosens)
    for field, value in changed:
        setattr(project, field, value)
    uow.db.flush()
    detail = ", ".join(f"{field} {'on' if value else 'off'}" for field, value in changed)
    publishing_policy.record_change(uow, actor, project, detail, loosens=loosens)


def _requires_checks(uow: UnitOfWork, project: Project) -> bool:
    required = select(RequiredCheck.id).where(RequiredCheck.project_id == project.id).limit(1)
    return uow.db.scalar(required) is not None


def set_visibility(uow: UnitOfWork, actor: Actor, project: Project, visibility: Visibility) -> None:
    """Say who may read the project, where the index decides that by project.

    To whom it closes it is gone, and the journal says so; to whom it opens, it is new.

    Raises:
        NotAllowed: the actor may not manage the project.
    """
    lock_and_reload(uow, project)
    require(actor, Act.MANAGE, project)
    before = project.visibility
    if before == visibility:
        return
    is_told = project.registered is not None and uow.settings.read == "projects"
    if is_told and before == Visibility.PUBLIC:
        journal.append(uow, project, None, ["remove project"], actor.name)
    project.visibility = visibility
    uow.db.flush()
    if is_told and before != Visibility.PUBLIC:
        journal.append(uow, project, None, ["create"], actor.name)
    if is_told and Visibility.PUBLIC in (before, visibility):
        purging.purge_files(uow, project)
    audit.write(
        uow,
        Kind.PROJECT_VISIBILITY,
        actor,
        project=project,
        detail=f"{visibility.value}, was {before}",
    )


_FIRST_VISIBILITY = {
    "public": Visibility.PUBLIC,
    "members": Visibility.INTERNAL,
    "projects": Visibility.PRIVATE,
}
"""Of a new project: what it shows to others than its people, somebody has to decide first."""


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


def lift_quarantine(uow: UnitOfWork, actor: Actor, project: Project, reason: str = "") -> None:
    """Give the project back as it was; ``reason`` is recorded, and nobody else reads it.

    Raises:
        NotAllowed: the actor is no administrator.
    """
    lock_registered(uow, actor, Act.QUARANTINE, project)
    if project.quarantined:
        project.quarantined, project.quarantined_reason = False, ""
        kind = Kind.PROJECT_UNQUARANTINE
        _journal_status(uow, actor, project, kind, "unquarantine project", reason)


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
    return check_line(text)


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


def _check_not_confusable(uow: UnitOfWork, name: str, normalized: NormalizedName) -> None:
    asked = {"name": confusable_form(normalized), "now": uow.now}
    similar = run(uow.db, _SIMILAR, asked).scalar()
    if similar is not None:
        # A name that only drafts hold is their secret.
        public = catalogue.name_like(uow.db, uow.settings, confusable_form(normalized))
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
