"""Zip archives that no wheel may be: cut, patched, lying, bursting, or something else."""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from tests.artifacts import tar_gz_of, zip_of
from tests.malformed.cases import INFO, Cases, Malformed, sdist_files, upload, wheel_files
from tests.raw_zip import (
    Member,
    Zip,
    both,
    central,
    central_header,
    deflated,
    stored,
    streamed,
)

MIB = 1024 * 1024


def members(*more: Member) -> list[Member]:
    """The members of a sound wheel, and more behind them."""
    return [*(stored(name, content) for name, content in wheel_files().items()), *more]


def archive(*more: Member, **changes: object) -> Callable[[], bytes]:
    """Makes a wheel with further members, or with its structure changed."""
    return lambda: Zip(members(*more), **changes).to_bytes()  # type: ignore[arg-type]


def first(change: Callable[[Member], Member]) -> Callable[[], bytes]:
    """Makes a wheel whose first member is changed."""

    def make() -> bytes:
        changed, *others = members()
        return Zip([change(changed), *others]).to_bytes()

    return make


def patched(at: bytes, offset: int, content: bytes, **changes: object) -> Callable[[], bytes]:
    """Makes a wheel with some bytes changed, counted from the last place that has a signature."""

    def make() -> bytes:
        made = bytearray(Zip(members(), **changes).to_bytes())  # type: ignore[arg-type]
        start = made.rindex(at) + offset
        made[start : start + len(content)] = content
        return bytes(made)

    return make


def cut(share: float, less: int = 0) -> Callable[[], bytes]:
    """Makes the beginning of a wheel, and `less` bytes less of it."""

    def make() -> bytes:
        made = Zip(members()).to_bytes()
        return made[: round(len(made) * share) - less]

    return make


def around(before: bytes = b"", after: bytes = b"") -> Callable[[], bytes]:
    return lambda: before + Zip(members()).to_bytes() + after


TRUNCATED = "truncated"
NO_ZIP = "The file is not a zip archive"
LOST = "is not where the directory of the zip archive says"
DISAGREE = "disagree, or the header contradicts itself"
BEFORE = "The zip archive has data before its beginning, or between its directory and its end."
GAP = "that belongs to no member"
DAMAGED_DIRECTORY = "The directory of the zip archive is damaged or truncated."
ZIP64 = "The zip64 records of the zip archive contradict each other."
BOMB = "The archive unpacks to more than 50 times its own size"
COUNT = "does not have as many members as its end record says"


