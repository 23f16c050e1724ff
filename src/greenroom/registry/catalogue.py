"""Everything the public may see: the only module that decides visibility.

A file is public when it was published, a release when it was, a project when one of its releases
was. No other module asks the database for ``published``. What a draft's address shows is here too,
because it is the same listing made of other files.

Where not everybody may read everything, a session has a :class:`Reader`, and what that one may not
read is not there for whoever asks in this session. What is asked of a project, or of a release,
that was found so is not asked again. The registry's own work has a session without a limit.

A project in quarantine is still there, with its status and its history, so that people learn why;
but none of its files is offered to anyone, and no list recommends it (PEP 792).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from itertools import chain
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from packaging.version import Version
from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    String,
    and_,
    bindparam,
    cast,
    exists,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload, selectinload, undefer

from greenroom.core_metadata import CoreMetadata
from greenroom.database import run
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
    SearchDocument,
    TeamMember,
    User,
    Visibility,
    status_of,
)
from greenroom.models.base import UTCDateTime
from greenroom.registry.names import canonical_version, lookup_name
from greenroom.settings import Settings

WHEN_PUBLISHED = Release.published
"""When a release became public: for queries that read it as a column, and decide nothing by it."""

# Of so many, what limits a query to what they may read is not made anew each time.
_READERS_KEPT = 1000
# Releases, when only the newest of each project is wanted.
_MOST_LOOKED_AT = 1000


class Reader(Struct, frozen=True):
    """Who reads, as far as it decides on what.

    Attributes:
        is_unlimited: whether all that is public may be read; then nothing else counts.
        opens: the projects that may be read by whoever asks, by their visibility.
        further: those that this one may read besides.
        user_id: who may read besides what this user has a role in.
        project_id: the only project that the last two hold for; None for all.
    """

    is_unlimited: bool = False
    opens: tuple[Visibility, ...] = ()
    further: tuple[Visibility, ...] = ()
    user_id: int | None = None
    project_id: int | None = None

    @property
    def as_anybody(self) -> "Reader":
        """The reader who may read what whoever asks may read, and nothing else."""
        return Reader(is_unlimited=self.is_unlimited, opens=self.opens)


UNLIMITED = Reader(is_unlimited=True)

_OPENS = {"public": UNLIMITED, "members": Reader(), "projects": Reader(opens=(Visibility.PUBLIC,))}
_OF_MEMBERS = {
    "public": tuple(Visibility),
    "members": tuple(Visibility),
    "projects": (Visibility.PUBLIC, Visibility.INTERNAL),
}


def anybody(settings: Settings) -> Reader:
    """What is read by somebody of whom nothing is known."""
    return _OPENS[settings.read]


def member(
    settings: Settings, user_id: int, *, is_verified: bool, is_administrator: bool = False
) -> Reader:
    """What is read by somebody who has an account. An administrator keeps order everywhere.

    Who has signed up and is not verified is nobody's member yet, and reads what they have a role
    in, besides what whoever asks may read.
    """
    anyone = anybody(settings)
    opens = anyone.opens
    if not anyone.is_unlimited and not (is_verified or is_administrator):
        return Reader(opens=opens, user_id=user_id)
    if settings.read != "projects":
        return UNLIMITED
    if is_administrator:
        return Reader(opens=opens, further=tuple(Visibility))
    return Reader(opens=opens, further=_OF_MEMBERS[settings.read], user_id=user_id)


def token(
    settings: Settings, user_id: int, project_id: int | None, *, is_verified: bool, reads: bool
) -> Reader:
    """What is read with an API token of this user.

    Args:
        settings: of the index.
        user_id: whose it is.
        project_id: the only project that it covers; None for all.
        is_verified: whether the user is.
        reads: whether it has the permission to read. Without it, it reads what whoever asks reads,
            and what its user has a role in, because whoever uploads has to see what is there.
    """
    anyone = anybody(settings)
    if anyone.is_unlimited or (reads and project_id is None):
        return member(settings, user_id, is_verified=is_verified)
    further = _OF_MEMBERS[settings.read] if reads and is_verified else ()
    return Reader(opens=anyone.opens, further=further, user_id=user_id, project_id=project_id)


def limit(db: Session, reader: Reader) -> None:
    """Let what is asked in this session from now on be what this reader may read."""
    db.info[_READER] = reader


def reader_of(db: Session) -> Reader:
    """Who reads in this session."""
    reader: Reader = db.info.get(_READER, UNLIMITED)
    return reader


_READER = "greenroom.reader"


def reads_upstream(db: Session) -> bool:
    """Whether who reads in this session may read what the indexes behind this one have.

    Everybody may where everybody may read this index; else members, and tokens that read.
    """
    reader = reader_of(db)
    return reader.is_unlimited or Visibility.INTERNAL in reader.further


def sees_journal(db: Session) -> bool:
    """Whether the journal is told to whoever reads in this session: it names what is in it."""
    reader = reader_of(db)
    return reader.is_unlimited or bool(reader.opens)


def is_listed(settings: Settings, visibility: str) -> bool:
    """Whether the journal tells of a project of this visibility, which everybody may read."""
    return settings.read != "projects" or visibility == Visibility.PUBLIC


class ListedProject(NamedTuple):
    """A line of the list of projects: normalized name and newest serial."""

    name: str
    last_serial: int


class ListedFile(NamedTuple):
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


class HasId(Protocol):
    """A project or a release: a row, or a value that was made of one."""

    @property
    def id(self) -> int:
        """Its number in the database."""


class HasName(HasId, Protocol):
    """A project, by its name: a row, or a value that was made of one."""

    @property
    def name(self) -> str:
        """As it spells itself."""

    @property
    def normalized_name(self) -> str:
        """The name that is the same for all spellings."""


class HasListing(HasName, Protocol):
    """A project, by what its listing says of it: a row, or a value that was made of one."""

    @property
    def last_serial(self) -> int:
        """The serial of its newest journal entry."""

    @property
    def status(self) -> ProjectStatus:
        """The one status that it has to the world."""

    @property
    def status_reason(self) -> str:
        """Why it has that status; may be empty."""


class HasVersion(Protocol):
    """A release, by what decides whether it stands for its project."""

    @property
    def version(self) -> str:
        """As the files spell it."""

    @property
    def yanked(self) -> bool:
        """Whether it is yanked."""


_R = TypeVar("_R", bound=HasVersion)

# More columns than the types of queries can name.
_ListingQuery: TypeAlias = Select[*tuple[Any, ...]]


class PublicProject(NamedTuple):
    """A public project, for programs: what they are told of it, without its releases.

    ``name`` is as it spells itself; ``status_reason`` may be empty.
    """

    id: int
    name: str
    normalized_name: str
    last_serial: int
    status: ProjectStatus
    status_reason: str
    visibility: str


class PublicRelease(NamedTuple):
    """A public release, for programs, without what it says of itself.

    ``adopted_from`` is the upstream that files of it were copied from, None where it was none.
    """

    id: int
    version: str
    yanked: bool
    yanked_reason: str
    adopted_from: str | None = None


class NewRelease(NamedTuple):
    """A public release as a feed has it. ``author_email`` is empty where none is known."""

    project: str
    version: str
    summary: str
    published: datetime
    author_email: str


class NewProject(NamedTuple):
    """A public project as a feed has it, with what the release that stands for it says."""

    name: str
    registered: datetime
    summary: str
    author_email: str


class OfferedFile(NamedTuple):
    """A public file that anyone may have. ``project`` is its project's normalized name."""

    filename: str
    sha256: str
    metadata_sha256: str
    size: int
    is_wheel: bool
    project: str
    visibility: str


