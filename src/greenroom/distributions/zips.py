"""Zip archives, read so that no two readers can see different things in them.

A zip describes itself twice: each member has a header before its data, and the central directory at
the end repeats all of them. Installers differ in which they believe, and in what they make of bytes
that neither describes. So this reader accepts only archives in which the two agree and which they
cover without a gap: local headers, data, central directory, end record, end of file.

Follows the zip application note (APPNOTE.TXT 6.3), of which it knows stored and deflated members
and zip64.
"""

import stat
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from greenroom.distributions.archives import (
    MAX_DIRECTORY,
    MAX_MEMBERS,
    bomb,
    conflicting_names,
    deflate_decompressor,
    inflated,
    largest_content,
    name_problems,
    pieces,
    too_many_members,
)
from greenroom.distributions.errors import InvalidDistribution, quoted

_STORED = 0
_DEFLATED = 8

_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_DEFLATE_OPTIONS = 1 << 1 | 1 << 2
_HAS_DESCRIPTOR = 1 << 3
_UTF8 = 1 << 11

_IN_ZIP64_16 = 0xFFFF
_IN_ZIP64_32 = 0xFFFFFFFF
_ZIP64_EXTRA = 0x0001
_UNICODE_NAME_EXTRA = 0x7075

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR = struct.Struct("<4sLQL")
_ZIP64_END = struct.Struct("<4sQ2H2L4Q")
_EXTRA = struct.Struct("<2H")

_LOCAL_SIGNATURE = b"PK\x03\x04"
_CENTRAL_SIGNATURE = b"PK\x01\x02"
_END_SIGNATURE = b"PK\x05\x06"
_ZIP64_LOCATOR_SIGNATURE = b"PK\x06\x07"
_ZIP64_END_SIGNATURE = b"PK\x06\x06"

_LONGEST_COMMENT = 0xFFFF