def _structure() -> Cases:
    made: dict[str, tuple[Callable[[], bytes], str]] = {
        "one byte": (lambda: b"P", NO_ZIP),
        "a signature": (lambda: b"PK\3\4", NO_ZIP),
        "a local header": (lambda: Zip(members()).to_bytes()[:30], NO_ZIP),
        **{
            f"cut to {percent} %": (cut(percent / 100), TRUNCATED)
            for percent in (10, 30, 50, 70, 90)
        },
        "without its last byte": (cut(1, less=1), TRUNCATED),
        "without its end record": (cut(1, less=22), NO_ZIP),
        "an end record alone": (lambda: Zip([]).to_bytes(), "exactly one .dist-info folder"),
        "an end record twice": (
            around(after=Zip([]).to_bytes()),
            BEFORE,
        ),
        "fewer members than said": (archive(entries=9), COUNT),
        "more members than said": (archive(entries=1), COUNT),
        "one of several disks": (archive(disk=3), "one of several parts"),
        "a directory that is elsewhere": (
            patched(b"PK\5\6", 16, struct.pack("<L", 5)),
            BEFORE,
        ),
        "a directory behind the end": (
            patched(b"PK\5\6", 16, struct.pack("<L", 0x7FFFFFFF)),
            BEFORE,
        ),
        "a directory of no size": (patched(b"PK\5\6", 12, bytes(4)), BEFORE),
        "a directory without entries": (patched(b"PK\5\6", 8, bytes(4)), COUNT),
        "a broken entry": (patched(b"PK\1\2", 0, b"XX"), DAMAGED_DIRECTORY),
        "an entry with too long a name": (
            patched(b"PK\1\2", 28, struct.pack("<H", 0xFFFF)),
            DAMAGED_DIRECTORY,
        ),
        "an entry on another disk": (
            patched(b"PK\1\2", 34, struct.pack("<H", 7)),
            DAMAGED_DIRECTORY,
        ),
        "an entry for a member that is elsewhere": (
            patched(b"PK\1\2", 42, struct.pack("<L", 3)),
            "overlaps with what follows it",
        ),
        "an entry for a member behind the end": (
            patched(b"PK\1\2", 42, struct.pack("<L", 0x7FFFFFFF)),
            GAP,
        ),
        "a comment": (archive(comment=b"hello"), "has a comment"),
        "a comment that is a zip": (archive(comment=zip_of({"a": b""})), "has data before"),
        "a comment that is longer than said": (
            archive(comment=b"hello", comment_size=2),
            "data after its end",
        ),
        "a comment that is said and not there": (archive(comment_size=9), TRUNCATED),
        "a script before it": (around(b"#!/bin/sh\nexec python $0\n"), BEFORE),
        "a script before it, which it knows of": (
            archive(prefix=b"#!/bin/sh\n"),
            "The zip archive has data before its first member.",
        ),
        "something behind it": (around(after=b"more"), "data after its end"),
        "zeros behind it": (around(after=bytes(1000)), "data after its end"),
        "another archive behind it": (around(after=zip_of({"a.py": b""})), BEFORE),
        "data between members": (
            archive(replace(stored("odd/z.py"), before=b"hidden")),
            GAP,
        ),
        "data before its directory": (archive(before_directory=b"hidden"), GAP),
        "data behind its directory": (archive(before_end=b"hidden"), BEFORE),
        "a member that the directory hides": (
            archive(
                stored("odd/hidden.py"),
                order=lambda listed: listed[:-1],
                entries=len(members()),
            ),
            GAP,
        ),
    }
    return {f"wheel: {name}": upload(make, says) for name, (make, says) in made.items()}


def _headers() -> Cases:
    wide = 0xFFFFFFFF
    changes: dict[str, tuple[Callable[[Member], Member], str]] = {
        "name": (lambda m: central(m, name=b"odd/__main__.p"), DISAGREE),
        "size": (lambda m: central(m, size=5, compressed_size=5), DISAGREE),
        "CRC": (lambda m: central(m, crc=5), DISAGREE),
        "method": (lambda m: central(m, method=8), DISAGREE),
        "flags": (lambda m: central(m, flags=1 << 11), DISAGREE),
    }
    made: dict[str, tuple[Callable[[], bytes], str]] = {
        f"two headers with a different {name}": (first(change), says)
        for name, (change, says) in changes.items()
    }
    made |= {
        "a CRC that is wrong": (first(lambda m: both(m, crc=5)), "fails its CRC check"),
        "a stored member of two sizes": (first(lambda m: both(m, size=9)), "two different sizes"),
        "a member of 4 GiB": (first(lambda m: both(m, size=wide, compressed_size=wide)), DISAGREE),
        "a member that reaches into the next": (
            first(lambda m: both(m, size=200, compressed_size=200)),
            "overlaps with what follows it",
        ),
        "streamed, and its sizes never follow": (
            first(lambda m: streamed(m, b"")),
            "in a data descriptor",
        ),
        "streamed": (first(streamed), "in a data descriptor"),
        "streamed, and other sizes follow": (
            first(lambda m: streamed(m, b"PK\7\10" + struct.pack("<3L", 1, 2, 3))),
            "in a data descriptor",
        ),
        "extra field that is cut": (first(lambda m: both(m, extra=b"\1\0\x10\0abc")), "extra"),
        "extra field that is given twice": (
            first(lambda m: both(m, extra=b"\7\0\0\0\7\0\0\0")),
            "extra fields",
        ),
        "extra field with another name": (
            first(lambda m: both(m, extra=struct.pack("<2H", 0x7075, 9) + bytes(9))),
            "has a second name in its extra field",
        ),
        "zip64 field that is missing": (first(lambda m: central(m, size=wide)), DISAGREE),
        "zip64 field of the wrong length": (
            first(
                lambda m: both(m, size=wide, extra=struct.pack("<2H", 1, 7) + bytes(7)),
            ),
            DISAGREE,
        ),
        "zip64 field with sizes of its own": (
            first(lambda m: both(m, extra=struct.pack("<2H2Q", 1, 16, 1, 1))),
            DISAGREE,
        ),
        "zip64 sizes beyond all measure": (
            first(
                lambda m: both(
                    m,
                    size=wide,
                    compressed_size=wide,
                    extra=struct.pack("<2H2Q", 1, 16, 2**63, 2**63),
                )
            ),
            BOMB,
        ),
        "zip64 locator that points elsewhere": (
            patched(b"PK\6\7", 8, struct.pack("<Q", 2**63), zip64=True),
            ZIP64,
        ),
        "zip64 record of another length": (
            patched(b"PK\6\6", 4, struct.pack("<Q", 2**64 - 1), zip64=True),
            ZIP64,
        ),
        "zip64 record with two counts": (
            patched(b"PK\6\6", 24, struct.pack("<2Q", 1, 2), zip64=True),
            ZIP64,
        ),
        "zip64 record with a gigantic count": (
            patched(b"PK\6\6", 24, struct.pack("<2Q", 2**60, 2**60), zip64=True),
            "more than 100000 members",
        ),
        "zip64 record with a gigantic directory": (
            patched(b"PK\6\6", 40, struct.pack("<Q", 2**60), zip64=True),
            "is larger than 16777216 bytes",
        ),
        "zip64 record with a directory beyond the file": (
            patched(b"PK\6\6", 48, struct.pack("<Q", 2**63), zip64=True),
            BEFORE,
        ),
        "zip64 records that the end record contradicts": (
            patched(b"PK\5\6", 8, struct.pack("<2H", 7, 7), zip64=True),
            ZIP64,
        ),
    }
    return {f"wheel: {name}": upload(make, says) for name, (make, says) in made.items()}


