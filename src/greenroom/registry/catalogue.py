"""Everything the public may see: the only module that decides visibility.

A file is public when it was published, a release when it was, a project when one of its releases
was. No other module asks the database for ``published``. What a draft's address shows is here too,
because it is the same listing made of other files.

A project in quarantine is still there, with its status and its history, so that people learn why;
but none of its files is offered to anyone, and no list recommends it (PEP 792).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from packaging.version import Version
from sqlalchemy import ColumnElement, Select, bindparam, exists, func, select
from sqlalchemy.orm import Session, contains_eager, joinedload, selectinload, undefer

from greenroom.models import (
    Draft,
    File,
    JournalEntry,
    Project,
    ProjectStatus,
    PublishedName,
    Release,
    Role,
    RoleName,
    User,
)
from greenroom.registry.names import canonical_version, lookup_name

# Releases, when only the newest of each project is wanted.
_MOST_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class ListedProject:
    """A line of the list of projects: normalized name and newest serial."""

    name: str
    last_serial: int


@dataclass(frozen=True, slots=True)
class ListedFile:
    """What indexes say of one file. ``metadata_sha256`` is set for wheels (PEP 658)."""

    filename: str
    version: str
    sha256: str
    size: int
    upload_time: datetime
    requires_python: str | None
    yanked: bool
    yanked_reason: str
    metadata_sha256: str | None
    packagetype: str
    python_tag: str
    md5: str
    blake2_256: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A project's page of a simple index: versions in order, files by version and name."""

    name: str
    last_serial: int
    status: ProjectStatus
    status_reason: str
    versions: tuple[str, ...]
    files: tuple[ListedFile, ...]


@dataclass(frozen=True, slots=True)
class ChangedProject:
    """A project, as it spells itself, and when anything public about it last changed."""

    name: str
    changed: datetime


def projects(db: Session) -> list[ListedProject]:
    """The public projects, by normalized name."""
    rows = db.execute(
        select(Project.normalized_name, Project.last_serial)
        .where(_is_public_project())
        .order_by(Project.normalized_name)
    )
    return sorted((ListedProject(name, serial) for name, serial in rows), key=lambda row: row.name)


def project_serials(db: Session) -> dict[str, int]:
    """The newest serial of each public project, by the name that the project spells itself."""
    rows = db.execute(select(Project.name, Project.last_serial).where(_is_public_project()))
    return dict(sorted((name, serial) for name, serial in rows))


def changed_projects(db: Session, *, start: int, count: int) -> list[ChangedProject]:
    """Some of the public projects that a list may recommend, by name."""
    rows = db.execute(
        select(Project.name, JournalEntry.at)
        .join(JournalEntry, JournalEntry.id == Project.last_serial)
        .where(_is_public_project(), _is_recommended())
        .order_by(Project.normalized_name)
        .offset(start)
        .limit(count)
    )
    return [ChangedProject(name, at) for name, at in rows]


def count_projects(db: Session) -> int:
    """How many public projects there are that a list may recommend."""
    counted = select(func.count()).select_from(Project)
    return db.scalar(counted.where(_is_public_project(), _is_recommended())) or 0


def newest_projects(db: Session, count: int) -> list[Project]:
    """The public projects that were registered last, the newest first."""
    return list(
        db.scalars(
            select(Project)
            .where(_is_public_project(), _is_recommended())
            .order_by(Project.registered.desc(), Project.normalized_name)
            .limit(count)
        )
    )


def project(db: Session, name: str) -> Project | None:
    """The public project of this name, in any spelling."""
    return db.scalar(
        select(Project)
        .where(Project.normalized_name == lookup_name(name), _is_public_project())
        .options(selectinload(Project.roles))
    )


def name_like(db: Session, confusable: str) -> str | None:
    """The name of a public project that has this form when look-alike characters are folded."""
    return db.scalar(
        select(Project.name)
        .where(Project.confusable_name == confusable, _is_public_project())
        .order_by(Project.id)
        .limit(1)
    )


def listing(db: Session, project: Project) -> Listing:
    """What the simple index says of a public project. Releases may have lost all their files."""
    return _listing(db, project, _is_public_release(), _is_public_file())


