"""Public answers as bytes, made once and sent until what they show has changed.

An answer says itself whether it may be kept: ``Cache-Control: public``, and in ``Surrogate-Key``
what it was made of. It is kept by target, accepted form and scheme, compressed once for each coding
that is asked for, and dropped when one of its keys is said to have moved. Nobody's credentials come
near it: requests with a cookie or with credentials are not answered from here, and their answers
are not kept.
"""

import gzip
import os
import re
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

if sys.version_info >= (3, 14):  # pragma: no cover
    from compression import zstd
else:
    from backports import zstd

MOST_BYTES = 24 * 1024**2
LARGEST = 8 * 1024**2
LARGEST_FILE_IN_MEMORY = 64 * 1024
WORTH_COMPRESSING = 512
REMEMBERED_CHANGES = 64

_COMPRESSIBLE = re.compile(rb"text/|application/(?:json|xml|rss\+xml|.*\+json|.*\+html|.*\+xml)")
_CACHE_CONTROL = re.compile(rb"\r\ncache-control:[^\r]*\r\n", re.IGNORECASE)
_GZIP_LEVEL = 6
_ZSTD_LEVEL = 9
# What Vary may name: what answers are kept by.
_KEPT_BY = {b"accept", b"accept-encoding", b"authorization", b"cookie", b"origin"}

HeaderLines = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Wanted:
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


@dataclass(frozen=True, slots=True)
class Answer:
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


@dataclass(slots=True)
class _Kept:
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

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[object, ...], _Kept] = OrderedDict()
        self._by_key: dict[str, set[tuple[object, ...]]] = {}
        self._age = 0
        self._changes: deque[frozenset[str]] = deque(maxlen=REMEMBERED_CHANGES)

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
        """Forget all."""
        self._age += REMEMBERED_CHANGES + 1
        self._kept.clear()
        self._by_key.clear()
        self._bytes = 0

    def _may_be_old(self, age: int, keys: Sequence[str]) -> bool:
        missed = self._age - age
        if missed > len(self._changes):
            return True
        recent = list(self._changes)[len(self._changes) - missed :]
        return any(not changed.isdisjoint(keys) for changed in recent)

    def _variant(self, kept: _Kept, place: tuple[object, ...], coding: str) -> Answer:
        answer = kept.variants.get(coding)
        if answer is None:
            answer = kept.variants[coding] = _made(kept, coding)
            self._account(place, kept, answer.size)
        return answer

    def _account(self, place: tuple[object, ...], kept: _Kept, more: int) -> None:
        kept.size += more
        self._bytes += more
        while self._bytes > self._most and len(self._kept) > 1:
            oldest = next(iter(self._kept))
            if oldest == place:
                self._kept.move_to_end(place)
            else:
                self._drop(oldest)

    def _drop(self, place: tuple[object, ...]) -> None:
        kept = self._kept.pop(place, None)
        if kept is None:
            return
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


def _made(kept: _Kept, coding: str) -> Answer:
    """The answer in this coding, where that pays."""
    headers, body = kept.headers, kept.body
    etag = _value(headers, b"etag") or b""
    if isinstance(body, bytes) and _is_compressible(headers, body):
        headers = _varying(headers)
        if coding:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0) if coding == "gzip" else _zstd(body)
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


def _zstd(body: bytes) -> bytes:
    return zstd.compress(body, _ZSTD_LEVEL)


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
