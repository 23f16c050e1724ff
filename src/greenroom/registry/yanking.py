"""Yanking (PEP 592): installers pass over what is yanked, unless they are told to take exactly it.

A release is yanked with all its files, or one of its files is. Nothing is deleted, and all of it
can be taken back.
"""

from greenroom.models import File, Project, Release
from greenroom.registry import audit, catalogue, journal, projects, search
from greenroom.registry.audit import Kind
from greenroom.registry.errors import NotFound
from greenroom.registry.permissions import Act, Actor
from greenroom.registry.unit_of_work import UnitOfWork


def yank_release(
    uow: UnitOfWork, actor: Actor, project: Project, version: str, reason: str = ""
) -> Release:
    """Yank a published release, or give another reason why it is yanked.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it has no such release that is published.
        InvalidRequest: the reason does not do.
    """
    release = _release(uow, actor, project, version)
    return _set_release(uow, actor, release, yanked=True, reason=projects.check_reason(reason))


def unyank_release(uow: UnitOfWork, actor: Actor, project: Project, version: str) -> Release:
    """Take the yanking of a release back. A file that is yanked by itself stays so.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it has no such release that is published.
    """
    release = _release(uow, actor, project, version)
    return _set_release(uow, actor, release, yanked=False, reason="")


def yank_file(
    uow: UnitOfWork, actor: Actor, project: Project, filename: str, reason: str = ""
) -> File:
    """Yank one published file, or give another reason why it is yanked.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it has no such file that is published.
        InvalidRequest: the reason does not do.
    """
    file = _file(uow, actor, project, filename)
    return _set_file(uow, actor, file, yanked=True, reason=projects.check_reason(reason))


def unyank_file(uow: UnitOfWork, actor: Actor, project: Project, filename: str) -> File:
    """Take the yanking of one file back. It stays yanked for as long as its release is.

    Raises:
        NotAllowed: the actor may not manage the project.
        NotFound: it has no such file that is published.
    """
    return _set_file(uow, actor, _file(uow, actor, project, filename), yanked=False, reason="")


def yank_new_file(uow: UnitOfWork, actor: Actor, file: File, reason: str) -> None:
    """Yank a file that was published in this unit of work, as it was where it comes from.

    The line of the audit log is that of its publication.
    """
    _set_file(uow, actor, file, yanked=True, reason=reason, recorded=False)


def yank_with_its_files(uow: UnitOfWork, actor: Actor, release: Release, reason: str) -> None:
    """Yank a release of which every file is yanked by itself, and its files with it from now on.

    So whoever takes it back takes all of it back. The caller holds the project's lock.
    """
    _set_release(uow, actor, release, yanked=True, reason=reason)
    for file in catalogue.files(uow.db, release):
        file.yanked, file.yanked_reason = False, ""
    uow.db.flush()


def _release(uow: UnitOfWork, actor: Actor, project: Project, version: str) -> Release:
    projects.lock_registered(uow, actor, Act.MANAGE, project)
    release = catalogue.release(uow.db, project, version)
    if release is None:
        raise NotFound(f"The project {project.name!r} has no published release {version[:60]!r}.")
    uow.db.refresh(release)
    return release


def _file(uow: UnitOfWork, actor: Actor, project: Project, filename: str) -> File:
    projects.lock_registered(uow, actor, Act.MANAGE, project)
    file = catalogue.file_of(uow.db, project, filename)
    if file is None:
        raise NotFound(f"The project {project.name!r} has no published file {filename[:255]!r}.")
    uow.db.refresh(file)
    return file


def _set_release(
    uow: UnitOfWork, actor: Actor, release: Release, *, yanked: bool, reason: str
) -> Release:
    if (release.yanked, release.yanked_reason) != (yanked, reason):
        release.yanked, release.yanked_reason = yanked, reason
        search.update(uow, release.project)
        act = "yank release" if yanked else "unyank release"
        _journal(uow, actor, release, act)
        kind = Kind.RELEASE_YANK if yanked else Kind.RELEASE_UNYANK
        audit.write(
            uow, kind, actor, project=release.project, version=release.version, detail=reason
        )
    return release


def _set_file(
    uow: UnitOfWork,
    actor: Actor,
    file: File,
    *,
    yanked: bool,
    reason: str,
    recorded: bool = True,
) -> File:
    if (file.yanked, file.yanked_reason) == (yanked, reason):
        return file
    file.yanked, file.yanked_reason = yanked, reason
    act = f"yank file {file.filename}" if yanked else f"unyank file {file.filename}"
    _journal(uow, actor, file.release, act)
    if recorded:
        audit.write(
            uow,
            Kind.FILE_YANK if yanked else Kind.FILE_UNYANK,
            actor,
            project=file.release.project,
            version=file.release.version,
            filename=file.filename,
            detail=reason,
        )
    return file


def _journal(uow: UnitOfWork, actor: Actor, release: Release, action: str) -> None:
    uow.db.flush()
    journal.append(uow, release.project, release.version, [action], actor.name)
