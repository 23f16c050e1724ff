"""Drafts: open, add, remove, replace, extend, rotate, publish, discard, expire.

A draft is a release that only the people who hold its address can see, until one transaction makes
it public. PEP 694 calls it a publishing session. Every face calls the functions here.

Whatever changes a draft holds the lock of its project (:func:`projects.lock`), so that two acts on
one project happen one after the other.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache, partial

from packaging.version import Version
from sqlalchemy import ColumnElement, Select, delete, select, update
from sqlalchemy.orm import Session, selectinload, undefer

from greenroom.distributions import description
from greenroom.distributions.inspect import Distribution
from greenroom.models import (
    Draft,
    DraftEvent,
    DraftState,
    File,
    FileUpload,
    Project,
    Release,
    ReviewState,
    UploadPart,
    UploadState,
)
from greenroom.registry import file_rules, projects, publication
from greenroom.registry.accounts import may_be_random_text, random_text
from greenroom.registry.artifacts import Artifact
from greenroom.registry.errors import (
    BeingReviewed,
    CannotPublish,
    Ended,
    FileReserved,
    InvalidRequest,
    NotAllowed,
    NotFound,
    Refusal,
    SessionExists,
    UploadConflict,
)
from greenroom.registry.index import Index
from greenroom.registry.names import canonical_version, lookup_name
from greenroom.registry.permissions import OPERATOR, Act, Actor, may, require, require_upload

SLUG_LENGTH = 22
# A file's completion that has not come back after this was interrupted: the server was killed.
COMPLETION_LEASE = timedelta(minutes=15)
# For so long after its end a session tells what became of it and of its files.
STATUS_KEPT = timedelta(days=30)


class Staged(StrEnum):
    """What adding a file to a draft came to."""

    ADDED = "added"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"


# Finding


def by_slug(session: Session, slug: str) -> Draft | None:
    """The draft, live or ended, that has this slug."""
    if not may_be_random_text(slug, SLUG_LENGTH):
        return None
    return session.scalar(select(Draft).where(Draft.slug == slug))


def by_key(session: Session, key: str) -> Draft | None:
    """The draft, live or ended, whose session has this key (PEP 694)."""
    if not may_be_random_text(key, SLUG_LENGTH):
        return None
    return session.scalar(select(Draft).where(Draft.key == key))


def live(index: Index, project: Project, version: Version) -> Draft | None:
    """The live draft of this version (1.0 and 1.0.0 are the same)."""
    return index.session.scalar(
        select(Draft).where(
            Draft.project_id == project.id,
            Draft.canonical_version == canonical_version(version),
            Draft.state == DraftState.OPEN,
            Draft.expires > index.now,
        )
    )


def newest(index: Index, project: Project, version: Version) -> Draft | None:
    """The live draft of this version, or else the last one that was published.

    A draft that was discarded or has expired belongs to no project any more.
    """
    is_live = (Draft.state == DraftState.OPEN) & (Draft.expires > index.now)
    return index.session.scalar(
        select(Draft)
        .where(
            Draft.project_id == project.id,
            Draft.canonical_version == canonical_version(version),
            is_live | (Draft.state == DraftState.PUBLISHED),
        )
        .order_by((Draft.state == DraftState.OPEN).desc(), Draft.id.desc())
        .limit(1)
    )


def live_for(index: Index, actor: Actor, project_name: str, version: Version) -> Draft:
    """The live draft of a project and version, for an actor who may see it.

    Raises:
        NotFound: there is none, or the actor may not know; the sentence is the same.
    """
    project = projects.find(index, project_name)
    draft = live(index, project, version) if project is not None else None
    if project is None or draft is None or not may(actor, Act.SEE, project):
        raise NotFound(f"There is no draft of {project_name} {version} that you may see.")
    return draft


def state(index: Index, draft: Draft) -> DraftState:
    """Where the draft stands now: it has expired from the second it falls due."""
    if draft.state == DraftState.OPEN and draft.expires <= index.now:
        return DraftState.EXPIRED
    return DraftState(draft.state)


def is_live(index: Index, draft: Draft) -> bool:
    """Whether the draft still stands open."""
    return state(index, draft) is DraftState.OPEN


def live_of_projects(index: Index, projects_: list[Project]) -> list[Draft]:
    """The live drafts of these projects with their files, the last changed one first."""
    return _live(index, [project.id for project in projects_])


def all_live(index: Index) -> list[Draft]:
    """Every live draft with its files, the last changed one first: for operators."""
    return _live(index, None)


def events(session: Session, draft: Draft) -> list[DraftEvent]:
    """What happened to the draft, the newest first."""
    return list(
        session.scalars(
            select(DraftEvent).where(DraftEvent.draft_id == draft.id).order_by(DraftEvent.id.desc())
        )
    )


def opened_by(session: Session, draft: Draft) -> str | None:
    """What the log calls whoever opened the draft."""
    return session.scalar(
        select(DraftEvent.by)
        .where(DraftEvent.draft_id == draft.id, DraftEvent.act == "opened")
        .order_by(DraftEvent.id)
        .limit(1)
    )


def files(session: Session, draft: Draft) -> list[File]:
    """The staged files with their uploaders: the source distribution first, then wheels by name."""
    staged = session.scalars(
        select(File).where(File.draft_id == draft.id).options(selectinload(File.uploaded_by))
    )
    return sorted(staged, key=lambda file: (not file.is_sdist, file.filename))


def describing_file(session: Session, draft: Draft) -> File | None:
    """The staged file that describes the draft: the sdist, otherwise the earliest wheel.

    Its core metadata is loaded.
    """
    return session.scalar(
        select(File)
        .where(File.draft_id == draft.id)
        .order_by(File.packagetype.desc(), File.id)  # "sdist" sorts after "bdist_wheel"
        .limit(1)
        .options(undefer(File.core_metadata))
    )


def is_forgotten(index: Index, draft: Draft) -> bool:
    """Whether it ended so long ago that its session is not told of any more (PEP 694)."""
    return draft.ended is not None and draft.ended + STATUS_KEPT <= index.now


def ended_sentence(index: Index, draft: Draft) -> str:
    """What happened to a draft that has ended, in a sentence."""
    what = f"The draft of {draft.project_name} {draft.version}"
    match state(index, draft):
        case DraftState.PUBLISHED:
            return f"{what} was published."
        case DraftState.DISCARDED:
            return f"{what} was discarded."
        case DraftState.EXPIRED:
            return f"{what} has expired."
        case DraftState.OPEN:
            return f"{what} is open."


def upload_state(index: Index, upload: FileUpload) -> UploadState:
    """Where the upload of a file stands now.

    One that was never completed is canceled from the second it falls due, and one whose completion
    was interrupted has failed.
    """
    if upload.state == UploadState.PENDING and upload.expires <= index.now:
        return UploadState.CANCELED
    if upload.state == UploadState.PROCESSING and upload.changed + COMPLETION_LEASE <= index.now:
        return UploadState.ERROR
    return UploadState(upload.state)


def is_unfinished() -> ColumnElement[bool]:
    """Whether a file upload stands in the way of publication: it is under way, or failed."""
    unfinished = [UploadState.PENDING, UploadState.PROCESSING, UploadState.ERROR]
    return FileUpload.state.in_(unfinished)


# Opening


def open_session(index: Index, actor: Actor, project_name: str, version: Version) -> Draft:
    """A new draft of a version that has none (PEP 694, a publishing session).

    Raises:
        NotAllowed, NameNotAvailable, InvalidMetadata, TooMany: the actor may not upload to the
            project, or not register it.
        ProjectClosed, ReleaseClosed: nobody may.
        SessionExists: there is one, which the actor may use.
    """
    projects.lock(index, project_name)
    expire_due(index, project_name)
    project = projects.find(index, project_name)
    if project is None:
        projects.check_can_register(index, actor, project_name, staged=True)
        project = projects.create(index, actor, project_name)
    else:
        if may(actor, Act.SEE, project):
            file_rules.check_project_open(project)
        require_upload(actor, project, staged=True)
    draft = live(index, project, version)
    if draft is not None:
        raise SessionExists(
            f"A session of {draft.project_name} {draft.version} is open: use that one, or cancel "
            "it first.",
            draft,
        )
    return open_draft(index, actor, project, version)


def open_draft(index: Index, actor: Actor, project: Project, version: Version) -> Draft:
    """The live draft of this version: the one there is, or a new one.

    The caller has checked that the actor may stage, and holds the project's lock.

    Raises:
        ReleaseClosed: the release was published and takes no more files.
    """
    draft = live(index, project, version)
    if draft is not None:
        return draft
    expire_due(index, project.name)
    release = find_release(index.session, project, version)
    if release is None:
        release = add_release(index, project, version)
    else:
        file_rules.check_release_open(index, release)
    lifetime = index.settings.draft_lifetime
    draft = Draft(
        slug=random_text(SLUG_LENGTH),
        key=random_text(SLUG_LENGTH),
        project=project,
        release=release,
        project_name=project.name,
        version=release.version,
        canonical_version=release.canonical_version,
        opened=index.now,
        changed=index.now,
        expires=index.now + lifetime,
    )
    index.session.add(draft)
    index.session.flush()
    _log(index, draft, actor, "opened")
    return draft


def find_release(session: Session, project: Project, version: Version) -> Release | None:
    """The release of this version, published or not."""
    return session.scalar(
        select(Release).where(
            Release.project_id == project.id,
            Release.canonical_version == canonical_version(version),
        )
    )


def add_release(index: Index, project: Project, version: Version) -> Release:
    """A release that is not published."""
    release = Release(
        project=project,
        version=str(version),
        canonical_version=canonical_version(version),
        created=index.now,
        core_metadata={},
    )
    index.session.add(release)
    index.session.flush()
    return release


# Files


def add_file(
    index: Index, actor: Actor, draft: Draft, artifact: Artifact, distribution: Distribution
) -> Staged:
    """Stage a file whose bytes are kept and which passed every check.

    The same name with the same bytes changes nothing; with other bytes it replaces. The caller
    holds the project's lock.

    Raises:
        Ended: the draft is not open any more.
    """
    release = draft.release
    if release is None or not is_live(index, draft):
        raise Ended(ended_sentence(index, draft))
    _check_not_in_review(draft)
    former = find_file(index.session, draft, artifact.filename)
    if former is not None and former.sha256 == artifact.sha256:
        return Staged.UNCHANGED
    detail = f"sha256 {artifact.sha256}"
    if former is not None:
        detail = f"sha256 {former.sha256} became {artifact.sha256}"
        _remove(index, former)
    file = new_file(index, actor, release, artifact, distribution)
    file.draft_id = draft.id
    index.session.add(file)
    outcome = Staged.ADDED if former is None else Staged.REPLACED
    _log(index, draft, actor, outcome, artifact.filename, detail)
    _touch(index, draft)
    _describe(index, draft)
    return outcome


def new_file(
    index: Index, actor: Actor, release: Release, artifact: Artifact, distribution: Distribution
) -> File:
    """A file of a release, neither staged nor published yet."""
    return File(
        release_id=release.id,
        filename=artifact.filename,
        packagetype=distribution.packagetype,
        python_tag=distribution.python_tag,
        requires_python=distribution.requires_python,
        size=artifact.size,
        sha256=artifact.sha256,
        md5=artifact.md5,
        blake2_256=artifact.blake2_256,
        metadata_sha256=distribution.metadata_sha256,
        core_metadata=dict(distribution.metadata.raw),
        created=index.now,
        uploaded_by_id=actor.user.id if actor.user is not None else None,
    )


def remove_file(index: Index, actor: Actor, draft: Draft, filename: str) -> None:
    """Take a file out of the draft. A draft that loses its last file stays open, empty.

    Raises:
        NotAllowed: the actor may not stage.
        Ended: the draft is not open any more.
        NotFound: it has no such file.
    """
    begin(index, actor, Act.STAGE, draft)
    file = find_file(index.session, draft, filename)
    if file is None:
        raise NotFound(f"The draft has no file {filename!r}.")
    _remove(index, file)
    _log(index, draft, actor, "removed", filename, f"sha256 {file.sha256}")
    _touch(index, draft)
    _describe(index, draft)


def find_file(session: Session, draft: Draft, filename: str) -> File | None:
    """The staged file of this name."""
    return session.scalar(select(File).where(File.draft_id == draft.id, File.filename == filename))


# Address and time


def extend(index: Index, actor: Actor, draft: Draft) -> None:
    """Let the draft live one more lifetime from now, within the longest that a draft may live.

    Raises:
        NotAllowed: the actor may not stage.
        Ended: the draft is not open any more.
        InvalidRequest: it cannot live longer than it does.
    """
    begin(index, actor, Act.STAGE, draft)
    before = draft.expires
    _prolong(index, draft)
    if draft.expires == before:
        raise InvalidRequest(
            f"The draft of {draft.project_name} {draft.version} expires at {before:%Y-%m-%d %H:%M} "
            "UTC, which is as late as it can be: publish it, or discard it and start again."
        )
    _log(index, draft, actor, "extended", detail=f"until {draft.expires:%Y-%m-%d %H:%M:%S} UTC")
    index.session.flush()


def extend_for(index: Index, actor: Actor, draft: Draft, length: timedelta) -> None:
    """Let the draft live as much of ``length`` longer as its longest life allows (PEP 694).

    Raises:
        NotAllowed, Ended, BeingReviewed: the actor may not stage, or not now.
    """
    begin(index, actor, Act.STAGE, draft)
    latest = draft.opened + index.settings.draft_lifetime_max
    before = draft.expires
    draft.expires = max(before, min(before + length, latest))
    if draft.expires != before:
        _log(index, draft, actor, "extended", detail=f"until {draft.expires:%Y-%m-%d %H:%M:%S} UTC")
    index.session.flush()


def rotate(index: Index, actor: Actor, draft: Draft) -> None:
    """Give the draft another secret address; the old one is unknown at once.

    Raises:
        NotAllowed: the actor may not stage.
        Ended: the draft is not open any more.
    """
    begin(index, actor, Act.STAGE, draft)
    draft.slug = random_text(SLUG_LENGTH)
    _log(index, draft, actor, "rotated the address")
    index.session.flush()


# Ending


def publish(index: Index, actor: Actor, draft: Draft, *, registers_name: bool = False) -> Draft:
    """Make every file of the draft public, in this transaction, at this moment.

    To publish a published draft again changes nothing and answers as the first time did. No bytes
    are copied and none are read: the cost does not depend on the size of the files. With
    ``registers_name`` a draft without files registers the name of a new project, and nothing else.
    Where the operator has publications reviewed, this only asks for the review.

    Raises:
        NotAllowed: the actor may not publish now.
        Ended: the draft was discarded or has expired.
        CannotPublish: with every reason; the draft stays as it was.
    """
    _lock_and_reload(index, draft)
    project, release = draft.project, draft.release
    if project is None or state(index, draft) is DraftState.EXPIRED:
        raise Ended(ended_sentence(index, draft))
    require(actor, Act.PUBLISH, project)
    if draft.state == DraftState.PUBLISHED:
        return draft
    if draft.review == ReviewState.PROCESSING and index.settings.review_command is not None:
        return draft
    if release is None:
        raise Ended(ended_sentence(index, draft))
    staged = files(index.session, draft)
    may_be_empty = registers_name and project.registered is None
    _check_obstacles(index, draft, project, release, staged, may_be_empty=may_be_empty)
    if index.settings.review_command is not None:
        _ask_for_review(index, actor, draft)
    else:
        draft.review, draft.review_notices = None, []
        _make_public(index, actor.name, draft, project, release, staged)
    return draft


def finish_review(index: Index, draft: Draft, *, passed: bool, notices: Sequence[str]) -> None:
    """Publish a draft that passed its review, or give it back with the reasons.

    Whatever stands in the way by now is a reason too, and whoever asked must still be allowed to.
    A draft that is not (any more) in review stays as it is.
    """
    _lock_and_reload(index, draft)
    project, release = draft.project, draft.release
    if not _is_in_review(index, draft) or project is None or release is None:
        return
    reasons = list(notices) or ["The review did not accept it."]
    if passed:
        asked_by = Actor(draft.review_by) if draft.review_by is not None else OPERATOR
        staged = files(index.session, draft)
        try:
            require(asked_by, Act.PUBLISH, project)
            may_be_empty = project.registered is None  # otherwise it was not accepted without files
            _check_obstacles(index, draft, project, release, staged, may_be_empty=may_be_empty)
        except (NotAllowed, CannotPublish) as refusal:
            reasons = list(refusal.details)
        else:
            draft.review, draft.review_notices = None, list(notices)
            _make_public(index, asked_by.name, draft, project, release, staged)
            return
    draft.review, draft.review_notices = ReviewState.ERROR, reasons
    draft.review_due = None
    _log_as(index, draft, "review", "refused", detail=" ".join(reasons))
    index.session.flush()


def in_review(index: Index) -> list[Draft]:
    """The drafts whose publication is being decided, the oldest request first."""
    return list(
        index.session.scalars(
            select(Draft)
            .where(Draft.state == DraftState.OPEN, Draft.review == ReviewState.PROCESSING)
            .order_by(Draft.review_due, Draft.id)
        )
    )


def take_review(index: Index, draft: Draft) -> bool:
    """Whether the caller is to review the draft: nobody else is at it, or they are gone."""
    _lock_and_reload(index, draft)
    if not _is_in_review(index, draft):
        return False
    if draft.review_due is not None and draft.review_due > index.now:
        return False
    # Besides its own time it has to collect the files, and to say what came of it.
    draft.review_due = index.now + 2 * index.settings.review_timeout
    draft.expires = max(draft.expires, draft.review_due)
    index.session.flush()
    return True


def _is_in_review(index: Index, draft: Draft) -> bool:
    return draft.review == ReviewState.PROCESSING and is_live(index, draft)


def _ask_for_review(index: Index, actor: Actor, draft: Draft) -> None:
    draft.review, draft.review_notices = ReviewState.PROCESSING, []
    draft.review_by = actor.user
    draft.review_due = None
    # It must not fall due while it waits for somebody to begin.
    draft.expires = max(draft.expires, index.now + timedelta(days=1))
    _log(index, draft, actor, "asked for publication")
    index.session.flush()


def _make_public(
    index: Index, by: str, draft: Draft, project: Project, release: Release, staged: list[File]
) -> None:
    publication.make_public(index, by, project, release if staged else None, staged)
    draft.state = DraftState.PUBLISHED
    draft.ended = index.now
    if not staged and release.published is None:
        draft.release = None
        index.session.flush()
        index.session.delete(release)
    _log_as(index, draft, by, DraftState.PUBLISHED.value)
    index.session.flush()


def discard(index: Index, actor: Actor, draft: Draft) -> None:
    """Throw the draft away, with its files, and whatever only it held.

    Raises:
        NotAllowed: the actor may not discard.
        Ended: the draft was published or has expired. A discarded one may be discarded again.
    """
    _lock_and_reload(index, draft)
    if draft.state == DraftState.DISCARDED:
        return
    check_change(index, actor, Act.DISCARD, draft)
    _clear(index, actor.name, draft, DraftState.DISCARDED)


def expire_due(index: Index, project_name: str) -> None:
    """End the project's drafts that have fallen due. The caller holds the project's lock."""
    of_project = Project.normalized_name == lookup_name(project_name)
    for draft in index.session.scalars(_due(index).join(Draft.project).where(of_project)).all():
        _clear(index, "expiry", draft, DraftState.EXPIRED)


def expire(index: Index, draft: Draft) -> bool:
    """End this draft if it has fallen due, and say whether that was so."""
    _lock_and_reload(index, draft)
    if draft.state != DraftState.OPEN or draft.expires > index.now:
        return False
    _clear(index, "expiry", draft, DraftState.EXPIRED)
    return True


def due(index: Index) -> list[Draft]:
    """The drafts that have fallen due and were not ended yet."""
    return list(index.session.scalars(_due(index)))


def _live(index: Index, project_ids: list[int] | None) -> list[Draft]:
    query = (
        select(Draft)
        .where(Draft.state == DraftState.OPEN, Draft.expires > index.now)
        .options(selectinload(Draft.files))
        .order_by(Draft.changed.desc(), Draft.id.desc())
    )
    if project_ids is not None:
        query = query.where(Draft.project_id.in_(project_ids))
    return list(index.session.scalars(query))


def _due(index: Index) -> Select[Draft]:
    return (
        select(Draft)
        .where(Draft.state == DraftState.OPEN, Draft.expires <= index.now)
        .order_by(Draft.id)
    )


def begin(index: Index, actor: Actor, act: Act, draft: Draft) -> None:
    """Hold the lock of the project, to do this to its draft as the last holder left it.

    Raises:
        NotAllowed, Ended, BeingReviewed: the actor may not do that, or not now.
    """
    _lock_and_reload(index, draft)
    check_change(index, actor, act, draft)


def check_change(index: Index, actor: Actor, act: Act, draft: Draft) -> None:
    """Nothing, if the actor may do this to the draft now.

    Raises:
        NotAllowed, Ended, BeingReviewed: the actor may not do that, or not now.
    """
    _require_live(index, actor, act, draft)
    _check_not_in_review(draft)


def check_not_reserved(session: Session, draft: Draft, filename: str) -> None:
    """Refuse a file whose name is in a draft that is just being decided on (PEP 694).

    Raises:
        FileReserved: it is.
    """
    if draft.review == ReviewState.PROCESSING and find_file(session, draft, filename) is not None:
        raise FileReserved(
            f"File already exists: {filename!r} is in the draft of {draft.project_name} "
            f"{draft.version}, whose publication is being decided. Wait for the outcome."
        )


def _check_not_in_review(draft: Draft) -> None:
    if draft.review == ReviewState.PROCESSING:
        raise BeingReviewed(
            f"The publication of {draft.project_name} {draft.version} is being decided, and the "
            "draft takes no changes meanwhile: wait for the outcome."
        )


def _remove(index: Index, file: File) -> None:
    index.session.execute(
        update(FileUpload)
        .where(FileUpload.file_id == file.id)
        .values(state=UploadState.CANCELED, changed=index.now, file_id=None)
    )
    index.session.delete(file)
    index.session.flush()


def _require_live(index: Index, actor: Actor, act: Act, draft: Draft) -> None:
    # A draft that has ended says so to whoever holds its address, swept up yet or not.
    if draft.project is None or not is_live(index, draft):
        raise Ended(ended_sentence(index, draft))
    require(actor, act, draft.project)


def _lock_and_reload(index: Index, draft: Draft) -> None:
    """Hold the project's lock, and see the draft as the last holder left it."""
    projects.lock(index, draft.project_name)
    index.session.refresh(draft)
    if draft.project is not None:
        projects.reload(index, draft.project)
    if draft.release is not None:
        index.session.refresh(draft.release)


