"""Everything the public may see: the only module that decides visibility.

A file is public when it was published, a release when it was, a project when one of its releases
was. No other module asks the database for ``published``. What a draft's address shows is here too,
because it is the same listing made of other files.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from packaging.version import Version
from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import Session, contains_eager, joinedload, selectinload, undefer

from greenroom.models import Draft, File, Project, Release, Role, User
from greenroom.registry.names import canonical_version, lookup_name


@dataclass(frozen=True, slots=True)
class ListedProject:
    """A line of the list of projects: normalized name and newest serial."""

    name: str
    last_serial: int


@dataclass(frozen=True, slots=True)
class ListedFile:
    """What a simple index says of one file. ``metadata_sha256`` is set for wheels (PEP 658)."""

    filename: str
    version: str
    sha256: str
    size: int
    upload_time: datetime
    requires_python: str | None
    yanked: bool
    yanked_reason: str
    metadata_sha256: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A project's page of a simple index: versions in order, files by version and name."""

    name: str
    last_serial: int
    versions: tuple[str, ...]
    files: tuple[ListedFile, ...]


def projects(session: Session) -> list[ListedProject]:
    """The public projects, by normalized name."""
    rows = session.execute(
        select(Project.normalized_name, Project.last_serial)
        .where(_is_public_project())
        .order_by(Project.normalized_name)
    )
    return sorted((ListedProject(name, serial) for name, serial in rows), key=lambda row: row.name)


def project(session: Session, name: str) -> Project | None:
    """The public project of this name, in any spelling."""
    return session.scalar(
        select(Project)
        .where(Project.normalized_name == lookup_name(name), _is_public_project())
        .options(selectinload(Project.roles))
    )


def listing(session: Session, project: Project) -> Listing:
    """What the simple index says of a public project."""
    return _listing(session, project, select(File).where(_is_public_file()))


def draft_projects(draft: Draft) -> list[ListedProject]:
    """The projects that the draft's own simple index lists: the one that the draft is of."""
    project = draft.project
    if project is None:
        return []
    return [ListedProject(project.normalized_name, project.last_serial)]


def draft_listing(session: Session, draft: Draft) -> Listing:
    """What the draft's own simple index says: its staged files and nothing else."""
    if draft.project is None:
        return Listing(lookup_name(draft.project_name), last_serial=0, versions=(), files=())
    return _listing(session, draft.project, select(File).where(File.draft_id == draft.id))


def releases(session: Session, project: Project) -> list[Release]:
    """The project's public releases, the highest version first."""
    rows = session.scalars(
        select(Release).where(Release.project_id == project.id, _is_public_release())
    )
    return _highest_first(rows)


def latest(releases: Sequence[Release]) -> Release | None:
    """The release that stands for its project, out of its public releases, the highest first.

    The highest final version that is not yanked; else the highest pre-release that is not yanked;
    else the highest of all.
    """
    standing = [release for release in releases if not release.yanked]
    final = [release for release in standing if not Version(release.version).is_prerelease]
    return next(iter([*final, *standing, *releases]), None)


def latest_of_each(session: Session, projects: Sequence[Project]) -> dict[int, Release]:
    """The release that stands for each of these projects, by project id; public ones have one."""
    of_project: dict[int, list[Release]] = {}
    for release in session.scalars(
        select(Release).where(
            Release.project_id.in_([project.id for project in projects]), _is_public_release()
        )
    ):
        of_project.setdefault(release.project_id, []).append(release)
    chosen = {key: latest(_highest_first(found)) for key, found in of_project.items()}
    return {key: release for key, release in chosen.items() if release is not None}


def release(session: Session, project: Project, version: str) -> Release | None:
    """The project's public release of this version, in any spelling."""
    canonical = _canonical(version)
    if canonical is None:
        return None
    return session.scalar(
        select(Release).where(
            Release.project_id == project.id,
            Release.canonical_version == canonical,
            _is_public_release(),
        )
    )


