"""What is in a distribution that the index keeps, for whoever may have it, read where it lies.

Who that is decides the catalogue, or the address of a draft: the caller has found the file by one
of them. Bytes that have a digest never change, so that what was listed of late is remembered.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Protocol, TypeVar

from msgspec import Struct

from greenroom.distributions import member_reading
from greenroom.distributions.comparison import place_of, text_difference
from greenroom.distributions.matrix import predecessors
from greenroom.distributions.member_reading import MemberContent, MemberList
from greenroom.distributions.ranged_file import Pieces, RangedFile
from greenroom.registry.unit_of_work import Services
from greenroom.storage import BlobMissing, StorageUnavailable

_MOST_REMEMBERED = 8_000_000
"""What the archives that were listed of late may take, in bytes, roughly."""

_OF_A_MEMBER = 150


class HasBytes(Protocol):
    """A file that the index keeps."""

    @property
    def filename(self) -> str:
        """Its name, which tells the format."""

    @property
    def sha256(self) -> str:
        """The SHA-256 digest of its content, hexadecimal."""

    @property
    def size(self) -> int:
        """In bytes."""


_F = TypeVar("_F", bound=HasBytes)


class MemberDifference(Struct, frozen=True):
    """A member beside a member of another archive.

    Attributes:
        before: as it was; None where the other archive has none.
        after: as it is; None where this archive has none.
        lines: of a unified difference, as :func:`text_difference` has them; None where one of them
            is no text, or they are too long to be compared.
        is_same: whether both have the same bytes, as far as they are known.
    """

    before: MemberContent | None
    after: MemberContent | None
    lines: tuple[str, ...] | None
    is_same: bool


class _Remembered:
    """What is in the archives that were asked for of late."""

    def __init__(self) -> None:
        self._lists: OrderedDict[tuple[str, str], MemberList] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, key: tuple[str, str]) -> MemberList | None:
        """What is remembered."""
        with self._lock:
            if key in self._lists:
                self._lists.move_to_end(key)
            return self._lists.get(key)

    def put(self, key: tuple[str, str], found: MemberList) -> None:
        """Remember it, and forget what was asked for longest ago."""
        with self._lock:
            if key in self._lists:
                return
            self._lists[key] = found
            self._size += _size(found)
            while self._size > _MOST_REMEMBERED:
                self._size -= _size(self._lists.popitem(last=False)[1])


def _size(found: MemberList) -> int:
    return sum(
        _OF_A_MEMBER + len(entry.path) + len(entry.leads_to or "") for entry in found.entries
    )


_remembered = _Remembered()


def members(services: Services, file: HasBytes) -> MemberList:
    """Say what is in a file.

    Raises:
        InvalidDistribution: the archive cannot be read.
        StorageUnavailable: its bytes are not there, or not those that were.
    """
    key = file.sha256, file.filename
    known = _remembered.get(key)
    if known is None:
        with _opened(services, file) as opened:
            known = member_reading.list_members(opened, file.filename)
        _remembered.put(key, known)
    return known


def member(services: Services, file: HasBytes, path: str) -> MemberContent:
    """Read the beginning of one member.

    Raises:
        KeyError: there is no such file in it.
        InvalidDistribution: it cannot be read.
        StorageUnavailable: the bytes are not there, or not those that were.
    """
    with _opened(services, file) as opened:
        return member_reading.read_member(opened, file.filename, path)


def difference(
    services: Services, former: HasBytes, former_path: str, file: HasBytes, path: str
) -> MemberDifference:
    """Compare a member with one of another archive. A path that is not there counts as nothing.

    Raises:
        KeyError: neither is there.
        InvalidDistribution: one of them cannot be read.
        StorageUnavailable: the bytes of a file are not there, or not those that were.
    """
    before = _member_or_none(services, former, former_path)
    after = _member_or_none(services, file, path)
    if before is None and after is None:
        raise KeyError(path)
    is_same = before is not None and after is not None and before.is_same_as(after)
    return MemberDifference(before, after, _lines(before, after), is_same)


def predecessor(files: Iterable[_F], file: HasBytes) -> _F | None:
    """Which of the files of another release a file follows; None where none is of its kind."""
    kind = _kind(file)
    known = {each.filename: each for each in files if _kind(each) == kind}
    name = predecessors(known, [file.filename])[file.filename]
    return known[name] if name is not None else None


def same_place(services: Services, former: HasBytes, file: HasBytes, path: str) -> str:
    """The path that a member of a file has in another one, where names of archives do not count.

    Where the other one has no such member, the same path.

    Raises:
        InvalidDistribution: the other archive cannot be read.
        StorageUnavailable: its bytes are not there, or not those that were.
    """
    place = place_of(path, is_sdist=not _kind(file))
    is_sdist = not _kind(former)
    paths = (entry.path for entry in members(services, former).entries)
    return next((each for each in paths if place_of(each, is_sdist=is_sdist) == place), path)


def _kind(file: HasBytes) -> str:
    """How its name ends, where it is no source distribution."""
    suffix = file.filename[-4:].lower()
    return suffix if suffix in (".whl", ".egg", ".exe") else ""


def _member_or_none(services: Services, file: HasBytes, path: str) -> MemberContent | None:
    try:
        return member(services, file, path)
    except KeyError:
        return None


def _lines(before: MemberContent | None, after: MemberContent | None) -> tuple[str, ...] | None:
    texts: list[str] = []
    for content in (before, after):
        if content is None:
            texts.append("")
        elif content.text is None or not content.is_whole:
            return None
        else:
            texts.append(content.text)
    old, new = texts
    return text_difference(old, new)


@contextmanager
def _opened(services: Services, file: HasBytes) -> Iterator[RangedFile]:
    def open_range(offset: int, length: int) -> Pieces:
        blob = services.storage.open(file.sha256, offset, length)
        if blob.size != file.size:
            blob.close()
            raise StorageUnavailable(f"{file.filename} does not have the size that it had.")
        return blob

    opened = RangedFile(file.size, open_range)
    try:
        yield opened
    except BlobMissing:
        raise StorageUnavailable(f"The bytes of {file.filename} are missing.") from None
    finally:
        opened.close()
