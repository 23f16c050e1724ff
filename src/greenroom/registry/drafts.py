"""Drafts: open, add, remove, replace, extend, rotate, publish, discard, expire.

A draft is a release that only the people who hold its address can see, until one transaction makes
it public. PEP 694 calls it a publishing session. Every entry point calls the functions here.

Whatever changes a draft holds the lock of its project (:func:`projects.lock`), so that two acts on
one project happen one after the other.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, cast

from msgspec import Struct
from packaging.version import Version
from sqlalchemy import ColumnElement, Select, Table, bindparam, delete, func, select, true, update
from sqlalchemy.orm import Session, lazyload, selectinload, undefer

from greenroom.core_metadata import CoreMetadata
from greenroom.database import run
from greenroom.distributions.inspect import Distribution
from greenroom.models import (
    PRESIGNED,
    Draft,
    DraftEvent,
    DraftState,
    File,
    Project,
    Release,
    ReviewState,
    UploadPart,
    UploadSession,
    UploadState,
)
from greenroom.registry import (
    catalogue,
    draft_addresses,
    draft_contents,
    draft_log,
    file_facts,
    file_rules,
    jobs,
    live_drafts,
    projects,
    released_blobs,
    releases,
    set_members,
    upload_places,
    upstreams,
)
from greenroom.registry.artifacts import Artifact
from greenroom.registry.draft_addresses import SLUG_LENGTH, new_slug
from greenroom.registry.errors import (
    BeingReviewed,
    DraftExists,
    Ended,
    FileReserved,
    InvalidRequest,
    NotFound,
)
from greenroom.registry.names import canonical_version, lookup_name
from greenroom.registry.permissions import (
    EXPIRY,
    Act,
    Actor,
    may,
    may_follow,
    require,
    require_upload,
)
from greenroom.registry.random_text import may_be_random_text, random_text
from greenroom.registry.reasons import check_line
from greenroom.registry.releases import FileSummary
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.upload_places import DraftThere, ReleaseThere

KEY_LENGTH = 22
# For so long after its end a session tells what became of it and of its files.
STATUS_KEPT = timedelta(days=30)


class DraftDetails(Struct, frozen=True):
    """A draft as it stands at the moment of a unit of work, for pages and APIs.

    Attributes:
        slug: the secret of its address.
        key: what the address of its publishing session has.
        state: judged by the clock.
        review: what a review that is not passed came to; None where the draft has ended.
        review_notices: why the review did not pass, or what it said when it did.
        time_left: how long it lives on, zero where it has ended by now.
        scheduled: when it is to be published by itself, None where nobody has set a time.
        members_only: whether its address takes an account besides.
        upstream_warning: what to know of an index behind this one that has the name, too; empty
            where there is nothing, and where the draft has ended.
    """

    project_name: str
    version: str
    slug: str
    key: str
    state: DraftState
    review: ReviewState | None
    review_notices: tuple[str, ...]
    expires: datetime
    time_left: timedelta
    scheduled: datetime | None
    members_only: bool
    upstream_warning: str

    @property
    def is_live(self) -> bool:
        """Whether it still stands open."""
        return self.state is DraftState.OPEN

    @property
    def is_being_reviewed(self) -> bool:
        """Whether its publication is being decided, so that it takes no changes."""
        return self.review is ReviewState.PROCESSING


class DraftSummary(Struct, frozen=True):
    """A live draft in a list.

    Attributes:
        changed: when its files last changed.
        time_left: how long it lives on.
        file_count: how many files are staged in it.
        size: of all of them, in bytes.
    """

    project_name: str
    version: str
    changed: datetime
    expires: datetime
    time_left: timedelta
    file_count: int
    size: int


class DraftEventLine(Struct, frozen=True):
    """A line of a draft's log: who did what, when, to which file.

    ``means`` is which run of which workflow did it, where it was one.
    """

    at: datetime
    by: str
    act: str
    filename: str | None
    detail: str
    means: str | None


class StagedContent(Struct, frozen=True):
    """A staged file: what it is called, and the SHA-256 of what is in it."""

    filename: str
    sha256: str


class Staged(StrEnum):
    """What adding a file to a draft came to."""

    ADDED = "added"
    REPLACED = "replaced"
    COMMENTED = "commented on"
    UNCHANGED = "unchanged"


# Finding


def by_slug(db: Session, slug: str) -> Draft | None:
    """The draft, live or ended, that has this slug."""
    if not may_be_random_text(slug, SLUG_LENGTH):
        return None
    return db.scalar(select(Draft).where(Draft.slug == slug))


def by_key(db: Session, key: str) -> Draft | None:
    """The draft, live or ended, whose session has this key (PEP 694)."""
    if not may_be_random_text(key, KEY_LENGTH):
        return None
    return db.scalar(select(Draft).where(Draft.key == key))


def live(uow: UnitOfWork, project: Project, version: Version) -> Draft | None:
    """The live draft of this version (1.0 and 1.0.0 are the same)."""
    return uow.db.scalar(
        select(Draft).where(
            Draft.project_id == project.id,
            Draft.canonical_version == canonical_version(version),
            live_drafts.is_live(uow),
        )
    )


def release_and_live(
    uow: UnitOfWork, project: Project, version: Version
) -> tuple[Release | None, Draft | None]:
    """The release of this version, published or not, with what it says; and its live draft."""
    row = uow.db.execute(
        _RELEASE_AND_LIVE,
        {"project": project.id, "version": canonical_version(version), "now": uow.now},
    ).one_or_none()
    return (row[0], row[1]) if row is not None else (None, None)


_RELEASE_AND_LIVE = (
    select(Release, Draft)
    .outerjoin(Draft, (Draft.release_id == Release.id) & live_drafts.LIVE_NOW)
    .where(
        Release.project_id == bindparam("project"),
        Release.canonical_version == bindparam("version"),
    )
    # The draft's project and release are in hand.
    .options(undefer(Release.core_metadata), lazyload(Draft.project), lazyload(Draft.release))
    .execution_options(populate_existing=True)
)


def newest(uow: UnitOfWork, project: Project, version: Version) -> Draft | None:
    """The live draft of this version, or else the last one that was published.

    A draft that was discarded or has expired belongs to no project any more.
    """
    return uow.db.scalar(
        select(Draft)
        .where(
            Draft.project_id == project.id,
            Draft.canonical_version == canonical_version(version),
            live_drafts.is_live(uow) | (Draft.state == DraftState.PUBLISHED),
        )
        .order_by((Draft.state == DraftState.OPEN).desc(), Draft.id.desc())
        .limit(1)
    )


def live_for(uow: UnitOfWork, actor: Actor, project_name: str, version: Version) -> Draft:
    """The live draft of a project and version, for an actor who may see it.

    Raises:
        NotFound: there is none, or the actor may not know; the sentence is the same.
    """
    project = projects.find(uow, project_name)
    draft = live(uow, project, version) if project is not None else None
    if project is None or draft is None or not may(actor, Act.SEE, project):
        raise NotFound(f"There is no draft of {project_name} {version} that you may see.")
    return draft


def state(uow: UnitOfWork, draft: Draft) -> DraftState:
    """Where the draft stands now: it has expired from the second it falls due."""
    if draft.state == DraftState.OPEN and draft.expires <= uow.now:
        return DraftState.EXPIRED
    return DraftState(draft.state)


def is_live(uow: UnitOfWork, draft: Draft) -> bool:
    """Whether the draft still stands open."""
    return state(uow, draft) is DraftState.OPEN


def details(uow: UnitOfWork, draft: Draft) -> DraftDetails:
    """The draft as it stands now, for pages and APIs."""
    now = state(uow, draft)
    is_open = now is DraftState.OPEN
    return DraftDetails(
        project_name=draft.project_name,
        version=draft.version,
        slug=draft.slug,
        key=draft.key,
        state=now,
        review=ReviewState(draft.review) if draft.review is not None and is_open else None,
        review_notices=tuple(draft.review_notices),
        expires=draft.expires,
        time_left=max(draft.expires - uow.now, timedelta(0)),
        scheduled=draft.scheduled if is_open else None,
        members_only=draft.members_only,
        upstream_warning=_upstream_warning(uow, draft) if is_open else "",
    )


def _upstream_warning(uow: UnitOfWork, draft: Draft) -> str:
    project = draft.project
    return upstreams.warnings(uow, [project])[0] if project is not None else ""


def summary(uow: UnitOfWork, draft: Draft) -> DraftSummary:
    """What lists say of a live draft that was loaded with its files."""
    return DraftSummary(
        project_name=draft.project_name,
        version=draft.version,
        changed=draft.changed,
        expires=draft.expires,
        time_left=draft.expires - uow.now,
        file_count=len(draft.files),
        size=sum(file.size for file in draft.files),
    )


def live_of_projects(uow: UnitOfWork, projects_: list[Project]) -> list[Draft]:
    """The live drafts of these projects with their files, the last changed one first."""
    return _live(uow, [project.id for project in projects_])


def all_live(uow: UnitOfWork) -> list[Draft]:
    """Every live draft with its files, the last changed one first: for operators."""
    return _live(uow, None)


def some_live(uow: UnitOfWork, words: str = "", *, start: int, count: int) -> list[Draft]:
    """Some of the live drafts that :func:`count_live` counts, with their files."""
    found = _live_ones(uow).where(_is_called(words)).offset(start).limit(count)
    return list(uow.db.scalars(found))


def count_live(uow: UnitOfWork, words: str = "") -> int:
    """How many drafts stand open; with words, those that have them in project and version."""
    counted = select(func.count()).select_from(Draft).where(live_drafts.is_live(uow))
    return uow.db.scalar(counted.where(_is_called(words))) or 0


def _is_called(words: str) -> ColumnElement[bool]:
    wanted = words.strip().lower()
    if not wanted:
        return true()
    shown = wanted if wanted.isprintable() else "\N{REPLACEMENT CHARACTER}"
    name = func.lower(Draft.project_name + " " + Draft.version)
    return name.contains(shown, autoescape=True)


def events(db: Session, draft: Draft) -> list[DraftEventLine]:
    """What happened to the draft, the newest first."""
    rows = db.scalars(
        select(DraftEvent).where(DraftEvent.draft_id == draft.id).order_by(DraftEvent.id.desc())
    )
    return [
        DraftEventLine(row.at, row.by, row.act, row.filename, row.detail, row.means) for row in rows
    ]


def staged_by(db: Session, draft: Draft) -> dict[str, tuple[str, str | None]]:
    """Who has staged each file as it is, and in which run of which workflow, by its name."""
    rows = db.execute(
        select(DraftEvent.filename, DraftEvent.by, DraftEvent.means)
        .where(
            DraftEvent.draft_id == draft.id,
            DraftEvent.act.in_((Staged.ADDED, Staged.REPLACED)),
            DraftEvent.filename.is_not(None),
        )
        .order_by(DraftEvent.id)
    )
    return {filename: (by, means) for filename, by, means in rows if filename is not None}


def opened_by(db: Session, draft: Draft) -> str | None:
    """What the log calls whoever opened the draft."""
    return db.scalar(
        select(DraftEvent.by)
        .where(DraftEvent.draft_id == draft.id, DraftEvent.act == "opened")
        .order_by(DraftEvent.id)
        .limit(1)
    )


def files(db: Session, draft: Draft) -> list[File]:
    """The staged files with their uploaders: the source distribution first, then wheels by name."""
    return files_of(db, [draft])[draft.id]


def files_of(db: Session, drafts_: Iterable[Draft]) -> dict[int, list[File]]:
    """The same for each of these drafts, by its number, with as many queries as for one."""
    found: dict[int, list[File]] = {draft.id: [] for draft in drafts_}
    staged = db.scalars(
        select(File).where(File.draft_id.in_(found)).options(selectinload(File.uploaded_by))
    )
    for file in staged:
        if file.draft_id is not None:
            found[file.draft_id].append(file)
    for several in found.values():
        several.sort(key=lambda file: (not file.is_sdist, file.filename))
    return found


def contents(db: Session, draft: Draft) -> list[StagedContent]:
    """Name and digest of every staged file, in the order of :func:`files`."""
    rows = db.execute(
        select(File.filename, File.sha256, File.packagetype).where(File.draft_id == draft.id)
    )
    in_order = sorted(rows, key=lambda row: (row.packagetype != "sdist", row.filename))
    return [StagedContent(row.filename, row.sha256) for row in in_order]


def staged_files(
    db: Session, draft: Draft, *, with_uploaders: bool = False
) -> tuple[FileSummary, ...]:
    """What pages say of the staged files, in the order of :func:`files`.

    Who uploaded them is for those who may work on the project, not for all who see the draft.
    """
    return tuple(
        releases.file_summary(file, file.uploaded_by if with_uploaders else None)
        for file in files(db, draft)
    )


def metadata(db: Session, draft: Draft) -> CoreMetadata:
    """What the release will say of itself once the draft is published."""
    staged = db.scalars(
        select(File).where(File.draft_id == draft.id).options(undefer(File.core_metadata))
    ).all()
    public = catalogue.described_files(db, draft.release) if draft.release is not None else []
    return releases.said_by([*public, *staged])


def is_forgotten(uow: UnitOfWork, draft: Draft) -> bool:
    """Whether it ended so long ago that its session is not told of any more (PEP 694)."""
    return draft.ended is not None and draft.ended + STATUS_KEPT <= uow.now


def may_be_followed(uow: UnitOfWork, actor: Actor, draft: Draft) -> bool:
    """Whether the actor may know how the draft stands, also after its end.

    Who opened one that is gone with its project may still know that it is.
    """
    project = projects.find(uow, draft.project_name)
    if project is not None:
        return may_follow(actor, project)
    return opened_by(uow.db, draft) == actor.name


def ended_sentence(uow: UnitOfWork, draft: Draft) -> str:
    """What happened to a draft that has ended, in a sentence."""
    what = f"The draft of {draft.project_name} {draft.version}"
    match state(uow, draft):
        case DraftState.PUBLISHED:
            if draft_contents.is_empty(draft):
                return f"{what} was published without files, to register the name."
            return f"{what} was published."
        case DraftState.DISCARDED:
            return f"{what} was discarded."
        case DraftState.EXPIRED:
            return f"{what} has expired."
        case DraftState.OPEN:
            return f"{what} is open."


# Opening


def open_new(uow: UnitOfWork, actor: Actor, project_name: str, version: Version) -> Draft:
    """A new draft of a version that has none (PEP 694, a publishing session).

    Raises:
        NotAllowed, NameNotAvailable, InvalidMetadata, TooMany: the actor may not upload to the
            project, or not register it.
        ProjectClosed, ReleaseClosed: nobody may.
        SessionExists: there is one, which the actor may use.
    """
    projects.lock(uow, project_name)
    expire_due(uow, project_name)
    project = projects.find(uow, project_name)
    if project is None:
        projects.check_can_register(uow, actor, project_name, staged=True)
        project = projects.create(uow, actor, project_name, staged=True)
    else:
        if may(actor, Act.SEE, project):
            file_rules.check_project_open(project)
        called = project_name if projects.is_hidden(uow, project) else None
        require_upload(actor, project, staged=True, called=called)
    draft = live(uow, project, version)
    if draft is not None:
        raise DraftExists(
            f"A session of {draft.project_name} {draft.version} is open: use that one, or cancel "
            "it first.",
            draft,
        )
    return open_draft(uow, actor, project, version)


def open_draft(uow: UnitOfWork, actor: Actor, project: Project, version: Version) -> Draft:
    """The live draft of this version: the one there is, or a new one.

    The caller has checked that the actor may stage, and holds the project's lock.

    Raises:
        ReleaseClosed: the release was published and takes no more files.
    """
    draft = live(uow, project, version)
    if draft is not None:
        return draft
    expire_due(uow, project.name)
    return open_for(uow, actor, project, version, releases.find(uow.db, project, version))


def open_for(
    uow: UnitOfWork,
    actor: Actor,
    project: Project,
    version: Version,
    release: Release | None,
    *,
    recorded: bool = True,
) -> Draft:
    """A new draft of this version, which has none and of which this is the release, if any is.

    ``recorded`` is whether the audit log has it as an act of its own.

    Raises:
        ReleaseClosed: the release was published and takes no more files.
    """
    if release is None:
        release = releases.add(uow, project, version)
    else:
        file_rules.check_release_open(uow, release)
    lifetime = uow.settings.draft_lifetime
    draft = Draft(
        slug=new_slug(),
        key=random_text(KEY_LENGTH),
        project=project,
        release=release,
        project_name=project.name,
        version=release.version,
        canonical_version=release.canonical_version,
        opened=uow.now,
        changed=uow.now,
        expires=uow.now + lifetime,
    )
    uow.db.add(draft)
    uow.db.flush()
    draft_log.write(uow, draft, actor, "opened", recorded=recorded)
    return draft


# Files


def add_file(
    uow: UnitOfWork,
    actor: Actor,
    draft: Draft,
    artifact: Artifact,
    distribution: Distribution,
    comment: str = "",
    *,
    former: File | None,
    opens: bool = False,
) -> Staged:
    """Stage a file whose bytes are kept and which passed every check.

    The same name with the same bytes changes nothing but the comment, where it has another one;
    with other bytes it replaces. The caller holds the project's lock; ``former`` is the staged
    file of this name, if there is one. ``opens`` is whether the draft was opened for this file.

    Raises:
        Ended: the draft is not open any more.
    """
    release = draft.release
    if release is None or not is_live(uow, draft):
        raise Ended(ended_sentence(uow, draft))
    check_not_in_review(draft)
    if former is not None and former.sha256 == artifact.sha256:
        return _comment_on(uow, actor, draft, former, comment)
    detail = draft_contents.added(artifact.sha256)
    if former is not None:
        detail = draft_contents.replaced(former.sha256, artifact.sha256)
        _remove(uow, former)
    file = releases.new_file(uow, actor, release, artifact, distribution, comment)
    file.draft_id = draft.id
    uow.db.add(file)
    outcome = Staged.ADDED if former is None else Staged.REPLACED
    besides = "Opened the draft." if opens else ""
    draft_log.write(
        uow,
        draft,
        actor,
        outcome,
        artifact.filename,
        detail,
        besides=besides,
        sha256=artifact.sha256,
    )
    file_facts.want(uow, draft)
    _touch(uow, draft)
    _describe(uow, draft, file if former is None else None)
    return outcome


def add_one_more(
    uow: UnitOfWork,
    actor: Actor,
    draft: DraftThere,
    release: ReleaseThere,
    artifact: Artifact,
    distribution: Distribution,
    comment: str,
) -> None:
    """Stage a file whose name is not in the draft, and that says what its release says already.

    That is what most uploads do. Where :func:`takes_one_more` says so, :func:`add_file` would come
    to the same.
    """
    releases.insert_file(uow, actor, release.id, artifact, distribution, comment, draft_id=draft.id)
    detail = draft_contents.added(artifact.sha256)
    name, sha256 = artifact.filename, artifact.sha256
    draft_log.write(uow, draft, actor, Staged.ADDED, name, detail, sha256=sha256)
    file_facts.want(uow, draft)
    expires = _prolonged(uow, draft)
    run(uow.db, _TOUCH, {"draft": draft.id, "changed": uow.now, "expires": expires})
    uow.forget(Draft, draft.id, "changed", "expires", "files")


_DRAFTS = cast("Table", Draft.__table__)
_TOUCH = (
    update(_DRAFTS)
    .where(_DRAFTS.c.id == bindparam("draft"))
    .values(changed=bindparam("changed"), expires=bindparam("expires"))
)


def takes_one_more(
    uow: UnitOfWork, draft: DraftThere, release: ReleaseThere, distribution: Distribution
) -> bool:
    """Whether nothing but a file would come into the draft, in which none of its name is."""
    if draft.review == ReviewState.PROCESSING:
        return False
    if release.published is not None:  # it says what its public files say
        return True
    return (
        draft.version == release.version
        and upload_places.said_by_release(uow, release) == distribution.metadata
    )


def _comment_on(uow: UnitOfWork, actor: Actor, draft: Draft, file: File, comment: str) -> Staged:
    """Let a staged file have this comment; an empty one says nothing and changes nothing."""
    if comment in ("", file.comment):
        return Staged.UNCHANGED
    file.comment = comment
    log(uow, draft, actor, Staged.COMMENTED, file.filename)
    _touch(uow, draft)
    return Staged.COMMENTED


def remove_file(uow: UnitOfWork, actor: Actor, draft: Draft, filename: str) -> None:
    """Take a file out of the draft. A draft that loses its last file stays open, empty.

    Raises:
        NotAllowed: the actor may not stage.
        Ended: the draft is not open any more.
        NotFound: it has no such file.
    """
    begin(uow, actor, Act.STAGE, draft)
    file = find_file(uow.db, draft, filename)
    if file is None:
        raise NotFound(f"The draft has no file {filename!r}.")
    _remove(uow, file)
    log(uow, draft, actor, "removed", filename, draft_contents.added(file.sha256))
    _touch(uow, draft)
    _describe(uow, draft)


def find_file(db: Session, draft: Draft, filename: str) -> File | None:
    """The staged file of this name."""
    return db.scalar(_STAGED_FILE, {"draft": draft.id, "filename": filename})


_STAGED_FILE = select(File).where(
    File.draft_id == bindparam("draft"), File.filename == bindparam("filename")
)


# Address and time


def extend(uow: UnitOfWork, actor: Actor, draft: Draft) -> None:
    """Let the draft live one more lifetime from now, within the longest that a draft may live.

    Raises:
        NotAllowed: the actor may not stage.
        Ended: the draft is not open any more.
        InvalidRequest: it cannot live longer than it does.
    """
    begin(uow, actor, Act.STAGE, draft)
    before = draft.expires
    _prolong(uow, draft)
    if draft.expires == before:
        raise InvalidRequest(
            f"The draft of {draft.project_name} {draft.version} expires at {before:%Y-%m-%d %H:%M} "
            "UTC, which is as late as it can be: publish it, or discard it and start again."
        )
    log(uow, draft, actor, "extended", detail=f"until {draft.expires:%Y-%m-%d %H:%M:%S} UTC")
    uow.db.flush()


def extend_for(uow: UnitOfWork, actor: Actor, draft: Draft, length: timedelta) -> None:
    """Let the draft live as much of ``length`` longer as its longest life allows (PEP 694).

    Raises:
        NotAllowed, Ended, BeingReviewed: the actor may not stage, or not now.
    """
    begin(uow, actor, Act.STAGE, draft)
    latest = draft.opened + uow.settings.draft_lifetime_max
    before = draft.expires
    draft.expires = max(before, min(before + length, latest))
    if draft.expires != before:
        log(uow, draft, actor, "extended", detail=f"until {draft.expires:%Y-%m-%d %H:%M:%S} UTC")
    uow.db.flush()


def rotate(uow: UnitOfWork, actor: Actor, draft: Draft) -> None:
    """Give the draft another secret address; the old one is unknown at once.

    Raises:
        NotAllowed: the actor may not stage.
        Ended: the draft is not open any more.
    """
    begin(uow, actor, Act.STAGE, draft)
    draft_addresses.change(uow, draft, actor)


# Ending


def discard(
    uow: UnitOfWork, actor: Actor, draft: Draft, *, recorded: bool = True, reason: str = ""
) -> None:
    """Throw the draft away, with its files, and whatever only it held.

    Args:
        uow: in which it is done.
        actor: who does it.
        draft: which.
        recorded: whether the audit log has it as an act of its own.
        reason: why, for its log and the audit log.

    Raises:
        NotAllowed: the actor may not discard.
        InvalidRequest: the reason does not do.
        Ended: the draft was published or has expired. A discarded one may be discarded again.
    """
    lock_and_reload(uow, draft)
    if draft.state == DraftState.DISCARDED:
        return
    check_change(uow, actor, Act.DISCARD, draft)
    detail = check_line(reason)
    _clear(uow, actor, draft, DraftState.DISCARDED, detail, recorded=recorded)


def expire_due(uow: UnitOfWork, project_name: str) -> None:
    """End the project's drafts that have fallen due. The caller holds the project's lock."""
    of_project = {"name": lookup_name(project_name), "now": uow.now}
    for (number,) in run(uow.db, _DUE_OF_PROJECT, of_project).all():
        draft = uow.db.get_one(Draft, number, populate_existing=True)
        _clear(uow, EXPIRY, draft, DraftState.EXPIRED)


_DUE_OF_PROJECT = (
    select(Draft.id)
    .join(Draft.project)
    .where(
        Draft.state == DraftState.OPEN,
        Draft.expires <= live_drafts.NOW,
        Project.normalized_name == bindparam("name"),
    )
    .order_by(Draft.id)
)


def expire(uow: UnitOfWork, draft: Draft) -> bool:
    """End this draft if it has fallen due, and say whether that was so."""
    lock_and_reload(uow, draft)
    if draft.state != DraftState.OPEN or draft.expires > uow.now:
        return False
    _clear(uow, EXPIRY, draft, DraftState.EXPIRED)
    return True


def due(uow: UnitOfWork, *, after: int = 0, most: int = 500) -> list[int]:
    """The numbers, above this one, of drafts that have fallen due and were not ended yet.

    They come in order, and no more than ``most``.
    """
    numbers = _due(uow).with_only_columns(Draft.id).where(Draft.id > after).limit(most)
    return list(uow.db.scalars(numbers))


def _live(uow: UnitOfWork, project_ids: list[int] | None) -> list[Draft]:
    query = _live_ones(uow)
    if project_ids is not None:
        query = query.where(Draft.project_id.in_(project_ids))
    return list(uow.db.scalars(query))


def _live_ones(uow: UnitOfWork) -> Select[Draft]:
    return (
        select(Draft)
        .where(live_drafts.is_live(uow))
        .options(selectinload(Draft.files))
        .order_by(Draft.changed.desc(), Draft.id.desc())
    )


def _due(uow: UnitOfWork) -> Select[Draft]:
    return (
        select(Draft)
        .where(Draft.state == DraftState.OPEN, Draft.expires <= uow.now)
        .order_by(Draft.id)
    )


def begin(uow: UnitOfWork, actor: Actor, act: Act, draft: Draft) -> None:
    """Hold the lock of the project, to do this to its draft as the last holder left it.

    Raises:
        NotAllowed, Ended, BeingReviewed: the actor may not do that, or not now.
    """
    lock_and_reload(uow, draft)
    check_change(uow, actor, act, draft)


def check_change(uow: UnitOfWork, actor: Actor, act: Act, draft: Draft) -> None:
    """Raise a refusal unless the actor may do this to the draft now.

    Raises:
        NotAllowed, Ended, BeingReviewed: the actor may not do that, or not now.
    """
    _require_live(uow, actor, act, draft)
    check_not_in_review(draft)


def check_not_reserved(draft: DraftThere, filename: str) -> None:
    """Refuse a file of this name, which is in the draft, while that is decided on (PEP 694).

    Raises:
        FileReserved: it is.
    """
    if draft.review == ReviewState.PROCESSING:
        raise FileReserved(
            f"File already exists: {filename!r} is in the draft of {draft.project_name} "
            f"{draft.version}, whose publication is being decided. Wait for the outcome."
        )


def check_not_in_review(draft: Draft) -> None:
    """Raise BeingReviewed while the draft's publication is being decided.

    Raises:
        BeingReviewed: it is.
    """
    if draft.review == ReviewState.PROCESSING:
        raise BeingReviewed(
            f"The publication of {draft.project_name} {draft.version} is being decided, and the "
            "draft takes no changes meanwhile: wait for the outcome."
        )


def _remove(uow: UnitOfWork, file: File) -> None:
    uow.db.execute(
        update(UploadSession)
        .where(UploadSession.file_id == file.id)
        .values(state=UploadState.CANCELED, changed=uow.now, file_id=None)
    )
    released_blobs.note_files(uow, File.id == file.id)
    uow.db.delete(file)
    uow.db.flush()


def _require_live(uow: UnitOfWork, actor: Actor, act: Act, draft: Draft) -> None:
    # A draft that has ended says so to whoever holds its address, swept up yet or not.
    if draft.project is None or not is_live(uow, draft):
        raise Ended(ended_sentence(uow, draft))
    require(actor, act, draft.project)


def lock_and_reload(uow: UnitOfWork, draft: Draft) -> None:
    """Hold the project's lock, and see the draft as the last holder left it."""
    projects.lock(uow, draft.project_name)
    uow.db.refresh(draft)
    if draft.project is not None:
        projects.reload(uow, draft.project)
    if draft.release is not None:
        uow.db.refresh(draft.release)