def releases_by_id(session: Session, ids: Sequence[int]) -> list[Release]:
    """The public ones of these releases, in the order of the numbers, with their projects."""
    found = {
        release.id: release
        for release in session.scalars(
            select(Release)
            .where(Release.id.in_(ids), _is_public_release())
            .options(joinedload(Release.project, innerjoin=True))
        )
    }
    return [found[number] for number in ids if number in found]


def is_public_project() -> ColumnElement[bool]:
    """Whether a project is public: a condition for queries of other modules that join projects."""
    return _is_public_project()


def load_details(session: Session, release: Release) -> Release:
    """The release with core metadata and rendered description."""
    return session.scalars(
        select(Release)
        .where(Release.id == release.id)
        .options(undefer(Release.core_metadata), undefer(Release.description_html))
        .execution_options(populate_existing=True)
    ).one()


def files(session: Session, release: Release) -> list[File]:
    """The release's public files: the source distribution first, then wheels by name."""
    rows = session.scalars(select(File).where(File.release_id == release.id, _is_public_file()))
    return sorted(rows, key=lambda file: (not file.is_sdist, file.filename))


def file(session: Session, filename: str) -> File | None:
    """The public file of this name."""
    if not (filename.isascii() and filename.isprintable()):  # PostgreSQL refuses some of those
        return None
    return session.scalar(select(File).where(File.filename == filename, _is_public_file()))


def file_of_content(session: Session, sha256: str) -> File | None:
    """A public file with this content."""
    return session.scalar(
        select(File).where(File.sha256 == sha256, _is_public_file()).order_by(File.id).limit(1)
    )


def newest_releases(session: Session, count: int) -> list[Release]:
    """The releases that became public last, the newest first, with their projects.

    Their numbers do not count where moments are equal: they tell what was staged first.
    """
    return list(
        session.scalars(
            select(Release)
            .join(Release.project)
            .where(_is_public_release())
            .options(contains_eager(Release.project))
            .order_by(
                Release.published.desc(), Project.normalized_name, Release.canonical_version.desc()
            )
            .limit(count)
        )
    )


def projects_of(session: Session, user: User) -> list[Project]:
    """The public projects that the user works on, by name."""
    return list(
        session.scalars(
            select(Project)
            .join(Role, Role.project_id == Project.id)
            .where(Role.user_id == user.id, _is_public_project())
            .order_by(Project.normalized_name)
        )
    )


def _highest_first(releases: Iterable[Release]) -> list[Release]:
    return sorted(releases, key=lambda release: Version(release.version), reverse=True)


def _is_public_release() -> ColumnElement[bool]:
    return Release.published.is_not(None)


def _is_public_file() -> ColumnElement[bool]:
    return File.published.is_not(None)


def _is_public_project() -> ColumnElement[bool]:
    return exists().where(Release.project_id == Project.id, _is_public_release())


def _canonical(version: str) -> str | None:
    try:
        return canonical_version(Version(version))
    except ValueError:
        return None


def _listing(session: Session, project: Project, files: Select[File]) -> Listing:
    rows = session.execute(
        files.join(Release, Release.id == File.release_id)
        .where(Release.project_id == project.id)
        .with_only_columns(
            File.filename,
            Release.version,
            File.sha256,
            File.size,
            File.published,
            File.created,
            File.requires_python,
            Release.yanked,
            Release.yanked_reason,
            File.packagetype,
            File.metadata_sha256,
        )
    ).all()
    order = {version: Version(version) for version in {row.version for row in rows}}
    listed = sorted(
        (
            ListedFile(
                filename=row.filename,
                version=row.version,
                sha256=row.sha256,
                size=row.size,
                upload_time=row.published or row.created,
                requires_python=row.requires_python,
                yanked=row.yanked,
                yanked_reason=row.yanked_reason,
                metadata_sha256=row.metadata_sha256 if row.packagetype == "bdist_wheel" else None,
            )
            for row in rows
        ),
        key=lambda file: (order[file.version], file.filename),
    )
    return Listing(
        name=project.normalized_name,
        last_serial=project.last_serial,
        versions=tuple(sorted(order, key=order.__getitem__)),
        files=tuple(listed),
    )
