"""Yanking (PEP 592): installers pass over what is yanked, unless they are told to take exactly it.

A release is yanked with all its files, or one of its files is. Nothing is deleted, and all of it
can be taken back.
"""

from greenroom.models import File, Project, Release
from greenroom.registry import catalogue, journal, projects
from greenroom.registry.errors import NotFound
from greenroom.registry.index import Index
from greenroom.registry.permissions import Act, Actor


def yank_release(
    index: Index, actor: Actor, project: Project, version: str, reason: str = ""
) -> Release:
    """Yank a published release, or give another reason why it is yanked.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it has no such release that is published.
        InvalidRequest: the reason does not do.
    """
    release = _release(index, actor, project, version)
    return _set_release(index, actor, release, yanked=True, reason=projects.check_reason(reason))


def unyank_release(index: Index, actor: Actor, project: Project, version: str) -> Release:
    """Take the yanking of a release back. A file that is yanked by itself stays so.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it has no such release that is published.
    """
    release = _release(index, actor, project, version)
    return _set_release(index, actor, release, yanked=False, reason="")


def yank_file(
    index: Index, actor: Actor, project: Project, filename: str, reason: str = ""
) -> File:
    """Yank one published file, or give another reason why it is yanked.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it has no such file that is published.
        InvalidRequest: the reason does not do.
    """
    file = _file(index, actor, project, filename)
    return _set_file(index, actor, file, yanked=True, reason=projects.check_reason(reason))


def unyank_file(index: Index, actor: Actor, project: Project, filename: str) -> File:
    """Take the yanking of one file back. It stays yanked for as long as its release is.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it has no such file that is published.
    """
    return _set_file(index, actor, _file(index, actor, project, filename), yanked=False, reason="")


def _release(index: Index, actor: Actor, project: Project, version: str) -> Release:
    projects.lock_registered(index, actor, Act.MANAGE, project)
    release = catalogue.release(index.session, project, version)
    if release is None:
        raise NotFound(f"The project {project.name!r} has no published release {version[:60]!r}.")
    index.session.refresh(release)
    return release


def _file(index: Index, actor: Actor, project: Project, filename: str) -> File:
    projects.lock_registered(index, actor, Act.MANAGE, project)
    file = catalogue.file_of(index.session, project, filename)
    if file is None:
        raise NotFound(f"The project {project.name!r} has no published file {filename[:255]!r}.")
    index.session.refresh(file)
    return file


def _set_release(
    index: Index, actor: Actor, release: Release, *, yanked: bool, reason: str
) -> Release:
    if (release.yanked, release.yanked_reason) != (yanked, reason):
        release.yanked, release.yanked_reason = yanked, reason
        act = "yank release" if yanked else "unyank release"
        _journal(index, actor, release, act)
    return release


def _set_file(index: Index, actor: Actor, file: File, *, yanked: bool, reason: str) -> File:
    if (file.yanked, file.yanked_reason) != (yanked, reason):
        file.yanked, file.yanked_reason = yanked, reason
        act = f"yank file {file.filename}" if yanked else f"unyank file {file.filename}"
        _journal(index, actor, file.release, act)
    return file


def _journal(index: Index, actor: Actor, release: Release, action: str) -> None:
    index.session.flush()
    journal.append(index, release.project, release.version, [action], actor.name)