class Listing(Struct, frozen=True):
    """A project's page of a simple index: versions in order, files by version and name."""

    name: str
    last_serial: int
    status: ProjectStatus
    status_reason: str
    versions: tuple[str, ...]
    files: tuple[ListedFile, ...]


class ChangedProject(Struct, frozen=True):
    """A project, as it spells itself, and when anything public about it last changed."""

    name: str
    changed: datetime


def projects(db: Session) -> list[ListedProject]:
    """The public projects, by normalized name."""
    names, serials = project_columns(db)
    return list(map(ListedProject, names, map(int, serials)))


def project_columns(db: Session) -> tuple[list[str], list[str]]:
    """The public projects' normalized names, in order, and the newest serial of each, as text.

    Columns and not rows: to make a row of each takes longer than all the rest.
    """
    # As one text for the same reason. No name has a blank, and a blank comes before all that names
    # have, so that the lines are sorted by name.
    column = Project.normalized_name + " " + cast(Project.last_serial, String)
    listed = select(func.aggregate_strings(column, "\n")).where(_is_public_project())
    text = db.scalar(listed.where(*_may_read(db)))
    parts = " ".join(sorted(text.split("\n"))).split(" ") if text else []
    return parts[::2], parts[1::2]


def projects_named(db: Session, names: Iterable[str]) -> list[ListedProject]:
    """Those of these projects that are public, by normalized name."""
    named = _listed_projects().where(Project.normalized_name.in_(list(names)), *_may_read(db))
    return sorted(map(ListedProject._make, db.execute(named)))


def further_projects(db: Session) -> list[ListedProject]:
    """Those public projects, by normalized name, that not just anybody may read, but who asks."""
    reader = reader_of(db)
    if reader == reader.as_anybody:
        return []
    others = _listed_projects().where(Project.visibility.not_in(reader.opens), *_may_read(db))
    return sorted(map(ListedProject._make, db.execute(others)))


