"""What holds for every archive, whatever its format: limits, and names of members.

The formats themselves are next door: ``zips.py`` and ``tarballs.py``. Neither trusts a header,
neither writes to disk, and neither needs more memory for a larger file.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

from greenroom.distributions.errors import InvalidDistribution, quoted

BOMB_SIZE = 64 * 1024 * 1024
"""Up to this much content, an archive may be compressed as well as it likes."""

BOMB_RATIO = 50
"""Beyond ``BOMB_SIZE``, an archive may hold at most this many times its own size."""

MAX_MEMBERS = 100_000
MAX_MEMBER_NAME = 1024
"""Bytes in one member's name."""

MAX_MEMBER_DEPTH = 64
"""Folders in folders. With ``MAX_MEMBER_NAME`` it bounds the work of comparing names."""

MAX_DIRECTORY = 16 * 1024 * 1024
"""Bytes of all members' names together, or of a zip's central directory: these are in memory."""

CHUNK = 256 * 1024
"""Bytes that are in memory at a time while content streams."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:")


class Readable(Protocol):
    """Something that bytes are read from, as from a file."""

    def read(self, count: int = -1, /) -> bytes:
        """The next bytes, at most so many; none at the end."""


class Decompressor(Protocol):
    """What ``zlib.decompressobj`` returns; its class has no name that can be imported."""

    @property
    def eof(self) -> bool:
        """Whether the compressed stream has ended."""

    @property
    def unconsumed_tail(self) -> bytes:
        """Input that waits because the limit of output was reached."""

    @property
    def unused_data(self) -> bytes:
        """Input that follows the end of the stream."""

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        """The next output, at most so many bytes."""


def largest_content(archive_size: int) -> int:
    """How much an archive of this many bytes may hold before it counts as a bomb."""
    return max(BOMB_SIZE, BOMB_RATIO * archive_size)


def bomb(archive_size: int) -> InvalidDistribution:
    """The refusal of an archive that holds more than ``largest_content`` allows."""
    return InvalidDistribution(
        f"The archive unpacks to more than {BOMB_RATIO} times its own size of {archive_size} "
        f"bytes, which is not allowed beyond {BOMB_SIZE // 1024 // 1024} MiB."
    )


def too_many_members() -> InvalidDistribution:
    """The refusal of an archive with more than ``MAX_MEMBERS`` members."""
    return InvalidDistribution(f"The archive has more than {MAX_MEMBERS} members.")


def pieces(file: Readable, count: int) -> Iterator[bytes]:
    """The next ``count`` bytes of a file, or what there is of them, in pieces of bounded size."""
    while count > 0 and (piece := file.read(min(CHUNK, count))):
        count -= len(piece)
        yield piece


def inflated(compressed: Iterable[bytes], decompressor: Decompressor) -> Iterator[bytes]:
    """What comes out of a ``zlib`` decompressor, never more than ``CHUNK`` at a time.

    Stops where the compressed stream ends, or where its input does: the caller looks at
    ``decompressor.eof`` to tell which.

    Raises:
        zlib.error: it is no such stream.
    """
    for piece in compressed:
        while not decompressor.eof:
            content = decompressor.decompress(piece, CHUNK)
            piece = decompressor.unconsumed_tail
            if content:
                yield content
            elif not piece:
                break
        if decompressor.eof:
            return


def gzip_decompressor() -> Decompressor:
    """A decompressor for one gzip member, with header and check sum (RFC 1952)."""
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def deflate_decompressor() -> Decompressor:
    """A decompressor for a bare deflate stream, as zip has it (RFC 1951)."""
    return zlib.decompressobj(-zlib.MAX_WBITS)


def name_problems(name: str) -> Iterator[str]:
    """Sentences about a member's name that could lead out of the folder it is unpacked into."""
    shown = quoted(name)
    if not name.rstrip("/"):
        yield f"A member has the name {shown}, which says nothing."
        return
    if _CONTROL.search(name):
        yield f"The member {shown} has control characters in its name."
    if "\\" in name:
        yield f"The member {shown} has a backslash in its name; folders are separated by /."
    if name.startswith("/") or _DRIVE.match(name):
        yield f"The member {shown} has an absolute path."
    if len(name.encode()) > MAX_MEMBER_NAME or name.count("/") > MAX_MEMBER_DEPTH:
        yield f"The member {shown} has a path that is too long or too deep."
    folders = name.removesuffix("/").removeprefix("/").split("/")
    if ".." in folders:
        yield f"The member {shown} leads outside of the archive."
    if "." in folders or "" in folders:
        yield f"The member {shown} has an empty or . part in its path; write the path plainly."


def conflicting_names(names: Iterable[str]) -> Iterator[str]:
    """Sentences about members that would be unpacked over each other.

    ``names`` are names of members, folders' with a trailing slash.
    """
    files: set[str] = set()
    folders: set[str] = set()
    for name in names:
        plain = name.rstrip("/")
        if plain in files or plain in folders:
            yield f"The archive has more than one member {quoted(plain)}."
        (folders if name.endswith("/") else files).add(plain)
    for name in sorted(files & _parents(files | folders)):
        yield f"The member {quoted(name)} is both a file and a folder."


def _parents(names: Iterable[str]) -> set[str]:
    parents: set[str] = set()
    for name in names:
        parent = name.rpartition("/")[0]
        # A parent that is known has brought its own parents along.
        while parent and parent not in parents:
            parents.add(parent)
            parent = parent.rpartition("/")[0]
    return parents
