"""An import from its beginning to its end: what a source offers comes in, a batch at a time.

Threads fetch, inspect and store, a bounded number of files ahead; one after the other they are
accepted, in transactions of a few. All that an import knows is in the database: one that was
interrupted begins again, and passes over what is there before it fetches anything.
"""

import contextlib
import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from enum import Enum
from itertools import islice

from msgspec import Struct, field
from packaging.utils import canonicalize_name

from greenroom.importing.candidates import Candidate, Source, SourceFailed, Trouble
from greenroom.importing.report import Refused, Report
from greenroom.registry import file_rules, imports
from greenroom.registry.artifacts import Artifact, Receiver, TooManyBytes
from greenroom.registry.catalogue import PublishedFile
from greenroom.registry.errors import OutOfSpace, Refusal, TooLarge, WrongDigest
from greenroom.registry.imports import Prepared, Taken, Terms
from greenroom.registry.unit_of_work import Services

_LOOKED_UP_AT_ONCE = 200
_MOST_BYTES_AT_ONCE = 64 * 2**20
_ATTEMPTS = 5
_MOST_FAILURES_IN_A_ROW = 10

Progress = Callable[[Report], None]


class _Known(Enum):
    """What is known of a file without an inspection."""

    PRESENT = "it is there"
    NOT_READ = "it would be read"


_Ready = Prepared | Refusal | SourceFailed | _Known


class Options(Struct, frozen=True):
    """How to import.

    Attributes:
        owner: the user name whose everything is that the source gives nobody else.
        historical: whether what the ecosystem took in its time is taken.
        dry_run: whether nothing is written.
        connections: how many files are read at once.
        sleep: waits for so many seconds.
        source: what the audit log calls where everything comes from, without credentials.
    """

    owner: str | None
    historical: bool = False
    dry_run: bool = False
    connections: int = 4
    sleep: Callable[[float], None] = time.sleep
    source: str = ""


class NobodyToOwn(ValueError):
    """Whose the files are to be is not said, or nobody is called so; the text is a sentence."""


class _Batch(Struct):
    """Files of one project that are to be accepted together."""

    terms: Terms
    name: str
    files: list[Prepared] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    size: int = 0


def check_people(services: Services, source: Source, options: Options) -> None:
    """See that everybody is a user whose the files are to be.

    Raises:
        NobodyToOwn: somebody is not, or nobody is named.
    """
    if options.owner is None and not source.people:
        raise NobodyToOwn("Say whose the projects are to be: --owner NAME.")
    needed = [*source.people, *([options.owner] if options.owner is not None else [])]
    missing = imports.check_people(services, needed)
    if missing:
        listed = ", ".join(map(repr, missing))
        raise NobodyToOwn(
            f"No user is called {listed}: make them with 'greenroom user create', say who they are "
            "here with --map-user OLD=NEW, or give everything to one with --owner NAME."
        )


def run(
    services: Services,
    source: Source,
    options: Options,
    progress: Progress,
    report: Report | None = None,
) -> Report:
    """Take in what a source offers.

    Args:
        services: where to.
        source: where from.
        options: how.
        progress: is told after every file how far it is.
        report: is filled in while it goes on, so that it is there also when this is broken off.

    Returns:
        What became of every file.

    Raises:
        SourceFailed: the source as a whole cannot be read; what came before is there.
        OutOfSpace: there is no room for more.
    """
    if report is None:
        report = Report()
    report.is_dry = options.dry_run
    return _Run(services, source, options, progress, report).run()