def _odd_members() -> Cases:
    made: dict[str, tuple[Sequence[Member], str]] = {
        f"member {name}": ([stored(member_name)], says)
        for name, member_name, says in (
            ("above the folder", "../evil.py", "leads outside of the archive"),
            ("above by a detour", "odd/../../evil.py", "leads outside of the archive"),
            ("at the root", "/etc/cron.d/evil", "has an absolute path"),
            ("on a drive", "C:/evil.py", "has an absolute path"),
            ("with a backslash", "odd\\..\\evil.py", "has a backslash in its name"),
            ("with NUL", "odd/a.py\0.txt", "control characters"),
            ("with a line feed", "odd/a\nb.py", "control characters"),
            ("with an escape sequence", "odd/\x1b[2J.py", "control characters"),
            ("here", "odd/./a.py", "empty or . part"),
            ("with two slashes", "odd//a.py", "empty or . part"),
            ("without a name", "", "which says nothing"),
            ("of slashes", "///", "which says nothing"),
            ("with too long a name", "odd/" + "x" * 2000, "too long or too deep"),
            ("with the longest name", "odd/" + "x" * 65000, "too long or too deep"),
            ("too deep", "odd/" + "x/" * 100 + "a.py", "too long or too deep"),
            ("that is there", "odd/__init__.py", "more than one member"),
            ("below a file", "odd/__init__.py/a.py", "both a file and a folder"),
            ("that turns its name around", "odd/\u202egnp.exe", "is not listed in RECORD"),
        )
    }
    made |= {
        "member not in UTF-8": ([both(stored(b"odd/\xe9.py"), flags=1 << 11)], "is not UTF-8"),
        "member with half a character": (
            [both(stored(b"odd/\xed\xa0\x80.py"), flags=1 << 11)],
            "is not UTF-8",
        ),
        "member not marked as UTF-8": ([both(stored("odd/é.py"), flags=0)], "not marked as UTF-8"),
        "folder with content": ([stored("odd/data/", b"content")], "is a folder, but has content"),
        "file and folder of one name": (
            [stored("odd/x", b""), stored("odd/x/", b"")],
            "more than one member",
        ),
        "member with a comment": ([replace(stored("odd/x"), comment=b"hi")], "has a comment"),
        "member that is encrypted": ([both(stored("odd/x"), flags=1)], "is encrypted"),
        "member that is well encrypted": ([both(stored("odd/x"), flags=1 | 1 << 6)], "encrypted"),
        "member that is patched": ([both(stored("odd/x"), flags=1 << 5)], "zip feature"),
        "member with a masked header": ([both(stored("odd/x"), flags=1 << 13)], "encrypted"),
        **{
            f"member compressed by {name}": (
                [both(deflated("odd/x"), method=number)],
                "neither stored nor deflated",
            )
            for name, number in (
                ("shrink", 1),
                ("implode", 6),
                ("deflate64", 9),
                ("bzip2", 12),
                ("lzma", 14),
                ("zstd", 93),
                ("xz", 95),
                ("AES", 99),
                ("nothing known", 0xFFFF),
            )
        },
        **{
            f"member that is {name}": ([replace(stored("odd/x", b"/etc/passwd"), mode=mode)], says)
            for name, mode, says in (
                ("a symbolic link", 0o120777, "is a symbolic link"),
                ("a device", 0o020666, "neither a file nor a folder"),
                ("a block device", 0o060666, "neither a file nor a folder"),
                ("a pipe", 0o010666, "neither a file nor a folder"),
                ("a socket", 0o140666, "neither a file nor a folder"),
                ("a folder in disguise", 0o040755, "does not end in /"),
            )
        },
    }
    return {f"wheel: {name}": upload(archive(*more), says) for name, (more, says) in made.items()}


