"""A gzip stream joined of pieces that were compressed one by one (RFC 1951 and 1952).

Each piece ends with a full flush, so that it is whole bytes and refers to nothing before it: any
pieces that stand behind each other are one stream of deflate, and end with an empty last block.
The checksum of the whole is combined from those of the pieces, as zlib's crc32_combine does it.
"""

import struct
import zlib
from collections.abc import Sequence
from functools import cached_property, lru_cache

# No name, no time, from no known system: the same pieces are the same stream.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"
_LEVEL = 6
# The polynomial of the checksum with its bits reversed; the highest bit stands for 1.
_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31


class Piece:
    """Some bytes, and all that a stream needs of them."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @cached_property
    def crc(self) -> int:
        """The checksum of the bytes."""
        return zlib.crc32(self.raw)

    @cached_property
    def deflated(self) -> bytes:
        """The bytes compressed, to stand among others."""
        compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        return compressor.compress(self.raw) + compressor.flush(zlib.Z_FULL_FLUSH)

    @cached_property
    def shift(self) -> int:
        """What the checksum of what stands before this piece is multiplied by."""
        return _shift(len(self.raw))


def length(pieces: Sequence[Piece]) -> int:
    """How many bytes the pieces are."""
    return sum(len(piece.raw) for piece in pieces)


def crc32(pieces: Sequence[Piece]) -> int:
    """The checksum of the pieces behind each other."""
    combined = 0
    for piece in pieces:
        if piece.raw:
            combined = _product(piece.shift, combined) ^ piece.crc
    return combined


def gzipped(pieces: Sequence[Piece]) -> list[bytes]:
    """The one member of a gzip stream that has these pieces behind each other."""
    trailer = struct.pack("<LL", crc32(pieces), length(pieces) & 0xFFFFFFFF)
    return [_HEADER, *(piece.deflated for piece in pieces if piece.raw), _LAST_BLOCK, trailer]


def _product(a: int, b: int) -> int:
    """The product of two polynomials modulo that of the checksum."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product


@lru_cache(maxsize=64)
def _square(exponent: int) -> int:
    """The polynomial x, squared so many times, modulo that of the checksum."""
    if exponent == 0:
        return 1 << 30
    root = _square(exponent - 1)
    return _product(root, root)


def _shift(count: int) -> int:
    """The polynomial x to the power of the bits of so many bytes, modulo that of the checksum."""
    power, exponent = _ONE, 3
    while count:
        if count & 1:
            power = _product(_square(exponent), power)
        count >>= 1
        exponent += 1
    return power
