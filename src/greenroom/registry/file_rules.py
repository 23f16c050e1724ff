"""What a file must fulfil to come into a release: each rule once, to upload and to publish."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select

from greenroom.counts import counted
from greenroom.models import File, ProjectStatus, PublishedName, RoleName
from greenroom.registry import announced, catalogue, projects
from greenroom.registry.arriving import OF_NOBODY, Share, bytes_arriving, bytes_arriving_of
from greenroom.registry.errors import (
    FileExists,
    InvalidFile,
    OutOfSpace,
    ProjectClosed,
    ReleaseClosed,
    SecondSdist,
    TooLarge,
)
from greenroom.registry.permissions import HasRights
from greenroom.registry.sizes import readable_size
from greenroom.registry.unit_of_work import UnitOfWork

_MOST_ASKED = 10_000
"""Files that databases are asked for in one query, which takes no more than some thousand."""


class HasStatus(Protocol):
    """A project, by how it stands: a row, or a value that was made of one."""

    @property
    def name(self) -> str:
        """As it spells itself."""

    @property
    def status(self) -> ProjectStatus:
        """The one status that it has to the world."""

    @property
    def status_reason(self) -> str:
        """Why it has that status; may be empty."""


class IsPublished(Protocol):
    """A release, published or not: a row, or a value that was made of one."""

    @property
    def id(self) -> int:
        """Its number in the database."""

    @property
    def version(self) -> str:
        """As the files spell it."""

    @property
    def published(self) -> datetime | None:
        """When it was; None where it never was."""


def check_project_open(project: HasStatus) -> None:
    """Refuse files for a project that takes none (PEP 792).

    Raises:
        ProjectClosed: it is archived or in quarantine.
    """
    reason = f" The reason: {project.status_reason}" if project.status_reason else ""
    if project.status is ProjectStatus.QUARANTINED:
        raise ProjectClosed(
            f"The project {project.name!r} is in quarantine and takes no files: ask an "
            f"administrator of this index.{reason}"
        )
    if project.status is ProjectStatus.ARCHIVED:
        raise ProjectClosed(
            f"The project {project.name!r} is archived and takes no files: an owner can take it "
            f"out of the archive.{reason}"
        )


def check_content(size: int, content_type: str | None) -> None:
    """Refuse what cannot be a distribution, whatever is in it.

    Raises:
        InvalidFile: it is empty, or its uploader calls it an image.
    """
    if (content_type or "").lower().startswith("image/"):
        raise InvalidFile("The file is sent as an image: a distribution is none.")
    if size == 0:
        raise InvalidFile("The file is empty.")


def check_file_size(uow: UnitOfWork, size: int) -> None:
    """Refuse a file of ``size`` bytes that is larger than the index takes.

    Raises:
        TooLarge: it is.
    """
    limit = uow.settings.max_file_size
    if size > limit:
        raise TooLarge(file_too_large(limit))


def file_too_large(limit: int) -> str:
    """The sentence for a file that is larger than ``limit`` bytes."""
    return f"File too large. This index takes files of at most {readable_size(limit)}."


class HasQuota(catalogue.HasId, Protocol):
    """A project, by how large it may be: a row, or a value that was made of one."""

    @property
    def quota(self) -> int | None:
        """In bytes; None where the index's own setting says so."""


def project_quota(uow: UnitOfWork, project: HasQuota | None) -> int:
    """How many bytes all files of the project together may have."""
    if project is None or project.quota is None:
        return uow.settings.max_project_size
    return project.quota


def check_project_size(
    uow: UnitOfWork, project: HasQuota | None, more: int, present: int | None = None
) -> None:
    """Refuse ``more`` bytes that would bring a project above its quota. Staged files count.

    ``present`` is the size of the project, where that is known.

    Raises:
        TooLarge: they would.
    """
    limit = project_quota(uow, project)
    if present is None:
        present = projects.size(uow, project) if project is not None else 0
    if present + more > limit:
        raise TooLarge(
            f"Project size too large. All files of a project together, staged ones too, may have "
            f"{readable_size(limit)}; this would make {readable_size(present + more)}. Remove "
            "files that nobody needs."
        )


