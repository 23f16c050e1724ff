"""Gzipped tar archives that no source distribution may be."""

import bz2
import gzip
import lzma
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import cache

from tests.artifacts import zip_of
from tests.malformed.cases import SDIST, Cases, sdist_files, upload, wheel_files
from tests.raw_tar import END, hardlink, header, member, pax, symlink, zipped

MIB = 1024 * 1024
TOP = "odd-1.0/"


def sound() -> bytes:
    """The members of a sound source distribution."""
    return b"".join(member(name, content) for name, content in sdist_files().items())


def tar(*more: bytes, before: bytes = b"", end: bytes = END) -> Callable[[], bytes]:
    """Makes a source distribution with more blocks behind its members, or before them."""
    return lambda: zipped(before, sound(), *more, end=end)


def raw_pax(content: bytes, kind: bytes = b"x") -> bytes:
    return member("pax", content, kind)


NO_GZIP = "The file is not a gzipped tar archive"
CUT = "The archive is truncated."
MORE = "The file has data after the end of its gzip stream."
NO_TAR = "The file is no tar archive, or one of its headers is damaged."
SHORT = "The tar archive is truncated within a member."
NO_END = "its end mark is missing"
NO_SIZE = "has a header without a valid size"
PAX = "has a damaged pax header"
MANY = "The archive has more than 100000 members."
BOMB = "The archive unpacks to more than 50 times its own size"
FOLDERS = "must have exactly one folder at its top"


def cut(share: float, less: int = 0) -> Callable[[], bytes]:
    def make() -> bytes:
        made = tar()()
        return made[: round(len(made) * share) - less]

    return make


def patched(changes: Mapping[int, int]) -> Callable[[], bytes]:
    """Makes a source distribution with some of its compressed bytes changed."""

    def make() -> bytes:
        made = bytearray(tar()())
        for at, value in changes.items():
            made[at] = value
        return bytes(made)

    return make


def _compression() -> dict[str, tuple[Callable[[], bytes], str]]:
    content = sound() + END
    return {
        **{f"cut to {p} %": (cut(p / 100), CUT) for p in (20, 50, 80, 95)},
        "one byte": (lambda: b"\x1f", CUT),
        "half a gzip header": (lambda: b"\x1f\x8b\x08\0", CUT),
        "without its last byte": (cut(1, less=1), CUT),
        "a wrong check sum": (patched({-8: 1, -7: 2}), "damaged"),
        "a wrong length": (patched({-4: 1, -1: 9}), "damaged"),
        "damage in the middle": (patched(dict.fromkeys(range(60, 90), 0xFF)), "damaged"),
        "a compression that is not known": (patched({2: 7}), NO_GZIP),
        "reserved gzip flags": (patched({3: 0xE0}), NO_GZIP),
        "two gzip streams": (lambda: zipped(sound(), end=b"") + gzip.compress(END), MORE),
        "a gzip stream behind its end": (lambda: tar()() + gzip.compress(b""), MORE),
        "something behind it": (lambda: tar()() + b"more", MORE),
        "zeros behind it": (lambda: tar()() + bytes(512), MORE),
        "gzip in gzip": (lambda: gzip.compress(tar()()), NO_END),
        "no gzip at all": (lambda: content, NO_GZIP),
        "bzip2": (lambda: bz2.compress(content), NO_GZIP),
        "xz": (lambda: lzma.compress(content), NO_GZIP),
        "zlib": (lambda: zlib.compress(content), NO_GZIP),
        "a wheel": (lambda: zip_of(wheel_files()), "is or ends in a zip archive"),
        "a zip behind it": (lambda: tar()() + zip_of({"a": b""}), "ends in a zip archive"),
        "a zip within it": (_tar_and_zip, "is or ends in a zip archive"),
        "HTML": (lambda: b"<html>", NO_GZIP),
        "an empty stream": (lambda: gzip.compress(b""), NO_END),
        "text": (lambda: gzip.compress(b"no tar" * 1000), NO_TAR),
        "zeros and nothing else": (lambda: gzip.compress(bytes(10240)), FOLDERS),
    }


def _tar_and_zip() -> bytes:
    """The end record of a zip, whose comment is the end of the stream, which is stored."""
    content = sound() + END + b"PK\5\6" + bytes(16) + b"\x08\0"
    block = struct.pack("<BHH", 1, len(content), 0xFFFF ^ len(content)) + content
    return gzip.compress(b"")[:10] + block + struct.pack("<2L", zlib.crc32(content), len(content))


