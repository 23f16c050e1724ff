"""Looking into an archive where it lies: which members it has, and what is in one of them.

Archives are taken as they were made in twenty years, also those that would be refused today, so
that the readers of the standard library are used, within limits: nothing is unpacked, no link is
followed, and what is read, and what is in memory, is bounded whatever an archive says of itself.
Of a zip archive its directory is read and then the member, of a tar archive everything before it.
"""

import hashlib
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice

from msgspec import Struct

from greenroom.distributions.archives import CHUNK
from greenroom.distributions.contents import Kind
from greenroom.distributions.errors import InvalidDistribution, quoted
from greenroom.distributions.historical import TARS
from greenroom.distributions.natives import HEAD, Native, native_of
from greenroom.distributions.old_archives import Tape, decompressed
from greenroom.distributions.ranged_file import RangedFile, TooMuchAtOnce

MOST_MEMBERS = 20_000
"""Members that are listed."""

MOST_UNPACKED = 128 * 1024 * 1024
"""Bytes of a tar archive that are read to find something."""

MOST_SLOWLY_UNPACKED = 16 * 1024 * 1024
"""The same where the compression is one that takes ten times as long to read."""

MOST_SHOWN = 1024 * 1024
"""Bytes at the beginning of a member that are shown."""

MOST_HASHED = 32 * 1024 * 1024
"""Bytes of a member whose digest is told."""

LONGEST_PATH = 1024
"""Characters in a member's path with which it can be asked for."""

_ZIPS = (".whl", ".zip", ".egg", ".exe")
_SLOW = ("bz2", "xz")
_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13


class MemberEntry(Struct, frozen=True):
    """A file of an archive, or a link; folders are only in paths.

    Attributes:
        path: as the archive has it; what is no Unicode is replaced.
        size: in bytes, as the archive says; of a link 0.
        leads_to: of a link, what it leads to; empty where that is in its content.
        obstacle: why its content is not read; empty where it is.
    """

    path: str
    size: int
    leads_to: str | None = None
    obstacle: str = ""


class MemberList(Struct, frozen=True):
    """What an archive has.

    Attributes:
        entries: in the order of the archive.
        stopped: why there may be more than that; empty where this is all.
    """

    entries: tuple[MemberEntry, ...]
    stopped: str = ""


class MemberContent(Struct, frozen=True):
    """What is in a member.

    Attributes:
        entry: which it is.
        head: its first bytes, at most :data:`MOST_SHOWN`.
        is_whole: whether they are all.
        sha256: of all of it; None where it has more than :data:`MOST_HASHED` bytes.
        kind: what it seems to be, by its first bytes.
        native: which machine code, where it is some.
        text: the first bytes as text; None where they are none.
        encoding: of the text.
    """

    entry: MemberEntry
    head: bytes
    is_whole: bool
    sha256: str | None
    kind: Kind
    native: Native | None
    text: str | None
    encoding: str

    def is_same_as(self, other: "MemberContent") -> bool:
        """Whether both are known to have the same bytes."""
        if self.sha256 is not None:
            return self.sha256 == other.sha256
        return self.is_whole and other.is_whole and self.head == other.head


class _Enough(Exception):
    """More of an archive would have to be read than is read."""


def list_members(file: RangedFile, filename: str) -> MemberList:
    """Say what is in an archive.

    Args:
        file: where the bytes are.
        filename: what it is called, which tells the format.

    Raises:
        InvalidDistribution: it cannot be read.
    """
    with _readable():
        if _is_zip(filename):
            with zipfile.ZipFile(file) as archive:
                infos = (info for info in archive.infolist() if not info.is_dir())
                entries = tuple(map(_zip_entry, islice(infos, MOST_MEMBERS)))
                more = next(infos, None) is not None
            return MemberList(entries, _too_many() if more else "")
        return _list_tar(file, _compression(filename))


def read_member(file: RangedFile, filename: str, path: str) -> MemberContent:
    """Read the beginning of one member.

    Raises:
        KeyError: there is no such file in it.
        InvalidDistribution: it cannot be read, or lies too far behind.
    """
    with _readable():
        if _is_zip(filename):
            with zipfile.ZipFile(file) as archive:
                return _read_zip_member(archive, path)
        return _read_tar_member(file, _compression(filename), path)


@contextmanager
def _readable() -> Iterator[None]:
    """Say of everything that can be wrong with an archive that it cannot be read.

    Raises:
        InvalidDistribution: something is.
    """
    damaged = InvalidDistribution("The archive cannot be read: it is damaged, or of another kind.")
    try:
        yield
    except TooMuchAtOnce:
        raise InvalidDistribution(
            "The archive says so much of itself at once that it is not read here."
        ) from None
    except OSError as error:
        if error.errno is not None:  # the disk has failed, not the archive
            raise
        raise damaged from None
    except (
        *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
        *(EOFError, ValueError, OverflowError, RuntimeError, MemoryError),
    ):
        raise damaged from None


def _is_zip(filename: str) -> bool:
    return filename.lower().endswith(_ZIPS)


def _compression(filename: str) -> str:
    lower = filename.lower()
    for suffix, compression in TARS.items():
        if lower.endswith(suffix):
            return compression
    raise InvalidDistribution("What is in a file of this kind is not shown here.")


def _too_many() -> str:
    return f"Only the first {MOST_MEMBERS:,} members are listed; the archive has more."


def _plain(path: str) -> str:
    """A path as it can be shown and asked for: with nothing in it that is no Unicode, and short."""
    plain = path[: LONGEST_PATH + 1].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return plain if len(plain) <= LONGEST_PATH else f"{plain[:LONGEST_PATH]}…"