def _check_obstacles(
    index: Index,
    draft: Draft,
    project: Project,
    release: Release,
    staged: list[File],
    *,
    may_be_empty: bool,
) -> None:
    """Nothing, if the draft can be published now; else every reason why it cannot."""
    obstacles = list(_obstacles(index, draft, project, release, staged, may_be_empty=may_be_empty))
    if obstacles:
        reasons = [str(refusal) for refusal in obstacles]
        raise CannotPublish(
            f"The draft of {draft.project_name} {draft.version} cannot be published: "
            + " ".join(reasons),
            reasons,
        )


def _obstacles(
    index: Index,
    draft: Draft,
    project: Project,
    release: Release,
    staged: list[File],
    *,
    may_be_empty: bool,
) -> Iterator[Refusal]:
    session = index.session
    unfinished = session.scalars(
        select(FileUpload)
        .where(FileUpload.draft_id == draft.id, is_unfinished())
        .order_by(FileUpload.filename)
    ).all()
    for upload in unfinished:
        stands = upload_state(index, upload)
        if stands is UploadState.ERROR:
            yield UploadConflict(f"The upload of {upload.filename!r} is in error: delete it.")
        elif stands is not UploadState.CANCELED:
            yield UploadConflict(
                f"The upload of {upload.filename!r} is {stands}, not completed: wait for it, or "
                "delete it."
            )
    if not staged and not unfinished and not may_be_empty:
        yield InvalidRequest("It has no files: upload one first.")
    checks = [
        partial(file_rules.check_project_open, project),
        partial(file_rules.check_release_open, index, release),
        partial(file_rules.check_project_size, index, project, 0),
        partial(file_rules.check_single_sdist, index, release, None),
        *(partial(file_rules.check_not_published, session, f.filename, f.sha256) for f in staged),
    ]
    for check in checks:
        try:
            check()
        except Refusal as refusal:
            yield refusal