def project_serials(db: Session) -> dict[str, int]:
    """The newest serial of each public project, by the name that the project spells itself."""
    listed = select(Project.name, Project.last_serial).where(_is_public_project(), *_may_read(db))
    return dict(sorted((name, serial) for name, serial in db.execute(listed)))


def changed_projects(db: Session, *, start: int, count: int) -> list[ChangedProject]:
    """Some of the public projects that a list may recommend, by name."""
    # These first, so that the journal is asked for no others.
    some = (
        select(Project.name, Project.normalized_name, Project.last_serial)
        .where(_is_public_project(), _is_recommended(), *_may_read(db))
        .order_by(Project.normalized_name)
        .offset(start)
        .limit(count)
        .subquery()
    )
    rows = db.execute(
        select(some.c.name, JournalEntry.at)
        .join(JournalEntry, JournalEntry.id == some.c.last_serial)
        .order_by(some.c.normalized_name)
    )
    return [ChangedProject(name, at) for name, at in rows]


def count_projects(db: Session) -> int:
    """How many public projects there are that a list may recommend."""
    # What search looks through has one row for each public project; to count rows is cheap.
    counted = select(func.count()).select_from(SearchDocument)
    return db.scalar(counted.where(_is_outside_quarantine(), *_may_read_document(db))) or 0


def newest_projects(db: Session, count: int) -> list[NewProject]:
    """The public projects that were registered last, the newest first."""
    projects = db.execute(
        select(Project.id, Project.name, Project.registered)
        .where(_is_public_project(), _is_recommended(), *_may_read(db))
        .order_by(Project.registered.desc(), Project.normalized_name)
        .limit(count)
    ).all()
    standing = _standing(db, [project.id for project in projects])
    emails = _author_emails(db, [release.id for release in standing.values()])
    return [
        NewProject(
            project.name,
            project.registered,
            standing[project.id].summary,
            emails.get(standing[project.id].id, ""),
        )
        for project in projects
    ]


def project(db: Session, name: str) -> Project | None:
    """The public project of this name, in any spelling."""
    return db.scalar(
        select(Project)
        .where(Project.normalized_name == lookup_name(name), _is_public_project(), *_may_read(db))
        .options(selectinload(Project.roles))
    )


def find(db: Session, name: str) -> PublicProject | None:
    """The public project of this name, in any spelling, as programs are told of it."""
    row = run(db, _finding_project(reader_of(db)), {"name": lookup_name(name)}).first()
    return None if row is None else _public_project(*row)


def prepare_statements(db: Session) -> None:
    """Ask once what installers have an index ask, so that it is compiled.

    What compiled it before it is forked has not got to do so in each of its processes.
    """
    find(db, "")
    run(db, _PUBLIC_LISTING, {"project_id": 0}).close()
    offered_file(db, "")


def find_release(db: Session, project_id: int, version: str) -> PublicRelease | None:
    """The project's public release of this version, in any spelling, as programs are told of it."""
    canonical = _canonical(version)
    if canonical is None:
        return None
    query = _public_releases(project_id).where(Release.canonical_version == canonical)
    row = db.execute(query).first()
    return None if row is None else PublicRelease._make(row)


def find_releases(db: Session, project_id: int) -> list[PublicRelease]:
    """The project's public releases, the highest version first, as programs are told of them."""
    rows = db.execute(_public_releases(project_id))
    return highest_first(map(PublicRelease._make, rows))


def metadata_of(db: Session, release: PublicRelease) -> CoreMetadata:
    """What a public release says of itself."""
    return db.execute(select(Release.core_metadata).where(Release.id == release.id)).scalar_one()


def name_like(db: Session, settings: Settings, confusable: str) -> str | None:
    """The name of a public project that has this form when look-alike characters are folded.

    One that not just anybody may read is named to nobody.
    """
    return db.scalar(
        select(Project.name)
        .where(
            Project.confusable_name == confusable, _is_public_project(), *_names_to_all(settings)
        )
        .order_by(Project.id)
        .limit(1)
    )


def listing(db: Session, project: HasListing) -> Listing:
    """What the simple index says of a public project. Releases may have lost all their files."""
    return _listing(db, project, _PUBLIC_LISTING, {"project_id": project.id})


def release_listing(db: Session, project: HasListing, release: PublicRelease | Release) -> Listing:
    """The part of the listing that is of one public release."""
    return _listing(db, project, _RELEASE_LISTING, {"release_id": release.id})


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
    return _listing(db, draft.project, _DRAFT_LISTING, {"draft_id": draft.id})


