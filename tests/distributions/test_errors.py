"""What a refusal says, and what it never says."""

import pickle

import pytest

from greenroom.distributions.errors import MAX_QUOTED, MAX_REASONS, InvalidDistribution, quoted


def test_every_reason_is_kept_and_joined() -> None:
    refusal = InvalidDistribution("One is wrong.", "Two is wrong.")
    assert refusal.reasons == ("One is wrong.", "Two is wrong.")
    assert str(refusal) == "One is wrong. Two is wrong."


def test_a_reason_is_given_once() -> None:
    assert InvalidDistribution("Wrong.", "Wrong.").reasons == ("Wrong.",)


def test_reasons_without_end_are_cut_short() -> None:
    refusal = InvalidDistribution(*(f"Reason {number}." for number in range(1000)))
    assert len(refusal.reasons) == MAX_REASONS
    assert refusal.reasons[-1] == f"There are {1000 - MAX_REASONS + 1} further problems."


@pytest.mark.parametrize("text", ["file already exists", "ALREADY  EXIST", "already\nexist"])
def test_no_reason_makes_clients_believe_that_the_file_was_uploaded(text: str) -> None:
    refusal = InvalidDistribution(f"The member {text} is odd.")
    assert "already exist" not in " ".join(str(refusal).lower().split())


def test_a_reason_is_one_line() -> None:
    refusal = InvalidDistribution("Wrong\r\nSet-Cookie: x\x1b[31m\u2028end")
    assert str(refusal).isprintable()
    assert len(str(refusal).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a.py", "'a.py'"),
        ("a\nb", r"'a\nb'"),
        ("ä", r"'\xe4'"),
        (b"a\xff", r"'a\\xff'"),
    ],
)
def test_the_text_of_others_is_quoted_in_ascii(text: str | bytes, shown: str) -> None:
    assert quoted(text) == shown


def test_a_long_text_is_quoted_in_part() -> None:
    assert len(quoted("x" * 10_000)) < MAX_QUOTED + 10


def test_a_refusal_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(InvalidDistribution("Wrong."))).reasons == ("Wrong.",)