def _prolong(index: Index, draft: Draft) -> None:
    settings = index.settings
    latest = draft.opened + settings.draft_lifetime_max
    draft.expires = max(draft.expires, min(index.now + settings.draft_lifetime, latest))


def _touch(index: Index, draft: Draft) -> None:
    draft.changed = index.now
    _prolong(index, draft)
    index.session.flush()


def _describe(index: Index, draft: Draft) -> None:
    """Derive what an unpublished release says of itself from the files now in its draft."""
    release = draft.release
    if release is None or release.published is not None:
        return
    file = describing_file(index.session, draft)
    describe_release(release, file.core_metadata if file is not None else {})
    index.session.flush()


def describe_release(release: Release, metadata: dict[str, object]) -> None:
    """Let the release say what this core metadata says; its description is rendered once, here."""
    release.core_metadata = metadata
    release.summary = str(metadata.get("summary") or "")
    requires_python = metadata.get("requires_python")
    release.requires_python = str(requires_python) if requires_python else None
    release.description_html = rendered_description(metadata)


def rendered_description(metadata: dict[str, object]) -> str:
    """The description in this core metadata as HTML, empty when it has none that renders.

    Rendering may take long, and the result is remembered: an upload renders before it takes the
    project's lock, so that under the lock it is only looked up.
    """
    content_type = metadata.get("description_content_type")
    return _rendered(
        str(metadata.get("description") or ""), str(content_type) if content_type else None
    )


