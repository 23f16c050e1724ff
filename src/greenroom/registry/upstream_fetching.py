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
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol

import structlog

from greenroom.counters import Counted, count
from greenroom.registry import storage_identity, upstream_files
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_files import WantedFile
from greenroom.storage import StorageUnavailable
from greenroom.storage.disk import disk_errors

AT_ONCE = 8
"""So many files does a process fetch at once."""
MOST_WAITING = 1000
"""So many more may be asked for; then the index is busy."""

_PREFIX = "upstream-"
_BLOCK = 256 * 1024
_PAUSES = (0.2, 1.0, 3.0)
"""Seconds between attempts that bring nothing more; where one does, they begin anew."""
_LOCK_ATTEMPTS = 5
_LOCK_PAUSE = 0.005
_REMEMBERED = 5.0
"""Seconds that a failure is told to whoever asks, before the upstream is asked again."""
_LONGEST_REMEMBERED = 600.0
_TOUCHED_EVERY = 600.0

log = structlog.get_logger("greenroom.upstream")


class FileNotHere(Exception):
    """A file of an upstream is not kept here, and cannot be had now. The text is a sentence.

    Attributes:
        retry_after: after how many seconds it may be asked for again.
    """

    def __init__(self, sentence: str, retry_after: float = _REMEMBERED) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class WrongContent(FileNotHere):
    """What the upstream sends is not what its page says."""


class Interrupted(Exception):
    """The upstream has not sent all of it. The text is a sentence that names it.

    Attributes:
        retry_after: after how many seconds it wants to be asked again.
        is_transient: whether there is sense in asking it again at once.
    """

    def __init__(
        self, sentence: str, *, retry_after: float | None = None, is_transient: bool = True
    ) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
        self.is_transient = is_transient


