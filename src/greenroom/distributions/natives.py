"""Machine code inside distributions: what it was compiled for, and what a wheel's tag promises.

Read from the first bytes of a member: ELF (System V ABI, chapter 4), Mach-O with its fat form,
PE/COFF, and WebAssembly. Nothing else of them is looked at, and nothing is run.
"""

import re
import struct
from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

HEAD = 4096
"""Bytes at the beginning of a member that are enough to tell what it is."""


class Format(StrEnum):
    """How machine code is packed."""

    ELF = "ELF"
    MACH_O = "Mach-O"
    PE = "PE"
    WASM = "WebAssembly"


class Native(Struct, frozen=True):
    """Machine code: its format, and the machines that it runs on, as platform tags call them.

    A machine that is not known has its number for a name.
    """

    format: Format
    machines: frozenset[str]


_ELF_MACHINES = {
    3: "i686",
    20: "ppc",
    22: "s390x",
    40: "armv7l",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
_MACH_MACHINES = {7: "i386", 18: "ppc", 0x01000007: "x86_64", 0x0100000C: "arm64"}
_PE_MACHINES = {0x14C: "i386", 0x8664: "x86_64", 0xAA64: "arm64"}
_PPC64 = 21

_MACH_THIN = {
    b"\xfe\xed\xfa\xce": ">",
    b"\xfe\xed\xfa\xcf": ">",
    b"\xce\xfa\xed\xfe": "<",
    b"\xcf\xfa\xed\xfe": "<",
}
_MACH_FAT = b"\xca\xfe\xba\xbe"
_FAT_ARCHITECTURE = 20
_MOST_ARCHITECTURES = 16
"""In a fat file. Classes of Java begin with the same bytes, and a greater number behind them."""

# Other names of the same machines, in tags.
_SAME = {"amd64": "x86_64", "armv8l": "armv7l", "arm64_v8a": "aarch64", "armeabi_v7a": "armv7l"}
_SEVERAL = {
    "universal2": frozenset({"x86_64", "arm64"}),
    "universal": frozenset({"x86_64", "i386", "ppc", "ppc64"}),
    "intel": frozenset({"x86_64", "i386"}),
    "fat": frozenset({"i386", "ppc"}),
    "fat3": frozenset({"x86_64", "i386", "ppc"}),
    "fat64": frozenset({"x86_64", "ppc64"}),
}

_LINUX = re.compile(r"(?:manylinux(?:1|2010|2014|_\d+_\d+)|musllinux_\d+_\d+|linux)_(\w+)")
_MACOS = re.compile(r"macosx_\d+_\d+_(\w+)")
_IOS = re.compile(r"ios_\d+_\d+_(arm64|x86_64)_\w+")
_ANDROID = re.compile(r"android_\d+_(\w+)")
_WINDOWS = {"win32": "i386", "win_amd64": "x86_64", "win_arm64": "arm64"}
_WASM = re.compile(r"(?:emscripten|pyodide|wasi)_\w+")


def native_of(head: bytes) -> Native | None:
    """What machine code a member is that begins with these bytes; None where it is none.

    Args:
        head: the first :data:`HEAD` bytes of it, or all where it is shorter.
    """
    if head.startswith(b"\x7fELF"):
        return _elf(head)
    if head[:4] in _MACH_THIN:
        return _mach_o(head)
    if head.startswith(_MACH_FAT):
        return _fat_mach_o(head)
    if head.startswith(b"MZ"):
        return _pe(head)
    if head.startswith(b"\x00asm"):
        return Native(Format.WASM, frozenset({"wasm32"}))
    return None


def expected_by(platform_tag: str) -> tuple[Native, ...]:
    """What machine code a wheel with this platform tag may have (PEP 425).

    Args:
        platform_tag: of the file name, also several that are joined by dots.

    Returns:
        One for each of the platforms that are known; none for ``any``.
    """
    found = (_expected(tag) for tag in platform_tag.lower().split("."))
    return tuple(each for each in found if each is not None)


def fits(native: Native, expected: Iterable[Native]) -> bool:
    """Whether this machine code runs on one of the expected platforms at least."""
    return any(
        native.format is each.format and native.machines & each.machines for each in expected
    )


def _elf(head: bytes) -> Native | None:
    if len(head) < 20 or head[5] not in (1, 2):
        return None
    (number,) = struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)
    if number == _PPC64:
        machine = "ppc64le" if head[5] == 1 else "ppc64"
    else:
        machine = _ELF_MACHINES.get(number, str(number))
    return Native(Format.ELF, frozenset({machine}))


def _mach_o(head: bytes) -> Native | None:
    if len(head) < 8:
        return None
    (number,) = struct.unpack_from(f"{_MACH_THIN[head[:4]]}I", head, 4)
    return Native(Format.MACH_O, frozenset({_MACH_MACHINES.get(number, str(number))}))


def _fat_mach_o(head: bytes) -> Native | None:
    if len(head) < 8:
        return None
    (count,) = struct.unpack_from(">I", head, 4)
    if not 0 < count <= _MOST_ARCHITECTURES or len(head) < 8 + count * _FAT_ARCHITECTURE:
        return None
    numbers = [struct.unpack_from(">I", head, 8 + at * _FAT_ARCHITECTURE)[0] for at in range(count)]
    machines = frozenset(_MACH_MACHINES.get(number, str(number)) for number in numbers)
    return Native(Format.MACH_O, machines)


def _pe(head: bytes) -> Native | None:
    if len(head) < 0x40:
        return None
    (at,) = struct.unpack_from("<I", head, 0x3C)
    if head[at : at + 4] != b"PE\0\0" or len(head) < at + 6:
        return None
    (number,) = struct.unpack_from("<H", head, at + 4)
    return Native(Format.PE, frozenset({_PE_MACHINES.get(number, str(number))}))


def _expected(tag: str) -> Native | None:
    if tag in _WINDOWS:
        return Native(Format.PE, frozenset({_WINDOWS[tag]}))
    if found := _LINUX.fullmatch(tag):
        return Native(Format.ELF, _machines(found[1]))
    if found := _MACOS.fullmatch(tag):
        return Native(Format.MACH_O, _machines(found[1]))
    if found := _IOS.fullmatch(tag):
        return Native(Format.MACH_O, _machines(found[1]))
    if found := _ANDROID.fullmatch(tag):
        return Native(Format.ELF, _machines({"x86": "i686"}.get(found[1], found[1])))
    if _WASM.fullmatch(tag):
        return Native(Format.WASM, frozenset({"wasm32"}))
    return None


def _machines(name: str) -> frozenset[str]:
    return _SEVERAL.get(name) or frozenset({_SAME.get(name, name)})
