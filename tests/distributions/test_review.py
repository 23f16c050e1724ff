"""Planted problems are found by their codes, and what is clean has none above a note."""

from pathlib import Path

import pytest

from greenroom.distributions.filenames import parse_filename
from greenroom.distributions.review import (
    ADVICE,
    MOST_OF_A_CODE,
    SEVERITY,
    Code,
    Finding,
    Severity,
    review,
)
from tests.artifacts import make_sdist, make_wheel
from tests.distributions.test_natives import ELF_PPC64, ELF_X86_64, MACH_ARM64, PE_AMD64

KEY = b"-----BEGIN %s-----\n" + b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 4 + b"\n"
LINUX = "cp312-cp312-manylinux_2_17_x86_64"

IN_BOTH = [
    ("evil.pth", b"import os\n", Code.PTH_FILE),
    *((f"{folder}/config", b"x", Code.VERSION_CONTROL) for folder in (".git", "a/.hg", "b/.svn")),
    *((name, b"x", Code.ENVIRONMENT_FILE) for name in (".env", "a/.env.local", ".env.production")),
    *((f"a/{name}", b"x", Code.DEVELOPMENT_FILES) for name in (".DS_Store", "b.py~", "b.py.orig")),
    *(
        (f"{folder}/x", b"x", Code.DEVELOPMENT_FILES)
        for folder in (".tox", ".venv", "a/.mypy_cache", "a/node_modules", ".idea")
    ),
    (".pypirc", b"x", Code.DEVELOPMENT_FILES),
    ("a/__pycache__/b.cpython-312.pyc", b"x", Code.BYTECODE),
    ("a/b.pyc", b"x", Code.BYTECODE),
    *(
        ("a/key.pem", KEY % kind, Code.PRIVATE_KEY)
        for kind in (b"PRIVATE KEY", b"RSA PRIVATE KEY", b"OPENSSH PRIVATE KEY", b"EC PRIVATE KEY")
    ),
    *(
        ("a/config.py", b'x = "' + secret + b'"\n', Code.CREDENTIAL)
        for secret in (
            b"AKIA" + b"Q7" * 8,
            b"ghp_" + b"a1" * 18,
            b"github_pat_" + b"aB" * 41,
            b"glpat-" + b"x9" * 10,
            b"pypi-AgE" + b"Ic" * 40,
            b"gr_" + b"k3" * 24,
            b"xoxb-123456789-abcdefghijkl",
            b"AIza" + b"Sy" * 17 + b"A",
            b"sk_live_" + b"ab" * 12,
            b"npm_" + b"z0" * 18,
        )
    ),
]


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
@pytest.mark.parametrize(("path", "content", "code"), IN_BOTH)
def test_what_should_not_ship_is_found(
    tmp_path: Path, make: type[Path], path: str, content: bytes, code: Code
) -> None:
    archive: Path = make(tmp_path, extra_files={path: content})
    findings = review(archive, parse_filename(archive.name)).findings
    assert [(finding.code, finding.path.endswith(path)) for finding in findings] == [(code, True)]
    assert findings[0].severity > Severity.NOTE
    assert b'"' not in content or content.split(b'"')[1].decode() not in repr(findings)


@pytest.mark.parametrize(
    ("tag", "path", "content", "code"),
    [
        ("py3-none-any", "evil.pth", b"import os\n", Code.PTH_FILE),
        ("py3-none-any", "{data}/purelib/evil.pth", b"x\n", Code.PTH_FILE),
        ("py3-none-any", "tests/__init__.py", b"", Code.TESTS_AT_TOP),
        ("py3-none-any", "example/fast.so", ELF_X86_64, Code.NATIVE_IN_PURE),
        ("py3-none-any", "example/run.exe", PE_AMD64, Code.PROGRAM),
        (LINUX, "example/fast.cpython-312-x86_64-linux-gnu.so", ELF_PPC64, Code.WRONG_MACHINE),
        (LINUX, "example/libs/libx.so.1", MACH_ARM64, Code.WRONG_MACHINE),
        (LINUX, "example/fast.cpython-311-x86_64-linux-gnu.so", ELF_X86_64, Code.WRONG_PYTHON),
        ("cp312-cp312-win_amd64", "example/fast.cp311-win_amd64.pyd", PE_AMD64, Code.WRONG_PYTHON),
        (LINUX, "example/data.txt", b"x", Code.NO_NATIVE),
    ],
)
def test_what_a_wheel_does_not_hold_is_found(
    tmp_path: Path, tag: str, path: str, content: bytes, code: Code
) -> None:
    path = path.replace("{data}", "example-1.0.data")
    wheel = make_wheel(tmp_path, tag=tag, extra_files={path: content})
    found = review(wheel, parse_filename(wheel.name)).findings
    assert [finding.code for finding in found] == [code]


@pytest.mark.parametrize(
    ("tag", "files"),
    [
        ("py3-none-any", {"example/tests/__init__.py": b"", "example/env.py": b"x = 'AKIA'\n"}),
        ("py3-none-any", {"example/.env.example": b"TOKEN=\n", "example/certificates.pem": b"x"}),
        ("py3-none-any", {"example/doc.md": b"ghp_short, pypi-Ag, -----BEGIN PRIVATE KEY-----\n"}),
        ("py3-none-any", {"example/x.bin": b"\0" + KEY % b"PRIVATE KEY"}),
        (LINUX, {"example/fast.cpython-312-x86_64-linux-gnu.so": ELF_X86_64}),
        (LINUX, {"example/fast.abi3.so": ELF_X86_64, "example.libs/libz-ab12.so.1": ELF_X86_64}),
        ("cp39-abi3-manylinux_2_17_x86_64", {"example/fast.abi3.so": ELF_X86_64}),
        ("py3-none-manylinux_2_17_x86_64", {"example/bin/tool": ELF_X86_64}),
    ],
)
def test_nothing_is_said_of_what_is_clean(
    tmp_path: Path, tag: str, files: dict[str, bytes]
) -> None:
    wheel = make_wheel(tmp_path, tag=tag, extra_files=files)
    assert review(wheel, parse_filename(wheel.name)).findings == ()


def test_a_credential_across_two_pieces_is_found_once(tmp_path: Path) -> None:
    content = b"x" * (256 * 1024 - 10) + b' "ghp_' + b"a1" * 18 + b'" ' + b"y" * 300_000
    wheel = make_wheel(tmp_path, extra_files={"example/big.txt": content})
    assert review(wheel, parse_filename(wheel.name)).findings == (
        Finding(Code.CREDENTIAL, "example/big.txt", "a token of GitHub"),
    )


def test_many_of_a_kind_are_counted(tmp_path: Path) -> None:
    files = {f"example/f{n}.pyc": b"x" for n in range(MOST_OF_A_CODE + 7)}
    wheel = make_wheel(tmp_path, extra_files=files)
    reviewed = review(wheel, parse_filename(wheel.name))
    assert len(reviewed.findings) == MOST_OF_A_CODE
    assert reviewed.left_out == {Code.BYTECODE: 7}


def test_every_code_has_a_severity_and_advice() -> None:
    assert set(SEVERITY) == set(ADVICE) == set(Code)
