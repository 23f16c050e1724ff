"""What is kept of answers, in which codings, and when it is dropped."""

import gzip
import time
from pathlib import Path

import pytest

from greenroom.server.answers import (
    Answer,
    Answers,
    HeaderLines,
    Wanted,
    content_of,
    preferred_coding,
)

PAGE = b"<!DOCTYPE html>" + b"a line of a page\n" * 200


def wanted(target: str = "/simple/", coding: str = "") -> Wanted:
    return Wanted(target.encode(), (b"text/html",), coding, None)


def headers(*more: tuple[bytes, bytes], keys: bytes = b"project/a") -> HeaderLines:
    return [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", b"%d" % len(PAGE)),
        (b"cache-control", b"public, max-age=0"),
        (b"surrogate-key", keys),
        (b"etag", b'"x"'),
        *more,
    ]


def kept(answers: Answers, *more: tuple[bytes, bytes], keys: bytes = b"project/a") -> Answer | None:
    answers.keep(wanted(), answers.age, "200 OK", headers(*more, keys=keys), PAGE)
    return answers.find(wanted())


def test_an_answer_is_found_as_it_was_given() -> None:
    answer = kept(Answers())
    assert answer is not None
    assert (answer.body, answer.etag) == (PAGE, b'"x"')
    assert answer.head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/html")
    assert b"\r\nVary: Accept-Encoding\r\n" in answer.head


def test_a_coding_has_bytes_and_a_tag_of_its_own() -> None:
    answers = Answers()
    kept(answers)
    answer = answers.find(wanted(coding="gzip"))
    assert answer is not None
    assert isinstance(answer.body, bytes)
    assert gzip.decompress(answer.body) == PAGE
    assert answer.etag == b'"x-gzip"'
    assert b"\r\nContent-Encoding: gzip\r\n" in answer.head
    assert b"\r\nContent-Length: %d\r\n" % len(answer.body) in answer.head
    assert answer.is_known_by(b'"other", W/"x-gzip"')
    assert not answer.is_known_by(b'"x"')


@pytest.mark.parametrize(
    "more",
    [
        [(b"set-cookie", b"a=b")],
        [(b"content-range", b"bytes 0-1/2")],
        [(b"vary", b"X-Something")],
    ],
)
def test_what_is_for_one_alone_is_not_kept(more: HeaderLines) -> None:
    assert kept(Answers(), *more) is None


@pytest.mark.parametrize(
    ("status", "control", "keys"),
    [
        ("404 Not Found", b"public", b"project/a"),
        ("200 OK", b"private, no-cache", b"project/a"),
        ("200 OK", b"no-store", b"project/a"),
        ("200 OK", b"public", b""),
    ],
)
def test_what_does_not_say_that_it_may_is_not_kept(
    status: str, control: bytes, keys: bytes
) -> None:
    answers = Answers()
    lines = [(b"cache-control", control), (b"surrogate-key", keys)]
    answers.keep(wanted(), answers.age, status, lines, PAGE)
    assert answers.find(wanted()) is None


def test_what_has_changed_is_dropped_and_nothing_else() -> None:
    answers = Answers()
    kept(answers, keys=b"project/a all-projects")
    answers.keep(wanted("/b"), answers.age, "200 OK", headers(keys=b"project/b"), PAGE)
    answers.drop(["project/a"])
    assert answers.find(wanted()) is None
    assert answers.find(wanted("/b")) is not None


def test_what_has_changed_while_it_was_made_is_not_kept() -> None:
    answers = Answers()
    age = answers.age
    answers.drop(["project/b"])
    answers.keep(wanted("/a"), age, "200 OK", headers(keys=b"project/a"), PAGE)
    answers.keep(wanted("/b"), age, "200 OK", headers(keys=b"project/b"), PAGE)
    assert answers.find(wanted("/a")) is not None
    assert answers.find(wanted("/b")) is None


def test_what_may_have_changed_while_it_was_made_is_not_kept() -> None:
    answers = Answers()
    age = answers.age
    answers.clear()
    answers.keep(wanted(), age, "200 OK", headers(), PAGE)
    assert answers.find(wanted()) is None


def test_the_least_wanted_go_when_there_is_no_room() -> None:
    answers = Answers(most_bytes=3 * len(PAGE) + 3000)
    for target in ("/a", "/b", "/c", "/d"):
        answers.keep(wanted(target), answers.age, "200 OK", headers(), PAGE)
        answers.find(wanted("/a"))
    assert answers.find(wanted("/a")) is not None
    assert answers.find(wanted("/b")) is None


def test_a_file_is_kept_by_its_place_unless_it_is_small(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"abc")
    large.write_bytes(bytes(1_000_000))
    with small.open("rb") as file:
        assert content_of(file) == b"abc"
    with large.open("rb") as file:
        assert content_of(file) == large


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, ""),
        (b"", ""),
        (b"identity", ""),
        (b"gzip, deflate", "gzip"),
        (b"gzip, deflate, br, zstd", "zstd"),
        (b"zstd;q=0, gzip;q=0.5", "gzip"),
        (b"GZIP", "gzip"),
        (b"gzip;q=0", ""),
        (b"gzip;q=0.000", ""),
        (b"*", "gzip"),
        (b"*, gzip;q=0", ""),
        (b"br", ""),
    ],
)
def test_the_coding_is_one_that_is_accepted(accepted: bytes | None, coding: str) -> None:
    assert preferred_coding(accepted) == coding


def test_an_answer_may_be_kept_for_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    answers = Answers()
    answers.keep(wanted(), answers.age, "200 OK", headers(), PAGE, 30.0)
    now = 1029.0
    assert answers.find(wanted()) is not None
    now = 1030.0
    assert answers.find(wanted()) is None
    # While nobody can say whether anything else holds, it is as good as that.
    assert answers.find(wanted(), outlasting=True) is not None
    answers.keep(wanted(), answers.age, "200 OK", headers(), PAGE)
    assert answers.find(wanted()) is not None
    answers.drop(["project/a"])
    assert answers.find(wanted(), outlasting=True) is None