class Answered(Protocol):
    """What an upstream answers to a request for a file."""

    @property
    def status(self) -> int:
        """As in HTTP."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By names in lower case."""

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes, without a coding.

        Raises:
            Interrupted: it does not come to its end.
        """


class Opener(Protocol):
    """Asks an upstream for a file."""

    def __call__(
        self, upstream: str, url: str, headers: Mapping[str, str]
    ) -> AbstractContextManager[Answered]:
        """Ask it.

        Args:
            upstream: its name in the settings.
            url: of the file.
            headers: besides those that every request has.

        Raises:
            Interrupted: it cannot be asked, or does not answer.
        """


@dataclass(frozen=True, slots=True)
class Arriving:
    """A file that is being fetched, by this process or by another one.

    Attributes:
        file: what has come so far; open, for whoever has asked.
        size: how many bytes it has in the end.
    """

    file: BinaryIO
    size: int


@dataclass(slots=True)
class _Job:
    """A file that this process fetches, or is about to fetch."""

    has_begun: bool = False


@dataclass(frozen=True)
class _Place:
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


@dataclass(frozen=True, slots=True)
class _Head:
    """What an upstream has said of a file: its size, and its strong entity tag, or empty."""

    size: int
    etag: str


class Fetches:
    """What this process fetches; all threads share it."""

    def __init__(self, services: Services, opener: Opener) -> None:
        """Nothing is fetched yet."""
        self._services = services
        self._open = opener
        self._jobs: dict[str, _Job] = {}
        self._failures: dict[str, tuple[float, FileNotHere]] = {}
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def look(self, wanted: WantedFile) -> Arriving | None:
        """How far a file is; if nobody fetches it, this process begins to. Nothing is waited for.

        Returns:
            What has come so far; None where nothing can be said yet. Whoever asks looks then
            whether it is kept meanwhile, and asks again.

        Raises:
            FileNotHere: it could not be fetched a moment ago.
            StorageUnavailable: nothing can be written.
        """
        place = _Place(self._services.storage.incoming, wanted)
        with self._lock:
            self._raise_failure(place.key)
            job = self._jobs.get(place.key)
        if job is not None:
            return _arriving(place) if job.has_begun else None
        if _is_locked(place.path):
            return _arriving(place)
        self._begin(place)
        return None

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
                self._raise_failure(place.key)
            if not _is_locked(place.path):
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

    def _raise_failure(self, key: str) -> None:
        until, failure = self._failures.get(key, (0.0, None))
        if failure is not None:
            if time.monotonic() < until:
                raise failure
            del self._failures[key]

    def _begin(self, place: _Place) -> None:
        with self._lock:
            if place.key in self._jobs:
                return
            if len(self._jobs) >= AT_ONCE + MOST_WAITING:
                raise FileNotHere("This index fetches too many files at once: try again.")
            job = self._jobs[place.key] = _Job()
            if self._threads is None:
                self._threads = ThreadPoolExecutor(AT_ONCE, "upstream files")
            self._threads.submit(self._run, place, job)

    def _run(self, place: _Place, job: _Job) -> None:
        failure: FileNotHere | None = None
        try:
            self._fetch(place, job)
        except FileNotHere as error:
            failure = error
        except StorageUnavailable as error:
            log.error("a file of an upstream cannot be kept", reason=str(error))
            failure = FileNotHere("The storage of this index takes no files now: try again later.")
        except Exception:
            log.exception("a file of an upstream cannot be fetched", file=place.wanted.filename)
            failure = FileNotHere("Something went wrong in this index.")
        with self._lock:
            del self._jobs[place.key]
            if failure is not None:
                _forget_old(self._failures)
                self._failures[place.key] = (time.monotonic() + failure.retry_after, failure)

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
            _Fetch(self._services, self._open, place, file, job).run()
        return True


@dataclass
class _Fetch:
    """One file that is fetched, by whoever holds its lock."""

    services: Services
    opener: Opener
    place: _Place
    file: BinaryIO
    job: _Job
    written: int = 0
    received: int = 0
    last: bytes = b""
    touched: float = 0.0
    size: int | None = None
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
        except WrongContent as error:
            _remove(self.place)
            count(Counted.UPSTREAM_FILES, "wrong")
            log.error(
                "an upstream has sent a wrong file",
                upstream=self.wanted.upstream,
                file=self.wanted.filename,
                reason=str(error),
            )
            raise
        self._keep()

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
        pauses = iter(_PAUSES)
        while True:
            before = self.received
            try:
                etag = self._receive(etag)
                if self.size is None or self._is_complete():
                    return
                raise Interrupted(f"The upstream {self.wanted.upstream} has ended too early.")
            except Interrupted as error:
                if self.received > before:
                    pauses = iter(_PAUSES)
                pause = next(pauses, None)
                wait = error.retry_after
                if pause is None or not error.is_transient or (wait or 0) > pause:
                    count(Counted.UPSTREAM_FILES, "interrupted")
                    sentence = f"{error} The file is not kept by this index: try again later."
                    wait = min(wait or _REMEMBERED, _LONGEST_REMEMBERED)
                    raise FileNotHere(sentence, wait) from None
                time.sleep(pause)

    def _receive(self, etag: str) -> str:
        """Ask once, and take what comes; give the entity tag of what the upstream has."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if self.received:
            headers["Range"] = f"bytes={self.received}-"
            if etag:
                headers["If-Range"] = etag
        with self.opener(self.wanted.upstream, self.wanted.url, headers) as answer:
            begins = self._begins_at(answer)
            self._take_size(answer, begins)
            etag = _strong_etag(answer.headers.get("etag", ""))
            if self.size is not None:
                self.place.write_head(_Head(self.size, etag))
                self.job.has_begun = True
            pieces = answer.pieces()
            if begins == 0 and self.received:
                pieces = self._without_beginning(pieces)
            for piece in pieces:
                self._take(piece)
        return etag

    def _begins_at(self, answer: Answered) -> int:
        """At which byte the answer begins.

        Raises:
            Interrupted: it is none that has the file.
        """
        name, status = self.wanted.upstream, answer.status
        if answer.headers.get("content-encoding", "identity") not in ("", "identity"):
            raise WrongContent(f"The upstream {name} sends a file in a coding nobody asked for.")
        if status == 200:
            return 0
        if status == 206 and self.received:
            said = answer.headers.get("content-range", "").partition("-")[0]
            if said.strip() == f"bytes {self.received}":
                return self.received
        if status == 416 and self.received:
            raise WrongContent(f"The upstream {name} has another file now than it had.")
        raise Interrupted(
            f"The upstream {name} answers with status {status} to a file that is on its page.",
            retry_after=_seconds(answer.headers.get("retry-after", "")),
            is_transient=status in (408, 429) or status >= 500,
        )

    def _take_size(self, answer: Answered, begins: int) -> None:
        said = answer.headers.get("content-length", "")
        if not (said.isascii() and said.isdigit()):
            return
        size = begins + int(said)
        if self.size is not None and size != self.size:
            raise WrongContent(
                f"The upstream {self.wanted.upstream} sends {size} bytes, and has said that "
                f"{self.wanted.filename} has {self.size}."
            )
        self.size = size

    def _without_beginning(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces behind what is there already; see that it is the same."""
        missing, digest = self.received, hashlib.sha256()
        for piece in pieces:
            if missing:
                digest.update(piece[:missing])
                rest = piece[missing:]
                missing -= min(missing, len(piece))
                if not missing and digest.digest() != self.hashes["sha256"].digest():
                    raise WrongContent(
                        f"The upstream {self.wanted.upstream} has another file now than it had."
                    )
                piece = rest  # noqa: PLW2901 - what is left of it
            if piece:
                yield piece

    def _take(self, piece: bytes) -> None:
        """Write what has come, but for the last byte so far."""
        if not piece:
            return
        self._digest(piece)
        self.received += len(piece)
        limit = self.size if self.size is not None else self.services.settings.upstream_cache_size
        if self.received > limit:
            raise WrongContent(
                f"The upstream {self.wanted.upstream} sends more than the {limit} bytes that "
                f"{self.wanted.filename} may have."
            )
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
        name = self.wanted.upstream
        if self.size is not None and self.received != self.size:
            raise WrongContent(
                f"The upstream {name} has sent {self.received} bytes, and {self.wanted.filename} "
                f"has {self.size}."
            )
        for function, said in self.wanted.hashes.items():
            hashed = self.hashes.get(function)
            if hashed is not None and hashed.hexdigest() != said:
                raise WrongContent(
                    f"What the upstream {name} sends as {self.wanted.filename} is not what its "
                    f"page says: the {function} digest is another one. Nothing of it was kept."
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
                uow.lock(f"blob:{sha256}")
                if sha256 not in uow.storage:  # it went to the trash a moment ago
                    uow.storage.put(path, sha256)
                upstream_files.keep(uow, self.wanted, sha256, size)
        count(Counted.UPSTREAM_FILES, "fetched")
        _remove(self.place)


def _forget_old(failures: dict[str, tuple[float, FileNotHere]]) -> None:
    now = time.monotonic()
    for key in [key for key, (until, _) in failures.items() if until <= now]:
        del failures[key]


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
    head = place.read_head()
    if head is None:
        return None
    try:
        return Arriving(place.path.open("rb"), head.size)
    except FileNotFoundError:  # it is kept now
        return None


def _remove(place: _Place) -> None:
    for path in (place.head, place.path):
        path.unlink(missing_ok=True)


def _strong_etag(etag: str) -> str:
    return "" if etag.startswith("W/") else etag


def _seconds(text: str) -> float | None:
    """What Retry-After says in seconds (RFC 9110, 10.2.3); dates are left aside."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
