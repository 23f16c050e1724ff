"""Archives as they were made in twenty years: what is read of them is one member, the metadata.

``zips.py`` and ``tarballs.py`` take archives in which no two readers can see different things,
which is more than old tools cared for. Here the readers of the standard library are used, within
limits: nothing is unpacked, memory does not grow with what an archive holds, every byte is read
once, so that damage is found, and no member may lead out of the folder that it is unpacked into.
"""

import bz2
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from greenroom.distributions.archives import (
    CHUNK,
    MAX_MEMBERS,
    Readable,
    bomb,
    gzip_decompressor,
    largest_content,
    pieces,
    too_many_members,
)
from greenroom.distributions.errors import InvalidDistribution, quoted
from greenroom.distributions.links import symbolic_link_problems
from greenroom.distributions.metadata import MAX_METADATA

Rank = Callable[[tuple[str, ...]], int | None]
"""How likely a member is the metadata, by the parts of its path: the lowest wins; None: not."""

_MAX_DIRECTORY = 8 * 1024 * 1024
_MAX_READ = 4 * 1024 * 1024
_LZMA_MEMORY = 128 * 1024 * 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR_SIGNATURE = b"PK\x06\x07"
_LOCATOR_SIZE = 20
_LONGEST_COMMENT = 0xFFFF
_DAMAGED = "The archive cannot be read: it is damaged, or no archive of this kind."


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class _Best:
    """The member that is the likeliest to be the metadata, and what is in it."""

    def __init__(self, rank: Rank) -> None:
        self._rank = rank
        self._lowest: int | None = None
        self.content: bytes | None = None

    def wants(self, name: str) -> bool:
        """Whether a member is likelier than what there was.

        Raises:
            InvalidDistribution: it is as likely, so that readers would disagree; or it leads out of
                the archive.
        """
        parts = _parts(name)
        rank = self._rank(parts)
        if rank is None or (self._lowest is not None and rank > self._lowest):
            return False
        if rank == self._lowest:
            raise InvalidDistribution(f"The archive has a second metadata file, {quoted(name)}.")
        self._lowest = rank
        return True

    def take(self, content: Iterator[bytes]) -> None:
        """Keep the content of the member that was wanted.

        Raises:
            InvalidDistribution: it is too long.
        """
        kept = bytearray()
        for piece in content:
            kept += piece
            if len(kept) > MAX_METADATA:
                raise InvalidDistribution(f"The metadata is longer than {MAX_METADATA} bytes.")
        self.content = bytes(kept)


def _parts(name: str) -> tuple[str, ...]:
    """The parts of a member's path.

    Raises:
        InvalidDistribution: it could lead out of the folder that it is unpacked into.
    """
    plain = name.replace("\\", "/")
    parts = tuple(part for part in plain.split("/") if part not in ("", "."))
    has_drive = len(plain) > 1 and plain[1] == ":" and plain[0].isalpha()
    if plain.startswith("/") or ".." in parts or has_drive or _CONTROL.search(plain):
        raise InvalidDistribution(f"The member {quoted(name)} leads outside of the archive.")
    return parts


# --- zip ------------------------------------------------------------------------------------------


def zip_metadata(path: Path, rank: Rank) -> bytes | None:
    """The metadata in a zip archive, which may have something before it; None: it has none.

    Raises:
        InvalidDistribution: it cannot be read, or not without danger.
    """
    best = _Best(rank)
    try:
        with path.open("rb") as file:
            _check_directory(file)
            with zipfile.ZipFile(file) as archive:
                _read_zip(archive, path.stat().st_size, best)
    except (
        *(zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError),
        *(RuntimeError, NotImplementedError, ValueError, OverflowError),
    ):
        raise InvalidDistribution(_DAMAGED) from None
    return best.content


def _check_directory(file: BinaryIO) -> None:
    """Refuse a directory that would take much memory; zipfile believes the same record."""
    size = file.seek(0, 2)
    at = max(size - _END.size - _LONGEST_COMMENT - _LOCATOR_SIZE, 0)
    file.seek(at)
    tail = file.read()
    end = len(tail) - _END.size
    if end < 0 or not tail.startswith(_END_SIGNATURE, end) or tail[-2:] != b"\0\0":
        end = tail.rfind(_END_SIGNATURE)
    if end < 0 or len(tail) - end < _END.size:
        raise InvalidDistribution(_DAMAGED)
    directory_size = _END.unpack_from(tail, end)[5]
    has_locator = tail.startswith(_LOCATOR_SIGNATURE, max(end - _LOCATOR_SIZE, 0))
    if directory_size > _MAX_DIRECTORY or has_locator:
        raise InvalidDistribution("The directory of the zip archive is too large.")
    file.seek(0)


def _read_zip(archive: zipfile.ZipFile, archive_size: int, best: _Best) -> None:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise too_many_members()
    limit = largest_content(archive_size)
    left = limit
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InvalidDistribution(
                f"The member {quoted(member.filename)} is neither stored nor deflated."
            )
        left -= member.file_size
        if left < 0:
            raise bomb(archive_size)
        is_wanted = best.wants(member.filename) and not member.is_dir()
        with archive.open(member) as content:
            stream = iter(partial(content.read, CHUNK), b"")
            if is_wanted:
                best.take(stream)
            for _ in stream:
                pass  # reading is what finds damage