def release_listing(db: Session, project: Project, release: Release) -> Listing:
    """The part of the listing that is of one public release."""
    return _listing(db, project, Release.id == release.id, _is_public_file())


def draft_projects(draft: Draft) -> list[ListedProject]:
    """The projects that the draft's own simple index lists: the one that the draft is of."""
    project = draft.project
    if project is None:
        return []
    return [ListedProject(project.normalized_name, project.last_serial)]


def draft_listing(db: Session, draft: Draft) -> Listing:
    """What the draft's own simple index says: its staged files and nothing else."""
    if draft.project is None:
        name = lookup_name(draft.project_name)
        return Listing(name, 0, ProjectStatus.ACTIVE, "", versions=(), files=())
    is_staged = File.draft_id == draft.id
    return _listing(db, draft.project, is_staged, is_staged)


def releases(db: Session, project: Project) -> list[Release]:
    """The project's public releases, the highest version first."""
    rows = db.scalars(select(Release).where(Release.project_id == project.id, _is_public_release()))
    return highest_first(rows)


def latest(releases: Sequence[Release]) -> Release | None:
    """The release that stands for its project, out of its public releases, the highest first.

    The highest final version that is not yanked; else the highest pre-release that is not yanked;
    else the highest of all.
    """
    standing = [release for release in releases if not release.yanked]
    final = [release for release in standing if not Version(release.version).is_prerelease]
    return next(iter([*final, *standing, *releases]), None)


def latest_of_each(db: Session, projects: Sequence[Project]) -> dict[int, Release]:
    """The release that stands for each of these projects, by project id; public ones have one."""
    of_project: dict[int, list[Release]] = {}
    for release in db.scalars(
        select(Release).where(
            Release.project_id.in_([project.id for project in projects]), _is_public_release()
        )
    ):
        of_project.setdefault(release.project_id, []).append(release)
    chosen = {key: latest(highest_first(found)) for key, found in of_project.items()}
    return {key: release for key, release in chosen.items() if release is not None}


def release(db: Session, project: Project, version: str) -> Release | None:
    """The project's public release of this version, in any spelling."""
    canonical = _canonical(version)
    if canonical is None:
        return None
    return db.scalar(
        select(Release).where(
            Release.project_id == project.id,
            Release.canonical_version == canonical,
            _is_public_release(),
        )
    )


def releases_by_id(db: Session, ids: Sequence[int]) -> list[Release]:
    """The public ones of these releases, in the order of the numbers, with their projects."""
    found = {
        release.id: release
        for release in db.scalars(
            select(Release)
            .where(Release.id.in_(ids), _is_public_release())
            .options(joinedload(Release.project, innerjoin=True))
        )
    }
    return [found[number] for number in ids if number in found]


def is_recommended() -> ColumnElement[bool]:
    """Whether a project may be found by who does not know it: for queries that join projects."""
    return _is_public_project() & _is_recommended()


def load_details(db: Session, release: Release) -> Release:
    """The release with core metadata and rendered description."""
    return db.scalars(
        select(Release)
        .where(Release.id == release.id)
        .options(undefer(Release.core_metadata), undefer(Release.description_html))
        .execution_options(populate_existing=True)
    ).one()


def files(db: Session, release: Release) -> list[File]:
    """The release's public files: the source distribution first, then wheels by name."""
    rows = db.scalars(select(File).where(File.release_id == release.id, _is_public_file()))
    return sorted(rows, key=lambda file: (not file.is_sdist, file.filename))


def offered_files(db: Session, project: Project, release: Release) -> list[File]:
    """Those of its public files that anyone may have: none while the project is in quarantine."""
    return [] if project.quarantined else files(db, release)


def file(db: Session, filename: str) -> File | None:
    """The public file of this name."""
    if not _is_searchable(filename):
        return None
    return db.scalar(select(File).where(File.filename == filename, _is_public_file()))


def file_of(db: Session, project: Project, filename: str) -> File | None:
    """The public file of this name, if it is the project's, with its release."""
    if not _is_searchable(filename):
        return None
    return db.scalar(
        select(File)
        .join(File.release)
        .options(contains_eager(File.release))
        .where(File.filename == filename, Release.project_id == project.id, _is_public_file())
    )


