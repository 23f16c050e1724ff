"""What is in a distribution, member by member: sizes, digests, and what kind of content it is.

An archive is read once, from its first byte to its last, and never unpacked. What it takes in
memory is what is said of its members, whatever their size.
"""

import codecs
import hashlib
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from greenroom.distributions.errors import InvalidDistribution, quoted
from greenroom.distributions.filenames import packagetype_of
from greenroom.distributions.natives import HEAD, Native, native_of
from greenroom.distributions.tarballs import TarMember, read_tarball
from greenroom.distributions.zips import open_zip


class Kind(StrEnum):
    """What the content of a member is."""

    TEXT = "text"  # UTF-8 without NUL
    BINARY = "binary"
    NATIVE = "native"  # machine code
    LINK = "link"


class Member(Struct, frozen=True):
    """One file of an archive, or a link; folders are only in paths.

    Attributes:
        path: as the archive has it, with ``/`` between folders.
        size: in bytes; of a link 0.
        sha256: of the content, in hexadecimal; of a link that of the path that it leads to.
        kind: what the content is.
        native: what machine code it is, where it is some.
        leads_to: of a link, the path of what it leads to.
    """

    path: str
    size: int
    sha256: str
    kind: Kind
    native: Native | None = None
    leads_to: str | None = None


Watch = Callable[[str], Callable[[bytes], None] | None]
"""Asked for each member, by its path, before it is read: what is given the pieces of its content,
and an empty one at its end; or None."""


def survey(path: Path, filename: str, watch: Watch = lambda name: None) -> tuple[Member, ...]:
    """Say what is in a wheel or a source distribution, in the order of the archive.

    Args:
        path: where the bytes are.
        filename: what the file is called, which tells the format.
        watch: sees the content of members while it is read.

    Raises:
        InvalidDistribution: the archive cannot be read.
    """
    members: list[Member] = []
    if packagetype_of(filename) == "bdist_wheel":
        with open_zip(path) as archive:
            for name, zipped in archive.members.items():
                if not zipped.is_folder:
                    members.append(_surveyed(name, archive.stream(name), watch(name)))
        return tuple(members)

    def visit(member: TarMember, content: Iterator[bytes]) -> None:
        if member.leads_to is not None:
            members.append(_link(member.name, member.leads_to))
        elif not member.is_folder:
            members.append(_surveyed(member.name, content, watch(member.name)))

    read_tarball(path, lambda name: False, 0, visit)
    return tuple(members)


def read_member(path: Path, filename: str, name: str, limit: int) -> bytes:
    """The content of one member of a wheel or a source distribution.

    Of a wheel nothing but this member is read, of a source distribution everything.

    Raises:
        KeyError: there is no such file in it.
        InvalidDistribution: it is longer than ``limit`` bytes, or the archive cannot be read.
    """
    if packagetype_of(filename) == "bdist_wheel":
        with open_zip(path) as archive:
            if archive.members[name].is_folder:
                raise KeyError(name)
            return archive.read(name, limit)
    return read_tarball(path, lambda each: each == name, limit).contents[name]


def _surveyed(path: str, content: Iterable[bytes], watch: Callable[[bytes], None] | None) -> Member:
    digest, size, head = hashlib.sha256(), 0, b""
    text = _Text()
    for piece in content:
        digest.update(piece)
        size += len(piece)
        if len(head) < HEAD:
            head += piece[: HEAD - len(head)]
        text.see(piece)
        if watch is not None:
            watch(piece)
    if watch is not None:
        watch(b"")
    native = native_of(head)
    kind = Kind.NATIVE if native is not None else Kind.TEXT if text.is_text() else Kind.BINARY
    return Member(path, size, digest.hexdigest(), kind, native)


def _link(path: str, leads_to: str) -> Member:
    digest = hashlib.sha256(leads_to.encode()).hexdigest()
    return Member(path, 0, digest, Kind.LINK, leads_to=leads_to)


class _Text:
    """Whether bytes that come in pieces are text."""

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()

    def see(self, piece: bytes, final: bool = False) -> None:
        if self._decoder is None:
            return
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            self._decoder = None
            return
        if b"\0" in piece:
            self._decoder = None

    def is_text(self) -> bool:
        self.see(b"", final=True)
        return self._decoder is not None


def text_of(content: bytes, name: str) -> str:
    """The content of a member as text.

    Raises:
        InvalidDistribution: it is none.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise InvalidDistribution(f"The member {quoted(name)} is no text in UTF-8.") from None
    if "\0" in text:
        raise InvalidDistribution(f"The member {quoted(name)} is no text: it has NUL in it.")
    return text