def _prolong(uow: UnitOfWork, draft: Draft) -> None:
    draft.expires = _prolonged(uow, draft)


class _HasLifetime(Protocol):
    @property
    def opened(self) -> datetime: ...
    @property
    def expires(self) -> datetime: ...


def _prolonged(uow: UnitOfWork, draft: _HasLifetime) -> datetime:
    """Until when the draft lives, if it has one more lifetime from now on."""
    settings = uow.settings
    latest = draft.opened + settings.draft_lifetime_max
    return max(draft.expires, min(uow.now + settings.draft_lifetime, latest))


def _touch(uow: UnitOfWork, draft: Draft) -> None:
    draft.changed = uow.now
    _prolong(uow, draft)
    uow.db.flush()


def _describe(uow: UnitOfWork, draft: Draft, came: File | None = None) -> None:
    """Let an unpublished release say what the files say that are in its draft now.

    ``came`` is one of them, where nothing has changed but that it came.
    """
    release = draft.release
    if release is None or release.published is not None:
        return
    if came is not None and releases.describe_with(release, came):
        draft.version = release.version
        uow.db.flush()
        return
    # Nothing of it is public, so that the draft has all its files.
    staged = select(File).where(File.draft_id == draft.id).options(undefer(File.core_metadata))
    releases.describe(release, releases.said_by(uow.db.scalars(staged)))
    draft.version = release.version
    uow.db.flush()


