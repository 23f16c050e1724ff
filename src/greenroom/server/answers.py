"""Public answers as bytes, made once and sent until what they show has changed.

An answer says itself whether it may be kept: ``Cache-Control: public``, and in ``Surrogate-Key``
what it was made of. It is kept by target, accepted form and scheme, compressed once for each coding
that is asked for, and dropped when one of its keys is said to have moved. Nobody's credentials come
near it: requests with a cookie or with credentials are not answered from here, and their answers
are not kept.

What is kept until it changes is shared with the other workers of the server. One that another
worker has made is taken as if the application had been asked for it at the state of the index of
which its mark is: what has moved since is not in it.
"""

import gzip
import os
import re
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO

if sys.version_info >= (3, 14):  # pragma: no cover
    from compression import zstd
else:
    from backports import zstd

from msgspec import Struct, field
from msgspec.structs import replace

from greenroom.server.shared_answers import SharedAnswer, SharedAnswers

MOST_BYTES = 24 * 1024**2
LARGEST = 8 * 1024**2
LARGEST_FILE_IN_MEMORY = 64 * 1024
WORTH_COMPRESSING = 512
REMEMBERED_CHANGES = 256
SHARED_AT_ONCE = 64

_COMPRESSIBLE = re.compile(rb"text/|application/(?:json|xml|rss\+xml|.*\+json|.*\+html|.*\+xml)")
_CACHE_CONTROL = re.compile(rb"\r\ncache-control:[^\r]*\r\n", re.IGNORECASE)
_GZIP_LEVEL = 6
_ZSTD_LEVEL = 9
# What Vary may name: what answers are kept by.
_KEPT_BY = {b"accept", b"accept-encoding", b"authorization", b"cookie", b"origin"}

HeaderLines = list[tuple[bytes, bytes]]
_Place = tuple[object, ...]


class Wanted(Struct, frozen=True):
    """What a request asks for, as far as answers differ by it.

    Attributes:
        target: the request target, as it was sent.
        form: what it accepts, and by which scheme it came.
        coding: the content coding that it prefers of ours: ``zstd``, ``gzip`` or empty.
        etags: what it has already: the text of ``If-None-Match``.
    """

    target: bytes
    form: tuple[bytes, ...]
    coding: str
    etags: bytes | None


class Answer(Struct, frozen=True):
    """Bytes to be sent.

    Attributes:
        head: status line and headers, without those of the connection and the date.
        not_modified: likewise, of the answer to who has it already.
        etag: as it is in the head, or empty.
        body: the content, or the file that has it.
        length: of the content, in bytes.
    """

    head: bytes
    not_modified: bytes
    etag: bytes
    body: bytes | Path
    length: int

    @property
    def size(self) -> int:
        """How much memory it takes, in bytes, about."""
        body = len(self.body) if isinstance(self.body, bytes) else len(str(self.body))
        return len(self.head) + len(self.not_modified) + body + 200

    def is_known_by(self, etags: bytes | None) -> bool:
        """Whether a client that has answers with these entity tags has this one."""
        return etags is not None and bool(self.etag) and matches(etags, self.etag)


def stale(answer: Answer, age: int) -> Answer:
    """The answer as it is sent while nobody can say whether it still holds.

    It says since when (RFC 9111, sections 5.1 and 5.5), and nobody else may keep it unasked.

    Args:
        answer: as it was kept.
        age: for how many seconds nobody has known.
    """
    more = b'Age: %d\r\nWarning: 110 - "Response is Stale"\r\n' % age
    head, not_modified = (
        _CACHE_CONTROL.sub(b"\r\nCache-Control: no-cache\r\n", lines) + more
        for lines in (answer.head, answer.not_modified)
    )
    return replace(answer, head=head, not_modified=not_modified)


def matches(etags: bytes, etag: bytes) -> bool:
    """Whether an ``If-None-Match`` names this entity tag (RFC 9110, section 13.1.2)."""
    if etags.strip() == b"*":
        return True
    return etag in (tag.strip().removeprefix(b"W/") for tag in etags.split(b","))