def offered_file(db: Session, filename: str) -> File | None:
    """The public file of this name, if anyone may have it, with its release and project."""
    if not _is_searchable(filename):
        return None
    return db.scalar(
        select(File)
        .join(File.release)
        .join(Release.project)
        .options(contains_eager(File.release).contains_eager(Release.project))
        .where(File.filename == filename, _is_public_file(), Project.quarantined.is_(False))
    )


def digests_of(db: Session, filenames: Iterable[str]) -> dict[str, str]:
    """The SHA-256 digests of those of these files that are public, by name."""
    rows = db.execute(
        select(File.filename, File.sha256).where(
            File.filename.in_(list(filenames)), _is_public_file()
        )
    )
    return dict(rows.all())


def names_of_contents(db: Session, digests: Iterable[str]) -> dict[str, str]:
    """The name under which each of these contents is public first, by SHA-256 digest."""
    rows = db.execute(
        select(File.sha256, File.filename)
        .where(File.sha256.in_(list(digests)), _is_public_file())
        .order_by(File.id.desc())
    )
    return dict(rows.all())


@dataclass(frozen=True, slots=True)
class Uses:
    """Where a file's name and content are public, or were.

    Attributes:
        name_was_used: whether a file of this name was ever published.
        content_of_name: the SHA-256 of the public file of this name, None where there is none.
        name_of_content: the name under which this content is public first, None where it is not.
    """

    name_was_used: bool
    content_of_name: str | None
    name_of_content: str | None


def uses(db: Session, filename: str, sha256: str) -> Uses:
    """Where the name and the content of a file are public, in one query."""
    if not _is_searchable(filename):
        return Uses(False, None, names_of_contents(db, [sha256]).get(sha256))
    row = db.execute(_uses(), {"filename": filename, "sha256": sha256}).mappings().one()
    return Uses(
        name_was_used=row["used"] is not None,
        content_of_name=row["content"],
        name_of_content=row["name"],
    )


@cache
def _uses() -> Select[tuple[str | None, str | None, str | None]]:
    """One row, which says nothing where nothing is public."""
    used = select(PublishedName.filename).where(PublishedName.filename == bindparam("filename"))
    public = select(File.sha256).where(File.filename == bindparam("filename"), _is_public_file())
    names = select(File.filename).where(File.sha256 == bindparam("sha256"), _is_public_file())
    return select(
        used.scalar_subquery().label("used"),
        public.scalar_subquery().label("content"),
        names.order_by(File.id).limit(1).scalar_subquery().label("name"),
    )


def newest_releases(db: Session, count: int, project: Project | None = None) -> list[Release]:
    """The releases that became public last, the newest first, with their projects.

    Those that became public at the same instant come by name, not by the order of their rows:
    rows are older where a release has waited in a draft.
    """
    query = (
        select(Release)
        .join(Release.project)
        .where(_is_public_release(), _is_recommended())
        .options(contains_eager(Release.project))
        .order_by(
            Release.published.desc(), Project.normalized_name, Release.canonical_version.desc()
        )
        .limit(count)
    )
    if project is not None:
        query = query.where(Release.project_id == project.id)
    return list(db.scalars(query))


def spelling(db: Session, project: Project) -> str | None:
    """How the newest of the project's releases that is public spells the project.

    None where no release says it: there is none, or they have lost all their files.
    """
    name = Release.core_metadata["name"].as_string()
    names = db.scalars(
        select(name)
        .where(Release.project_id == project.id, _is_public_release())
        .order_by(Release.published.desc(), Release.id.desc())
    )
    return next((text for text in names if text), None)


def described_files(db: Session, release: Release) -> list[File]:
    """The release's public files with what they say of themselves."""
    return list(
        db.scalars(
            select(File)
            .where(File.release_id == release.id, _is_public_file())
            .options(undefer(File.core_metadata))
        )
    )


def newest_release_of_each(db: Session, count: int) -> list[Release]:
    """Like :func:`newest_releases`, but of each project only the newest.

    Only the last thousand releases are looked at, so that the work stays small.
    """
    rows = db.execute(
        select(Release.id, Release.project_id)
        .join(Release.project)
        .where(_is_public_release(), _is_recommended())
        .order_by(
            Release.published.desc(), Project.normalized_name, Release.canonical_version.desc()
        )
        .limit(_MOST_LOOKED_AT)
    )
    newest: dict[int, int] = {}
    for release_id, project_id in rows:
        newest.setdefault(project_id, release_id)
    return releases_by_id(db, list(newest.values())[:count])


