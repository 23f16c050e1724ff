"""Making files public: the one place where it happens, for drafts and for direct uploads."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Table, insert

from greenroom.database import run
from greenroom.distributions.inspect import Distribution
from greenroom.models import File, Project, PublishedName, Release
from greenroom.registry import journal, projects, releases, roles, search, upload_places
from greenroom.registry.artifacts import Artifact
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.upload_places import ProjectThere, ReleaseThere


def make_public(
    uow: UnitOfWork,
    by: str,
    project: Project,
    release: Release | None,
    files: Sequence[File],
    content_digest: str | None = None,
    at: datetime | None = None,
) -> None:
    """Register the project, publish the release and these files of it, and write the journal.

    ``by`` is what the journal calls whoever did it; without a release only the name is registered.
    ``content_digest`` is that of the draft that the files were in, if they were. ``at`` is when the
    files became public elsewhere, before they were imported; else they do now. From then on search
    finds it. What is registered or published already stays so; what the release says of
    itself, and how the project is spelled, follow from what is public now. Every check was made
    before, under the project's lock, which the caller holds.
    """
    at = at or uow.now
    registering = []
    if project.registered is None:
        project.registered = at
        registering = ["create"]
        registering += [
            f"add {role.name.title()} {role.username}" for role in roles.people(project)
        ]
    releasing = []
    if release is not None and release.published is None:
        release.published = at
        releasing = ["new release"]
    for file in files:
        uow.db.add(file)
        file.draft_id = None
        file.published = at
        uow.db.add(PublishedName(filename=file.filename, sha256=file.sha256))
        releasing.append(f"add {file.python_tag} file {file.filename}")
    if release is not None and content_digest is not None:
        release.content_digest = content_digest
    came = files[0] if len(files) == 1 and content_digest is None else None
    describe(uow, project, release, came, is_new=releasing[:1] == ["new release"])
    if registering:
        journal.append(uow, project, None, registering, by)
    if release is not None and releasing:
        journal.append(uow, project, release.version, releasing, by, content_digest)


def add_file(
    uow: UnitOfWork,
    actor: Actor,
    project: ProjectThere,
    release: ReleaseThere,
    artifact: Artifact,
    distribution: Distribution,
    comment: str,
) -> None:
    """Publish a file of a public release that says what the release says already.

    That is what most uploads do, and then nothing else of what is public changes. Where
    :func:`is_spelled_so` and :func:`changes_nothing_else` say so, :func:`make_public` would come to
    the same, with objects.
    """
    _insert_file(uow, actor, release.id, artifact, distribution, comment)
    action = f"add {distribution.python_tag} file {artifact.filename}"
    journal.append(uow, project, release.version, [action], actor.name)


def add_release(
    uow: UnitOfWork,
    actor: Actor,
    project: ProjectThere,
    artifact: Artifact,
    distribution: Distribution,
    comment: str,
) -> None:
    """Publish a file of a version that is new to a public project, which spells itself as it does.

    :func:`make_public` would come to the same, with a release of objects.

    Raises:
        greenroom.registry.releases.NotRendered: see :func:`releases.with_renderings`.
    """
    release = releases.insert_public(uow, project.id, distribution)
    _insert_file(uow, actor, release.id, artifact, distribution, comment)
    search.update(uow, project, release)
    actions = ["new release", f"add {distribution.python_tag} file {artifact.filename}"]
    journal.append(uow, project, release.version, actions, actor.name)


def _insert_file(
    uow: UnitOfWork,
    actor: Actor,
    release_id: int,
    artifact: Artifact,
    distribution: Distribution,
    comment: str,
) -> None:
    releases.insert_file(uow, actor, release_id, artifact, distribution, comment, draft_id=None)
    run(uow.db, _USE_NAME, {"filename": artifact.filename, "sha256": artifact.sha256})


_USE_NAME = insert(cast("Table", PublishedName.__table__))


def changes_nothing_else(
    uow: UnitOfWork, release: ReleaseThere, distribution: Distribution
) -> bool:
    """Whether the release is public, and says what the file says."""
    return (
        release.published is not None
        and upload_places.said_by_release(uow, release) == distribution.metadata
    )


def is_spelled_so(project: ProjectThere, distribution: Distribution) -> bool:
    """Whether the project is registered, and spells itself as the file does."""
    return project.registered is not None and project.name == distribution.name


def describe(
    uow: UnitOfWork,
    project: Project,
    release: Release | None = None,
    came: File | None = None,
    *,
    is_new: bool = False,
) -> None:
    """Let what is found and shown of a project follow from what is public of it now.

    That are what the release says of itself, whose files have changed, the spelling of the project,
    and what search finds. The caller holds the project's lock. ``came`` is a file of the release,
    where nothing has changed but that it came; ``is_new`` says that the release became public.

    Raises:
        greenroom.registry.releases.NotRendered: see :func:`releases.with_renderings`.
    """
    if release is None:
        uow.db.flush()
        projects.spell(uow, project)
        search.update(uow, project)
        return
    former = (release.core_metadata, project.name)
    if came is None or not releases.describe_with(release, came):
        releases.describe_by_public_files(uow, release)
    projects.spell(uow, project, release.core_metadata.name)
    if is_new or former != (release.core_metadata, project.name):
        search.update(uow, project, release)
