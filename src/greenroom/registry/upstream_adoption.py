"""Adopting a release of an upstream: its files are copied into this index, to stay.

From then on this index answers for the name alone. Where each file comes from is kept with it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime

from msgspec import Struct
from packaging.version import Version
from sqlalchemy import select
from sqlalchemy.orm import Session

from greenroom.distributions.inspect import Distribution
from greenroom.models import AdoptedFile, File, Project, Release
from greenroom.other_indexes.client import shown
from greenroom.other_indexes.errors import UpstreamFailed, UpstreamUnavailable
from greenroom.other_indexes.pages import PageFile, ProjectPage
from greenroom.registry import (
    accounts,
    audit,
    blob_digests,
    file_rules,
    imports,
    jobs,
    names,
    projects,
    upstream_files,
    upstream_licenses,
    upstream_page_fetching,
    upstream_pages,
    upstream_policy,
    upstream_projects,
    upstream_usage,
    upstreams,
)
from greenroom.registry.administering import check_administrator, check_reason
from greenroom.registry.artifacts import Artifact, Receiver, TooManyBytes
from greenroom.registry.audit import Kind
from greenroom.registry.catalogue import PublishedFile
from greenroom.registry.errors import InvalidRequest, NotFound, Refusal, TooLarge, WrongDigest
from greenroom.registry.imports import Adopted, Prepared, Taken, Terms
from greenroom.registry.permissions import ADOPTION, OPERATOR, Actor
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upstream_policy import Policy, Refused
from greenroom.registry.upstreams import Answering
from greenroom.storage import BlobMissing
from greenroom.upstream_settings import Upstream

_ATTEMPTS = 3
_RETRY_AFTER = 60
_MOST_ASKED = 8


class Order(Struct, frozen=True):
    """What is to be adopted.

    Attributes:
        project: its name, in any spelling.
        version: in any spelling.
        owner: the user name whose the project is to be, where it is new.
        by: who has it adopted.
    """

    project: str
    version: str
    owner: str
    by: str


class Adoption(Struct, frozen=True):
    """What was adopted.

    Attributes:
        upstream: from where.
        taken: the files that came.
        present: those that were here.
    """

    upstream: str
    taken: tuple[str, ...]
    present: tuple[str, ...]


class Origin(Struct, frozen=True):
    """Where a public file of a release comes from.

    Attributes:
        url: of the file there.
        at: when it was adopted.
        by: the user name of who had it adopted, or ``operator``.
    """

    filename: str
    upstream: str
    url: str
    sha256: str
    at: datetime
    by: str


Progress = Callable[[str], None]


def origins(db: Session, release_id: int) -> list[Origin]:
    """Where the files of a release come from that were adopted, by name."""
    rows = db.execute(
        select(
            File.filename,
            AdoptedFile.upstream,
            AdoptedFile.url,
            AdoptedFile.sha256,
            AdoptedFile.at,
            AdoptedFile.by,
        )
        .join(File, File.id == AdoptedFile.file_id)
        .where(File.release_id == release_id)
        .order_by(File.filename)
    )
    return [Origin(*row) for row in rows]


def address_of(db: Session, upstream: str, filename: str) -> str | None:
    """Where a file was at an upstream that it was adopted from; None where it was not."""
    return db.scalar(
        select(AdoptedFile.url)
        .join(File, File.id == AdoptedFile.file_id)
        .where(AdoptedFile.upstream == upstream, File.filename == filename)
    )


def order(
    uow: UnitOfWork, actor: Actor, project: str, version: str, owner: str, reason: str = ""
) -> Order:
    """Write down that an administrator has a release adopted, which the caller sees to.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: nobody is called like the owner.
        InvalidRequest: there is no upstream, the name is not one of an upstream, or the reason does
            not do.
        InvalidMetadata: it is no version.
    """
    check_administrator(uow, actor)
    reason = check_reason(actor, reason)
    wanted = Order(
        names.check_project_name(project),
        str(names.check_version(version, private=True)),
        accounts.get_user(uow.db, owner).username,
        actor.name,
    )
    _former(uow, wanted.project)
    detail = f"{wanted.project} {wanted.version}, for {wanted.owner}"
    audit.write(uow, Kind.RELEASE_ADOPT, actor, detail=f"{detail}: {reason}" if reason else detail)
    return wanted


def enqueue(uow: UnitOfWork, wanted: Order) -> None:
    """Have it done by a job."""
    jobs.enqueue(
        uow,
        jobs.Kind.ADOPT,
        {
            "project": wanted.project,
            "version": wanted.version,
            "owner": wanted.owner,
            "by": wanted.by,
        },
    )


def carry_out(services: Services, wanted: Order) -> Adoption | None:
    """Do what a job is to do. What cannot be done is written down where the order is.

    Raises:
        UpstreamUnavailable: it cannot be done now.
    """
    try:
        return adopt(services, wanted)
    except Refusal as refusal:
        _write_down(services, wanted, ADOPTION, refusal)
        return None


def carry_out_now(services: Services, wanted: Order, progress: Progress) -> Adoption:
    """Do what somebody waits for. What cannot be done is written down where the order is.

    Raises:
        Refusal: it cannot be done.
        UpstreamUnavailable: it cannot be done now.
    """
    try:
        return adopt(services, wanted, progress)
    except (Refusal, UpstreamUnavailable) as error:
        _write_down(services, wanted, OPERATOR, error)
        raise


def _write_down(services: Services, wanted: Order, actor: Actor, error: Exception) -> None:
    with services.writing() as uow:
        detail = f"{wanted.project} {wanted.version}, not adopted: {error}"
        audit.write(uow, Kind.RELEASE_ADOPT, actor, detail=detail)


def adopt(services: Services, wanted: Order, progress: Progress = lambda _: None) -> Adoption:
    """Copy the files of a release into this index, all in one transaction, or none.

    Args:
        services: where to.
        wanted: what.
        progress: is told of each file that has come.

    Raises:
        NotFound: the upstream has no such release.
        InvalidRequest: the name is not one of an upstream.
        Refusal: a file is not let in, or is none that this index takes.
        UpstreamUnavailable: the upstream cannot be asked now.
    """
    with services.reading() as uow:
        former = _former(uow, wanted.project)
    upstream, page = _page(services, wanted.project, former)
    files = _files(page, wanted, upstream)
    public = imports.published(services, [file.filename for file in files])
    present = [file.filename for file in files if _is_public(public, file)]
    missing = [file for file in files if file.filename not in present]
    if not missing:
        return Adoption(upstream.name, (), tuple(present))
    with services.reading() as uow:
        policy = upstream_policy.load(uow, upstream.name, page.name)
    for file in missing:
        _check(policy.before(file))
    with ExitStack() as stack:
        prepared = []
        for file in missing:
            prepared.append(
                stack.enter_context(_prepared(services, upstream, policy, file, wanted))
            )
            progress(file.filename)
        return _accepted(services, upstream, wanted, prepared, present)


def _is_public(public: Mapping[str, PublishedFile], file: PageFile) -> bool:
    """Whether exactly this file is public here."""
    found = public.get(file.filename)
    return found is not None and imports.same_content(found, file.hashes) is True


def _check(refused: Refused | None) -> None:
    if refused is not None:
        raise InvalidRequest(refused.sentence)


def _former(uow: UnitOfWork, name: str) -> str | None:
    """The upstream that the project was adopted from before; None where nothing of it is here.

    Raises:
        InvalidRequest: it is not for an upstream to answer for this name.
    """
    if not uow.settings.upstreams:
        raise InvalidRequest("There is no index behind this one: GREENROOM_UPSTREAMS is not set.")
    project = projects.find(uow, name)
    if project is not None and project.registered is None:
        raise InvalidRequest(
            f"Drafts reserve the name {project.name!r} here: discard them first, or publish them."
        )
    answers = upstreams.answering(uow, name)
    if answers is Answering.UPSTREAM:
        return None
    if answers is Answering.CLAIMED:
        raise InvalidRequest(f"No index is asked for {name!r}, which this one keeps for its own.")
    adopted = (
        uow.db.scalar(
            select(Release.adopted_from)
            .join(Project, Project.id == Release.project_id)
            .where(Project.normalized_name == name, Release.adopted_from.is_not(None))
            .limit(1)
        )
        if answers is Answering.HERE
        else None
    )
    if adopted is None:
        raise InvalidRequest(
            f"{name!r} is a project of this index: files of another index are never mixed into it."
        )
    return adopted


def _page(services: Services, name: str, former: str | None) -> tuple[Upstream, ProjectPage]:
    """The page of the project, and whose it is; of the upstream that it was adopted from before."""
    for upstream in services.settings.upstreams:
        if former not in (None, upstream.name):
            continue
        with services.reading() as uow:
            kept = upstream_pages.find(uow, upstream.name, name)
        if kept is None or not kept.is_fresh:
            _ask(services, upstream, name)
            with services.reading() as uow:
                kept = upstream_pages.find(uow, upstream.name, name)
        if kept is not None and kept.page is not None:
            return upstream, kept.page
    raise NotFound(f"No index behind this one has the project {name!r}.")


def _ask(services: Services, upstream: Upstream, name: str) -> None:
    """Ask for the page; where that fails, one that may be shown does."""
    try:
        upstream_page_fetching.fetch_now(services, upstream, name)
    except UpstreamUnavailable:
        with services.reading() as uow:
            kept = upstream_pages.find(uow, upstream.name, name)
        if kept is None or not kept.may_be_shown:
            raise


def _files(page: ProjectPage, wanted: Order, upstream: Upstream) -> tuple[PageFile, ...]:
    version = Version(wanted.version)
    for release in upstream_projects.releases(page):
        if release.version and Version(release.version) == version:
            return release.files
    raise NotFound(f"{upstream.name} has no files of {page.name} {wanted.version}.")


@contextmanager
def _prepared(
    services: Services, upstream: Upstream, policy: Policy, file: PageFile, wanted: Order
) -> Iterator[Prepared]:
    """A file that has come, is what its page says, is let in as it is, and is stored."""
    hashes = {name: text for name, text in file.hashes.items() if name in _HASHES}
    limit = services.settings.max_file_size
    imports.check_before(services, file.size)
    with Receiver(services.storage.incoming, limit=limit, digests=hashes, share=None) as receiver:
        try:
            for piece in _pieces(services, upstream, policy.project, file):
                receiver.add(piece)
        except TooManyBytes:
            raise TooLarge(file_rules.file_too_large(limit)) from None
        artifact = Artifact(file.filename, receiver.received())
        for name, digest in hashes.items():
            if artifact.content.digests[name] != digest:
                raise WrongDigest(
                    f"{file.filename} does not have the digest ({name}) that {upstream.name} says."
                )
        distribution, is_historical = imports.examine(
            services, artifact, policy.project, historical=True
        )
        _check(_judged(services, policy, file, artifact, distribution))
        imports.store(services, artifact, distribution)
        now = services.clock()
        yield Prepared(
            artifact,
            distribution,
            is_historical,
            min(file.uploaded or now, now),
            file.yanked,
            where=shown(file.url),
            adopted=Adopted(upstream.name, shown(file.url), wanted.by),
        )


def _judged(
    services: Services,
    policy: Policy,
    file: PageFile,
    artifact: Artifact,
    distribution: Distribution,
) -> Refused | None:
    """Why a file is not let in by what it is; what it says of its licence is noted."""
    expression = upstream_licenses.expression_of(distribution.metadata)
    if services.settings.upstream_licenses:
        which = policy.upstream, policy.project, file.filename
        upstream_usage.PENDING.note_license(*which, expression)
        upstream_usage.PENDING.write(services)
    return policy.once_read(file, artifact.size, expression)


_HASHES = hashlib.algorithms_guaranteed - {"shake_128", "shake_256"}


def _pieces(
    services: Services, upstream: Upstream, project: str, file: PageFile
) -> Iterable[bytes]:
    """The bytes of a file: those that are kept here, or else from the upstream."""
    with services.reading() as uow:
        kept = upstream_files.find(uow.db, upstream_files.wanted(upstream.name, project, file))
        is_here = kept is not None and upstream_files.is_whole(uow, kept)
    if kept is not None and is_here:
        with suppress(BlobMissing):  # it may be let go of just now
            if not blob_digests.is_intact(services.storage, kept.sha256):
                raise WrongDigest(
                    f"What is kept here of {file.filename} is not what it was: run 'greenroom "
                    "upstream verify' first, which fetches it again."
                )
            with services.storage.open(kept.sha256) as blob:
                yield from blob
            return
    client = services.asking.client(services.settings, upstream)
    try:
        with client.get(file.url, seconds=None) as answer:
            if answer.status != 200:
                raise UpstreamFailed(f"{shown(file.url)} answers with status {answer.status}.")
            yield from answer.pieces()
    except UpstreamFailed as error:
        raise UpstreamUnavailable(
            f"{file.filename} was not had from {upstream.name}: {error}", str(error), _RETRY_AFTER
        ) from error


def _accepted(
    services: Services,
    upstream: Upstream,
    wanted: Order,
    files: Sequence[Prepared],
    present: Sequence[str],
) -> Adoption:
    terms = Terms(wanted.owner, historical=True, source=f"{upstream.name} ({upstream.shown})")

    def check(uow: UnitOfWork) -> None:
        """Refuse it where somebody has taken the name while the files came."""
        if _former(uow, wanted.project) not in (None, upstream.name):
            raise InvalidRequest(f"{wanted.project!r} was adopted from another index meanwhile.")

    taken = imports.accept_all(services, terms, files, check)
    by_name = {file.artifact.filename: what for file, what in zip(files, taken, strict=True)}
    meanwhile = [name for name, what in by_name.items() if what is Taken.BEFORE]
    return Adoption(
        upstream.name,
        tuple(name for name in by_name if name not in meanwhile),
        (*present, *meanwhile),
    )
