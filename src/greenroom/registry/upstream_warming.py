"""Filling the cache of files of upstreams ahead of time, and seeing that it is in order.

What is wanted is named by requirements, which may say by digests which files are meant. Each file
that is let in is fetched, with its metadata file, so that a build works without the upstream.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct, field
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from greenroom.distributions.historical import version_in
from greenroom.other_indexes.errors import UpstreamUnavailable
from greenroom.other_indexes.pages import PageFile, ProjectPage
from greenroom.registry import (
    blob_digests,
    trash,
    upstream_files,
    upstream_page_fetching,
    upstream_pages,
    upstream_policy,
    upstreams,
)
from greenroom.registry.names import lookup_name
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upstream_fetching import Fetches, FileNotHere
from greenroom.registry.upstream_files import METADATA, KeptFile, WantedFile
from greenroom.registry.upstreams import Answering
from greenroom.storage import BlobMissing, Shelf

_AT_ONCE = 4
_MOST_ASKED = 8


class Locked(Struct, frozen=True):
    """A project that a build needs.

    Attributes:
        name: in any spelling.
        specifier: of which versions; of several the newest is meant.
        digests: the SHA-256 digests of the files that may be used, empty where none are named.
    """

    name: str
    specifier: SpecifierSet = field(default_factory=SpecifierSet)
    digests: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.name}{self.specifier}"


class Plan(Struct, frozen=True):
    """What is to be fetched for requirements.

    Attributes:
        files: to be fetched, unless they are here.
        problems: sentences on requirements of which nothing can be had.
        refused: sentences on files that are not let in, of which there are others.
        own: names that this index answers for itself.
    """

    files: list[WantedFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)


class Warmed(Struct):
    """What came of it: files that were fetched, that were here, and sentences on all others."""

    fetched: int = 0
    kept: int = 0
    failures: list[str] = field(default_factory=list)


class Verified(Struct):
    """What came of a verification.

    Attributes:
        checked: how many files are kept.
        wrong: names of files whose bytes were missing or other ones.
        repaired: how many of them were fetched again. The others were let go.
    """

    checked: int = 0
    wrong: list[str] = field(default_factory=list)
    repaired: int = 0


def plan(services: Services, wanted: Iterable[Locked]) -> Plan:
    """Find out which files are meant; pages that are not fresh are asked for."""
    made = Plan()
    for locked in wanted:
        name = lookup_name(locked.name)
        with services.reading() as uow:
            answering = upstreams.answering(uow, name)
        if answering is not Answering.UPSTREAM:
            made.own.append(locked.name)
            continue
        try:
            found = _page(services, name)
        except UpstreamUnavailable as error:
            made.problems.append(f"{locked.name}: {error}")
            continue
        if found is None:
            made.problems.append(f"{locked.name}: no upstream has it.")
        else:
            _choose(services, locked, *found, made)
    return made


def warm(
    services: Services, files: Sequence[WantedFile], progress: Callable[[int], None]
) -> Warmed:
    """Fetch files that are not here, several at once.

    Args:
        services: where.
        files: which.
        progress: told after each how many bytes it has, as far as its page says that.
    """
    warmed, fetches = Warmed(), Fetches(services)

    def fetch(file: WantedFile) -> str | bool:
        with services.reading() as uow:
            kept = upstream_files.find(uow.db, file)
            if kept is not None and upstream_files.is_whole(uow, kept):
                return False
        try:
            fetches.fetch(file)
        except FileNotHere as error:
            return str(error)
        return True

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for file, result in zip(files, threads.map(fetch, files), strict=True):
            if isinstance(result, str):
                warmed.failures.append(result)
            elif result:
                warmed.fetched += 1
            else:
                warmed.kept += 1
            progress(file.size or 0)
    return warmed


def verify(services: Services, progress: Callable[[int], None]) -> Verified:
    """Read all files that are kept: what is wrong is let go, and fetched again where that can be.

    Args:
        services: where.
        progress: told of the size of each piece that was read.
    """
    found, fetches = Verified(), Fetches(services)
    for kept in upstream_files.all_of(services):
        found.checked += 1
        if _is_intact(services, kept, progress):
            continue
        found.wrong.append(kept.filename)
        _put_aside(services, kept)
        wanted = _wanted_again(services, kept)
        if wanted is not None:
            try:
                fetches.fetch(wanted)
                found.repaired += 1
            except FileNotHere:
                continue
    return found


def _page(services: Services, name: str) -> tuple[str, ProjectPage] | None:
    """The page that answers for a name, and of which upstream; None where there is none.

    Raises:
        UpstreamUnavailable: nobody can say.
    """
    for _ in range(_MOST_ASKED):
        with services.reading() as uow:
            standing = upstream_pages.standing(uow, name)
        ask = standing.ask or standing.refresh
        if ask is not None:
            try:
                upstream_page_fetching.fetch_now(services, ask, name)
                continue
            except UpstreamUnavailable:
                if standing.ask is not None and not standing.has_otherwise:
                    raise
        shown = standing.shown or standing.otherwise
        if shown is None or shown.page is None:
            return None
        return shown.upstream, shown.page
    return None


def _choose(
    services: Services, locked: Locked, upstream: str, page: ProjectPage, made: Plan
) -> None:
    """Add the files that are meant to the plan."""
    meant = list(_meant(locked, page))
    if not meant:
        made.problems.append(f"{locked}: {upstream} has no such file.")
        return
    with services.reading() as uow:
        refused = upstream_policy.judge(uow, upstream, page)
    sentences = [refused[file.filename] for file in meant if file.filename in refused]
    let_in = [file for file in meant if file.filename not in refused]
    (made.refused if let_in else made.problems).extend(dict.fromkeys(sentences))
    for file in let_in:
        made.files.append(upstream_files.wanted(upstream, page.name, file))
        metadata = upstream_files.wanted_metadata(upstream, page.name, file)
        if metadata is not None:
            made.files.append(metadata)


def _meant(locked: Locked, page: ProjectPage) -> Iterator[PageFile]:
    """The files that have one of the digests; without these, those of the newest version."""
    if locked.digests:
        for file in page.files:
            if file.hashes.get("sha256") in locked.digests:
                yield file
        return
    versions: dict[Version, list[PageFile]] = {}
    for file in page.files:
        version = version_in(file.filename, page.name)
        if version is not None:
            versions.setdefault(version, []).append(file)
    allowed = list(locked.specifier.filter(versions))
    is_pinned = any(each.operator in ("==", "===") for each in locked.specifier)
    standing = [
        version
        for version in allowed
        if is_pinned or any(file.yanked is None for file in versions[version])
    ]
    if standing:
        yield from versions[max(standing)]


def _is_intact(services: Services, kept: KeptFile, progress: Callable[[int], None]) -> bool:
    try:
        return blob_digests.is_intact(services.storage, kept.sha256, progress)
    except (BlobMissing, OSError):
        return False


def _put_aside(services: Services, kept: KeptFile) -> None:
    """Let a file go whose bytes are wrong; where others want these, they lie with the damaged."""
    with services.writing() as uow:
        uow.lock(f"blob:{kept.sha256}")
        upstream_files.forget(uow, kept)
        if kept.sha256 not in uow.storage or blob_digests.is_there_intact(uow.storage, kept.sha256):
            return
        if trash.referenced(uow.db, (kept.sha256,)):
            uow.storage.move(kept.sha256, Shelf.KEPT, Shelf.DAMAGED)
        else:
            uow.storage.delete(kept.sha256)


def _wanted_again(services: Services, kept: KeptFile) -> WantedFile | None:
    """The file as the page has it now; None where it is not there, or is none to be asked for."""
    with services.reading() as uow:
        return _on_page(uow, kept)


def _on_page(uow: UnitOfWork, kept: KeptFile) -> WantedFile | None:
    if upstreams.answering(uow, kept.project) is not Answering.UPSTREAM:
        return None
    found = upstream_pages.find(uow, kept.upstream, kept.project)
    if found is None or found.page is None:
        return None
    for file in found.page.files:
        if file.filename == kept.filename:
            return upstream_files.wanted(kept.upstream, kept.project, file)
        if file.filename + METADATA == kept.filename:
            return upstream_files.wanted_metadata(kept.upstream, kept.project, file)
    return None
