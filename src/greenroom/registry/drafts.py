"""Drafts: open, add, remove, replace, extend, rotate, publish, discard, expire.

A draft is a release that only the people who hold its address can see, until one transaction makes
it public. PEP 694 calls it a publishing session. Every face calls the functions here.

Whatever changes a draft holds the lock of its project (:func:`projects.lock`), so that two acts on
one project happen one after the other.
"""

from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache, partial

from packaging.version import Version
from sqlalchemy import Select, select
from sqlalchemy.orm import Session, selectinload, undefer

from greenroom.distributions import description
from greenroom.distributions.inspect import Distribution
from greenroom.models import (
    Draft,
    DraftEvent,
    DraftState,
    File,
    Project,
    Release,
)
from greenroom.registry import file_rules, projects, publication
from greenroom.registry.accounts import random_text
from greenroom.registry.artifacts import Artifact
from greenroom.registry.errors import (
    CannotPublish,
    Ended,
    InvalidRequest,
    NotFound,
    Refusal,
)
from greenroom.registry.index import Index
from greenroom.registry.names import canonical_version, lookup_name
from greenroom.registry.permissions import Act, Actor, may, require

SLUG_LENGTH = 22


class Staged(StrEnum):
    """What adding a file to a draft came to."""

    ADDED = "added"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"


# Finding


def by_slug(session: Session, slug: str) -> Draft | None:
    """The draft, live or ended, that has this slug."""
    if len(slug) != SLUG_LENGTH or not (slug.isascii() and slug.isalnum()):
        return None
    return session.scalar(select(Draft).where(Draft.slug == slug))


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


# Opening


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
    former = find_file(index.session, draft, artifact.filename)
    if former is not None and former.sha256 == artifact.sha256:
        return Staged.UNCHANGED
    detail = f"sha256 {artifact.sha256}"
    if former is not None:
        detail = f"sha256 {former.sha256} became {artifact.sha256}"
        index.session.delete(former)
        index.session.flush()
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
    _begin(index, actor, Act.STAGE, draft)
    file = find_file(index.session, draft, filename)
    if file is None:
        raise NotFound(f"The draft has no file {filename!r}.")
    index.session.delete(file)
    index.session.flush()
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
    _begin(index, actor, Act.STAGE, draft)
    before = draft.expires
    _prolong(index, draft)
    if draft.expires == before:
        raise InvalidRequest(
            f"The draft of {draft.project_name} {draft.version} expires at {before:%Y-%m-%d %H:%M} "
            "UTC, which is as late as it can be: publish it, or discard it and start again."
        )
    _log(index, draft, actor, "extended", detail=f"until {draft.expires:%Y-%m-%d %H:%M:%S} UTC")
    index.session.flush()


def rotate(index: Index, actor: Actor, draft: Draft) -> None:
    """Give the draft another secret address; the old one is unknown at once.

    Raises:
        NotAllowed: the actor may not stage.
        Ended: the draft is not open any more.
    """
    _begin(index, actor, Act.STAGE, draft)
    draft.slug = random_text(SLUG_LENGTH)
    _log(index, draft, actor, "rotated the address")
    index.session.flush()


# Ending


def publish(index: Index, actor: Actor, draft: Draft) -> Draft:
    """Make every file of the draft public, in this transaction, at this moment.

    To publish a published draft again changes nothing and answers as the first time did. No bytes
    are copied and none are read: the cost does not depend on the size of the files.

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
    if release is None:
        raise Ended(ended_sentence(index, draft))
    staged = files(index.session, draft)
    reasons = [str(refusal) for refusal in _obstacles(index, project, release, staged)]
    if reasons:
        raise CannotPublish(
            f"The draft of {draft.project_name} {draft.version} cannot be published: "
            + " ".join(reasons),
            reasons,
        )
    publication.make_public(index, actor, project, release, staged)
    _end(index, actor, draft, DraftState.PUBLISHED)
    return draft


def discard(index: Index, actor: Actor, draft: Draft) -> None:
    """Throw the draft away, with its files, and whatever only it held.

    Raises:
        NotAllowed: the actor may not discard.
        Ended: the draft was published or has expired. A discarded one may be discarded again.
    """
    _lock_and_reload(index, draft)
    if draft.state == DraftState.DISCARDED:
        return
    _require_live(index, actor, Act.DISCARD, draft)
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


def _begin(index: Index, actor: Actor, act: Act, draft: Draft) -> None:
    _lock_and_reload(index, draft)
    _require_live(index, actor, act, draft)


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


def _obstacles(
    index: Index, project: Project, release: Release, staged: list[File]
) -> Iterator[Refusal]:
    """Every reason why the draft cannot be published now."""
    if not staged:
        yield InvalidRequest("It has no files: upload one first.")
    session = index.session
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


def _end(index: Index, actor: Actor, draft: Draft, ended: DraftState) -> None:
    draft.state = ended
    draft.ended = index.now
    _log(index, draft, actor, ended.value)
    index.session.flush()


def _clear(index: Index, by: str, draft: Draft, ended: DraftState) -> None:
    """Remove all that only the draft held; its row stays as a tombstone."""
    session, project, release = index.session, draft.project, draft.release
    for file in session.scalars(select(File).where(File.draft_id == draft.id)):
        session.delete(file)
    draft.state = ended
    draft.ended = index.now
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
