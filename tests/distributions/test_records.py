"""RECORD, WHEEL and entry_points.txt."""

import base64
import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.distributions import records
from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.records import (
    check_entry_points,
    parse_record,
    parse_wheel_file,
    record_problems,
)


def digest(content: bytes, algorithm: str = "sha256") -> str:
    raw = hashlib.new(algorithm, content).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(raw).decode().rstrip('=')}"


def problems(row: str, content: bytes = b"hello") -> list[str]:
    ((path, entry),) = parse_record(row.encode()).items()
    return list(record_problems([content[:2], content[2:]], path, entry))


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512", "sha3_256", "blake2b"])
def test_a_member_that_is_as_recorded_has_no_problem(algorithm: str) -> None:
    assert problems(f"a,{digest(b'hello', algorithm)},5") == []


def test_a_size_may_be_left_out_and_a_hash_be_padded() -> None:
    assert problems(f"a,{digest(b'hello')}=,") == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (f"a,{digest(b'other')},5", "hash"),
        (f"a,{digest(b'hello')},6", "size"),
        ("a,,5", "no hash"),
        ("a,,", "no hash"),
        (f"a,{digest(b'hello', 'md5')},5", "sha256 or better"),
        (f"a,{digest(b'hello', 'sha1')},5", "sha256 or better"),
        ("a,shake_128=abc,5", "sha256 or better"),
    ],
)
def test_a_member_that_is_not_as_recorded_has_a_problem(row: str, problem: str) -> None:
    (sentence,) = problems(row)
    assert problem in sentence


def test_paths_may_be_quoted_and_separated_as_on_windows() -> None:
    assert set(parse_record(b'"a,b.py",,\r\nc\\d.py,,\r\n\r\n')) == {"a,b.py", "c/d.py"}


@pytest.mark.parametrize(
    "content",
    [
        b"a",
        b"a,b",
        b"a,b,c,d",
        b"a,nohash,1",
        b"a,nonsense=x,1",
        b"a,,many",
        b"a,," + b"9" * 5000,
        b",,",
        b"\xff,,",
        b'"a,,',
        b"a,sha256=x,1\na,sha256=y,1",
        b"a" * 200_000 + b",,",
    ],
)
def test_a_malformed_record_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidDistribution, match="RECORD"):
        parse_record(content)


def test_an_entry_may_be_repeated() -> None:
    assert len(parse_record(b"a,sha256=x,1\na,sha256=x,1\n")) == 1


def test_a_record_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_MEMBERS", 2)
    with pytest.raises(InvalidDistribution, match="more than 2 entries"):
        parse_record(b"a,,\nb,,\nc,,\n" + b"broken")


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.9", " 1.0 "])
def test_wheels_of_version_1_are_accepted(version: str) -> None:
    parse_wheel_file(f"Wheel-Version: {version}\nTag: py3-none-any\n".encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Generator: x\n",
        b"Wheel-Version: 2.0\n",
        b"Wheel-Version: 1\n",
        b"Wheel-Version: 1.x\n",
        b"Wheel-Version: 10.0\n",
        b"Wheel-Version: 1.0\nWheel-Version: 1.0\n",
        b"\nWheel-Version: 1.0\n",
        b"Wheel-Version: 1.0\nGenerator: \xff\n",
        b"Wheel-Version: 1.0\nTag: nonsense\n",
        b"Wheel-Version: 1.0\nTag: py3-none\n",
        b"Wheel-Version: 1.0\nTag: py3-none-any-more\n",
        b"Wheel-Version: 1.0\nTag: py3--any\n",
        b"Wheel-Version: 1.0\nTag:\n",
        b"Wheel-Version: 1.0\nBuild: 1\nBuild: 2\n",
    ],
)
def test_other_wheel_files_are_refused(content: bytes) -> None:
    with pytest.raises(InvalidDistribution, match="WHEEL"):
        parse_wheel_file(content)


def test_the_tags_of_a_wheel_file_are_expanded() -> None:
    found = parse_wheel_file(
        b"Wheel-Version: 1.0\nBuild: 1\nTag: py2.py3-none-any\nTag: CP313-none-Any\n"
    )
    assert set(map(str, found.tags)) == {"py2-none-any", "py3-none-any", "cp313-none-any"}
    assert found.build == "1"
    assert parse_wheel_file(b"Wheel-Version: 1.0\n").tags == frozenset()


@pytest.mark.parametrize(
    "tags",
    [
        b"Tag: %b-none-any\n" % b".".join(b"cp%d" % number for number in range(1001)),
        b"".join(b"Tag: cp%d-none-any\n" % number for number in range(1001)),
    ],
)
def test_a_wheel_for_too_many_combinations_is_refused(tags: bytes) -> None:
    with pytest.raises(InvalidDistribution, match="more than 1000 combinations"):
        parse_wheel_file(b"Wheel-Version: 1.0\n" + tags)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[console_scripts]\nrun = package.module:main\n",
        b"[console_scripts]\nRun=p:a.b\nrun=p : a [extra]\n# comment\n",
        b"[gui_scripts]\nmy-run.py = p:a\n",
        b"[any.group]\nname = %(odd)s\nother = not a reference at all\n",
        "[group]\nnäme = module\n".encode(),
    ],
)
def test_entry_points_that_parse_are_accepted(content: bytes) -> None:
    check_entry_points(content)


@pytest.mark.parametrize(
    "content",
    [
        b"run = package.module:main\n",
        b"[console_scripts\nrun = p:main\n",
        b"[console_scripts]\nrun\n",
        b"[console_scripts]\nrun = p:main\nrun = p:other\n",
        b"[console_scripts]\nrun = p\n",
        b"[console_scripts]\nrun = p:main()\n",
        b"[console_scripts]\nrun = \n",
        b"[console_scripts]\n../run = p:main\n",
        b"[console_scripts]\n.. = p:main\n",
        b"[console_scripts]\na\\b = p:main\n",
        b"[gui_scripts]\nrun = p; import os\n",
        b"[console_scripts]\nfoo bar = p:main\n",
        b"[gui_scripts]\nfoo\tbar = p:main\n",
        "[gui_scripts]\nfoo\u00a0bar = p:main\n".encode(),
        b"[a]\nb = c\n[a]\nd = e\n",
        b"\xff",
    ],
)
def test_entry_points_that_do_not_parse_are_refused(content: bytes) -> None:
    with pytest.raises(InvalidDistribution, match=r"entry_points\.txt"):
        check_entry_points(content)


@pytest.mark.parametrize("check", [parse_record, parse_wheel_file, check_entry_points])
@given(content=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_are_accepted_or_refused(
    check: Callable[[bytes], object], content: bytes
) -> None:
    for prefix in (b"", b"[console_scripts]\n", b"Wheel-Version: 1.0\n", b"a,"):
        try:
            check(prefix + content)
        except InvalidDistribution as refusal:
            assert refusal.reasons  # noqa: PT017 - either outcome will do