def _compressed(content: bytes) -> bytes:
    compressor = zlib.compressobj(9, wbits=-15)
    return compressor.compress(content) + compressor.flush()


def recorded(name: str, content: bytes, change: Callable[[Member], Member]) -> bytes:
    """A wheel with one more file, which RECORD has, and whose member is changed."""
    files = wheel_files({name: content})
    others = [stored(path, kept) for path, kept in files.items() if path != name]
    return Zip([*others, change(deflated(name, content))]).to_bytes()


def _with_data(change: Callable[[bytes], bytes], says: str) -> Malformed:
    """A wheel whose compressed data is changed; its headers know the length."""

    def changed(member: Member) -> Member:
        data = change(member.data)
        return both(replace(member, data=data), compressed_size=len(data))

    return upload(lambda: recorded("odd/x.py", b"hello" * 100, changed), says)


def _content() -> Cases:
    return {
        "wheel: deflated data that is cut": _with_data(lambda data: data[:-4], "does not end"),
        "wheel: deflated data and more": _with_data(lambda data: data + b"more", "does not end"),
        "wheel: deflated data, twice": _with_data(lambda data: data * 2, "does not end"),
        "wheel: deflated data that is none": _with_data(
            lambda data: b"\xff" * len(data), "cannot be decompressed"
        ),
        "wheel: no deflated data": _with_data(lambda data: b"", "does not end"),
        "wheel: more content than said": upload(
            lambda: recorded("odd/x.py", b"hello" * 100, lambda m: both(m, size=50)),
            "does not have the size",
        ),
        "wheel: less content than said": upload(
            lambda: recorded("odd/x.py", b"hello" * 100, lambda m: both(m, size=5000)),
            "does not have the size",
        ),
        "wheel: a damaged byte": upload(_damaged, "fails its CRC check"),
    }


def _damaged() -> bytes:
    return Zip(members()).to_bytes().replace(b"# odd", b"# 0dd")


@cache
def _many(count: int) -> bytes:
    return Zip([stored(f"{number:x}", b"") for number in range(count)], zip64=True).to_bytes()


def _quilt() -> bytes:
    """Members that are quoted by the one before: a bomb that no ratio of one member gives away."""
    kernel = _compressed(bytes(16 * MIB))
    crc = zlib.crc32(bytes(16 * MIB))
    sound = replace(deflated("odd/0"), data=kernel)
    named = [
        both(sound, name=f"odd/{i}".encode(), size=16 * MIB, compressed_size=len(kernel), crc=crc)
        for i in range(200)
    ]
    whole = Zip(named[:1]).to_bytes()
    at = whole.index(b"PK\1\2")
    entries = b"".join(central_header(member, 0) for member in named)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 200, 200, len(entries), at, 0)
    return whole[:at] + entries + end


def _overlapping() -> bytes:
    """Two entries for the bytes of one member."""
    one = deflated("odd/0")
    whole = Zip([one]).to_bytes()
    at = whole.index(b"PK\1\2")
    entries = central_header(one, 0) + central_header(central(one, name=b"odd/1"), 0)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(entries), at, 0)
    return whole[:at] + entries + end