# --- tar ------------------------------------------------------------------------------------------


def tar_metadata(path: Path, compression: str, rank: Rank) -> bytes | None:
    """The metadata in a tar archive; None: it has none.

    Args:
        path: the archive.
        compression: ``gz``, ``bz2``, ``xz`` or nothing.
        rank: what is metadata.

    Raises:
        InvalidDistribution: it cannot be read, or not without danger.
    """
    best = _Best(rank)
    try:
        with path.open("rb") as file:
            content = decompressed(file, compression)
            _read_tar(Tape(content, path.stat().st_size), best)
    except (
        *(tarfile.TarError, zlib.error, lzma.LZMAError, OSError, EOFError),
        *(ValueError, OverflowError, RecursionError, MemoryError),
    ):
        raise InvalidDistribution(_DAMAGED) from None
    return best.content


def decompressed(file: Readable, compression: str) -> Iterator[bytes]:
    """What a file holds that is compressed so, in bounded pieces.

    Args:
        file: from where it is to be read.
        compression: ``gz``, ``bz2``, ``xz`` or nothing.

    Raises:
        EOFError: it is truncated. What is damaged raises what the library raises that reads it.
    """
    if not compression:
        yield from pieces(file, 1 << 62)
    elif compression == "gz":
        yield from _gunzipped(file)
    else:
        decompressor: _Decompressor = (
            bz2.BZ2Decompressor()
            if compression == "bz2"
            else lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
        )
        for piece in pieces(file, 1 << 62):
            if decompressor.eof:
                return
            yield decompressor.decompress(piece, CHUNK)
            while not decompressor.eof and not decompressor.needs_input:
                yield decompressor.decompress(b"", CHUNK)
        if not decompressor.eof:
            raise EOFError


def _gunzipped(file: Readable) -> Iterator[bytes]:
    """The content of a gzip stream; whatever follows it was ignored by all readers."""
    decompressor = gzip_decompressor()
    for piece in pieces(file, 1 << 62):
        waiting = piece
        while waiting and not decompressor.eof:
            yield decompressor.decompress(waiting, CHUNK)
            waiting = decompressor.unconsumed_tail
        if decompressor.eof:
            return
    raise EOFError


class Tape:
    """Decompressed content for :mod:`tarfile`, read forwards and in bounded pieces."""

    def __init__(self, content: Iterator[bytes], archive_size: int) -> None:
        self._content = content
        self._archive_size = archive_size
        self._left = largest_content(archive_size)
        self._buffer = b""
        self._at = 0
        self._position = 0

    def tell(self) -> int:
        """How many bytes were passed."""
        return self._position

    def seek(self, position: int) -> int:
        """Go forwards."""
        if position < self._position:
            raise ValueError("backwards")
        for _ in self.pieces(position - self._position):
            pass
        return self._position

    def read(self, count: int) -> bytes:
        """The next bytes, which are a header's."""
        if count > _MAX_READ:
            raise ValueError("no header is so long")
        return b"".join(self.pieces(count))

    def pieces(self, count: int) -> Iterator[bytes]:
        """The next bytes in bounded pieces; fewer when the content ends."""
        while count > 0 and self._fill():
            piece = self._buffer[self._at : self._at + count]
            self._at += len(piece)
            self._position += len(piece)
            count -= len(piece)
            yield piece

    def _fill(self) -> bool:
        while self._at >= len(self._buffer):
            piece = next(self._content, None)
            if piece is None:
                return False
            self._buffer, self._at = piece, 0
            self._left -= len(piece)
            if self._left < 0:
                raise bomb(self._archive_size)
        return True


def _read_tar(tape: Tape, best: _Best) -> None:
    # It asks for no more than read, seek and tell.
    archive = tarfile.TarFile(fileobj=tape, mode="r")  # type: ignore[arg-type]
    count = 0
    while (member := archive.next()) is not None:
        count += 1
        if count > MAX_MEMBERS:
            raise too_many_members()
        # Or all of them would stay in memory.
        archive.members.clear()  # type: ignore[attr-defined]
        _check_kind(member)
        is_wanted = best.wants(member.name) and member.isreg() and not member.issparse()
        if is_wanted:
            tape.seek(member.offset_data)
            best.take(tape.pieces(member.size))
    if count == 0:
        raise InvalidDistribution("The archive is empty.")
    for _ in tape.pieces(1 << 62):
        pass  # what is damaged behind the last member is damaged


def _check_kind(member: tarfile.TarInfo) -> None:
    if member.isdev():
        raise InvalidDistribution(
            f"The member {quoted(member.name)} is neither a file, a folder nor a link."
        )
    if member.issym():
        name = "/".join(_parts(member.name))
        problems = list(symbolic_link_problems(name, member.linkname))
        if problems:
            raise InvalidDistribution(*problems)
    elif member.islnk():
        _parts(member.linkname)
