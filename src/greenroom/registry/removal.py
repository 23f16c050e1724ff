"""Deleting what is published: a file, a release, a whole project.

What is deleted is gone, but its name is not free again: nobody can put other bytes under the name
of a file that people have installed, nor another project under a name that they depend on.
"""

from packaging.version import Version
from sqlalchemy import select

from greenroom.models import File, Project, Release, RetiredName
from greenroom.registry import (
    audit,
    catalogue,
    drafts,
    journal,
    projects,
    publication,
    purging,
    released_blobs,
)
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.permissions import Act, Actor
from greenroom.registry.unit_of_work import UnitOfWork


def remove_file(uow: UnitOfWork, actor: Actor, project: Project, filename: str) -> None:
    """Delete a published file. Its release stays, also when that was the last one.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it has no such file that is published.
    """
    projects.lock_registered(uow, actor, Act.MANAGE, project)
    file = catalogue.file_of(uow.db, project, filename)
    if file is None:
        raise NotFound(f"The project {project.name!r} has no published file {filename[:255]!r}.")
    release, filename, sha256 = file.release, file.filename, file.sha256
    released_blobs.note_files(uow, File.id == file.id)
    uow.db.delete(file)
    publication.describe(uow, project, release)
    _journal(uow, actor, project, release.version, f"remove file {filename}")
    audit.write(
        uow,
        Kind.FILE_DELETE,
        actor,
        project=project,
        version=release.version,
        filename=filename,
        detail=f"sha256 {sha256}",
    )


def remove_release(uow: UnitOfWork, actor: Actor, project: Project, version: str) -> None:
    """Delete a published release with all its files.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it has no such release that is published.
        InvalidRequest: a draft of it is open.
    """
    projects.lock_registered(uow, actor, Act.MANAGE, project)
    release = catalogue.release(uow.db, project, version)
    if release is None:
        raise NotFound(f"The project {project.name!r} has no published release {version[:60]!r}.")
    if drafts.live(uow, project, Version(release.version)) is not None:
        raise InvalidRequest(
            f"A draft of {project.name} {release.version} is open, which adds files to this "
            "release: publish or discard it first."
        )
    drafts.expire_due(uow, project.name)
    released_blobs.note_files(uow, File.release_id == release.id)
    version = release.version
    uow.db.delete(release)
    publication.describe(uow, project)
    _journal(uow, actor, project, version, "remove release")
    audit.write(uow, Kind.RELEASE_DELETE, actor, project=project, version=version)


def remove_project(uow: UnitOfWork, actor: Actor, project: Project) -> None:
    """Delete a project with everything in it, its drafts too. Its name is retired for good.

    Raises:
        NotAllowed: the actor may not manage the project.
        InvalidRequest: nothing of it is public.
    """
    projects.lock_registered(uow, actor, Act.MANAGE, project)
    drafts.expire_due(uow, project.name)
    live = drafts.live_of_projects(uow, [project])
    for draft in live:
        drafts.discard(uow, actor, draft, recorded=False)
    uow.db.add(
        RetiredName(
            normalized_name=project.normalized_name,
            confusable_name=project.confusable_name,
            at=uow.now,
            by=actor.name,
        )
    )
    uow.db.flush()
    _journal(uow, actor, project, None, "remove project")
    of_project = select(Release.id).where(Release.project_id == project.id)
    released_blobs.note_files(uow, File.release_id.in_(of_project))
    detail = f"drafts discarded with it: {len(live)}" if live else ""
    audit.write(uow, Kind.PROJECT_DELETE, actor, project=project, detail=detail)
    uow.db.delete(project)
    uow.db.flush()


def _journal(
    uow: UnitOfWork, actor: Actor, project: Project, version: str | None, action: str
) -> None:
    journal.append(uow, project, version, [action], actor.name)
    purging.purge_files(uow, project)
