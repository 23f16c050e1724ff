"""Fetching files of upstreams: each once on a machine, for all who ask for it meanwhile.

What has come lies in the folder of files that are being received (``Storage.incoming``), where all
processes of the machine see it. Whoever fetches holds a lock on it, which a process that is killed
loses; whoever waits for the file and finds the lock free fetches on from where it ended.

The last byte is written when the digests and the size are those that the upstream has said, and not
before. So a file that has all of its bytes is right, and one that is wrong is never sent whole.
"""

import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import structlog
from msgspec import Struct, field

from greenroom.counters import Counted, count
from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.historical import inspect_historical
from greenroom.distributions.metadata import salvage_metadata
from greenroom.other_indexes.client import Answer, shown
from greenroom.other_indexes.errors import (
    AddressRefused,
    BadAnswer,
    BrokenOff,
    NoAnswer,
    UpstreamFailed,
)
from greenroom.outages import outage_of
from greenroom.registry import (
    storage_identity,
    upstream_files,
    upstream_licenses,
    upstream_usage,
)
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_files import MOST_METADATA, WantedFile
from greenroom.storage import StorageUnavailable
from greenroom.storage.disk import disk_errors
from greenroom.upstream_settings import Upstream

AT_ONCE = 8
"""So many files does a process fetch at once."""
MOST_WAITING = 1000
"""So many more may be asked for; then the index is busy."""
SMALL = 256 * 1024
"""What has fewer bytes is sent when all of them are here, to all who wait, from memory."""

_PREFIX = "upstream-"
_BLOCK = 256 * 1024
_PAUSES = (0.2, 1.0, 3.0, 5.0)
"""Seconds between attempts that bring nothing more; where one does, they begin anew."""
_PAUSES_BEFORE_ANYTHING = (0.2, 1.0)
_LOCK_ATTEMPTS = 5
_LOCK_PAUSE = 0.005
_RETRY_AFTER, _LONGEST_RETRY_AFTER = 5.0, 600.0
_TOUCHED_EVERY = 600.0

log = structlog.get_logger("greenroom.upstream")


class FileNotHere(Exception):
    """A file of an upstream is not kept here, and cannot be had now. The text is a sentence.

    Attributes:
        retry_after: after how many seconds it may be asked for again.
    """

    def __init__(self, sentence: str, retry_after: float = _RETRY_AFTER) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class WrongContent(UpstreamFailed):
    """What the upstream sends is not what its page says."""


class Arriving(Struct, frozen=True):
    """A file that is being fetched, by this process or by another one.

    Attributes:
        file: what has come so far; open, for whoever has asked.
        size: how many bytes it has in the end.
    """

    file: BinaryIO
    size: int


class _Job(Struct, frozen=True):
    """A file that this process fetches, or is about to fetch.

    Attributes:
        begun: done when the upstream has answered, or when it is over.
        ended: done when it is over.
    """

    begun: Future[None] = field(default_factory=Future)
    ended: Future[None] = field(default_factory=Future)

    def begin(self) -> None:
        """Tell whoever waits that something can be said."""
        if not self.begun.done():
            self.begun.set_result(None)

    def end(self) -> None:
        """Tell whoever waits that it is over."""
        self.begin()
        self.ended.set_result(None)