class _Run:
    def __init__(
        self,
        services: Services,
        source: Source,
        options: Options,
        progress: Progress,
        report: Report,
    ) -> None:
        self._services = services
        self._source = source
        self._options = options
        self._progress = progress
        self._report = report
        self._counting = threading.Lock()
        self._batch: _Batch | None = None
        self._kept: dict[str, ExitStack] = {}
        self._yanked: set[str] = set()
        self._stopping = threading.Event()
        self._failures = 0

    def run(self) -> Report:
        begun = time.monotonic()
        try:
            with ThreadPoolExecutor(self._options.connections, "import") as executor:
                try:
                    self._go_through(executor)
                except BaseException as error:
                    self._stopping.set()
                    executor.shutdown(cancel_futures=True)
                    if isinstance(error, SourceFailed | OutOfSpace):
                        self._flush()
                    raise
            self._flush()
            for name in sorted(self._yanked):
                imports.yank_whole_releases(self._services, name)
        finally:
            for stack in self._kept.values():
                stack.close()
            self._report.passed = self._source.passed.count
            self._report.seconds = time.monotonic() - begun
        return self._report

    def _go_through(self, executor: ThreadPoolExecutor) -> None:
        running: deque[tuple[Candidate, Future[_Ready]]] = deque()
        for candidate, present in self._wanted():
            running.append((candidate, executor.submit(self._prepared, candidate, present)))
            if len(running) >= 2 * self._options.connections:
                self._settle(*running.popleft())
        while running:
            self._settle(*running.popleft())

    # What is there already

    def _wanted(self) -> Iterator[tuple[Candidate, PublishedFile | None]]:
        """What may not be there, and what is there under its name.

        What can be told without reading anything is settled here.
        """
        offers = self._source.offers()
        while some := list(islice(offers, _LOOKED_UP_AT_ONCE)):
            names = [offer.filename for offer in some if isinstance(offer, Candidate)]
            here = imports.published(self._services, names)
            for offer in some:
                self._report.seen += 1
                if isinstance(offer, Trouble):
                    self._refuse(offer.where, offer.project, "unreadable", (offer.sentence,))
                    continue
                present = here.get(offer.filename)
                is_same = _is_same(offer, present) if present is not None else None
                if is_same is None:
                    yield offer, present
                elif is_same:
                    self._count_present(offer)
                else:
                    self._refuse_by(offer, imports.other_content(offer.filename))

    def _count_present(self, candidate: Candidate) -> None:
        self._report.present += 1
        if candidate.yanked is not None and candidate.project is not None:
            self._note_yanked(candidate.project)
        self._progress(self._report)

    def _note_yanked(self, name: str) -> None:
        if not self._options.dry_run:
            self._yanked.add(canonicalize_name(name))

    # In threads: everything that takes long

    def _prepared(self, candidate: Candidate, present: PublishedFile | None) -> _Ready:
        try:
            if present is not None and candidate.is_local:
                if _sha256(candidate) == present.sha256:
                    return _Known.PRESENT
                raise imports.other_content(candidate.filename)
            imports.check_before(self._services, candidate.size)
            if self._options.dry_run and not candidate.is_local:
                return _Known.NOT_READ
            return self._received(candidate)
        except OutOfSpace:
            raise
        except (Refusal, SourceFailed) as refusal:
            return refusal

    def _received(self, candidate: Candidate) -> Prepared:
        for attempt in range(_ATTEMPTS):
            try:
                return self._received_once(candidate)
            except SourceFailed as error:
                is_last = attempt == _ATTEMPTS - 1
                if not error.is_transient or is_last or self._stopping.is_set():
                    raise
                self._options.sleep(error.wait(attempt))
        raise AssertionError("unreachable")

    def _received_once(self, candidate: Candidate) -> Prepared:
        services = self._services
        limit = services.settings.max_file_size
        with ExitStack() as stack:
            receiver = stack.enter_context(
                Receiver(services.storage.incoming, limit=limit, digests=candidate.digests)
            )
            opened = stack.enter_context(candidate.open())
            try:
                for piece in opened.pieces:
                    receiver.add(piece)
                    with self._counting:
                        self._report.received += len(piece)
            except TooManyBytes:
                raise TooLarge(file_rules.file_too_large(limit)) from None
            received = receiver.received()
            artifact = Artifact(candidate.filename, received)
            _check(candidate, artifact)
            distribution, is_historical = imports.examine(
                services, artifact, candidate.project, historical=self._options.historical
            )
            if not self._options.dry_run:
                imports.store(services, artifact, distribution)
            with self._counting:
                self._kept[str(artifact.path)] = stack.pop_all()
        return Prepared(
            artifact,
            distribution,
            is_historical,
            _moment(services, candidate.uploaded or opened.modified),
            candidate.yanked,
            candidate.uploader,
            candidate.where,
        )

    # One after the other: what is written

    def _settle(self, candidate: Candidate, future: Future[_Ready]) -> None:
        ready = future.result()
        if not isinstance(ready, SourceFailed):
            self._failures = 0
        if ready is _Known.PRESENT:
            self._count_present(candidate)
        elif ready is _Known.NOT_READ:
            self._count(Taken.NOW, candidate.size or 0)
        elif isinstance(ready, SourceFailed):
            self._refuse(candidate.where, candidate.project, "unreadable", (str(ready),))
            self._give_up_after_many(ready)
        elif isinstance(ready, Refusal):
            self._refuse_by(candidate, ready)
        elif isinstance(ready, Prepared) and self._options.dry_run:
            self._let_go(ready)
            outcome = imports.look(self._services, self._terms(candidate), ready)
            if isinstance(outcome, Refusal):
                self._refuse_by(candidate, outcome)
            else:
                self._count(outcome, ready.artifact.size)
        elif isinstance(ready, Prepared):
            self._add(candidate, ready)

    def _give_up_after_many(self, failure: SourceFailed) -> None:
        """Stop where the source is gone: to try each of its files would take for ever.

        Raises:
            SourceFailed: it is.
        """
        self._failures += failure.is_transient
        if self._failures >= _MOST_FAILURES_IN_A_ROW:
            raise SourceFailed(f"{failure} So it was with many files in a row: begin again later.")

    def _count(self, outcome: Taken, size: int) -> None:
        if outcome is Taken.BEFORE:
            self._report.present += 1
        else:
            self._report.imported += 1
            self._report.size += size
            self._report.historical += outcome is Taken.AS_HISTORICAL
        self._progress(self._report)

    def _terms(self, candidate: Candidate) -> Terms:
        owner = candidate.owner or self._options.owner or ""
        options = self._options
        return Terms(owner, candidate.maintainers, options.historical, options.source)

    def _add(self, candidate: Candidate, file: Prepared) -> None:
        terms = self._terms(candidate)
        name = file.distribution.normalized_name
        batch = self._batch
        if batch is None or (batch.terms, batch.name) != (terms, name):
            self._flush()
            batch = self._batch = _Batch(terms, name)
        batch.files.append(file)
        batch.candidates.append(candidate)
        batch.size += file.artifact.size
        if len(batch.files) >= imports.MOST_AT_ONCE or batch.size >= _MOST_BYTES_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        batch, self._batch = self._batch, None
        if batch is None:
            return
        outcomes = imports.accept(self._services, batch.terms, batch.files)
        for candidate, file, outcome in zip(batch.candidates, batch.files, outcomes, strict=True):
            self._let_go(file)
            if isinstance(outcome, Refusal):
                self._refuse_by(candidate, outcome)
                continue
            if candidate.yanked is not None:
                self._note_yanked(batch.name)
            self._count(outcome, file.artifact.size)

    def _let_go(self, file: Prepared) -> None:
        with self._counting:
            stack = self._kept.pop(str(file.artifact.path), None)
        if stack is not None:
            with contextlib.suppress(OSError):
                stack.close()

    def _refuse_by(self, candidate: Candidate, refusal: Refusal) -> None:
        self._refuse(candidate.where, candidate.project, refusal.code, refusal.details)

    def _refuse(self, where: str, project: str | None, code: str, reasons: Sequence[str]) -> None:
        self._report.refused.append(Refused(where, project, code, tuple(reasons)))
        self._progress(self._report)