def is_published(uow: UnitOfWork, filename: str, sha256: str) -> bool:
    """Whether exactly this file is public.

    Raises:
        FileExists: the name was published with other content, or the content under another name.
    """
    uses = catalogue.uses(uow.db, uow.settings, filename, sha256)
    if uses.content_of_name == sha256:
        return True
    if uses.name_was_used:
        raise FileExists(_used(filename, sha256, uses.content_of_name))
    if uses.name_of_content is not None:
        raise FileExists(_same_content(uses.name_of_content))
    return False


def check_quotas(
    uow: UnitOfWork,
    owner_id: int | None,
    project: HasRights | None,
    more: int,
    *,
    besides: tuple[int, str] | None = None,
    is_arriving: bool = False,
) -> None:
    """Refuse ``more`` bytes that would bring the index, or a person's projects, above a quota.

    What is announced counts as if it were there. A unit of work that writes holds the quotas until
    its end, so that several at once do not pass them together: it has the project's lock, and no
    blob's before.

    Args:
        uow: where to look.
        owner_id: who brings them.
        project: where to; None for one that is to be registered.
        more: how many there are more than before.
        besides: the file that they are of, if it may be announced: its draft's number, its name.
        is_arriving: whether they are still to come: then what is just being received counts, too.

    Raises:
        OutOfSpace: the index has no room for them.
        TooLarge: the person has none.
    """
    hold_quotas(uow, owner_id)
    limit = uow.settings.max_total_size
    if limit is not None:
        present = projects.total_size(uow) + announced.size(uow, besides)
        if is_arriving:
            present += bytes_arriving(uow.storage.incoming)
        if present + more > limit:
            raise OutOfSpace(
                f"The index is full: all files together may have {readable_size(limit)}. Tell its "
                "operator."
            )
    limit = uow.settings.max_user_size
    if limit is None or owner_id is None or not _is_own(project, owner_id):
        return
    present = _present_of_user(uow, owner_id, besides)
    if is_arriving:
        present += bytes_arriving_of(uow.storage.incoming, owner_id)
    if present + more > limit:
        raise TooLarge(
            f"Your projects are too large. All files of the projects that a person owns, staged "
            f"and announced ones too, may have {readable_size(limit)}; this would make "
            f"{readable_size(present + more)}. Remove files that nobody needs."
        )


def share(
    uow: UnitOfWork, owner_id: int | None, project: HasRights | None, given_back: int
) -> Share:
    """Whose quota the bytes of an upload count against while they arrive, and how many may.

    Args:
        uow: where to look.
        owner_id: who brings them.
        project: where to; None for one that is to be registered.
        given_back: how many bytes they take the place of.
    """
    limit = uow.settings.max_user_size
    if limit is None or owner_id is None or not _is_own(project, owner_id):
        return OF_NOBODY
    return Share(owner_id, limit - _present_of_user(uow, owner_id) + given_back)


def _present_of_user(uow: UnitOfWork, user_id: int, besides: tuple[int, str] | None = None) -> int:
    return projects.size_of_user(uow, user_id) + announced.size_of_user(uow, user_id, besides)


def hold_quotas(uow: UnitOfWork, owner_id: int | None) -> None:
    """In a unit of work that writes, let nobody else fill the quotas that there are until its end.

    Whoever takes blobs' locks, or the journal's, before they check quotas calls this first.
    """
    if not uow.may_write:
        return
    if uow.settings.max_total_size is not None:
        uow.lock("quota")
    if uow.settings.max_user_size is not None and owner_id is not None:
        uow.lock(f"quota:{owner_id}")


def _is_own(project: HasRights | None, user_id: int) -> bool:
    if project is None:
        return True
    return any(role.user_id == user_id and role.name == RoleName.OWNER for role in project.roles)


def check_not_published(uow: UnitOfWork, filename: str, sha256: str) -> None:
    """Refuse a file whose name, or whose content under another name, was ever published.

    Raises:
        FileExists: it was.
    """
    if is_published(uow, filename, sha256):
        raise FileExists(_used(filename, sha256, sha256))