class ZipMember(Struct, frozen=True):
    """One member, as both of its headers describe it."""

    name: str
    size: int
    compressed_size: int
    crc: int
    deflated: bool
    data_at: int

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder, which has no content."""
        return self.name.endswith("/")


class ZipArchive:
    """An open archive whose structure has been found sound; content is checked as it is read."""

    members: Mapping[str, ZipMember]

    def __init__(self, file: BinaryIO, members: Mapping[str, ZipMember]) -> None:
        self._file = file
        self.members = members

    def stream(self, name: str) -> Iterator[bytes]:
        """The content of a member in pieces of bounded size.

        Raises:
            InvalidDistribution: as soon as it is seen not to be what the headers say.
        """
        member = self.members[name]
        size, crc = 0, 0
        for content in self._raw_content(member):
            size += len(content)
            if size > member.size:
                break
            crc = zlib.crc32(content, crc)
            yield content
        if size != member.size:
            raise InvalidDistribution(
                f"The member {quoted(name)} does not have the size that its header gives."
            )
        if crc != member.crc:
            raise InvalidDistribution(f"The member {quoted(name)} fails its CRC check: damaged.")

    def read(self, name: str, limit: int) -> bytes:
        """The whole content of a member that is at most ``limit`` bytes long.

        Raises:
            InvalidDistribution: it is longer, or damaged.
        """
        if self.members[name].size > limit:
            raise InvalidDistribution(f"The member {quoted(name)} is longer than {limit} bytes.")
        return b"".join(self.stream(name))

    def _raw_content(self, member: ZipMember) -> Iterator[bytes]:
        self._file.seek(member.data_at)
        compressed = pieces(self._file, member.compressed_size)
        if not member.deflated or not (member.size or member.compressed_size):
            yield from compressed
            return
        decompressor = deflate_decompressor()
        try:
            yield from inflated(compressed, decompressor)
        except zlib.error:
            raise InvalidDistribution(
                f"The member {quoted(member.name)} cannot be decompressed: damaged."
            ) from None
        if not decompressor.eof or decompressor.unused_data or next(compressed, b""):
            raise InvalidDistribution(
                f"The compressed data of the member {quoted(member.name)} does not end where its "
                "header says."
            )


@contextmanager
def open_zip(path: Path) -> Iterator[ZipArchive]:
    """Open a zip archive, having checked everything about it but the content of its members.

    Raises:
        InvalidDistribution: with every reason.
    """
    with path.open("rb") as file:
        yield ZipArchive(file, _checked_members(file))


def ends_like_a_zip(tail: bytes) -> bool:
    """Whether a zip reader would take a file that ends with these bytes for a zip archive.

    ``tail`` is at least the last 64 KiB and 22 bytes of the file, or all of it.
    """
    at = tail.find(_END_SIGNATURE)
    while at >= 0:
        if at + _END.size <= len(tail):
            comment_size = _END.unpack_from(tail, at)[-1]
            if at + _END.size + comment_size == len(tail):
                return True
        at = tail.find(_END_SIGNATURE, at + 1)
    return False


ZIP_TAIL = _END.size + _LONGEST_COMMENT
"""How many bytes at its end decide whether a file is a zip archive."""


class _Directory(Struct, frozen=True):
    """Where the central directory lies."""

    at: int
    size: int
    entries: int


class _Header(Struct, frozen=True):
    """What a local header and an entry of the central directory have in common."""

    flags: int
    method: int
    crc: int
    compressed_size: int
    size: int
    name: bytes


class _Entry(Struct, frozen=True):
    """An entry of the central directory."""

    header: _Header
    local_at: int
    mode: int
    has_comment: bool
    has_unicode_name: bool


def _checked_members(file: BinaryIO) -> dict[str, ZipMember]:
    file_size = file.seek(0, 2)
    directory = _find_directory(file, file_size)
    entries = _read_entries(file, directory)
    problems = [problem for entry in entries for problem in _entry_problems(entry)]
    if problems:
        raise InvalidDistribution(*problems)
    names = [entry.header.name.decode() for entry in entries]
    problems = list(conflicting_names(names))
    if problems:
        raise InvalidDistribution(*problems)
    if sum(entry.header.size for entry in entries) > largest_content(file_size):
        raise bomb(file_size)
    members = _locate(file, entries, directory)
    _refuse_tar(file)
    return members


def _refuse_tar(file: BinaryIO) -> None:
    file.seek(0)
    try:
        tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "replace")
    except (tarfile.TarError, ValueError):
        return
    raise InvalidDistribution("The file is a zip archive and a tar archive at the same time.")


# --- the end record: where the central directory is -----------------------------------------------


def _find_directory(file: BinaryIO, file_size: int) -> _Directory:
    end_at = file_size - _END.size
    file.seek(max(end_at, 0))
    record = file.read(_END.size)
    if len(record) < _END.size or not record.startswith(_END_SIGNATURE):
        raise _no_end_record(file, file_size)
    _, disk, first_disk, here, entries, size, at, comment = _END.unpack(record)
    if comment:
        raise InvalidDistribution("The zip archive is truncated or has data after its end.")
    if disk != first_disk or disk not in (0, _IN_ZIP64_16) or here != entries:
        raise InvalidDistribution("The zip archive is one of several parts.")
    plain = _Directory(at, size, entries)
    directory, end_at = _zip64_directory(file, end_at, plain) or (plain, end_at)
    if directory.entries > MAX_MEMBERS:
        raise too_many_members()
    if directory.size > MAX_DIRECTORY:
        raise InvalidDistribution(
            f"The directory of the zip archive is larger than {MAX_DIRECTORY} bytes."
        )
    if directory.at + directory.size != end_at:
        raise InvalidDistribution(
            "The zip archive has data before its beginning, or between its directory and its end."
        )
    return directory


def _no_end_record(file: BinaryIO, file_size: int) -> InvalidDistribution:
    file.seek(max(file_size - ZIP_TAIL, 0))
    tail = file.read(ZIP_TAIL)
    if ends_like_a_zip(tail):
        return InvalidDistribution("The zip archive has a comment; wheels have none.")
    if _END_SIGNATURE in tail:
        return InvalidDistribution("The zip archive is truncated or has data after its end.")
    return InvalidDistribution("The file is not a zip archive, or it is truncated.")


def _zip64_directory(
    file: BinaryIO, end_at: int, plain: _Directory
) -> tuple[_Directory, int] | None:
    """What the zip64 records before the end record say, and where they begin."""
    locator = _read_at(file, end_at - _ZIP64_LOCATOR.size, _ZIP64_LOCATOR.size)
    if not locator.startswith(_ZIP64_LOCATOR_SIGNATURE):
        return None
    _, disk, record_at, disks = _ZIP64_LOCATOR.unpack(locator)
    wrong = InvalidDistribution("The zip64 records of the zip archive contradict each other.")
    if disk != 0 or disks != 1 or record_at != end_at - _ZIP64_LOCATOR.size - _ZIP64_END.size:
        raise wrong
    record = _read_at(file, record_at, _ZIP64_END.size)
    if not record.startswith(_ZIP64_END_SIGNATURE):
        raise wrong
    _, record_size, _, _, disk, first_disk, here, entries, size, at = _ZIP64_END.unpack(record)
    agree = (
        record_size == _ZIP64_END.size - 12
        and disk == first_disk == 0
        and here == entries
        and plain.entries in (entries, _IN_ZIP64_16)
        and plain.size in (size, _IN_ZIP64_32)
        and plain.at in (at, _IN_ZIP64_32)
    )
    if not agree:
        raise wrong
    return _Directory(at, size, entries), record_at


def _read_at(file: BinaryIO, at: int, count: int) -> bytes:
    """Bytes of the file, or none when it does not have as many there."""
    if at < 0:
        return b""
    file.seek(at)
    content = file.read(count)
    return content if len(content) == count else b""


# --- the central directory ------------------------------------------------------------------------


def _read_entries(file: BinaryIO, directory: _Directory) -> list[_Entry]:
    file.seek(directory.at)
    content = memoryview(file.read(directory.size))
    entries: list[_Entry] = []
    at = 0
    while at < len(content):
        entry, at = _read_entry(content, at)
        entries.append(entry)
        if len(entries) > directory.entries:
            break
    if len(entries) != directory.entries:
        raise InvalidDistribution(
            "The zip archive does not have as many members as its end record says."
        )
    return entries


def _read_entry(content: memoryview, at: int) -> tuple[_Entry, int]:
    broken = InvalidDistribution("The directory of the zip archive is damaged or truncated.")
    if len(content) - at < _CENTRAL.size:
        raise broken
    (
        signature, _, _, flags, method, _, _, crc, compressed_size, size,
        name_size, extra_size, comment_size, disk, _, attributes, local_at,
    ) = _CENTRAL.unpack_from(content, at)  # fmt: skip
    name_at = at + _CENTRAL.size
    extra_at = name_at + name_size
    comment_at = extra_at + extra_size
    end = comment_at + comment_size
    if signature != _CENTRAL_SIGNATURE or end > len(content) or disk not in (0, _IN_ZIP64_16):
        raise broken
    name = bytes(content[name_at:extra_at])
    extras = _read_extras(name, bytes(content[extra_at:comment_at]))
    size, compressed_size, local_at = _with_zip64(
        name, (size, compressed_size, local_at), extras.get(_ZIP64_EXTRA)
    )
    entry = _Entry(
        header=_Header(flags, method, crc, compressed_size, size, name),
        local_at=local_at,
        mode=attributes >> 16,
        has_comment=comment_size > 0,
        has_unicode_name=_UNICODE_NAME_EXTRA in extras,
    )
    return entry, end


def _read_extras(name: bytes, content: bytes) -> dict[int, bytes]:
    """The extra fields of a header, by their ids."""
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(content):
        end = at + _EXTRA.size
        if end <= len(content):
            kind, size = _EXTRA.unpack_from(content, at)
            at, end = end, end + size
        if end > len(content) or kind in fields:
            raise InvalidDistribution(f"The extra fields of the member {quoted(name)} are damaged.")
        fields[kind] = content[at:end]
        at = end
    return fields


def _with_zip64(
    name: bytes, values: tuple[int, int, int], extra: bytes | None
) -> tuple[int, int, int]:
    """Size, compressed size and offset, with what stands in the zip64 extra field filled in.

    The field holds the values that do not fit into the header, in this order. Some writers put all
    of them there in any case; then those that do fit must be the same.
    """
    wide = [value == _IN_ZIP64_32 for value in values]
    if extra is None:
        if any(wide):
            raise _contradiction(name)
        return values
    if len(extra) % 8:
        raise _contradiction(name)
    given = struct.unpack(f"<{len(extra) // 8}Q", extra)
    if len(given) == sum(wide):
        following = iter(given)
        size, compressed_size, at = (
            next(following) if is_wide else value
            for value, is_wide in zip(values, wide, strict=True)
        )
        return size, compressed_size, at
    filled = (*given[:3], *values[len(given) :])
    if len(given) > 3 or any(
        value != full and value != _IN_ZIP64_32 for value, full in zip(values, filled, strict=True)
    ):
        raise _contradiction(name)
    return filled[0], filled[1], filled[2]


def _contradiction(name: bytes) -> InvalidDistribution:
    return InvalidDistribution(
        f"The directory of the zip archive and the header of the member {quoted(name)} disagree, "
        "or the header contradicts itself."
    )


def _entry_problems(entry: _Entry) -> Iterator[str]:
    header = entry.header
    shown = quoted(header.name)
    try:
        name = header.name.decode()
    except UnicodeDecodeError:
        yield f"The name of the member {shown} is not UTF-8."
        return
    if not name.isascii() and not header.flags & _UTF8:
        yield f"The member {shown} has a name that is not marked as UTF-8; readers would disagree."
    yield from name_problems(name)
    if header.flags & _ENCRYPTED:
        yield f"The member {shown} is encrypted."
    elif header.flags & _HAS_DESCRIPTOR:
        yield (
            f"The member {shown} was written with its sizes behind it, in a data descriptor; "
            "write the wheel to a file that can be sought in."
        )
    elif header.flags & ~(_DEFLATE_OPTIONS | _UTF8):
        yield f"The member {shown} uses a zip feature that is not allowed."
    if header.method not in (_STORED, _DEFLATED):
        yield f"The member {shown} is neither stored nor deflated; use one of these methods."
    if header.method == _STORED and header.size != header.compressed_size:
        yield f"The member {shown} is stored, but its header gives two different sizes."
    if name.endswith("/") and header.size:
        yield f"The member {shown} is a folder, but has content."
    if entry.has_comment:
        yield f"The member {shown} has a comment; members of wheels have none."
    if entry.has_unicode_name:
        yield f"The member {shown} has a second name in its extra field."
    yield from _mode_problems(entry.mode, name)


def _mode_problems(mode: int, name: str) -> Iterator[str]:
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        yield f"The member {quoted(name)} is a symbolic link; wheels may not have links."
    elif kind == stat.S_IFDIR and not name.endswith("/"):
        yield f"The member {quoted(name)} is a folder, but its name does not end in /."
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        yield f"The member {quoted(name)} is neither a file nor a folder."


# --- local headers --------------------------------------------------------------------------------


def _locate(file: BinaryIO, entries: list[_Entry], directory: _Directory) -> dict[str, ZipMember]:
    """The members in the order of the directory, having checked that they leave no gap."""
    in_file = sorted(entries, key=lambda entry: entry.local_at)
    begin, *ends = [*(entry.local_at for entry in in_file), directory.at]
    if begin != 0:
        raise InvalidDistribution("The zip archive has data before its first member.")
    found: dict[str, ZipMember] = {}
    for entry, end in zip(in_file, ends, strict=True):
        member = _locate_member(file, entry, end)
        found[member.name] = member
    return {name: found[name] for name in (entry.header.name.decode() for entry in entries)}


def _locate_member(file: BinaryIO, entry: _Entry, end: int) -> ZipMember:
    header = entry.header
    file.seek(entry.local_at)
    if _read_local(file, header.name) != header:
        raise _contradiction(header.name)
    data_at = file.tell()
    data_end = data_at + header.compressed_size
    if data_end > end:
        raise InvalidDistribution(
            f"The member {quoted(header.name)} overlaps with what follows it."
        )
    if data_end < end:
        raise InvalidDistribution(
            f"The zip archive has data after the member {quoted(header.name)} that belongs to no "
            "member."
        )
    return ZipMember(
        name=header.name.decode(),
        size=header.size,
        compressed_size=header.compressed_size,
        crc=header.crc,
        deflated=header.method == _DEFLATED,
        data_at=data_at,
    )


def _read_local(file: BinaryIO, expected_name: bytes) -> _Header:
    """The local header at the file's position.

    Leaves the file at the beginning of the data.
    """
    fixed = file.read(_LOCAL.size)
    if len(fixed) < _LOCAL.size or not fixed.startswith(_LOCAL_SIGNATURE):
        raise InvalidDistribution(
            f"The member {quoted(expected_name)} is not where the directory of the zip archive "
            "says; the archive has data before its first member, or is damaged."
        )
    _, _, flags, method, _, _, crc, compressed_size, size, name_size, extra_size = _LOCAL.unpack(
        fixed
    )
    name = file.read(name_size)
    extras = _read_extras(expected_name, file.read(extra_size))
    if _UNICODE_NAME_EXTRA in extras:
        raise InvalidDistribution(
            f"The member {quoted(expected_name)} has a second name in its extra field."
        )
    size, compressed_size, _ = _with_zip64(
        expected_name, (size, compressed_size, 0), extras.get(_ZIP64_EXTRA)
    )
    return _Header(flags, method, crc, compressed_size, size, name)