def _blocks() -> dict[str, tuple[Callable[[], bytes], str]]:
    damaged = bytearray(member(TOP + "x"))
    damaged[0] ^= 1
    return {
        "no end mark": (tar(end=b""), NO_END),
        "something behind its end": (tar(end=END + b"more" * 128), "data after its end"),
        "a member behind its end": (tar(end=END + member(TOP + "x") + END), "data after its end"),
        "a header that fails its check": (tar(bytes(damaged)), NO_TAR),
        "half a header": (tar(header(TOP + "x")[:300], end=b""), NO_END),
        "half a member": (tar(header(TOP + "x", 9999) + bytes(500), end=b""), SHORT),
        "a member of 8 GiB": (tar(header(TOP + "x", b"77777777777\0")), SHORT),
        "a member of 2^80 bytes": (
            tar(header(TOP + "x", b"\x80" + (2**80).to_bytes(11, "big"))),
            SHORT,
        ),
        "a member of a negative size": (tar(header(TOP + "x", b"\xff" * 12)), NO_SIZE),
        "a member of a size with a sign": (tar(header(TOP + "x", b"-0000000001\0")), NO_SIZE),
        "a member of a size in words": (tar(header(TOP + "x", b"many bytes!\0")), NO_SIZE),
        "a member of a size in tens": (tar(header(TOP + "x", b"00000000009\0")), NO_SIZE),
        "a PKG-INFO of a gigantic size": (
            lambda: zipped(header(TOP + "PKG-INFO", b"\x80" + (2**70).to_bytes(11, "big"))),
            "is longer than 8388608 bytes",
        ),
        **{
            f"a member that is {name}": (tar(header(TOP + "x", kind=kind)), says)
            for name, kind, says in (
                ("a hard link to nothing", b"1", "is a hard link to ''"),
                ("a symbolic link to nothing", b"2", "is a symbolic link to ''"),
                ("a device", b"3", "is a device"),
                ("a block device", b"4", "is a device"),
                ("a pipe", b"6", "is a named pipe"),
                ("contiguous", b"7", "neither a file nor a folder"),
                ("a GNU folder", b"D", "neither a file nor a folder"),
                ("another volume's", b"M", "neither a file nor a folder"),
                ("sparse", b"S", "neither a file nor a folder"),
                ("a volume's name", b"V", "neither a file nor a folder"),
                ("a header of Solaris", b"X", "neither a file nor a folder"),
                ("of no kind", b"\xff", "neither a file nor a folder"),
            )
        },
        "a link that has content": (tar(member(TOP + "x", kind=b"2")), "but has content"),
        **{
            f"a link to {target}": (tar(symlink(TOP + "x", target)), says)
            for target, says in (
                ("/etc/passwd", "an absolute path"),
                ("../../etc/passwd", "leads outside of the top folder"),
                ("../other", "leads outside of the top folder"),
                ("odd.py/../../../x", "leads outside of the top folder"),
                ("C:/x", "an absolute path"),
                ("..\\..\\x", "is no path with /"),
            )
        },
        **{
            f"a hard link to {target}": (tar(hardlink(TOP + "x", target)), "no file before it")
            for target in ("/etc/passwd", "../x", "odd.py", TOP + "none", TOP + "x")
        },
        "a file below a link": (
            tar(symlink(TOP + "x", "."), member(TOP + "x/y")),
            "both a file and a folder",
        ),
        "a sparse member with content": (tar(member(TOP + "x", kind=b"S")), "neither a file"),
        "a folder with content": (tar(member(TOP + "x", kind=b"5")), "but has content"),
        "a file that ends in a slash": (tar(member(TOP + "x/")), "its name ends in /"),
    }