def set_listing(db: Session, project: Project, drafts: Sequence[Draft]) -> Listing:
    """What the simple index of a release set says of one of its projects.

    That are the staged files of its drafts of the project, which are these, and nothing else.
    """
    return _listing(db, project, _SET_LISTING, {"draft_ids": [draft.id for draft in drafts]})


def projects_besides_public(db: Session, drafts: Sequence[Draft]) -> list[ListedProject]:
    """The projects of these drafts that are not in the public list, as far as who asks reads it."""
    listed = {project.name: project for draft in drafts for project in draft_projects(draft)}
    public = {project.name for project in projects_named(db, listed)}
    return [project for name, project in listed.items() if name not in public]


def full_listing(
    db: Session, public: PublicProject | None, drafts: Sequence[Draft]
) -> tuple[Listing, dict[str, Draft]]:
    """What a project's page says where its drafts count as if they were published.

    Args:
        db: a session.
        public: the project, where whoever asks may read it in public.
        drafts: of this project; one at least where the project is not public.

    Returns:
        The listing, and of which draft each staged file is, by its name. A published file has no
        namesake among them.
    """
    listings = [listing(db, public)] if public is not None else []
    draft_of: dict[str, Draft] = {}
    for draft in drafts:
        staged = draft_listing(db, draft)
        draft_of |= dict.fromkeys((file.filename for file in staged.files), draft)
        listings.append(staged)
    versions = sorted({version for each in listings for version in each.versions}, key=_version)
    files = [file for each in listings for file in each.files]
    whole = replace(listings[0], versions=tuple(versions), files=_in_order(files, versions))
    return whole, draft_of


def releases(db: Session, project: HasId) -> list[Release]:
    """The project's public releases, the highest version first."""
    return releases_of(db, [project])[project.id]


def releases_of(db: Session, projects: Iterable[HasId]) -> dict[int, list[Release]]:
    """The same for each of these projects, by its number, with one query."""
    found: dict[int, list[Release]] = {project.id: [] for project in projects}
    rows = db.scalars(select(Release).where(Release.project_id.in_(found), _is_public_release()))
    for row in rows:
        found[row.project_id].append(row)
    return {number: highest_first(several) for number, several in found.items()}


def latest(releases: Sequence[_R]) -> _R | None:
    """The release that stands for its project, out of its public releases, the highest first.

    The highest final version that is not yanked; else the highest pre-release that is not yanked;
    else the highest of all.
    """
    standing = [release for release in releases if not release.yanked]
    final = (release for release in standing if not _version(release.version).is_prerelease)
    return next(chain(final, standing, releases), None)


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
            .where(Release.id.in_(ids), _is_public_release(), *_is_of_project(_may_read(db)))
            .options(joinedload(Release.project, innerjoin=True))
        )
    }
    return [found[number] for number in ids if number in found]


def is_recommended(db: Session) -> ColumnElement[bool]:
    """Whether a project may be found by who does not know it: for queries that join projects."""
    return and_(_is_public_project(), _is_recommended(), *_may_read(db))


def may_read_document(db: Session) -> ColumnElement[bool]:
    """Whether what search looks through is of a project that may be read."""
    return and_(true(), *_may_read_document(db))


def is_recommended_document(db: Session) -> ColumnElement[bool]:
    """The same for queries that ask for what search looks through, without a look at projects."""
    is_public = exists().where(
        Release.project_id == SearchDocument.project_id, _is_public_release()
    )
    return and_(is_public, _is_outside_quarantine(), *_may_read_document(db))


def load_details(db: Session, release: Release) -> Release:
    """The release with core metadata and rendered description."""
    return db.scalars(
        select(Release)
        .where(Release.id == release.id)
        .options(undefer(Release.core_metadata), undefer(Release.description_html))
        .execution_options(populate_existing=True)
    ).one()


def files(db: Session, release: HasId) -> list[File]:
    """The release's public files: the source distribution first, then wheels by name."""
    return files_of(db, [release])[release.id]


def files_of(
    db: Session, releases: Iterable[HasId], *, described: bool = False
) -> dict[int, list[File]]:
    """The same for each of these releases, by its number, with one query.

    They come with what they say of themselves where they are to be ``described``.
    """
    found: dict[int, list[File]] = {release.id: [] for release in releases}
    query = select(File).where(File.release_id.in_(found), _is_public_file())
    for file in db.scalars(query.options(undefer(File.core_metadata)) if described else query):
        found[file.release_id].append(file)
    for several in found.values():
        several.sort(key=lambda file: (not file.is_sdist, file.filename))
    return found


def offered_files(db: Session, project: Project, release: Release) -> list[File]:
    """Those of its public files that anyone may have: none while the project is in quarantine."""
    return [] if project.quarantined else files(db, release)