def _is_same(offer: Candidate, present: PublishedFile) -> bool | None:
    """Whether the offered file is the one that is public; None where it has to be read."""
    is_same = imports.same_content(present, offer.digests)
    if is_same is None and offer.size is not None and offer.size != present.size:
        return False
    if is_same is None and not offer.is_local and not offer.digests:
        # A name stands for one content on every index, and to be certain is to fetch it.
        return True
    return is_same


def _sha256(candidate: Candidate) -> str:
    digest = hashlib.sha256()
    with candidate.open() as opened:
        for piece in opened.pieces:
            digest.update(piece)
    return digest.hexdigest()


def _check(candidate: Candidate, artifact: Artifact) -> None:
    """Refuse bytes that are not those that the source lists.

    Raises:
        WrongDigest: they are not.
    """
    for name, digest in candidate.digests.items():
        if artifact.content.digests[name] != digest.lower():
            raise WrongDigest(
                f"The file does not have the digest ({name}) that its source gives: it was damaged "
                "there or on the way."
            )
    if not candidate.digests and candidate.size not in (None, artifact.size):
        raise WrongDigest("The file does not have the size that its source gives.")


def _moment(services: Services, at: datetime | None) -> datetime:
    """When a file was published: never in the future."""
    now = services.clock()
    return min(at, now) if at is not None else now