@lru_cache(maxsize=16)
def _rendered(text: str, content_type: str | None) -> str:
    return description.render(text, content_type) or ""


def _clear(index: Index, by: str, draft: Draft, ended: DraftState) -> None:
    """Remove all that only the draft held; its row stays as a tombstone."""
    session, project, release = index.session, draft.project, draft.release
    for file in session.scalars(select(File).where(File.draft_id == draft.id)):
        session.delete(file)
    _end_uploads(index, draft)
    draft.state = ended
    draft.ended = index.now
    draft.review = None
    draft.release = None
    draft.project = None
    _log_as(index, draft, by, ended.value)
    session.flush()
    if release is not None and release.published is None:
        session.delete(release)
        session.flush()
    if project is not None and project.registered is None and not _has_open_draft(session, project):
        session.delete(project)
        session.flush()


def _end_uploads(index: Index, draft: Draft) -> None:
    """All uploads into the draft are canceled with it; what has arrived of them is not needed."""
    of_draft = select(FileUpload.id).where(FileUpload.draft_id == draft.id)
    index.session.execute(delete(UploadPart).where(UploadPart.upload_id.in_(of_draft)))
    index.session.execute(
        update(FileUpload)
        .where(FileUpload.draft_id == draft.id)
        .values(state=UploadState.CANCELED, changed=index.now, file_id=None)
    )


def _has_open_draft(session: Session, project: Project) -> bool:
    found = session.scalar(
        select(Draft.id)
        .where(Draft.project_id == project.id, Draft.state == DraftState.OPEN)
        .limit(1)
    )
    return found is not None


def _log(
    index: Index,
    draft: Draft,
    actor: Actor,
    act: str,
    filename: str | None = None,
    detail: str = "",
) -> None:
    _log_as(index, draft, actor.name, act, filename, detail)


def _log_as(
    index: Index, draft: Draft, by: str, act: str, filename: str | None = None, detail: str = ""
) -> None:
    index.session.add(
        DraftEvent(
            draft_id=draft.id, at=index.now, by=by, act=act, filename=filename, detail=detail
        )
    )