def file(db: Session, filename: str) -> File | None:
    """The public file of this name."""
    if not _is_searchable(filename):
        return None
    limits = _is_of_release(_may_read(db))
    return db.scalar(select(File).where(File.filename == filename, _is_public_file(), *limits))


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


def offered_file_of(db: Session, project: Project, release: Release, filename: str) -> File | None:
    """The release's public file of this name, if anyone may have it who may read the project."""
    found = None if project.quarantined else file_of(db, project, filename)
    return found if found is not None and found.release_id == release.id else None


def offered_file(db: Session, filename: str) -> OfferedFile | None:
    """The public file of this name, if anyone may have it."""
    if not _is_searchable(filename):
        return None
    row = run(db, _finding_file(reader_of(db)), {"filename": filename}).first()
    if row is None:
        return None
    filename, sha256, metadata_sha256, size, packagetype, project, visibility = row
    return OfferedFile(
        filename,
        sha256,
        metadata_sha256,
        size,
        packagetype == "bdist_wheel",
        project,
        visibility,
    )


def digests_of(db: Session, filenames: Iterable[str]) -> dict[str, str]:
    """The SHA-256 digests of those of these files that are public, by name."""
    rows = db.execute(
        select(File.filename, File.sha256).where(
            File.filename.in_(list(filenames)), _is_public_file()
        )
    )
    return dict(rows.all())


class PublishedFile(NamedTuple):
    """What tells whether a file that is elsewhere is public here, too."""

    sha256: str
    md5: str
    size: int


def published_named(db: Session, filenames: Iterable[str]) -> dict[str, PublishedFile]:
    """Those of these files that are public, by name."""
    wanted = [name for name in filenames if _is_searchable(name)]
    rows = db.execute(
        select(File.filename, File.sha256, File.md5, File.size).where(
            File.filename.in_(wanted), _is_public_file()
        )
    )
    return {name: PublishedFile(sha256, md5, size) for name, sha256, md5, size in rows}


def yanked_wholly(db: Session, project: Project) -> list[tuple[Release, str]]:
    """The public releases that are not yanked while each of their files is, with a reason."""
    rows = db.execute(
        select(Release, File.yanked, File.yanked_reason)
        .join(File, File.release_id == Release.id)
        .where(
            Release.project_id == project.id,
            Release.yanked.is_(False),
            _is_public_release(),
            _is_public_file(),
        )
        .order_by(File.filename)
    )
    reasons: dict[int, list[str]] = {}
    releases: dict[int, Release] = {}
    standing = set()
    for release, yanked, reason in rows:
        releases[release.id] = release
        reasons.setdefault(release.id, []).append(reason)
        if not yanked:
            standing.add(release.id)
    return [
        (releases[number], next(filter(None, found), ""))
        for number, found in reasons.items()
        if number not in standing
    ]


def names_of_contents(db: Session, settings: Settings, digests: Iterable[str]) -> dict[str, str]:
    """The name under which each of these contents is public first, by SHA-256 digest.

    That a project has it which not just anybody may read is told to nobody.
    """
    limits = _is_of_release(_names_to_all(settings))
    rows = db.execute(
        select(File.sha256, File.filename)
        .where(File.sha256.in_(list(digests)), _is_public_file(), *limits)
        .order_by(File.id.desc())
    )
    return dict(rows.all())


class Uses(Struct, frozen=True):
    """Where a file's name and content are public, or were.

    Attributes:
        name_was_used: whether a file of this name was ever published.
        content_of_name: the SHA-256 of the public file of this name, None where there is none.
        name_of_content: the name under which this content is public first, None where it is not.
    """

    name_was_used: bool
    content_of_name: str | None
    name_of_content: str | None


def uses(db: Session, settings: Settings, filename: str, sha256: str) -> Uses:
    """Where the name and the content of a file are public, in one query.

    See :func:`names_of_contents` for what of that is told.
    """
    if not _is_searchable(filename):
        return Uses(False, None, names_of_contents(db, settings, [sha256]).get(sha256))
    row = run(db, _uses(settings.read), {"filename": filename, "sha256": sha256}).one()
    used, content, name = row
    return Uses(name_was_used=used is not None, content_of_name=content, name_of_content=name)


@cache
def _uses(read: str) -> Select[str | None, str | None, str | None]:
    """One row, which says nothing where nothing is public."""
    used = select(PublishedName.filename).where(PublishedName.filename == bindparam("filename"))
    public = select(File.sha256).where(File.filename == bindparam("filename"), _is_public_file())
    names = select(File.filename).where(
        File.sha256 == bindparam("sha256"), _is_public_file(), *_is_of_release(_NAMES_TO_ALL[read])
    )
    return select(
        used.scalar_subquery().label("used"),
        public.scalar_subquery().label("content"),
        names.order_by(File.id).limit(1).scalar_subquery().label("name"),
    )


