"""Deleting what is published: a file, a release, a whole project.

What is deleted is gone, but its name is not free again: nobody can put other bytes under the name
of a file that people have installed, nor another project under a name that they depend on.
"""

from packaging.version import Version

from greenroom.models import Project, RetiredName
from greenroom.registry import catalogue, drafts, journal, projects
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.index import Index
from greenroom.registry.permissions import Act, Actor


def remove_file(index: Index, actor: Actor, project: Project, filename: str) -> None:
    """Delete a published file. Its release stays, also when that was the last one.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it has no such file that is published.
    """
    projects.lock_registered(index, actor, Act.MANAGE, project)
    file = catalogue.file_of(index.session, project, filename)
    if file is None:
        raise NotFound(f"The project {project.name!r} has no published file {filename[:255]!r}.")
    version = file.release.version
    index.session.delete(file)
    index.session.flush()
    _journal(index, actor, project, version, f"remove file {file.filename}")


def remove_release(index: Index, actor: Actor, project: Project, version: str) -> None:
    """Delete a published release with all its files.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it has no such release that is published.
        InvalidRequest: a draft of it is open.
    """
    projects.lock_registered(index, actor, Act.MANAGE, project)
    release = catalogue.release(index.session, project, version)
    if release is None:
        raise NotFound(f"The project {project.name!r} has no published release {version[:60]!r}.")
    if drafts.live(index, project, Version(release.version)) is not None:
        raise InvalidRequest(
            f"A draft of {project.name} {release.version} is open, which adds files to this "
            "release: publish or discard it first."
        )
    drafts.expire_due(index, project.name)
    index.session.delete(release)
    index.session.flush()
    _journal(index, actor, project, release.version, "remove release")


def remove_project(index: Index, actor: Actor, project: Project) -> None:
    """Delete a project with everything in it, its drafts too. Its name is retired for good.

    Raises:
        NotAllowed: the actor may not manage the project.
        InvalidRequest: nothing of it is public.
    """
    projects.lock_registered(index, actor, Act.MANAGE, project)
    drafts.expire_due(index, project.name)
    for draft in drafts.live_of_projects(index, [project]):
        drafts.discard(index, actor, draft)
    index.session.add(
        RetiredName(
            normalized_name=project.normalized_name,
            confusable_name=project.confusable_name,
            at=index.now,
            by=actor.name,
        )
    )
    index.session.flush()
    _journal(index, actor, project, None, "remove project")
    index.session.delete(project)
    index.session.flush()


def _journal(
    index: Index, actor: Actor, project: Project, version: str | None, action: str
) -> None:
    journal.append(index, project, version, [action], actor.name)
    index.changed.add(f"files/{project.normalized_name}")