def author_emails(db: Session, releases: Sequence[Release]) -> dict[int, str]:
    """What the metadata of these releases has as ``Author-email``, by release id, where it has."""
    field = Release.core_metadata["author_email"].as_string()
    rows = db.execute(
        select(Release.id, field).where(Release.id.in_([release.id for release in releases]))
    )
    return {key: text for key, text in rows if text}


def projects_of(db: Session, user: User) -> list[Project]:
    """The public projects that the user works on, by name."""
    return list(
        db.scalars(
            select(Project)
            .join(Role, Role.project_id == Project.id)
            .where(Role.user_id == user.id, _is_public_project(), _is_recommended())
            .order_by(Project.normalized_name)
        )
    )


def roles_of(db: Session, user: User) -> list[tuple[str, str]]:
    """Role and project of everything public that the user works on, what is owned first, by name.

    The project's name is as it spells itself.
    """
    rows = db.execute(
        select(Role.name, Project.name)
        .join(Project, Role.project_id == Project.id)
        .where(Role.user_id == user.id, _is_public_project(), _is_recommended())
    )
    return sorted(((role, name) for role, name in rows), key=lambda row: (_rank(row[0]), row[1]))


def people(project: Project) -> list[tuple[str, str]]:
    """Role and user name of everybody who works on a public project: owners first, by name."""
    roles = [(role.name, role.user.username) for role in project.roles]
    return sorted(roles, key=lambda row: (_rank(row[0]), row[1]))


def _rank(role: str) -> int:
    return [RoleName.OWNER, RoleName.MAINTAINER].index(RoleName(role))


def _is_searchable(filename: str) -> bool:
    """Whether there can be such a file. PostgreSQL refuses to be asked for some texts."""
    return filename.isascii() and filename.isprintable()


def highest_first(releases: Iterable[Release]) -> list[Release]:
    """The releases by version, in the order that :func:`latest` wants."""
    return sorted(releases, key=lambda release: Version(release.version), reverse=True)


def _is_public_release() -> ColumnElement[bool]:
    return Release.published.is_not(None)


def _is_public_file() -> ColumnElement[bool]:
    return File.published.is_not(None)


def _is_public_project() -> ColumnElement[bool]:
    return exists().where(Release.project_id == Project.id, _is_public_release())


def _is_recommended() -> ColumnElement[bool]:
    return Project.quarantined.is_(False)


def _canonical(version: str) -> str | None:
    try:
        return canonical_version(Version(version))
    except ValueError:
        return None


def _listing(
    db: Session,
    project: Project,
    is_listed: ColumnElement[bool],
    is_offered: ColumnElement[bool],
) -> Listing:
    """Of these releases of a project, these files."""
    rows = db.execute(
        select(
            File.python_tag,
            Release.version,
            Release.yanked,
            Release.yanked_reason,
            File.filename,
            File.sha256,
            File.md5,
            File.blake2_256,
            File.size,
            File.published,
            File.created,
            File.requires_python,
            File.yanked.label("file_yanked"),
            File.yanked_reason.label("file_yanked_reason"),
            File.packagetype,
            File.metadata_sha256,
            File.comment,
        )
        .outerjoin(File, (File.release_id == Release.id) & is_offered)
        .where(Release.project_id == project.id, is_listed)
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
                yanked=row.file_yanked or row.yanked,
                yanked_reason=row.file_yanked_reason or row.yanked_reason,
                metadata_sha256=row.metadata_sha256 if row.packagetype == "bdist_wheel" else None,
                packagetype=row.packagetype,
                python_tag=row.python_tag,
                md5=row.md5,
                blake2_256=row.blake2_256,
                comment=row.comment,
            )
            for row in rows
            if row.filename is not None and not project.quarantined
        ),
        key=lambda file: (order[file.version], file.filename),
    )
    return Listing(
        name=project.normalized_name,
        last_serial=project.last_serial,
        status=project.status,
        status_reason=project.status_reason,
        versions=tuple(sorted(order, key=order.__getitem__)),
        files=tuple(listed),
    )