class _Place(Struct, frozen=True, dict=True):
    """Where a file arrives."""

    folder: Path
    wanted: WantedFile

    @cached_property
    def key(self) -> str:
        """What tells it from every other file, and from one of the same name and other content."""
        wanted = self.wanted
        text = json.dumps([wanted.upstream, wanted.url, sorted(wanted.hashes.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    @property
    def path(self) -> Path:
        """The file itself."""
        return self.folder / f"{_PREFIX}{self.key}"

    @property
    def head(self) -> Path:
        """What the upstream has said of it: there while it may be sent on."""
        return self.folder / f"{_PREFIX}{self.key}.head"

    @property
    def asked(self) -> tuple[str, ...]:
        """What is remembered of failures to fetch it goes by this.

        They say nothing of the pages of the upstream, which may be on another host.
        """
        return ("files", self.wanted.upstream, self.key)

    def read_head(self) -> "_Head | None":
        """What the upstream has said of it; None where it has not answered yet."""
        try:
            found = json.loads(self.head.read_text("ascii"))
            return _Head(int(found["size"]), str(found["etag"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_head(self, head: "_Head") -> None:
        """Say so."""
        aside = self.head.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        aside.write_text(json.dumps({"size": head.size, "etag": head.etag}), "ascii")
        os.replace(aside, self.head)


class _Head(Struct, frozen=True):
    """What an upstream has said of a file: its size, and its strong entity tag, or empty."""

    size: int
    etag: str


class Fetches:
    """What this process fetches; all threads share it."""

    def __init__(self, services: Services) -> None:
        """Nothing is fetched yet."""
        self._services = services
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def look(self, wanted: WantedFile) -> "Arriving | Future[None] | None":
        """How far a file is; if nobody fetches it, this process begins to. Nothing is waited for.

        Returns:
            What has come so far of a file that is not small; else what is done when this process
            can say more; None where another one fetches, and nothing can be said yet. Whoever asks
            looks then whether it is kept meanwhile, and asks again.

        Raises:
            FileNotHere: it could not be fetched a moment ago.
            StorageUnavailable: nothing can be written.
        """
        place = _Place(self._services.storage.incoming, wanted)
        with self._lock:
            job = self._jobs.get(place.key)
        if job is None and not _is_locked(place.path):
            self._raise_failure(place)
            job = self._begin(place)
        if job is None:
            return _arriving(place)
        if wanted.is_metadata or (wanted.size is not None and wanted.size < SMALL):
            return job.ended
        if not job.begun.done():
            return job.begun
        return _arriving(place) or job.ended

    def is_coming(self, wanted: WantedFile, file: BinaryIO) -> bool:
        """Whether more can be expected of a file that is not whole; quick, for the event loop.

        If nobody fetches it any more, this process goes on, unless it has tried that.

        Args:
            wanted: what it is.
            file: what :meth:`look` has given.
        """
        if os.fstat(file.fileno()).st_nlink == 0:
            return False
        try:
            place = _Place(self._services.storage.incoming, wanted)
            with self._lock:
                if place.key in self._jobs:
                    return True
            if not _is_locked(place.path):
                self._raise_failure(place)
                self._begin(place)
        except (FileNotHere, StorageUnavailable):
            return False
        return True

    def fetch(self, wanted: WantedFile) -> None:
        """Fetch a file here and now; if somebody does already, wait until that ends.

        Raises:
            FileNotHere: it cannot be had.
            StorageUnavailable: it cannot be kept.
        """
        place = _Place(self._services.storage.incoming, wanted)
        pause = 0.01
        while not self._fetch(place, _Job()):
            time.sleep(pause)
            pause = min(2 * pause, 0.5)

    def _raise_failure(self, place: _Place) -> None:
        now = self._services.clock()
        failure = self._services.asking.failure(place.asked, now)
        if failure is not None:
            raise _not_here(place.wanted, failure.sentence, (failure.until - now).total_seconds())

    def _begin(self, place: _Place) -> _Job:
        with self._lock:
            job = self._jobs.get(place.key)
            if job is not None:
                return job
            if len(self._jobs) >= AT_ONCE + MOST_WAITING:
                raise FileNotHere("This index fetches too many files at once: try again.")
            job = self._jobs[place.key] = _Job()
            if self._threads is None:
                self._threads = ThreadPoolExecutor(AT_ONCE, "upstream files")
            self._threads.submit(self._run, place, job)
            return job

    def _run(self, place: _Place, job: _Job) -> None:
        try:
            self._fetch(place, job)
        except FileNotHere:
            pass  # it is remembered, and told to whoever asks
        except Exception as error:
            outage = outage_of(error)
            if outage is None:
                log.exception("a file of an upstream cannot be fetched", file=place.wanted.filename)
            else:
                log.error("a file of an upstream cannot be kept", reason=outage.reason)
            sentence = outage.sentence if outage is not None else "Something went wrong here."
            failure = UpstreamFailed(sentence)
            self._services.asking.note_failure(place.asked, failure, self._services.clock())
        finally:
            with self._lock:
                del self._jobs[place.key]
            job.end()

    def _fetch(self, place: _Place, job: _Job) -> bool:
        """Fetch a file and keep it; False where somebody else fetches it."""
        with disk_errors(place.folder), _held(place.path) as file:
            if file is None:
                return False
            with self._services.reading() as uow:
                kept = upstream_files.find(uow.db, place.wanted)
                if kept is not None and upstream_files.is_whole(uow, kept):
                    _remove(place)
                    return True
            _Fetch(self._services, place, file, job).run()
        return True


class _Fetch(Struct):
    """One file that is fetched, by whoever holds its lock."""

    services: Services
    place: _Place
    file: BinaryIO
    job: _Job
    written: int = 0
    received: int = 0
    last: bytes = b""
    touched: float = 0.0
    size: int | None = None
    _etag: str = ""
    hashes: dict[str, "hashlib._Hash"] = field(default_factory=dict)

    @property
    def wanted(self) -> WantedFile:
        return self.place.wanted

    def run(self) -> None:
        """Fetch it from where it has ended, check it, and keep it.

        Raises:
            FileNotHere: it cannot be had now. What has come stays, unless it is wrong.
        """
        former = self.place.read_head()
        self.place.head.unlink(missing_ok=True)
        self._begin_with_what_is_there(former)
        try:
            if not self._is_complete():
                self._receive_all(former.etag if former is not None else "")
            self._check()
        except UpstreamFailed as error:
            self._note_failure(error)
            raise _not_here(self.wanted, str(error), error.retry_after) from None
        self.services.asking.note_success(self.place.asked)
        self._keep()

    def _note_failure(self, error: UpstreamFailed) -> None:
        failed = UpstreamFailed(str(error), retry_after=error.retry_after)
        self.services.asking.note_failure(self.place.asked, failed, self.services.clock())
        is_wrong = isinstance(error, WrongContent)
        if is_wrong:
            _remove(self.place)
        count(Counted.UPSTREAM_FILES, "wrong" if is_wrong else "interrupted")
        (log.error if is_wrong else log.warning)(
            "an upstream has sent a wrong file" if is_wrong else "a file is not fetched",
            upstream=self.wanted.upstream,
            file=self.wanted.filename,
            reason=str(error),
        )

    def _begin_with_what_is_there(self, former: _Head | None) -> None:
        """Read what an earlier fetch has left, for the digests."""
        self.size = self.wanted.size
        if self.size is None and former is not None:
            self.size = former.size
        for name in {"sha256", *self.wanted.hashes}:
            with suppress(ValueError):
                self.hashes[name] = hashlib.new(name, usedforsecurity=False)
        self.file.seek(0)
        while piece := self.file.read(_BLOCK):
            self._digest(piece)
            self.written += len(piece)
        self.received = self.written

    def _is_complete(self) -> bool:
        return self.size is not None and self.received >= self.size

    def _receive_all(self, etag: str) -> None:
        """Receive what is missing, in as many attempts as bring something, and some that do not.

        Raises:
            UpstreamFailed: it does not come.
        """
        self._etag = etag
        failed = 0
        while True:
            before = self.received
            try:
                self._receive()
                if self.size is None or self._is_complete():
                    return
                raise BrokenOff(f"{shown(self.wanted.url)} ends too early.")
            except (BrokenOff, NoAnswer, BadAnswer) as error:
                failed = 1 if self.received > before else failed + 1
                pauses = _PAUSES if self.received else _PAUSES_BEFORE_ANYTHING
                if failed > len(pauses) or not _is_passing(error, pauses[failed - 1]):
                    raise
                time.sleep(pauses[failed - 1])

    def _receive(self) -> None:
        """Ask once, and take what comes."""
        headers = {"Accept": "*/*"}
        # What nothing tells from another content is not put together from two answers.
        if self.received and (self._etag or self.wanted.strong):
            headers["Range"] = f"bytes={self.received}-"
            if self._etag:
                headers["If-Range"] = self._etag
        client = self.services.asking.client(self.services.settings, _upstream(self))
        with client.get(self.wanted.url, headers, seconds=None) as answer:
            begins = self._begins_at(answer)
            self._take_size(answer, begins)
            self._etag = _strong_etag(answer.headers.get("ETag", ""))
            if self.size is not None:
                self.place.write_head(_Head(self.size, self._etag))
                self.job.begin()
            pieces = answer.pieces()
            if begins == 0 and self.received:
                pieces = self._without_beginning(pieces)
            for piece in pieces:
                self._take(piece)

    def _begins_at(self, answer: Answer) -> int:
        """At which byte the answer begins.

        Raises:
            UpstreamFailed: it is none that has the file.
        """
        url, status = shown(answer.url), answer.status
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise WrongContent(f"{url} comes in a coding that nobody asked for.")
        if status == 200:
            return 0
        if status == 206 and self.received:
            said = answer.headers.get("Content-Range", "").partition("-")[0]
            if said.strip() == f"bytes {self.received}":
                return self.received
        if status == 416 and self.received:
            raise WrongContent(f"{url} is another file now than it was.")
        sentence = f"{url} answers with status {status}, though it is on the page of the project."
        wait = answer.retry_after(self.services.clock())
        if status >= 500 and wait is None:
            raise NoAnswer(sentence)
        raise BadAnswer(sentence, retry_after=wait)

    def _take_size(self, answer: Answer, begins: int) -> None:
        if answer.length is None:
            return
        size = begins + answer.length
        if self.size is not None and size != self.size:
            raise WrongContent(
                f"{shown(answer.url)} has {size} bytes, and should have {self.size}."
            )
        self._check_size(size)
        self.size = size

    def _check_size(self, size: int) -> None:
        """Raise WrongContent where it is more than a file may have whose size nobody has said."""
        limit = self.services.settings.upstream_cache_size
        if self.wanted.is_metadata:
            limit = MOST_METADATA
        most = self.size if self.size is not None else limit
        if size > most:
            raise WrongContent(
                f"{shown(self.wanted.url)} has more than the {most} bytes that it may have."
            )

    def _without_beginning(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces behind what is there already; see that it is the same."""
        missing, digest = self.received, hashlib.sha256()
        for piece in pieces:
            if missing:
                digest.update(piece[:missing])
                rest = piece[missing:]
                missing -= min(missing, len(piece))
                if not missing and digest.digest() != self.hashes["sha256"].digest():
                    raise WrongContent(f"{shown(self.wanted.url)} is another file now than it was.")
                piece = rest
            if piece:
                yield piece

    def _take(self, piece: bytes) -> None:
        """Write what has come, but for the last byte so far."""
        if not piece:
            return
        self._digest(piece)
        self.received += len(piece)
        if self.size is None or self.received > self.size:
            self._check_size(self.received)
        whole = self.last + piece
        self._write(whole[:-1])
        self.last = whole[-1:]

    def _write(self, content: bytes) -> None:
        self.file.write(content)
        self.file.flush()
        self.written += len(content)
        now = time.monotonic()
        if now - self.touched > _TOUCHED_EVERY:  # housekeeping removes what is old
            self.touched = now
            with suppress(FileNotFoundError):
                os.utime(self.place.head)

    def _digest(self, piece: bytes) -> None:
        for hashed in self.hashes.values():
            hashed.update(piece)

    def _check(self) -> None:
        """See that it is the file that the page speaks of, and write its last byte."""
        url = shown(self.wanted.url)
        if self.size is not None and self.received != self.size:
            raise WrongContent(f"{url} has {self.received} bytes, and should have {self.size}.")
        for function, said in self.wanted.hashes.items():
            hashed = self.hashes.get(function)
            if hashed is not None and hashed.hexdigest() != said:
                raise WrongContent(
                    f"What comes from {url} is not what the page of the upstream says: its "
                    f"{function} digest is another one."
                )
        self._write(self.last)
        self.last = b""

    def _keep(self) -> None:
        """Put it into the storage, and write down that it is there."""
        sha256, size, path = self.hashes["sha256"].hexdigest(), self.received, self.place.path
        if upstream_files.fits(self.services, size):
            storage_identity.check(self.services)
            upstream_files.make_room(self.services, size)
            self.services.storage.put(path, sha256)
            with self.services.writing() as uow:
                name = f"{self.wanted.upstream}/{self.wanted.project}/{self.wanted.filename}"
                uow.lock(f"upstream file:{name}")
                uow.lock(f"blob:{sha256}")
                if sha256 not in uow.storage:  # it went to the trash a moment ago
                    uow.storage.put(path, sha256)
                upstream_files.keep(uow, self.wanted, sha256, size)
        count(Counted.UPSTREAM_FILES, "fetched")
        self._note_license()
        _remove(self.place)

    def _note_license(self) -> None:
        """Write down under which licence the file comes, where files are let in by that."""
        wanted = self.wanted
        if not self.services.settings.upstream_licenses:
            return
        filename = wanted.filename.removesuffix(upstream_files.METADATA)
        expression = ""
        with suppress(InvalidDistribution):
            if filename != wanted.filename:
                metadata = salvage_metadata(self.place.path.read_bytes())
            else:
                metadata = inspect_historical(self.place.path, filename, wanted.project).metadata
            expression = upstream_licenses.expression_of(metadata)
        upstream_usage.PENDING.note_license(wanted.upstream, wanted.project, filename, expression)
        upstream_usage.PENDING.write(self.services)


def _upstream(fetch: _Fetch) -> Upstream:
    """Of which the file is.

    Raises:
        UpstreamFailed: there is none of this name any more.
    """
    for each in fetch.services.settings.upstreams:
        if each.name == fetch.wanted.upstream:
            return each
    raise AddressRefused(f"There is no upstream {fetch.wanted.upstream}.")


def _is_passing(error: UpstreamFailed, pause: float) -> bool:
    """Whether it is worth asking again after such a pause."""
    if error.retry_after is not None:
        return error.retry_after <= pause
    return not isinstance(error, BadAnswer)


def _not_here(wanted: WantedFile, sentence: str, retry_after: float | None) -> FileNotHere:
    return FileNotHere(
        f"{wanted.filename} is not kept here, and the upstream {wanted.upstream} that has it "
        f"cannot be asked now: {sentence}",
        min(retry_after or _RETRY_AFTER, _LONGEST_RETRY_AFTER),
    )


@contextmanager
def _held(path: Path) -> Iterator[BinaryIO | None]:
    """The file, open and locked; None where somebody else holds its lock."""
    for _ in range(_LOCK_ATTEMPTS):
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b")
        with file:
            if _lock(file, fcntl.LOCK_EX) and _is_at(path, file):
                yield file
                return
        time.sleep(_LOCK_PAUSE)  # somebody may have looked just then whether it is locked
    yield None


def _is_locked(path: Path) -> bool:
    """Whether somebody fetches the file."""
    try:
        with path.open("rb") as file:
            return not _lock(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _lock(file: BinaryIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Whether an open file is still the one of this name."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    return False


def _arriving(place: _Place) -> Arriving | None:
    """What has come of a file that somebody fetches.

    None where the upstream has not answered, or the file is small.
    """
    try:
        file = place.path.open("rb")
    except FileNotFoundError:  # it is kept now
        return None
    # In this order: what is said of a file goes before the file does.
    head = place.read_head()
    if head is None or head.size < SMALL or not _is_at(place.path, file):
        file.close()
        return None
    return Arriving(file, head.size)


def _remove(place: _Place) -> None:
    for path in (place.head, place.path):
        path.unlink(missing_ok=True)


def _strong_etag(etag: str) -> str:
    return "" if etag.startswith("W/") else etag