def _extensions() -> dict[str, tuple[Callable[[], bytes], str]]:
    one = member(TOP + "x")
    gnu = member("././@LongLink", b"odd-1.0/name\0", b"L")
    return {
        "pax: no record": (tar(raw_pax(b"nonsense") + one), PAX),
        "pax: a record of length 0": (tar(raw_pax(b"0 a=b\n") + one), PAX),
        "pax: a record of a negative length": (tar(raw_pax(b"-9 a=b\n") + one), PAX),
        "pax: a record that is too long": (tar(raw_pax(b"99 a=b\n") + one), PAX),
        "pax: a record of endless length": (tar(raw_pax(b"9" * 5000 + b" a=b\n") + one), PAX),
        "pax: a record without a value": (tar(raw_pax(b"5 ab\n") + one), PAX),
        "pax: a record without a key": (tar(raw_pax(b"6 =ab\n") + one), PAX),
        "pax: digits of another script": (tar(raw_pax("\u0669 a=bc\n".encode()) + one), PAX),
        "pax: one key twice": (
            tar(pax(("path", TOP + "a"), ("path", TOP + "b")) + one),
            "two values for 'path'",
        ),
        "pax: two headers": (tar(pax(("a", "b")), pax(("c", "d")) + one), "two extension headers"),
        "pax: nothing follows": (tar(pax(("path", TOP + "a"))), "the header of a missing member"),
        "pax: another size": (tar(pax(("size", "9999")) + one), "one size in its header"),
        "pax: a negative size": (tar(pax(("size", "-5")) + one), "one size in its header"),
        "pax: path above the folder": (tar(pax(("path", "../../x")) + one), "leads outside"),
        "pax: path at the root": (tar(pax(("path", "/x")) + one), "has an absolute path"),
        "pax: path with NUL": (tar(pax(("path", TOP + "x\0y")) + one), "control characters"),
        "pax: path of 60000 characters": (tar(pax(("path", "x" * 60000)) + one), "too long"),
        "pax: path not in UTF-8": (tar(raw_pax(b"12 path=a\xffb\n") + one), "is not UTF-8"),
        "pax: another character set": (
            tar(pax(("hdrcharset", "BINARY")) + one),
            "a pax extension that is not allowed",
        ),
        "pax: sparse": (
            tar(pax(("GNU.sparse.major", "1"), ("GNU.sparse.name", "/etc/x")) + one),
            "a pax extension that is not allowed",
        ),
        "pax: larger than allowed": (tar(pax(("a", "b" * 70000)) + one), "more than 65536 bytes"),
        "pax: of 8 GiB": (
            tar(header("pax", b"77777777777\0", b"x")),
            "more than 65536 bytes",
        ),
        "pax: renames everything": (
            tar(before=pax(("path", "odd-1.0/x"), kind=b"g")),
            "renames or resizes members",
        ),
        "pax: resizes everything": (
            tar(before=pax(("size", "5"), kind=b"g")),
            "renames or resizes members",
        ),
        "pax: cut": (tar(header("pax", 100, b"x"), end=b""), SHORT),
        "GNU: nothing follows": (tar(gnu), "the header of a missing member"),
        "GNU: two names": (tar(gnu + gnu + one), "two extension headers"),
        "GNU: and pax": (tar(gnu + pax(("path", TOP + "b")) + one), "by pax and by GNU"),
        "GNU: name above the folder": (
            tar(member("././@LongLink", b"../../x\0", b"L") + one),
            "leads outside",
        ),
        "GNU: name with NUL": (
            tar(member("././@LongLink", b"odd-1.0/x\0y\0", b"L") + one),
            "control characters",
        ),
        "GNU: no name": (tar(member("././@LongLink", b"\0", b"L") + one), "says nothing"),
        "GNU: name not in UTF-8": (
            tar(member("././@LongLink", b"odd-1.0/\xe9", b"L") + one),
            "is not UTF-8",
        ),
        "GNU: name larger than allowed": (
            tar(member("././@LongLink", b"x" * 70000, b"L") + one),
            "more than 65536 bytes",
        ),
        "GNU: target of a link": (
            tar(member("././@LongLink", b"/etc/passwd", b"K") + header(TOP + "x", kind=b"2")),
            "an absolute path",
        ),
    }


