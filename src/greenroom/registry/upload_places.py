"""Where an upload would go: what of that is there, read as columns.

Every upload asks for it twice, before its file arrives and under the project's lock. To make
objects of the rows would take longer than to read them.
"""

from datetime import datetime
from typing import Any, TypeAlias

from msgspec import Struct
from packaging.version import Version
from sqlalchemy import Select, bindparam, select

from greenroom.core_metadata import CoreMetadata
from greenroom.database import run
from greenroom.models import Draft, File, Project, ProjectStatus, Release, Role, status_of
from greenroom.registry import catalogue, live_drafts, projects
from greenroom.registry.names import canonical_version, lookup_name
from greenroom.registry.unit_of_work import UnitOfWork

# More columns than the types of queries can name.
_Query: TypeAlias = Select[*tuple[Any, ...]]


class RoleThere(Struct, frozen=True):
    """A person's part in a project."""

    user_id: int
    name: str


class ProjectThere(Struct, frozen=True):
    """A project, registered or reserved, with what decides whether it takes a file."""

    id: int
    name: str
    normalized_name: str
    created: datetime
    registered: datetime | None
    auto_publish_releases: bool
    quota: int | None
    expected_files: str
    status: ProjectStatus
    status_reason: str
    quarantined: bool
    roles: tuple[RoleThere, ...]


class ReleaseThere(Struct, frozen=True):
    """A release of the project, published or not."""

    id: int
    version: str
    published: datetime | None


class DraftThere(Struct, frozen=True):
    """The live draft of the version."""

    project: ProjectThere
    id: int
    key: str
    project_name: str
    version: str
    review: str | None
    opened: datetime
    expires: datetime


class FileThere(Struct, frozen=True):
    """The staged file of the name, which the upload would replace."""

    id: int
    size: int


class Place(Struct, frozen=True):
    """Where an upload would go, as far as that exists; ``former`` is what it would replace.

    ``project_size`` is what :func:`projects.size` gives.
    """

    project: ProjectThere | None = None
    project_size: int = 0
    release: ReleaseThere | None = None
    draft: DraftThere | None = None
    former: FileThere | None = None


def project(uow: UnitOfWork, name: str) -> ProjectThere | None:
    """What :func:`projects.find` gives, as far as it concerns uploads."""
    rows = run(uow.db, _PROJECT, {"name": lookup_name(name), "now": uow.now}).all()
    if not rows:
        return None
    row = rows[0]
    archived, archived_reason, quarantined, quarantined_reason = row[_STANDING:-2]
    status, reason = status_of(
        archived=archived,
        archived_reason=archived_reason,
        quarantined=quarantined,
        quarantined_reason=quarantined_reason,
    )
    roles = tuple(RoleThere(*each[-2:]) for each in rows if each[-1] is not None)
    number, name, normalized_name, created, registered, publishes, quota, expected = row[:_STANDING]
    return ProjectThere(
        number,
        name,
        normalized_name,
        created,
        registered,
        publishes,
        quota,
        expected,
        status,
        reason,
        quarantined,
        roles,
    )


def place(uow: UnitOfWork, project: ProjectThere | None, version: Version, filename: str) -> Place:
    """Where a file of this name would go that is of this version."""
    if project is None:
        return Place()
    size, *row = run(
        uow.db,
        _PLACE,
        {
            "project": project.id,
            "version": canonical_version(version),
            "filename": filename,
            "now": uow.now,
        },
    ).one()
    release, draft = row[:_RELEASE_COLUMNS], row[_RELEASE_COLUMNS:-_FILE_COLUMNS]
    file = row[-_FILE_COLUMNS:]
    return Place(
        project,
        int(size or 0),  # PostgreSQL's sum is a decimal number
        ReleaseThere(*release) if release[0] is not None else None,
        DraftThere(project, *draft) if draft[0] is not None else None,
        FileThere(*file) if file[0] is not None else None,
    )


def said_by_release(uow: UnitOfWork, release: ReleaseThere) -> CoreMetadata:
    """What the release says of itself."""
    return run(uow.db, _SAID, {"release": release.id}).scalar_one()


_PROJECT: _Query = (
    select(
        Project.id,
        Project.name,
        Project.normalized_name,
        Project.created,
        Project.registered,
        Project.auto_publish_releases,
        Project.quota,
        Project.expected_files,
        Project.archived,
        Project.archived_reason,
        Project.quarantined,
        Project.quarantined_reason,
        Role.user_id,
        Role.name,
    )
    .outerjoin(Role, Role.project_id == Project.id)
    .where(Project.normalized_name == bindparam("name"), projects.IS_TAKEN_NOW)
)

_STANDING = 8  # where the columns of the project's status begin
_RELEASE_COLUMNS, _FILE_COLUMNS = 3, 2
_PLACE: _Query = (
    select(
        projects.SIZE.correlate(None).scalar_subquery(),
        Release.id,
        Release.version,
        catalogue.WHEN_PUBLISHED,
        Draft.id,
        Draft.key,
        Draft.project_name,
        Draft.version,
        Draft.review,
        Draft.opened,
        Draft.expires,
        File.id,
        File.size,
    )
    .select_from(Project)
    .outerjoin(
        Release,
        (Release.project_id == Project.id) & (Release.canonical_version == bindparam("version")),
    )
    .outerjoin(Draft, (Draft.release_id == Release.id) & live_drafts.LIVE_NOW)
    .outerjoin(File, (File.draft_id == Draft.id) & (File.filename == bindparam("filename")))
    .where(Project.id == bindparam("project"))
)

_SAID = select(Release.core_metadata).where(Release.id == bindparam("release"))