def already_published(uow: UnitOfWork, files: Mapping[str, str]) -> dict[str, FileExists]:
    """Why those of the files are refused whose names, or whose contents, were ever published.

    Args:
        uow: where to look.
        files: SHA-256 digests by file name. Some thousand are looked up at once.

    Returns:
        The refusals by file name, in the order of the files.
    """
    found: dict[str, FileExists] = {}
    names = list(files)
    for start in range(0, len(names), _MOST_ASKED):
        some = names[start : start + _MOST_ASKED]
        found |= _already_published(uow, {name: files[name] for name in some})
    return found


def _already_published(uow: UnitOfWork, files: Mapping[str, str]) -> dict[str, FileExists]:
    db = uow.db
    used = set(
        db.scalars(select(PublishedName.filename).where(PublishedName.filename.in_(list(files))))
    )
    digests = catalogue.digests_of(db, used) if used else {}
    names = catalogue.names_of_contents(db, uow.settings, files.values())
    found = {}
    for filename, sha256 in files.items():
        if filename in used:
            found[filename] = FileExists(_used(filename, sha256, digests.get(filename)))
        elif sha256 in names:
            found[filename] = FileExists(_same_content(names[sha256]))
    return found


def _same_content(name: str) -> str:
    """The sentence for content that is published under another name."""
    return f"File already exists: the same content is published under the name {name!r}."


def _used(filename: str, sha256: str, published: str | None) -> str:
    """The sentence for a name that was published, with this content if the file is there still."""
    if published is None:
        return "This filename has already been used, use a different version."
    if published == sha256:
        return f"File already exists: {filename!r} is published, with this content."
    return (
        f"File already exists: {filename!r} is published with other content, and a published "
        "file is never replaced. Use a different version."
    )


def check_release_open(uow: UnitOfWork, release: IsPublished) -> None:
    """Refuse files for a release that was published too long ago.

    Raises:
        ReleaseClosed: it was.
    """
    days = uow.settings.release_open_days
    if days == 0 or release.published is None:
        return
    if uow.now > release.published + timedelta(days=days):
        raise ReleaseClosed(
            f"The release {release.version} takes no more files: it was published on "
            f"{release.published:%Y-%m-%d}, more than {counted(days, 'day')} ago. Use a new "
            "version."
        )


def check_single_sdist(uow: UnitOfWork, release: IsPublished, sdist: str | None) -> None:
    """Refuse a second source distribution; ``sdist`` is the name of one that is to be added.

    A release that was imported may have had several, and keeps them.

    Raises:
        SecondSdist: there would be two.
    """
    if sdist is None:
        for refusal in second_sdists(uow, [release]).values():
            raise refusal
        return
    published = _sdists(uow, [release], with_historical=True)[release.id]
    others = [name for name in sorted(published) if name != sdist]
    if others:
        raise SecondSdist(_second_sdist(release.version, others[0], published[others[0]]))


def second_sdists(uow: UnitOfWork, releases: Iterable[IsPublished]) -> dict[int, SecondSdist]:
    """Why those of these releases are refused that have two, by their numbers, with one query."""
    by_number = {release.id: release for release in releases}
    found = {}
    sdists = _sdists(uow, by_number.values(), with_historical=False)
    for number, published in sdists.items():
        for name in sorted(published)[1:2]:
            version = by_number[number].version
            found[number] = SecondSdist(_second_sdist(version, name, published[name]))
    return found


def _sdists(
    uow: UnitOfWork, releases: Iterable[IsPublished], *, with_historical: bool
) -> dict[int, dict[str, bool]]:
    """The source distributions of each release, and whether they are published."""
    found: dict[int, dict[str, bool]] = {release.id: {} for release in releases}
    rows = uow.db.execute(
        select(File.release_id, File.filename, File.draft_id).where(
            File.release_id.in_(found),
            File.packagetype == "sdist",
            projects.is_present(uow),
            *([] if with_historical else [File.historical.is_(False)]),
        )
    )
    for number, filename, draft_id in rows:
        found[number][filename] = draft_id is None
    return found


def _second_sdist(version: str, other: str, published: bool) -> str:
    """The sentence for a source distribution that comes after another one."""
    fact = f"Only one source distribution per release: {version} has {other!r}"
    if published:
        return f"{fact}, which is published and stays. Use a different version."
    return f"{fact}. Remove it from the draft first, or use a different version."