def newest_releases(db: Session, count: int, project: HasListing | None = None) -> list[NewRelease]:
    """The releases that became public last, the newest first.

    Those that became public at the same instant come by name, not by the order of their rows:
    rows are older where a release has waited in a draft.
    """
    query = (
        select(Release.id, Project.name, Release.version, Release.summary, Release.published)
        .join(Release.project)
        .where(_is_public_release(), _is_recommended(), *_may_read(db))
        .order_by(
            Release.published.desc(), Project.normalized_name, Release.canonical_version.desc()
        )
        .limit(count)
    )
    if project is not None:
        query = query.where(Release.project_id == project.id)
    rows = db.execute(query).all()
    emails = _author_emails(db, [row.id for row in rows])
    return [
        NewRelease(row.name, row.version, row.summary, row.published, emails.get(row.id, ""))
        for row in rows
    ]


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
    return files_of(db, [release], described=True)[release.id]


def newest_release_of_each(db: Session, count: int) -> list[Release]:
    """Like :func:`newest_releases`, but of each project only the newest.

    Only the last thousand releases are looked at, so that the work stays small.
    """
    rows = db.execute(
        select(Release.id, Release.project_id)
        .join(Release.project)
        .where(_is_public_release(), _is_recommended(), *_may_read(db))
        .order_by(
            Release.published.desc(), Project.normalized_name, Release.canonical_version.desc()
        )
        .limit(_MOST_LOOKED_AT)
    )
    newest: dict[int, int] = {}
    for release_id, project_id in rows:
        newest.setdefault(project_id, release_id)
    return releases_by_id(db, list(newest.values())[:count])


def projects_of(db: Session, user: User) -> list[Project]:
    """The public projects that the user works on and is shown with, by name."""
    shown = select(Role.project_id).where(_is_shown_of(user))
    return list(
        db.scalars(
            select(Project)
            .where(Project.id.in_(shown), _is_public_project(), _is_recommended(), *_may_read(db))
            .order_by(Project.normalized_name)
        )
    )


def _is_shown_of(user: User) -> ColumnElement[bool]:
    """Whether a role is one that the user is shown with: their own, and those of some teams.

    A team may get projects that its members have never heard of.
    """
    chosen = select(TeamMember.team_id).where(TeamMember.user_id == user.id, TeamMember.shown)
    return and_(Role.user_id == user.id, Role.team_id.is_(None) | Role.team_id.in_(chosen))


def roles_of(db: Session, user: User) -> list[tuple[str, str]]:
    """Role and project of everything public that the user is shown with, what is owned first.

    Each project comes once, with the strongest role, by name, which is as it spells itself.
    """
    rows = db.execute(
        select(Role.name, Project.name)
        .join(Project, Role.project_id == Project.id)
        .where(_is_shown_of(user), _is_public_project(), _is_recommended(), *_may_read(db))
    )
    return _strongest(rows)


def owners_of_beginning(db: Session, user_ids: Collection[int], beginning: str) -> set[int]:
    """Those of the users who own a public project whose normalized name begins so."""
    found = (
        select(Role.user_id)
        .join(Project, Role.project_id == Project.id)
        .where(
            Role.user_id.in_(user_ids),
            Role.name == RoleName.OWNER,
            Project.normalized_name.startswith(beginning, autoescape=True),
            _is_public_project(),
        )
    )
    return set(db.scalars(found.distinct()))


def people(db: Session, project: PublicProject) -> list[tuple[str, str]]:
    """Role and user name of everybody who works on a public project: owners first, by name.

    Everybody comes once, with the strongest role that they have.
    """
    return _strongest(db.execute(_PEOPLE, {"project_id": project.id}))


def _strongest(rows: Iterable[Row[str, str]]) -> list[tuple[str, str]]:
    """Of pairs of a role and a name the strongest of each name, owners first, by name."""
    weakest_first = sorted(rows, key=lambda row: -_rank(row[0]))
    found = {name: role for role, name in weakest_first}
    return sorted(
        ((role, name) for name, role in found.items()), key=lambda row: (_rank(row[0]), row[1])
    )


def _rank(role: str) -> int:
    return [RoleName.OWNER, RoleName.MAINTAINER].index(RoleName(role))


def _is_searchable(filename: str) -> bool:
    """Whether there can be such a file. PostgreSQL refuses to be asked for some texts."""
    return filename.isascii() and filename.isprintable()


def highest_first(releases: Iterable[_R]) -> list[_R]:
    """The releases by version, in the order that :func:`latest` wants."""
    return sorted(releases, key=lambda release: _version(release.version), reverse=True)


# Parsing takes as long as all else that is done for a line of a page.
@lru_cache(maxsize=4096)
def _version(text: str) -> Version:
    return Version(text)