class _Kept(Struct):
    """An answer as the application gave it, and as it is sent."""

    status: str
    headers: HeaderLines
    body: bytes | Path
    keys: tuple[str, ...]
    until: float | None = None
    variants: dict[str, Answer] = field(default_factory=dict)
    size: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it was to be kept until now, and not longer."""
        return self.until is not None and time.monotonic() >= self.until


class Answers:
    """Public answers by what is wanted; bounded in bytes, the least wanted go first."""

    def __init__(
        self, most_bytes: int = MOST_BYTES, shared: SharedAnswers | None = None, day: int = 0
    ) -> None:
        """Nothing is kept.

        Args:
            most_bytes: how much memory they may take, about.
            shared: those of all workers; None: this is the only one.
            day: which day it is; see :meth:`begin_day`.
        """
        self._most = most_bytes
        self._shared = shared
        self._day = day
        self._bytes = 0
        self._kept: OrderedDict[_Place, _Kept] = OrderedDict()
        self._by_key: dict[str, set[_Place]] = {}
        self._age = 0
        self._changes: deque[frozenset[str]] = deque(maxlen=REMEMBERED_CHANGES)
        # The mark of what all that is kept is known to hold at, and by mark how old that was.
        self._mark: str | None = None
        self._ages: OrderedDict[str, int] = OrderedDict()
        self._unshared: dict[_Place, _Kept] = {}

    @property
    def age(self) -> int:
        """Grows with each change; see :meth:`keep`."""
        return self._age

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """How much memory they take, in bytes, about."""
        return self._bytes

    def find(self, wanted: Wanted, *, outlasting: bool = False) -> Answer | None:
        """The answer to this, if it is kept.

        Args:
            wanted: what is asked for.
            outlasting: whether one will do whose time is over.
        """
        for coding in dict.fromkeys((wanted.coding, "")):
            place = (wanted.target, wanted.form, coding)
            kept = self._kept.get(place)
            if kept is not None and (outlasting or not kept.is_over):
                self._kept.move_to_end(place)
                return self._variant(kept, place, wanted.coding)
        if kept is None and not outlasting:
            return self._find_shared(wanted)
        return None

    def keep(
        self,
        wanted: Wanted,
        age: int,
        status: str,
        headers: HeaderLines,
        body: bytes | Path,
        seconds: float | None = None,
    ) -> None:
        """Keep an answer, if it may be kept.

        Args:
            wanted: what it answers.
            age: what ``age`` was when it was asked for: what has changed since may not be in it.
            status: code and reason.
            headers: with names in lower case.
            body: its content, or the file that has it.
            seconds: for how long; None: until what it was made of changes.
        """
        keys = _keys(status, headers)
        large = isinstance(body, bytes) and len(body) > LARGEST
        if not keys or large or self._may_be_old(age, keys):
            return
        encoded = _value(headers, b"content-encoding") or b""
        place = (wanted.target, wanted.form, encoded.decode("latin-1"))
        self._drop(place)
        until = time.monotonic() + seconds if seconds is not None else None
        self._kept[place] = _Kept(status, headers, body, keys, until)
        for key in keys:
            self._by_key.setdefault(key, set()).add(place)
        self._account(place, self._kept[place], len(body) if isinstance(body, bytes) else 200)

    def drop(self, keys: Iterable[str]) -> None:
        """Forget the answers that are made of one of these."""
        moved = frozenset(keys)
        self._age += 1
        self._changes.append(moved)
        for key in moved:
            for place in list(self._by_key.get(key, ())):
                self._drop(place)

    def forget(self, wanted: Wanted) -> None:
        """Forget the answer to this, whose file is gone."""
        for coding in ("", "gzip", "zstd"):
            self._drop((wanted.target, wanted.form, coding))

    def clear(self) -> None:
        """Forget all, and nothing that others share holds until it is said what state this is."""
        self._age += REMEMBERED_CHANGES + 1
        self._kept.clear()
        self._by_key.clear()
        self._bytes = 0
        self._mark = None
        self._ages.clear()
        self._unshared.clear()

    def begin_day(self, day: int) -> None:
        """Forget all, since it says what held the day before."""
        mark = self._mark
        self.clear()
        self._day = day
        if mark is not None:
            self.reach(mark)

    # --- what the workers share ---

    def reach(self, mark: str) -> None:
        """What is kept holds at a state of the index: what changed before was dropped.

        Args:
            mark: of that state, by which all workers know it.
        """
        self._mark = mark
        self._ages[mark] = self._age
        if len(self._ages) > REMEMBERED_CHANGES:
            self._ages.popitem(last=False)

    @property
    def has_unshared(self) -> bool:
        """Whether there is something that others could use, and do not have."""
        return bool(self._unshared)

    def take_unshared(self) -> list[tuple[_Place, _Kept]]:
        """Some of what others could use, for :meth:`share`; each is given once."""
        places = list(islice(self._unshared, SHARED_AT_ONCE))
        return [(place, self._unshared.pop(place)) for place in places]

    def share(self, unshared: Iterable[tuple[_Place, _Kept]]) -> None:
        """Let others use what was kept before the last look, as far as that has not dropped it."""
        if self._shared is None or self._mark is None:
            return
        mark = self._mark
        self._shared.put(
            (self._shared_place(place), _shared(kept, mark))
            for place, kept in unshared
            if self._kept.get(place) is kept
        )

    def _find_shared(self, wanted: Wanted) -> Answer | None:
        """The answer that another worker has made, if what it shows has not changed since."""
        if self._shared is None or not self._ages:
            return None
        place = (wanted.target, wanted.form, "")
        found = self._shared.find(self._shared_place(place))
        age = self._ages.get(found.mark) if found is not None else None
        if found is None or age is None:
            return None
        self.keep(wanted, age, found.status, found.headers, found.body)
        kept = self._kept.get(place)
        if kept is None:
            return None
        for coding, encoded in found.encoded.items():
            self._add_variant(kept, place, coding, _made(kept, coding, encoded))
        return self._variant(kept, place, wanted.coding)

    def _shared_place(self, place: _Place) -> _Place:
        return (self._day, *place)

    # --- what is kept ---

    def _may_be_old(self, age: int, keys: Sequence[str]) -> bool:
        missed = self._age - age
        if missed > len(self._changes):
            return True
        recent = list(self._changes)[len(self._changes) - missed :]
        return any(not changed.isdisjoint(keys) for changed in recent)

    def _variant(self, kept: _Kept, place: _Place, coding: str) -> Answer:
        answer = kept.variants.get(coding)
        if answer is None:
            answer = _made(kept, coding)
            self._add_variant(kept, place, coding, answer)
            if self._shared is not None and kept.until is None and place[-1] == "":
                self._unshared[place] = kept
        return answer

    def _add_variant(self, kept: _Kept, place: _Place, coding: str, answer: Answer) -> None:
        kept.variants[coding] = answer
        self._account(place, kept, answer.size)

    def _account(self, place: _Place, kept: _Kept, more: int) -> None:
        kept.size += more
        self._bytes += more
        while self._bytes > self._most and len(self._kept) > 1:
            oldest = next(iter(self._kept))
            if oldest == place:
                self._kept.move_to_end(place)
            else:
                self._drop(oldest)

    def _drop(self, place: _Place) -> None:
        kept = self._kept.pop(place, None)
        if kept is None:
            return
        self._unshared.pop(place, None)
        self._bytes -= kept.size
        for key in kept.keys:
            places = self._by_key[key]
            places.discard(place)
            if not places:
                del self._by_key[key]


def _keys(status: str, headers: HeaderLines) -> tuple[str, ...]:
    """The surrogate keys of an answer that may be kept; of any other none."""
    if not status.startswith("200"):
        return ()
    names = {name for name, _ in headers}
    if b"set-cookie" in names or b"content-range" in names:
        return ()
    vary = {name.strip().lower() for name in (_value(headers, b"vary") or b"").split(b",")}
    control = {part.strip() for part in (_value(headers, b"cache-control") or b"").split(b",")}
    if b"public" not in control or vary - _KEPT_BY - {b""}:
        return ()
    return tuple((_value(headers, b"surrogate-key") or b"").decode("latin-1").split())


def _value(headers: HeaderLines, name: bytes) -> bytes | None:
    return next((value for key, value in headers if key == name), None)


def _made(kept: _Kept, coding: str, encoded: bytes | None = None) -> Answer:
    """The answer in this coding, where that pays; ``encoded`` is its content, if that is known."""
    headers, body = kept.headers, kept.body
    etag = _value(headers, b"etag") or b""
    if isinstance(body, bytes) and _is_compressible(headers, body):
        headers = _varying(headers)
        if coding:
            body = _compressed(body, coding) if encoded is None else encoded
            headers = [
                *_without(headers, b"content-length"),
                (b"content-encoding", coding.encode()),
            ]
            headers.append((b"content-length", b"%d" % len(body)))
            if etag:
                etag = b'%s-%s"' % (etag.removesuffix(b'"'), coding.encode())
                headers = [*_without(headers, b"etag"), (b"etag", etag)]
    of_content = (b"content-length", b"content-type", b"content-encoding", b"content-disposition")
    return Answer(
        head(kept.status, headers),
        head("304 Not Modified", _without(headers, *of_content, b"content-security-policy")),
        etag,
        body,
        int(_value(headers, b"content-length") or 0),
    )


def _compressed(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.compress(body, _GZIP_LEVEL, mtime=0)
    return zstd.compress(body, _ZSTD_LEVEL)


def _shared(kept: _Kept, mark: str) -> SharedAnswer:
    """What others share of an answer, which holds at the state that has this mark."""
    encoded = {
        coding: answer.body
        for coding, answer in kept.variants.items()
        if isinstance(answer.body, bytes) and answer.body is not kept.body
    }
    return SharedAnswer(mark, kept.status, kept.headers, kept.body, encoded)


def _is_compressible(headers: HeaderLines, body: bytes) -> bool:
    names = {name for name, _ in headers}
    if len(body) < WORTH_COMPRESSING or b"content-encoding" in names:
        return False
    return _COMPRESSIBLE.match(_value(headers, b"content-type") or b"") is not None


def _varying(headers: HeaderLines) -> HeaderLines:
    """The headers, which say that the answer depends on the accepted codings."""
    vary = _value(headers, b"vary")
    named = b"Accept-Encoding" if vary is None else vary + b", Accept-Encoding"
    return [*_without(headers, b"vary"), (b"vary", named)]


def _without(headers: HeaderLines, *names: bytes) -> HeaderLines:
    return [header for header in headers if header[0] not in names]


def head(status: str, headers: HeaderLines) -> bytes:
    """Status line and headers as they are sent, without the empty line that ends them."""
    lines = [b"HTTP/1.1 " + status.encode("latin-1", "replace")]
    lines += [_spelled(name) + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n"


@lru_cache(maxsize=256)  # an application has a few dozen
def _spelled(name: bytes) -> bytes:
    return _SPELLING.get(name) or name.title()


_SPELLING = {
    b"etag": b"ETag",
    b"www-authenticate": b"WWW-Authenticate",
    b"x-pypi-last-serial": b"X-PyPI-Last-Serial",
}


def preferred_coding(accept_encoding: bytes | None) -> str:
    """The content coding of ours that is preferred; empty: as it is (RFC 9110, section 12.5.3)."""
    if not accept_encoding:
        return ""
    refused: set[bytes] = set()
    named: set[bytes] = set()
    for part in accept_encoding.lower().split(b","):
        coding, _, parameters = part.partition(b";")
        weight = parameters.strip().removeprefix(b"q=").strip()
        is_refused = bool(weight) and weight.strip(b"0.") == b""
        (refused if is_refused else named).add(coding.strip())
    for coding in (b"zstd", b"gzip"):
        if coding in named:
            return coding.decode()
    if b"*" in named and b"gzip" not in refused:
        return "gzip"
    return ""


def content_of(file: BinaryIO) -> bytes | Path | None:
    """What is kept of a file that is sent: a small one's bytes, else where it is.

    The file stays where it stands. None: it cannot be found again.
    """
    if not isinstance(file.name, str):
        return None
    size = os.fstat(file.fileno()).st_size
    if size <= LARGEST_FILE_IN_MEMORY:
        content = os.pread(file.fileno(), size, 0)
        return content if len(content) == size else None
    return Path(file.name)
