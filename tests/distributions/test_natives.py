"""Machine code is told by its first bytes, and what a platform tag promises by its text."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.distributions.natives import Format, Native, expected_by, fits, native_of

ELF_X86_64 = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, 62)
ELF_PPC64 = b"\x7fELF\x02\x02\x01" + bytes(9) + struct.pack(">HH", 3, 21)
ELF_UNKNOWN = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, 9999)
MACH_ARM64 = b"\xcf\xfa\xed\xfe" + struct.pack("<I", 0x0100000C)
MACH_FAT = (
    b"\xca\xfe\xba\xbe"
    + struct.pack(">I", 2)
    + struct.pack(">I16x", 0x01000007)
    + struct.pack(">I16x", 0x0100000C)
)
JAVA = b"\xca\xfe\xba\xbe" + struct.pack(">HH", 0, 65) + bytes(100)
PE_AMD64 = (b"MZ" + bytes(0x3A) + struct.pack("<I", 0x80)).ljust(0x80, b"\0") + (
    b"PE\0\0" + struct.pack("<H", 0x8664)
)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (ELF_X86_64, (Format.ELF, {"x86_64"})),
        (ELF_PPC64, (Format.ELF, {"ppc64"})),
        (ELF_UNKNOWN, (Format.ELF, {"9999"})),
        (MACH_ARM64, (Format.MACH_O, {"arm64"})),
        (MACH_FAT, (Format.MACH_O, {"x86_64", "arm64"})),
        (PE_AMD64, (Format.PE, {"x86_64"})),
        (b"\0asm\x01\0\0\0", (Format.WASM, {"wasm32"})),
        *((head, None) for head in (b"", b"MZ", b"\x7fELF", JAVA, b"#!/bin/sh\n", MACH_FAT[:20])),
    ],
)
def test_machine_code_is_told_by_its_first_bytes(
    head: bytes, expected: tuple[Format, set[str]] | None
) -> None:
    told = Native(expected[0], frozenset(expected[1])) if expected is not None else None
    assert native_of(head) == told


@given(st.sampled_from([ELF_X86_64, MACH_ARM64, MACH_FAT, PE_AMD64]), st.data())
def test_damaged_machine_code_is_told_or_not_and_nothing_else(
    head: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(head)))
    native_of(head[:at] + data.draw(st.binary(max_size=64)))


@pytest.mark.parametrize(
    ("tag", "fitting", "others"),
    [
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", [ELF_X86_64], [MACH_ARM64, PE_AMD64]),
        ("musllinux_1_2_ppc64", [ELF_PPC64], [ELF_X86_64]),
        ("linux_aarch64", [], [ELF_X86_64]),
        ("macosx_11_0_arm64", [MACH_ARM64, MACH_FAT], [ELF_X86_64]),
        ("macosx_10_9_universal2", [MACH_ARM64, MACH_FAT], [PE_AMD64]),
        ("ios_13_0_arm64_iphoneos", [MACH_ARM64], [ELF_X86_64]),
        ("android_21_x86_64", [ELF_X86_64], [MACH_ARM64]),
        ("win_amd64", [PE_AMD64], [ELF_X86_64]),
        ("win32", [], [PE_AMD64]),
    ],
)
def test_a_platform_tag_promises_machine_code(
    tag: str, fitting: list[bytes], others: list[bytes]
) -> None:
    expected = expected_by(tag)
    assert expected
    for head, fine in [*((head, True) for head in fitting), *((head, False) for head in others)]:
        native = native_of(head)
        assert native is not None
        assert fits(native, expected) is fine


def test_a_wheel_for_every_platform_promises_none() -> None:
    assert expected_by("any") == ()
