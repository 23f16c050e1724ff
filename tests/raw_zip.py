"""Zip archives byte by byte, sound or not, for tests of those who read them.

Zip([stored("a.txt", b"hello"), deflated("b.txt")], prefix=b"#!/bin/sh\n").to_bytes()
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Headers:
    """One of the two descriptions of a member."""

    name: bytes
    size: int
    compressed_size: int
    crc: int
    method: int = 0
    flags: int = 0
    extra: bytes = b""


@dataclass(frozen=True)
class Member:
    """A member as it is written, sound or not."""

    local: Headers
    central: Headers
    data: bytes
    mode: int = 0o100644
    comment: bytes = b""
    descriptor: bytes = b""
    before: bytes = b""


@dataclass(frozen=True)
class Zip:
    """An archive as it is written, sound or not."""

    members: Sequence[Member]
    prefix: bytes = b""
    before_directory: bytes = b""
    before_end: bytes = b""
    suffix: bytes = b""
    comment: bytes = b""
    comment_size: int | None = None
    entries: int | None = None
    shift: int = 0
    zip64: bool = False
    disk: int = 0
    order: Callable[[Sequence[Member]], Sequence[Member]] = field(default=lambda members: members)

    def to_bytes(self) -> bytes:
        body = bytearray(self.prefix)
        offsets: dict[int, int] = {}
        for member in self.members:
            body += member.before
            offsets[id(member)] = len(body) + self.shift
            body += local_header(member.local) + member.data + member.descriptor
        body += self.before_directory
        at = len(body) + self.shift
        directory = b"".join(
            central_header(member, offsets[id(member)]) for member in self.order(self.members)
        )
        body += directory + self.before_end
        entries = len(self.members) if self.entries is None else self.entries
        if self.zip64:
            record_at = len(body)
            body += struct.pack(
                "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, len(directory), at
            )
            body += struct.pack("<4sLQL", b"PK\6\7", 0, record_at, 1)
            body += struct.pack(
                "<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0
            )
        else:
            comment_size = len(self.comment) if self.comment_size is None else self.comment_size
            body += struct.pack(
                "<4s4H2LH",
                *(b"PK\5\6", self.disk, self.disk, entries, entries, len(directory), at),
                comment_size,
            )
        return bytes(body) + self.comment + self.suffix


def local_header(header: Headers) -> bytes:
    fixed = struct.pack(
        "<4s5H3L2H",
        *(b"PK\3\4", 20, header.flags, header.method, 0, 0x21),
        *(header.crc, header.compressed_size, header.size),
        *(len(header.name), len(header.extra)),
    )
    return fixed + header.name + header.extra


def central_header(member: Member, offset: int) -> bytes:
    header = member.central
    fixed = struct.pack(
        "<4s6H3L5H2L",
        *(b"PK\1\2", 0x0314, 20, header.flags, header.method, 0, 0x21),
        *(header.crc, header.compressed_size, header.size),
        *(len(header.name), len(header.extra), len(member.comment), 0, 0),
        *(member.mode << 16, offset),
    )
    return fixed + header.name + header.extra + member.comment


def stored(name: str | bytes = "a.txt", content: bytes = b"hello") -> Member:
    raw_name = name.encode() if isinstance(name, str) else name
    flags = 0 if raw_name.isascii() else 1 << 11
    headers = Headers(raw_name, len(content), len(content), zlib.crc32(content), flags=flags)
    return Member(headers, headers, content)


def deflated(name: str = "a.txt", content: bytes = b"hello" * 100) -> Member:
    compressor = zlib.compressobj(wbits=-15)
    data = compressor.compress(content) + compressor.flush()
    headers = Headers(name.encode(), len(content), len(data), zlib.crc32(content), method=8)
    return Member(headers, headers, data)


def streamed(member: Member, descriptor: bytes | None = None) -> Member:
    """The member as written by who did not know its size before."""
    central = replace(member.central, flags=member.central.flags | 8)
    sizes = struct.pack("<3L", central.crc, central.compressed_size, central.size)
    return replace(
        member,
        central=central,
        local=replace(central, crc=0, size=0, compressed_size=0),
        descriptor=b"PK\7\10" + sizes if descriptor is None else descriptor,
    )


def both(member: Member, **changes: object) -> Member:
    """The member with both of its headers changed."""
    return replace(
        member,
        local=replace(member.local, **changes),  # type: ignore[arg-type]
        central=replace(member.central, **changes),  # type: ignore[arg-type]
    )


def central(member: Member, **changes: object) -> Member:
    return replace(member, central=replace(member.central, **changes))  # type: ignore[arg-type]
