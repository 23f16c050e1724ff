"""Taking files in that were published elsewhere, by an operator: checked, stored, and public.

The order is that of :mod:`greenroom.registry.uploads`: check, inspect, store, accept. What differs:
several files of a project are accepted in one transaction, the moments of their publication are
kept, no limit within a time holds, and an operator can ask for what the ecosystem took in its time.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum

from msgspec import Struct

from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.historical import inspect_historical
from greenroom.distributions.inspect import Distribution, inspect
from greenroom.models import AdoptedFile, File, Project, Release, Role, RoleName, User
from greenroom.registry import (
    accounts,
    audit,
    catalogue,
    draft_contents,
    drafts,
    expected_files,
    file_rules,
    names,
    projects,
    publication,
    publishing_policy,
    releases,
    uploads,
    yanking,
)
from greenroom.registry.artifacts import Artifact
from greenroom.registry.catalogue import PublishedFile
from greenroom.registry.errors import DraftIsOpen, FileExists, InvalidFile, Refusal, SecondSdist
from greenroom.registry.permissions import OPERATOR, Importer, require_upload
from greenroom.registry.reasons import LONGEST_REASON
from greenroom.registry.unit_of_work import Services, UnitOfWork

MOST_AT_ONCE = 16
"""Files in one transaction. As many descriptions are remembered, so that it is not begun again."""


class Terms(Struct, frozen=True):
    """How files are taken in.

    Attributes:
        owner: the user name whose they are.
        maintainers: user names who get that role in projects that are new.
        historical: whether what is refused otherwise is taken as it was in its time.
        source: where they come from, without credentials, for the audit log.
    """

    owner: str
    maintainers: tuple[str, ...] = ()
    historical: bool = False
    source: str = ""


class Adopted(Struct, frozen=True):
    """That a file comes from an index behind this one, to stay.

    Attributes:
        upstream: what the settings call it.
        url: of the file there, without credentials.
        by: who had it adopted.
    """

    upstream: str
    url: str
    by: str


class Prepared(Struct, frozen=True):
    """A file that was inspected and stored, and waits to be accepted.

    Attributes:
        artifact: its bytes.
        distribution: what is in it.
        historical: whether an upload of it would have been refused.
        at: when it was published.
        yanked: why, None where it is not.
        uploaded_by: the user name of whoever uploaded it there, None for the owner.
        where: where it is in its source, without credentials.
        adopted: which index behind this one it was copied from; None where it was none.
    """

    artifact: Artifact
    distribution: Distribution
    historical: bool
    at: datetime
    yanked: str | None = None
    uploaded_by: str | None = None
    where: str = ""
    adopted: Adopted | None = None


class Taken(Enum):
    """What became of a file that was not refused."""

    NOW = "taken"
    AS_HISTORICAL = "taken, and marked as what no upload would have brought"
    BEFORE = "was there"


Outcome = Refusal | Taken


def check_people(services: Services, usernames: Sequence[str]) -> list[str]:
    """Those of the user names that nobody has, sorted."""
    with services.reading() as uow:
        return sorted(name for name in set(usernames) if accounts.find_user(uow.db, name) is None)


def published(services: Services, filenames: Sequence[str]) -> Mapping[str, PublishedFile]:
    """Those of these files that are public, by name."""
    with services.reading() as uow:
        return catalogue.published_named(uow.db, filenames)


def check_before(services: Services, size: int | None) -> None:
    """Refuse what is certain to be refused before its bytes come.

    Raises:
        Refusal: of the kind that says why.
    """
    if size is not None:
        with services.reading() as uow:
            file_rules.check_content(size, None)
            file_rules.check_file_size(uow, size)
            file_rules.check_quotas(uow, None, None, size)


def examine(
    services: Services, artifact: Artifact, project: str | None, *, historical: bool
) -> tuple[Distribution, bool]:
    """What is in a file, and whether it is taken only as what it was in its time.

    Args:
        services: whose rules hold.
        artifact: the file.
        project: whose it is, where its source says so.
        historical: whether what an upload is refused for is let through.

    Raises:
        InvalidFile: with every reason.
        Refusal: of another kind.
    """
    file_rules.check_content(artifact.size, None)
    try:
        distribution, is_historical = _inspected(services, artifact, project, historical)
    except InvalidDistribution as error:
        raise InvalidFile(
            "Invalid distribution file. " + " ".join(error.reasons), error.reasons
        ) from None
    names.check_project_name(distribution.name)
    names.check_version(
        str(distribution.version), private=services.settings.private or is_historical
    )
    releases.rendered_description(distribution.metadata)
    return distribution, is_historical


def _inspected(
    services: Services, artifact: Artifact, project: str | None, historical: bool
) -> tuple[Distribution, bool]:
    try:
        found = inspect(artifact.path, artifact.filename, private=services.settings.private)
    except InvalidDistribution as refusal:
        if not historical:
            raise
        try:
            return inspect_historical(artifact.path, artifact.filename, project), True
        except InvalidDistribution as error:
            # What is wrong even so comes first.
            raise InvalidDistribution(*error.reasons, *refusal.reasons) from None
    if project is not None and names.lookup_name(project) != found.normalized_name:
        raise InvalidDistribution(
            f"The file is of the project {found.name!r}, and its source lists it for {project!r}."
        )
    return found, False


def store(services: Services, artifact: Artifact, distribution: Distribution) -> None:
    """Store the bytes and the metadata file, durably."""
    uploads.keep(services.storage, artifact, distribution)


def look(services: Services, terms: Terms, file: Prepared) -> Outcome:
    """What would become of a file, as far as that can be seen without taking it."""
    with services.reading() as uow:
        try:
            found = _checked(uow, terms, file)
        except Refusal as refusal:
            return refusal
    return found if isinstance(found, Taken) else found.outcome


def accept(services: Services, terms: Terms, files: Sequence[Prepared]) -> list[Outcome]:
    """Publish files of one project, in one transaction; those that are refused change nothing.

    Args:
        services: where to.
        terms: how.
        files: at most :data:`MOST_AT_ONCE`, with one normalized name, which were stored.

    Returns:
        What became of each, in their order.
    """

    def take() -> list[Outcome]:
        with services.writing() as uow:
            _hold(uow, terms, files)
            outcomes: list[Outcome] = []
            for file in files:
                try:
                    outcomes.append(_take(uow, terms, file))
                except Refusal as refusal:  # which comes before anything is written
                    outcomes.append(refusal)
            return outcomes

    return releases.with_renderings(take)


def accept_all(
    services: Services,
    terms: Terms,
    files: Sequence[Prepared],
    check: Callable[[UnitOfWork], object],
) -> list[Taken]:
    """Publish files of one project, in one transaction: all of them, or none.

    Releases of which every file is yanked are yanked as a whole.

    Args:
        services: where to.
        terms: how.
        files: with one normalized name, which were stored.
        check: raises a refusal where they may not come, while nobody else changes the project.

    Returns:
        What became of each, in their order.

    Raises:
        Refusal: of the first that is refused.
    """

    def take() -> list[Taken]:
        with services.writing() as uow:
            _hold(uow, terms, files)
            check(uow)
            taken = [_take(uow, terms, file) for file in files]
            if any(file.yanked is not None for file in files):
                _yank_whole_releases(uow, projects.get(uow, files[0].distribution.name))
            return taken

    return releases.with_renderings(take)


def _hold(uow: UnitOfWork, terms: Terms, files: Sequence[Prepared]) -> None:
    """Take the locks that it needs to accept the files."""
    name = files[0].distribution.normalized_name
    projects.lock(uow, name)
    drafts.expire_due(uow, name)
    owner = accounts.find_user(uow.db, terms.owner)
    file_rules.hold_quotas(uow, owner.id if owner is not None else None)
    # All blobs' locks come before the journal's, which the first file takes.
    digests = {
        digest
        for file in files
        for digest in (file.artifact.sha256, file.distribution.metadata_sha256)
    }
    uow.lock(*(f"blob:{digest}" for digest in sorted(digests)))


def _take(uow: UnitOfWork, terms: Terms, file: Prepared) -> Taken:
    found = _checked(uow, terms, file)
    if isinstance(found, Taken):
        return found
    owner = found.owner
    actor = Importer(owner)
    uploader = _uploader(uow, file, owner)
    uploads.keep_for_certain(uow, file.artifact, file.distribution)
    project = found.project or _create(uow, terms, actor, file.distribution.name)
    release = found.release or releases.add(uow, project, file.distribution.version)
    row = releases.new_file(uow, actor, release, file.artifact, file.distribution, "")
    row.historical = found.outcome is Taken.AS_HISTORICAL
    row.created = file.at
    row.uploaded_by_id = uploader.id
    publication.make_public(uow, uploader.username, project, release, [row], at=file.at)
    if file.adopted is not None:
        _keep_origin(uow, release, row, file.adopted)
    if file.yanked is not None:
        yanking.yank_new_file(uow, actor, row, _reason(file.yanked))
    _record(uow, terms, file, found, release)
    return found.outcome


def _keep_origin(uow: UnitOfWork, release: Release, row: File, adopted: Adopted) -> None:
    release.adopted_from = adopted.upstream
    uow.db.add(
        AdoptedFile(
            file_id=row.id,
            upstream=adopted.upstream,
            url=adopted.url,
            sha256=row.sha256,
            at=uow.now,
            by=adopted.by,
        )
    )
    uow.db.flush()


def _record(
    uow: UnitOfWork, terms: Terms, file: Prepared, found: "_Free", release: Release
) -> None:
    """Write the line of the audit log: the operator's act, about the owner's account."""
    what = [draft_contents.added(file.artifact.sha256)]
    if found.project is None:
        people = f" (maintainers: {', '.join(terms.maintainers)})" if terms.maintainers else ""
        what.append(f"made the project{people}")
    if file.yanked is not None:
        what.append("yanked, as it was there")
    if found.outcome is Taken.AS_HISTORICAL:
        what.append("historical")
    source = ": ".join(filter(None, (terms.source, file.where)))
    audit.write(
        uow,
        audit.Kind.FILE_IMPORT,
        OPERATOR,
        about=found.owner,
        project=release.project,
        version=release.version,
        filename=file.artifact.filename,
        detail="; ".join([*what, *([f"from {source}"] if source else [])]),
    )


class _Free(Struct, frozen=True):
    """Where a file that nothing stands in the way of goes, and as what."""

    owner: User
    project: Project | None
    release: Release | None
    outcome: Taken


def _checked(uow: UnitOfWork, terms: Terms, file: Prepared) -> _Free | Taken:
    """Raise a refusal unless the file may come; it may be there."""
    owner = accounts.get_user(uow.db, terms.owner)
    artifact, distribution = file.artifact, file.distribution
    project = projects.find(uow, distribution.name)
    release, draft = None, None
    if project is not None:
        release, draft = drafts.release_and_live(uow, project, distribution.version)
    file_rules.check_file_size(uow, artifact.size)
    file_rules.check_project_size(uow, project, artifact.size)
    file_rules.check_quotas(uow, owner.id, project, artifact.size)
    if file_rules.is_published(uow, artifact.filename, artifact.sha256):
        return Taken.BEFORE
    if draft is not None:
        raise DraftIsOpen(draft.project_name, draft.version)
    is_historical = file.historical
    if project is None:
        is_historical |= _check_new_name(uow, distribution.name, historical=terms.historical)
    else:
        file_rules.check_project_open(project)
        require_upload(Importer(owner), project, staged=False)
        publishing_policy.check_direct(uow, project)
        is_sdist = distribution.packagetype == "sdist"
        expected_files.check_direct(uow, project, release, artifact.filename, is_sdist=is_sdist)
    if release is not None and distribution.packagetype == "sdist":
        is_historical |= _check_sdist(uow, release, file, historical=terms.historical)
    return _Free(owner, project, release, Taken.AS_HISTORICAL if is_historical else Taken.NOW)


def _check_sdist(uow: UnitOfWork, release: Release, file: Prepared, *, historical: bool) -> bool:
    """Whether the file is taken only because a release could have several of its kind."""
    try:
        file_rules.check_single_sdist(uow, release, file.artifact.filename)
    except SecondSdist:
        if not historical:
            raise
        return True
    return False


def _check_new_name(uow: UnitOfWork, name: str, *, historical: bool) -> bool:
    """Whether the name is taken only because the project had it in its time."""
    try:
        projects.check_name_is_free(uow, name)
    except Refusal:
        if not historical:
            raise
        projects.check_name_is_free(uow, name, historical=True)
        return True
    return False


def _uploader(uow: UnitOfWork, file: Prepared, owner: User) -> User:
    if file.uploaded_by is None:
        return owner
    return accounts.find_user(uow.db, file.uploaded_by) or owner


def _create(uow: UnitOfWork, terms: Terms, actor: Importer, name: str) -> Project:
    """A new project with its people. Nobody's limit of new projects counts it."""
    project = projects.create(uow, actor, name, imported=True)
    project.created_by_id = None
    for username in terms.maintainers:
        user = accounts.get_user(uow.db, username)
        project.roles.append(Role(user=user, name=RoleName.MAINTAINER))
    return project


