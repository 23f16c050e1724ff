"""What holds for every archive: limits and names of members."""

import time
import zlib

import pytest

from greenroom.distributions.archives import (
    BOMB_SIZE,
    CHUNK,
    MAX_MEMBER_DEPTH,
    MAX_MEMBER_NAME,
    conflicting_names,
    deflate_decompressor,
    inflated,
    largest_content,
    name_problems,
)


@pytest.mark.parametrize(
    "name", ["a", "a/b.py", "a/", "a/b/", "a b", "ä/\N{SNOWMAN}", "...", "a..b", ".hidden", "ab:c"]
)
def test_plain_names_have_no_problems(name: str) -> None:
    assert list(name_problems(name)) == []


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "says nothing"),
        ("/", "says nothing"),
        ("//", "says nothing"),
        ("/etc/passwd", "absolute"),
        ("//etc/passwd", "absolute"),
        ("C:/windows", "absolute"),
        ("c:windows", "absolute"),
        ("a\\b", "backslash"),
        ("\\\\server\\share", "backslash"),
        ("..", "outside"),
        ("../a", "outside"),
        ("a/../../b", "outside"),
        ("a/..", "outside"),
        ("a/../", "outside"),
        ("./a", "plainly"),
        ("a/./b", "plainly"),
        ("a//b", "plainly"),
        ("a//", "plainly"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a\x7fb", "control"),
        ("a\x85b", "control"),
        ("a" * (MAX_MEMBER_NAME + 1), "too long"),
        ("ä" * (MAX_MEMBER_NAME // 2 + 1), "too long"),
        ("a/" * (MAX_MEMBER_DEPTH + 1), "too deep"),
    ],
)
def test_odd_names_are_problems(name: str, problem: str) -> None:
    assert any(problem in sentence for sentence in name_problems(name))


@pytest.mark.parametrize(
    ("names", "problems"),
    [
        (["a", "b", "c/d"], 0),
        (["a/", "a/b", "a/c/"], 0),
        (["a", "A"], 0),
        (["a", "a"], 1),
        (["a/", "a/"], 1),
        (["a", "a/"], 1),
        (["a/", "a"], 1),
        (["a", "a/b"], 1),
        (["a/b/c", "a"], 1),
        (["a/b/", "a"], 1),
    ],
)
def test_members_must_not_be_unpacked_over_each_other(names: list[str], problems: int) -> None:
    assert len(list(conflicting_names(names))) == problems


def test_many_deep_names_are_compared_in_time() -> None:
    names = [f"{number}/" + "a/" * 60 + "b" * 900 for number in range(5_000)]
    begin = time.monotonic()
    assert not list(conflicting_names(names))
    assert time.monotonic() - begin < 3


def test_what_an_archive_may_hold_grows_with_its_size() -> None:
    assert largest_content(0) == BOMB_SIZE == 64 * 1024 * 1024
    assert largest_content(10 * 1024 * 1024) == 500 * 1024 * 1024


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK])
def test_inflating_comes_in_pieces_of_bounded_size(size: int) -> None:
    compressor = zlib.compressobj(wbits=-15)
    data = compressor.compress(b"x" * size) + compressor.flush()
    for step in (1, 1000, len(data)):
        decompressor = deflate_decompressor()
        parts = [data[at : at + step] for at in range(0, len(data), step)]
        content = list(inflated(parts, decompressor))
        assert b"".join(content) == b"x" * size
        assert max(map(len, content), default=0) <= CHUNK
        assert decompressor.eof