def _obstacle_of_path(path: str) -> str:
    return "Its path is too long to be asked for." if len(path) > LONGEST_PATH else ""


# --- zip ------------------------------------------------------------------------------------------


def _zip_entry(info: zipfile.ZipInfo) -> MemberEntry:
    path = _plain(info.filename)
    obstacle = _obstacle_of_path(path)
    if info.flag_bits & _ENCRYPTED:
        obstacle = "It is encrypted."
    elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        obstacle = "It is compressed in a way that is not read here."
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    return MemberEntry(path, info.file_size, "" if is_link else None, obstacle)


def _read_zip_member(archive: zipfile.ZipFile, path: str) -> MemberContent:
    info = archive.getinfo(path)
    if info.is_dir():
        raise KeyError(path)
    entry = _zip_entry(info)
    if entry.obstacle:
        raise InvalidDistribution(entry.obstacle)
    with archive.open(info) as content:
        return _read(entry, iter(partial(content.read, CHUNK), b""))


# --- tar ------------------------------------------------------------------------------------------


def _tape(file: RangedFile, compression: str) -> Tape:
    most = MOST_SLOWLY_UNPACKED if compression in _SLOW else MOST_UNPACKED
    return Tape(_at_most(decompressed(file, compression), most), most)


def _at_most(content: Iterator[bytes], most: int) -> Iterator[bytes]:
    for piece in content:
        most -= len(piece)
        if most < 0:
            raise _Enough
        yield piece


def _tar_members(tape: Tape) -> Iterator[tarfile.TarInfo]:
    # It asks for no more than read, seek and tell.
    archive = tarfile.TarFile(fileobj=tape, mode="r")  # type: ignore[arg-type]
    while (member := archive.next()) is not None:
        # Or all of them would stay in memory.
        archive.members.clear()  # type: ignore[attr-defined]
        if not member.isdir():
            yield member


def _list_tar(file: RangedFile, compression: str) -> MemberList:
    entries: list[MemberEntry] = []
    stopped = ""
    try:
        with _readable():
            for member in _tar_members(_tape(file, compression)):
                if len(entries) == MOST_MEMBERS:
                    return MemberList(tuple(entries), _too_many())
                entries.append(_tar_entry(member))
    except _Enough:
        stopped = "The archive is so long that the rest of it is not read here."
    except InvalidDistribution:
        if not entries:
            raise
        stopped = "The archive is damaged behind these members."
    return MemberList(tuple(entries), stopped)


def _tar_entry(member: tarfile.TarInfo) -> MemberEntry:
    path = _plain(member.name)
    if member.issym() or member.islnk():
        return MemberEntry(path, 0, _plain(member.linkname), "A link is not followed.")
    obstacle = _obstacle_of_path(path)
    if not member.isreg():
        obstacle = "It is neither a file nor a link."
    elif member.issparse():
        obstacle = "It is stored in pieces, which are not put together here."
    return MemberEntry(path, max(member.size, 0), obstacle=obstacle)


def _read_tar_member(file: RangedFile, compression: str, path: str) -> MemberContent:
    tape = _tape(file, compression)
    try:
        for member in _tar_members(tape):
            if _plain(member.name) == path:
                entry = _tar_entry(member)
                if entry.obstacle:
                    raise InvalidDistribution(f"{quoted(path)}: {entry.obstacle}")
                tape.seek(member.offset_data)
                return _read(entry, tape.pieces(member.size))
    except _Enough:
        raise InvalidDistribution(
            "It lies so far behind in the archive, or is so long, that it is not read here."
        ) from None
    raise KeyError(path)


# --- content --------------------------------------------------------------------------------------


def _read(entry: MemberEntry, content: Iterator[bytes]) -> MemberContent:
    head, size, digest = bytearray(), 0, hashlib.sha256()
    most = MOST_HASHED if entry.size <= MOST_HASHED else MOST_SHOWN
    for piece in content:
        size += len(piece)
        digest.update(piece)
        head += piece[: MOST_SHOWN - len(head)]
        if size >= most and size < entry.size:
            break
    is_read = size == entry.size
    if not is_read and size < min(most, entry.size):
        raise InvalidDistribution("The archive ends in the middle of this member: it is damaged.")
    first = bytes(head)
    native = native_of(first[:HEAD])
    is_whole = is_read and len(first) == size
    text, encoding = (None, "") if native is not None else _decoded(first, is_whole=is_whole)
    kind = Kind.NATIVE if native is not None else Kind.BINARY if text is None else Kind.TEXT
    sha256 = digest.hexdigest() if is_read else None
    return MemberContent(entry, first, is_whole, sha256, kind, native, text, encoding)


def _decoded(content: bytes, *, is_whole: bool) -> tuple[str | None, str]:
    """Bytes as text, and in which encoding; None where they are no text."""
    for mark, encoding in ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if content.startswith(mark):
            whole = content if is_whole else content[: len(content) // 2 * 2]
            return whole.decode("utf-16", "replace"), encoding
    if b"\0" in content:
        return None, ""
    try:
        return content.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError as error:
        # Where it is cut, a character may be.
        if not is_whole and error.start >= len(content) - 3:
            return content[: error.start].decode("utf-8-sig"), "UTF-8"
    controls = sum(content.count(bytes((code,))) for code in range(32) if code not in _SPACES)
    if controls > len(content) // 100:
        return None, ""
    return content.decode("latin-1"), "Latin-1"


_SPACES = frozenset(b"\t\n\r\f\x1b")