def _names() -> dict[str, tuple[Callable[[], bytes], str]]:
    named: tuple[tuple[str, str | bytes, str], ...] = (
        ("above the folder", "odd-1.0/../../evil", "leads outside of the archive"),
        ("at the root", "/etc/cron.d/evil", "has an absolute path"),
        ("on a drive", "C:evil", "has an absolute path"),
        ("with a backslash", "odd-1.0\\..\\evil", "has a backslash in its name"),
        ("with a line feed", "odd-1.0/a\nb", "control characters"),
        ("here", "odd-1.0/./a", "empty or . part"),
        ("with two slashes", "odd-1.0//a", "empty or . part"),
        ("without a name", "", "which says nothing"),
        ("not in UTF-8", b"odd-1.0/\xe9", "is not UTF-8"),
        ("that is there", "odd-1.0/odd.py", "more than one member"),
        ("that is PKG-INFO again", "odd-1.0/PKG-INFO", "more than one member"),
        ("below a file", "odd-1.0/odd.py/x", "both a file and a folder"),
        ("beside the folder", "other", FOLDERS),
        ("in another folder", "other-1.0/x", FOLDERS),
    )
    return {
        **{f"a member {name}": (tar(member(path)), says) for name, path, says in named},
        "a member with a prefix above the folder": (
            tar(header("evil", prefix=b"../..")),
            "leads outside",
        ),
        "nothing in a folder": (lambda: zipped(member("PKG-INFO", b"")), FOLDERS),
        "an empty folder": (
            lambda: zipped(header("odd-1.0/", kind=b"5")),
            "has no PKG-INFO in its folder 'odd-1.0'",
        ),
        "no PKG-INFO": (lambda: zipped(member(TOP + "odd.py")), "has no PKG-INFO"),
        "PKG-INFO too deep": (lambda: zipped(member(TOP + "odd.egg-info/PKG-INFO")), "no PKG-INFO"),
        "PKG-INFO in small letters": (lambda: zipped(member(TOP + "pkg-info")), "no PKG-INFO"),
        "PKG-INFO that is a folder": (
            lambda: zipped(header(TOP + "PKG-INFO/", kind=b"5")),
            "no PKG-INFO",
        ),
        "PKG-INFO that is a link": (
            lambda: zipped(member(TOP + "x", b"x"), symlink(TOP + "PKG-INFO", "x")),
            "has no PKG-INFO",
        ),
        "PKG-INFO of no bytes": (
            lambda: zipped(member(TOP + "PKG-INFO", b"")),
            "no Metadata-Version",
        ),
        "PKG-INFO of 9 MiB": (
            lambda: zipped(member(TOP + "PKG-INFO", b"a: b\n" * (9 * MIB // 5))),
            "is longer than 8388608 bytes",
        ),
    }


def _resources() -> dict[str, tuple[Callable[[], bytes], str]]:
    return {
        "a bomb": (_bomb, BOMB),
        "a bomb in two layers": (_bomb_in_bomb, NO_TAR),
        "a bomb behind its end": (_bomb_behind, BOMB),
        "a bomb of empty members": (lambda: zipped(header(TOP + "x") * 150_000), MANY),
        "a great many members": (_many, MANY),
        "a great many global headers": (
            lambda: tar(before=pax(("a", "b"), kind=b"g") * 100_001)(),
            BOMB,
        ),
        "names of many megabytes": (_long_names, "have more than 16777216 bytes together"),
    }


@cache
def _bomb() -> bytes:
    return zipped(sound(), member(TOP + "zeros", bytes(100 * MIB)))


@cache
def _bomb_behind() -> bytes:
    return zipped(sound(), end=END + bytes(100 * MIB))


@cache
def _bomb_in_bomb() -> bytes:
    return gzip.compress(gzip.compress(bytes(100 * MIB)))


def _noise(count: int) -> bytes:
    """Bytes that do not compress, so that no ratio gives an archive away."""
    state, made = 1, bytearray()
    while len(made) < count:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        made += state.to_bytes(8, "little")
    return bytes(made[:count])


@cache
def _many() -> bytes:
    names = (f"{TOP}{number:x}" for number in range(100_001))
    ballast = member(TOP + "ballast", _noise(MIB))
    return zipped(ballast, b"".join(map(header, names)))


@cache
def _long_names() -> bytes:
    ballast = member(TOP + "ballast", _noise(MIB))
    deep = "x" * 990
    named = (pax(("path", f"{TOP}{deep}{i:x}")) + header("x") for i in range(17_000))
    return zipped(ballast, b"".join(named))


CASES: Cases = {
    f"sdist: {name}": upload(make, says, SDIST)
    for group in (_compression, _blocks, _extensions, _names, _resources)
    for name, (make, says) in group().items()
}
