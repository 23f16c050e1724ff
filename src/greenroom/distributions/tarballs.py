"""Gzipped tar archives, read in one pass and never unpacked.

Readers of tar differ in what they make of extension headers, links and whatever follows the end.
So this reader accepts only files, folders and links to what is in the archive, names and sizes that
are given once, and nothing after the end but zeros.

Follows RFC 1952 (gzip, one member), POSIX.1-2001 (ustar and pax) and the GNU long-name extension.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Self

from msgspec import Struct

from greenroom.distributions.archives import (
    MAX_DIRECTORY,
    MAX_MEMBERS,
    bomb,
    conflicting_names,
    gzip_decompressor,
    inflated,
    largest_content,
    name_problems,
    pieces,
    too_many_members,
)
from greenroom.distributions.errors import InvalidDistribution, quoted
from greenroom.distributions.links import (
    MAX_LINKS,
    end_of_links,
    hard_link_problems,
    resolved,
    symbolic_link_problems,
)
from greenroom.distributions.zips import ZIP_TAIL, ends_like_a_zip

BLOCK = 512

MAX_EXTENSION_HEADER = 64 * 1024
"""Bytes in a pax header or a GNU long name: they have to be in memory at once."""

_FILE = (b"0", b"\0")
_HARD_LINK = b"1"
_SYMBOLIC_LINK = b"2"
_LINKS = (_HARD_LINK, _SYMBOLIC_LINK)
_FOLDER = b"5"
_PAX = b"x"
_PAX_GLOBAL = b"g"
_GNU_NAME = b"L"
_GNU_LINK_NAME = b"K"
_FORBIDDEN_KINDS = {
    b"3": "a device",
    b"4": "a device",
    b"6": "a named pipe",
}

_USTAR_MAGIC = b"ustar\x00"
_OVERRIDES = frozenset({"path", "size", "linkpath", "hdrcharset"})


class TarMember(Struct, frozen=True):
    """One file, folder or link. A folder's name ends in a slash."""

    name: str
    size: int
    leads_to: str | None = None
    """Of a link, the name of what it leads to, which a symbolic link may lack."""

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder, which has no content."""
        return self.name.endswith("/")


class Tarball(Struct, frozen=True):
    """What one pass over an archive has found."""

    members: Mapping[str, TarMember]
    contents: Mapping[str, bytes]
    """The content of those members that were wanted."""

    def files(self) -> set[str]:
        """The names of files, and of links that lead to one."""
        links = {
            name: member.leads_to
            for name, member in self.members.items()
            if member.leads_to is not None
        }
        plain = {
            name
            for name, member in self.members.items()
            if name not in links and not member.is_folder
        }
        return plain | {name for name in links if end_of_links(name, links) in plain}


Visit = Callable[["TarMember", Iterator[bytes]], None]
"""Called for each member with its content, which it may read or leave."""


def read_tarball(
    path: Path, wanted: Callable[[str], bool], limit: int, visit: Visit | None = None
) -> Tarball:
    """Read a ``.tar.gz`` from its first byte to its last.

    ``wanted`` tells by its name whether a member's content is to be kept; all that is kept together
    may have at most ``limit`` bytes. ``visit`` sees what is not kept.

    Raises:
        InvalidDistribution: with every reason.
    """
    file_size = path.stat().st_size
    with path.open("rb") as file:
        _refuse_zip(file, file_size)
        file.seek(0)
        tape = _Tape(_gunzipped(file), file_size)
        reading = _Reading(tape, wanted, limit, visit)
        reading.run()
        tape.check_end()
    problems = [*reading.problems, *conflicting_names(member.name for member in reading.members)]
    if problems:
        raise InvalidDistribution(*problems)
    return Tarball({member.name: member for member in reading.members}, reading.contents)


def _refuse_zip(file: BinaryIO, file_size: int) -> None:
    file.seek(max(file_size - ZIP_TAIL, 0))
    if ends_like_a_zip(file.read(ZIP_TAIL)):
        raise InvalidDistribution("The file is or ends in a zip archive; sdists are .tar.gz.")


# --- gzip -----------------------------------------------------------------------------------------


def _gunzipped(file: BinaryIO) -> Iterator[bytes]:
    decompressor = gzip_decompressor()
    started = False
    try:
        for content in inflated(pieces(file, 1 << 62), decompressor):
            started = True
            yield content
    except zlib.error:
        raise InvalidDistribution(
            "The archive cannot be decompressed: damaged."
            if started
            else "The file is not a gzipped tar archive, or it is damaged."
        ) from None
    if not decompressor.eof:
        raise InvalidDistribution("The archive is truncated.")
    if decompressor.unused_data or file.read(1):
        raise InvalidDistribution("The file has data after the end of its gzip stream.")


class _Tape:
    """Decompressed content, read forwards, that stops when it becomes more than allowed."""

    def __init__(self, content: Iterator[bytes], file_size: int) -> None:
        self._content = content
        self._file_size = file_size
        self._left = largest_content(file_size)
        self._buffer = b""
        self._at = 0

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes; fewer when the content ends."""
        return b"".join(self.pieces(count))

    def pieces(self, count: int) -> Iterator[bytes]:
        """The next ``count`` bytes in pieces of bounded size; fewer when the content ends."""
        while count and self._fill():
            piece = self._buffer[self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            yield piece

    def skip(self, count: int) -> int:
        """Pass over ``count`` bytes; tells over how many there were."""
        return sum(map(len, self.pieces(count)))

    def check_end(self) -> None:
        """Read to the end, past which there must be nothing, and before which only zeros."""
        while self._fill():
            if self._buffer.count(0, self._at) != len(self._buffer) - self._at:
                raise InvalidDistribution("The tar archive has data after its end.")
            self._at = len(self._buffer)

    def _fill(self) -> bool:
        if self._at < len(self._buffer):
            return True
        self._buffer, self._at = next(self._content, b""), 0
        self._left -= len(self._buffer)
        if self._left < 0:
            raise bomb(self._file_size)
        return bool(self._buffer)


# --- tar ------------------------------------------------------------------------------------------


class _Header(Struct):
    """A header block, as it stands."""

    name: bytes
    size: int
    kind: bytes
    target: bytes


class _Counted:
    """Pieces that are counted as they are read."""

    def __init__(self, content: Iterator[bytes]) -> None:
        self._content = content
        self._size = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        piece = next(self._content)
        self._size += len(piece)
        return piece

    def exhausted(self) -> int:
        """Read what is left; tells how many bytes there were."""
        for _ in self:
            pass
        return self._size


class _Extension(Struct):
    """What extension headers say about the member that follows them."""

    pax: dict[str, str] | None = None
    gnu_name: bytes | None = None
    gnu_link_name: bytes | None = None


class _Reading:
    """One pass over the members of a tar archive."""

    def __init__(
        self, tape: _Tape, wanted: Callable[[str], bool], limit: int, visit: Visit | None
    ) -> None:
        self.members: list[TarMember] = []
        self.contents: dict[str, bytes] = {}
        self.problems: list[str] = []
        self._tape = tape
        self._wanted = wanted
        self._visit = visit
        self._limit = limit
        self._kept = 0
        self._names_size = 0
        self._count = 0
        self._files: set[str] = set()
        self._links = 0

    def run(self) -> None:
        extension = _Extension()
        while (header := self._next_header()) is not None:
            if header.kind in (_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK_NAME):
                self._extend(extension, header)
                continue
            self._count_one()
            self._take(header, extension)
            extension = _Extension()
        if extension != _Extension():
            raise InvalidDistribution("The tar archive ends with the header of a missing member.")

    def _next_header(self) -> _Header | None:
        block = self._tape.read(BLOCK)
        if len(block) < BLOCK:
            raise InvalidDistribution("The tar archive is truncated: its end mark is missing.")
        return None if not block.strip(b"\0") else _parse_header(block)

    def _count_one(self) -> None:
        self._count += 1
        if self._count > MAX_MEMBERS:
            raise too_many_members()

    # Extension headers

    def _extend(self, extension: _Extension, header: _Header) -> None:
        content = self._extension_content(header)
        if header.kind == _PAX_GLOBAL:
            self._count_one()
            if _OVERRIDES & _parse_pax(content).keys():
                raise InvalidDistribution(
                    "The tar archive has a global pax header that renames or resizes members."
                )
        elif header.kind == _PAX and extension.pax is None:
            extension.pax = _parse_pax(content)
        elif header.kind == _GNU_NAME and extension.gnu_name is None:
            extension.gnu_name = content.rstrip(b"\0")
        elif header.kind == _GNU_LINK_NAME and extension.gnu_link_name is None:
            extension.gnu_link_name = content.rstrip(b"\0")
        else:
            raise InvalidDistribution("The tar archive has two extension headers for one member.")

    def _extension_content(self, header: _Header) -> bytes:
        if header.size > MAX_EXTENSION_HEADER:
            raise InvalidDistribution(
                f"The tar archive has an extension header of more than {MAX_EXTENSION_HEADER} "
                "bytes."
            )
        content = self._tape.read(header.size)
        self._skip(_padding(header.size), len(content) == header.size)
        return content

    # Members

    def _take(self, header: _Header, extension: _Extension) -> None:
        raw_name, size = _name_and_size(header, extension)
        name = _decoded(raw_name, raw_name)
        self._account_for(name)
        self.problems += [*name_problems(name), *_kind_problems(header.kind, name, size)]
        if header.kind not in (*_FILE, _FOLDER) and size:
            # Readers disagree on whether data follows such a header; all after it is guesswork.
            raise InvalidDistribution(*self.problems)
        if header.kind == _FOLDER:
            name = name.rstrip("/") + "/"
        if header.kind in _LINKS:
            self._take_link(name, header, extension)
            return
        if header.kind in _FILE:
            self._files.add(name)
        member = TarMember(name, size)
        self.members.append(member)
        self._pass_content(member)

    def _take_link(self, name: str, header: _Header, extension: _Extension) -> None:
        self._links += 1
        if self._links > MAX_LINKS:
            raise InvalidDistribution(f"The archive has more than {MAX_LINKS} links.")
        target = _decoded(_target(name, header, extension), name.encode())
        self._account_for(target)
        if header.kind == _HARD_LINK:
            problems = list(hard_link_problems(name, target, self._files))
            leads_to = target
            self._files.add(name)
        else:
            problems = list(symbolic_link_problems(name, target))
            leads_to = name if problems else resolved(name, target)
        self.problems += problems
        member = TarMember(name, 0, leads_to)
        self.members.append(member)
        if self._visit is not None:
            self._visit(member, iter(()))

    def _account_for(self, name: str) -> None:
        self._names_size += len(name)
        if self._names_size > MAX_DIRECTORY:
            raise InvalidDistribution(
                f"The names of the members have more than {MAX_DIRECTORY} bytes together."
            )

    def _pass_content(self, member: TarMember) -> None:
        name, size = member.name, member.size
        if self._wanted(name):
            self._kept += size
            if self._kept > self._limit:
                raise InvalidDistribution(
                    f"The member {quoted(name)} is longer than {self._limit} bytes."
                )
            kept = self._tape.read(size)
            self.contents[name] = kept
            complete = len(kept) == size
        elif self._visit is not None:
            content = _Counted(self._tape.pieces(size))
            self._visit(member, content)
            complete = content.exhausted() == size
        else:
            complete = self._tape.skip(size) == size
        self._skip(_padding(size), complete)

    def _skip(self, padding: int, complete: bool) -> None:
        if not complete or self._tape.skip(padding) < padding:
            raise InvalidDistribution("The tar archive is truncated within a member.")


def _padding(size: int) -> int:
    return -size % BLOCK


def _parse_header(block: bytes) -> _Header:
    given = _parse_number(block[148:156])
    unsigned = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    if given != unsigned:
        raise InvalidDistribution("The file is no tar archive, or one of its headers is damaged.")
    size = _parse_number(block[124:136])
    if size is None:
        raise InvalidDistribution("The tar archive has a header without a valid size.")
    name = _text(block[0:100])
    prefix = _text(block[345:500]) if block[257:263] == _USTAR_MAGIC else b""
    full_name = prefix + b"/" + name if prefix else name
    return _Header(full_name, size, block[156:157], _text(block[157:257]))


def _text(content: bytes) -> bytes:
    return content.partition(b"\0")[0]


def _parse_number(content: bytes) -> int | None:
    """A number in octal digits, or in GNU's base 256."""
    if content[0] == 0x80:
        return int.from_bytes(content[1:], "big")
    digits = content.rstrip(b" \0").lstrip(b" ")
    if not digits.strip(b"01234567"):
        return int(digits or b"0", 8)
    return None


def _parse_pax(content: bytes) -> dict[str, str]:
    """The records of a pax header: ``length key=value``, each ended by a line feed."""
    records: dict[str, str] = {}
    at = 0
    while at < len(content):
        digits, _, _ = content[at : at + 8].partition(b" ")
        end = at + int(digits) if digits.isdigit() else -1
        key, equals, value = content[at + len(digits) + 1 : max(end - 1, 0)].partition(b"=")
        if end <= at or content[end - 1 : end] != b"\n" or not equals or not key:
            raise InvalidDistribution("The tar archive has a damaged pax header.")
        text = key.decode("utf-8", "replace")
        if text in records:
            raise InvalidDistribution(
                f"The tar archive has a pax header with two values for {quoted(text)}."
            )
        records[text] = _pax_value(text, value)
        at = end
    return records


def _pax_value(key: str, value: bytes) -> str:
    if key not in _OVERRIDES and not key.startswith("GNU.sparse."):
        return ""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidDistribution(
            f"The tar archive has a pax header whose {quoted(key)} is not UTF-8."
        ) from None


def _name_and_size(header: _Header, extension: _Extension) -> tuple[bytes, int]:
    """What a member is called and how long it is, given its extension headers."""
    pax = extension.pax or {}
    name = header.name
    if extension.gnu_name is not None:
        name = extension.gnu_name
    if "path" in pax:
        if extension.gnu_name is not None:
            raise InvalidDistribution(
                f"The member {quoted(pax['path'])} is given its name twice, by pax and by GNU."
            )
        name = pax["path"].encode()
    if "hdrcharset" in pax or any(key.startswith("GNU.sparse.") for key in pax):
        raise InvalidDistribution(
            f"The member {quoted(name)} uses a pax extension that is not allowed."
        )
    if "size" in pax and pax["size"] != str(header.size):
        # Readers that overlook the pax header would go on reading somewhere else.
        raise InvalidDistribution(
            f"The member {quoted(name)} has one size in its header and another in its pax header."
        )
    return name, header.size


def _target(name: str, header: _Header, extension: _Extension) -> bytes:
    """What a link leads to, given its extension headers."""
    pax = extension.pax or {}
    if "linkpath" not in pax:
        return header.target if extension.gnu_link_name is None else extension.gnu_link_name
    if extension.gnu_link_name is not None:
        raise InvalidDistribution(
            f"The member {quoted(name)} is given its target twice, by pax and by GNU."
        )
    return pax["linkpath"].encode()


def _decoded(text: bytes, name: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise InvalidDistribution(
            f"The name of the member {quoted(name)}, or the target of the link, is not UTF-8."
        ) from None


def _kind_problems(kind: bytes, name: str, size: int) -> Iterator[str]:
    if kind in _FORBIDDEN_KINDS:
        yield (
            f"The member {quoted(name)} is {_FORBIDDEN_KINDS[kind]}; "
            "source distributions may have only files, folders and links."
        )
    elif kind in _LINKS and size:
        yield f"The member {quoted(name)} is a link, but has content."
    elif kind in _LINKS and name.endswith("/"):
        yield f"The member {quoted(name)} is a link, but its name ends in /."
    elif kind not in (*_FILE, *_LINKS, _FOLDER):
        yield f"The member {quoted(name)} is neither a file nor a folder."
    elif kind == _FOLDER and size:
        yield f"The member {quoted(name)} is a folder, but has content."
    elif kind in _FILE and name.endswith("/"):
        yield f"The member {quoted(name)} is a file, but its name ends in /."