@cache
def _zeros(name: str, size: int, said: int | None = None) -> Member:
    zeros = bytes(size)
    data = _compressed(zeros)
    made = both(deflated(name), size=said or size, compressed_size=len(data), crc=zlib.crc32(zeros))
    return replace(made, data=data)


def _large_directory() -> bytes:
    return Zip(
        [central(stored(f"odd/{i}"), extra=struct.pack("<2H", 9, 65000) + bytes(65000))
         for i in range(260)]
    ).to_bytes()  # fmt: skip


def _resources() -> Cases:
    return {
        "wheel: a bomb": upload(lambda: archive(_zeros("odd/zeros", 300 * MIB))(), BOMB),
        "wheel: a bomb in many members": upload(
            lambda: archive(*(_zeros(f"odd/{i}", 8 * MIB) for i in range(12)))(), BOMB
        ),
        "wheel: a bomb that hides its size": upload(
            lambda: recorded("odd/zeros", b"", lambda _: _zeros("odd/zeros", 300 * MIB, said=1000)),
            "does not have the size",
        ),
        "wheel: a bomb in RECORD": upload(
            lambda: _bomb_at(f"{INFO}/RECORD"), "is longer than 16777216 bytes"
        ),
        "wheel: a bomb in METADATA": upload(
            lambda: _bomb_at(f"{INFO}/METADATA"), "is longer than 8388608 bytes"
        ),
        "wheel: a bomb in METADATA that hides its size": upload(
            lambda: _bomb_at(f"{INFO}/METADATA", said=1000), "does not have the size"
        ),
        "wheel: a quilt of overlapping bombs": upload(_quilt, BOMB),
        "wheel: two entries for one member": upload(_overlapping, "overlaps with what follows it"),
        "wheel: a great many members": upload(lambda: _many(100_001), "more than 100000 members"),
        "wheel: many members that are nothing": upload(
            lambda: _many(60_000), "exactly one .dist-info folder"
        ),
        "wheel: a directory of many megabytes": upload(
            _large_directory, "is larger than 16777216 bytes"
        ),
    }


def _bomb_at(name: str, said: int | None = None) -> bytes:
    kept = [member for member in members() if member.central.name != name.encode()]
    return Zip([*kept, _zeros(name, 60 * MIB, said)]).to_bytes()


def _other_files() -> Cases:
    contents: dict[str, Callable[[], bytes]] = {
        "HTML": lambda: b"<!doctype html><script>alert(1)</script>",
        "a picture": lambda: b"\x89PNG\r\n\x1a\n" + bytes(100),
        "a PDF": lambda: b"%PDF-1.7\n" + bytes(100),
        "a program": lambda: b"\x7fELF\2\1\1" + bytes(100),
        "zeros": lambda: bytes(100_000),
        "noise": lambda: bytes(i * i % 251 for i in range(100_000)),
        "a source distribution": lambda: tar_gz_of(sdist_files()),
        "signatures of end records": lambda: b"PK\5\6" * 20_000,
        "signatures of members": lambda: b"PK\3\4" * 20_000,
        "7z": lambda: b"7z\xbc\xaf\x27\x1c" + bytes(100),
    }
    refused = {
        f"wheel: {name} instead": upload(make, "truncated") for name, make in contents.items()
    }
    return refused | {
        "wheel: an empty file": upload(bytes, "The file is empty."),
        "wheel: a zip that is a tar": upload(
            _zip_and_tar,
            "a zip archive and a tar archive at the same time",
        ),
        "wheel: an egg": upload(
            lambda: zip_of({"EGG-INFO/PKG-INFO": b"", "odd.py": b""}),
            "exactly one .dist-info folder",
        ),
    }


def _zip_and_tar() -> bytes:
    """A zip whose first 512 bytes are the header of a tar, which lies in the first member."""
    content = bytearray(Zip([both(stored("x", bytes(600)), crc=0)]).to_bytes())
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    return bytes(content)


CASES: Cases = {
    **_structure(),
    **_headers(),
    **_odd_members(),
    **_content(),
    **_resources(),
    **_other_files(),
}
