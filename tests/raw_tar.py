"""Tar archives block by block, sound or not, for tests of those who read them.

zipped(member("example-1.0/PKG-INFO", content), header("example-1.0/link", kind=b"2"))
"""

import gzip

END = b"\0" * 1024


def header(
    name: str | bytes = "a/b.txt",
    size: int | bytes = 0,
    kind: bytes = b"0",
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
    target: str | bytes = b"",
) -> bytes:
    """A header block with the right check sum."""
    raw_name = name.encode() if isinstance(name, str) else name
    raw_size = b"%011o\0" % size if isinstance(size, int) else size
    block = bytearray(512)
    block[0 : len(raw_name)] = raw_name
    block[100:108] = b"0000644\0"
    block[124:136] = raw_size
    block[148:156] = b" " * 8
    block[156:157] = kind
    raw_target = target.encode() if isinstance(target, str) else target
    block[157 : 157 + len(raw_target)] = raw_target
    block[257:265] = magic
    block[345 : 345 + len(prefix)] = prefix
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 512)


def member(name: str | bytes = "a/b.txt", content: bytes = b"hello", kind: bytes = b"0") -> bytes:
    return header(name, len(content), kind) + padded(content)


def symlink(name: str, target: str) -> bytes:
    return header(name, kind=b"2", target=target)


def hardlink(name: str, target: str) -> bytes:
    return header(name, kind=b"1", target=target)


def pax(*records: tuple[str, str], kind: bytes = b"x") -> bytes:
    content = b""
    for key, value in records:
        rest = f" {key}={value}\n".encode()
        length = len(rest)
        while len(str(length)) + len(rest) != length:
            length = len(str(length)) + len(rest)
        content += str(length).encode() + rest
    return member("pax", content, kind)


def zipped(*blocks: bytes, end: bytes = END) -> bytes:
    return gzip.compress(b"".join(blocks) + end, mtime=0)