def _is_public_release() -> ColumnElement[bool]:
    return Release.published.is_not(None)


def _is_public_file() -> ColumnElement[bool]:
    # Either says it; the index of public file names is of the rows for which the second holds.
    return File.published.is_not(None) & File.draft_id.is_(None)


def _is_public_project() -> ColumnElement[bool]:
    return exists().where(Release.project_id == Project.id, _is_public_release())


def _may_read(db: Session) -> tuple[ColumnElement[bool], ...]:
    """What limits a query that has projects in it to what may be read; mostly nothing does."""
    return _limits(reader_of(db))


def _limits(reader: Reader) -> tuple[ColumnElement[bool], ...]:
    return () if reader.is_unlimited else (_is_readable(reader),)


@lru_cache(maxsize=_READERS_KEPT)
def _is_readable(reader: Reader) -> ColumnElement[bool]:
    own: list[ColumnElement[bool]] = []
    if reader.further:
        own.append(Project.visibility.in_(reader.further))
    if reader.user_id is not None:
        has_role = (_READING.project_id == Project.id) & (_READING.user_id == reader.user_id)
        own.append(exists().where(has_role))
    is_covered = Project.id == reader.project_id if reader.project_id is not None else true()
    return or_(Project.visibility.in_(reader.opens), and_(is_covered, or_(false(), *own)))


def _names_to_all(settings: Settings) -> tuple[ColumnElement[bool], ...]:
    """What limits a query to projects whose names everybody learns who may upload."""
    return _NAMES_TO_ALL[settings.read]


# Queries that have roles in them already are not confused by these.
_READING = aliased(Role, name="reading_roles")

_NAMES_TO_ALL: dict[str, tuple[ColumnElement[bool], ...]] = {
    "public": (),
    "members": (),
    "projects": (Project.visibility == Visibility.PUBLIC,),
}


def _may_read_document(db: Session) -> tuple[ColumnElement[bool], ...]:
    """The same for queries of what search looks through."""
    limits = _may_read(db)
    readable = select(Project.id).where(*limits)
    return (SearchDocument.project_id.in_(readable),) if limits else ()


def _is_of_project(
    limits: tuple[ColumnElement[bool], ...],
) -> tuple[ColumnElement[bool], ...]:
    """The same for queries of releases."""
    return (Release.project_id.in_(select(Project.id).where(*limits)),) if limits else ()


def _is_of_release(
    limits: tuple[ColumnElement[bool], ...],
) -> tuple[ColumnElement[bool], ...]:
    """The same for queries of files."""
    of_project = _is_of_project(limits)
    return (File.release_id.in_(select(Release.id).where(*of_project)),) if limits else ()


def _is_recommended() -> ColumnElement[bool]:
    return Project.quarantined.is_(False)


def _is_outside_quarantine() -> ColumnElement[bool]:
    # Those inside are few.
    return SearchDocument.project_id.not_in(select(Project.id).where(Project.quarantined))


def _canonical(version: str) -> str | None:
    try:
        return canonical_version(Version(version))
    except ValueError:
        return None


def _listed_projects() -> Select[str, int]:
    return select(Project.normalized_name, Project.last_serial).where(_is_public_project())


def _public_releases(project_id: int) -> Select[int, str, bool, str, str | None]:
    return select(
        Release.id,
        Release.version,
        Release.yanked,
        Release.yanked_reason,
        Release.adopted_from,
    ).where(Release.project_id == project_id, _is_public_release())


class _Standing(NamedTuple):
    id: int
    version: str
    yanked: bool
    summary: str


def _standing(db: Session, project_ids: Sequence[int]) -> dict[int, _Standing]:
    """The release that stands for each of these projects, by project id."""
    of_project: dict[int, list[_Standing]] = {}
    rows = db.execute(
        select(
            Release.project_id, Release.id, Release.version, Release.yanked, Release.summary
        ).where(Release.project_id.in_(project_ids), _is_public_release())
    )
    for project_id, *values in rows:
        of_project.setdefault(project_id, []).append(_Standing._make(values))
    chosen = {key: latest(highest_first(found)) for key, found in of_project.items()}
    return {key: release for key, release in chosen.items() if release is not None}


def _author_emails(db: Session, release_ids: Sequence[int]) -> dict[int, str]:
    """What the metadata of these releases has as ``Author-email``, by release id, where it has."""
    field = Release.core_metadata["author_email"].as_string()
    rows = db.execute(select(Release.id, field).where(Release.id.in_(release_ids)))
    return {key: text for key, text in rows if text}