def _reason(text: str) -> str:
    """A reason as this index shows it: one line of what can be printed, not too long."""
    line = " ".join(text.split())[:LONGEST_REASON]
    return "".join(character for character in line if character.isprintable())


def yank_whole_releases(services: Services, name: str) -> None:
    """Yank the releases of a project of which every file is yanked by itself.

    Other indexes say it of each file when a release is yanked; here it is the release's. What was
    taken back here since stays so: then its files are not yanked by themselves.
    """
    with services.writing() as uow:
        project = projects.find(uow, name)
        if project is None or project.registered is None:
            return
        projects.lock_and_reload(uow, project)
        _yank_whole_releases(uow, project)


def _yank_whole_releases(uow: UnitOfWork, project: Project) -> None:
    for release, reason in catalogue.yanked_wholly(uow.db, project):
        yanking.yank_with_its_files(uow, OPERATOR, release, reason)


def same_content(here: PublishedFile, digests: Mapping[str, str]) -> bool | None:
    """Whether a public file has these digests; None where they do not tell."""
    for name, digest in (("sha256", here.sha256), ("md5", here.md5)):
        if name in digests:
            return digests[name].lower() == digest
    return None


def other_content(filename: str) -> FileExists:
    """The refusal of a file whose name is public with other content."""
    return FileExists(
        f"File already exists: {filename!r} is published with other content, and a published file "
        "is never replaced."
    )