def _clear(
    uow: UnitOfWork,
    by: Actor,
    draft: Draft,
    ended: DraftState,
    detail: str = "",
    *,
    recorded: bool = True,
) -> None:
    """Remove all that only the draft held; its row stays as a tombstone."""
    set_members.leave(uow, draft, by, ended.value)
    draft_log.write(uow, draft, by, ended.value, detail=detail, recorded=recorded)
    db, project, release = uow.db, draft.project, draft.release
    released_blobs.note_files(uow, File.draft_id == draft.id)
    for file in db.scalars(select(File).where(File.draft_id == draft.id)):
        db.delete(file)
    _end_uploads(uow, draft)
    draft.state = ended
    draft.ended = uow.now
    draft.review = None
    draft.release = None
    draft.project = None
    db.flush()
    if release is not None and release.published is None:
        db.delete(release)
        db.flush()
    if project is not None and project.registered is None and not _has_open_draft(db, project):
        db.delete(project)
        db.flush()


def _end_uploads(uow: UnitOfWork, draft: Draft) -> None:
    """All uploads into the draft are canceled with it; what has arrived of them is not needed."""
    of_draft = select(UploadSession.id).where(UploadSession.draft_id == draft.id)
    put_by_clients = uow.db.scalars(
        select(UploadSession.key).where(
            UploadSession.draft_id == draft.id,
            UploadSession.mechanism == PRESIGNED,
            UploadSession.state.in_([UploadState.PENDING, UploadState.PROCESSING]),
        )
    ).all()
    if put_by_clients:  # those of the others went when they ended
        jobs.collect(uow, jobs.Kind.REMOVE_PARTS, "uploads", put_by_clients)
    released_blobs.note_parts(uow, UploadPart.upload_id.in_(of_draft))
    uow.db.execute(delete(UploadPart).where(UploadPart.upload_id.in_(of_draft)))
    uow.db.execute(
        update(UploadSession)
        .where(UploadSession.draft_id == draft.id)
        .values(state=UploadState.CANCELED, changed=uow.now, file_id=None)
    )


def _has_open_draft(db: Session, project: Project) -> bool:
    found = db.scalar(
        select(Draft.id)
        .where(Draft.project_id == project.id, Draft.state == DraftState.OPEN)
        .limit(1)
    )
    return found is not None


def log(
    uow: UnitOfWork,
    draft: Draft,
    actor: Actor,
    act: str,
    filename: str | None = None,
    detail: str = "",
) -> None:
    """Write a line into the draft's log: the actor did this, to this file of it."""
    draft_log.write(uow, draft, actor, act, filename, detail)