def _public_project(
    number: int,
    name: str,
    normalized_name: str,
    last_serial: int,
    archived: bool,
    archived_reason: str,
    quarantined: bool,
    quarantined_reason: str,
    visibility: str,
) -> PublicProject:
    """The value of a row of :data:`_FIND_PROJECT`."""
    status, reason = status_of(
        archived=archived,
        archived_reason=archived_reason,
        quarantined=quarantined,
        quarantined_reason=quarantined_reason,
    )
    return PublicProject(number, name, normalized_name, last_serial, status, reason, visibility)


def _listing_query(
    is_listed: ColumnElement[bool], is_offered: ColumnElement[bool]
) -> _ListingQuery:
    """Of these releases, these files; one row for a release that has none."""
    return (
        select(
            Release.version,
            Release.yanked,
            Release.yanked_reason,
            File.filename,
            File.sha256,
            File.size,
            func.coalesce(File.published, File.created, type_=UTCDateTime()),
            File.requires_python,
            File.yanked,
            File.yanked_reason,
            File.metadata_sha256,
            File.packagetype,
            File.python_tag,
            File.md5,
            File.blake2_256,
            File.comment,
        )
        .outerjoin(File, (File.release_id == Release.id) & is_offered)
        .where(is_listed)
    )


def _listing(
    db: Session,
    project: HasListing,
    query: _ListingQuery,
    parameters: dict[str, int] | dict[str, list[int]],
) -> Listing:
    # By the connection, because the session's own results are made for objects, and slower.
    rows = db.connection().execute(query, parameters).all()
    versions = sorted({row[0] for row in rows}, key=_version)
    offers = project.status != ProjectStatus.QUARANTINED
    files = [_listed_file(*row) for row in rows if row[3] is not None] if offers else []
    return Listing(
        name=project.normalized_name,
        last_serial=project.last_serial,
        status=project.status,
        status_reason=project.status_reason,
        versions=tuple(versions),
        files=_in_order(files, versions),
    )


def _in_order(files: Iterable[ListedFile], versions: Sequence[str]) -> tuple[ListedFile, ...]:
    """The files by version and name."""
    order = {version: number for number, version in enumerate(versions)}
    return tuple(sorted(files, key=lambda file: (order[file.version], file.filename)))


def _listed_file(
    version: str,
    release_yanked: bool,
    release_reason: str,
    filename: str,
    sha256: str,
    size: int,
    upload_time: datetime,
    requires_python: str | None,
    yanked: bool,
    reason: str,
    metadata_sha256: str,
    packagetype: str,
    python_tag: str,
    md5: str,
    blake2_256: str,
    comment: str,
) -> ListedFile:
    """The line of a row of :func:`_listing_query`: a file is yanked by itself or as a release."""
    return ListedFile(
        filename,
        version,
        sha256,
        size,
        upload_time,
        requires_python,
        yanked or release_yanked,
        reason or release_reason,
        metadata_sha256 if packagetype == "bdist_wheel" else None,
        packagetype,
        python_tag,
        md5,
        blake2_256,
        comment,
    )


# What is asked for each page, made once: building a query takes longer than sending it.
_FIND_PROJECT = select(
    Project.id,
    Project.name,
    Project.normalized_name,
    Project.last_serial,
    Project.archived,
    Project.archived_reason,
    Project.quarantined,
    Project.quarantined_reason,
    Project.visibility,
).where(Project.normalized_name == bindparam("name"), _is_public_project())

_PEOPLE = (
    select(Role.name, User.username)
    .join(User, User.id == Role.user_id)
    .where(Role.project_id == bindparam("project_id"))
)

_OFFERED_FILE = (
    select(
        File.filename,
        File.sha256,
        File.metadata_sha256,
        File.size,
        File.packagetype,
        Project.normalized_name,
        Project.visibility,
    )
    .join(Release, Release.id == File.release_id)
    .join(Project, Project.id == Release.project_id)
    .where(File.filename == bindparam("filename"), _is_public_file(), _is_recommended())
)

_PUBLIC_LISTING = _listing_query(
    (Release.project_id == bindparam("project_id")) & _is_public_release(), _is_public_file()
)
_RELEASE_LISTING = _listing_query(Release.id == bindparam("release_id"), _is_public_file())
_DRAFT_LISTING = _listing_query(
    File.draft_id == bindparam("draft_id"), File.draft_id == bindparam("draft_id")
)
_SET_LISTING = _listing_query(
    File.draft_id.in_(bindparam("draft_ids", expanding=True)),
    File.draft_id.in_(bindparam("draft_ids", expanding=True)),
)


@lru_cache(maxsize=_READERS_KEPT)
def _finding_project(
    reader: Reader,
) -> Select[int, str, str, int, bool, str, bool, str, str]:
    return _FIND_PROJECT.where(*_limits(reader))


@lru_cache(maxsize=_READERS_KEPT)
def _finding_file(reader: Reader) -> Select[str, str, str, int, str, str, str]:
    return _OFFERED_FILE.where(*_limits(reader))
