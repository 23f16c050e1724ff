"""Why a file is no distribution that the index accepts."""

import re

MAX_REASONS = 20
"""A file can be wrong in a hundred thousand places; nobody reads past the first few."""

MAX_QUOTED = 120
"""Characters of somebody else's text that a sentence repeats."""

_RESERVED_WORDS = re.compile(r"already(\s+)exist", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class InvalidDistribution(Exception):
    """A file that the index does not accept, with every reason that could be established.

    ``reasons`` are plain sentences on one line each, written for the maintainer who made the file.
    """

    reasons: tuple[str, ...]

    def __init__(self, *reasons: str) -> None:
        self.reasons = _at_most(MAX_REASONS, tuple(dict.fromkeys(map(_one_line, reasons))))
        super().__init__(*self.reasons)

    def __str__(self) -> str:
        return " ".join(self.reasons)


class InvalidFilename(InvalidDistribution):
    """A file name that the index does not accept; nothing has been said about the content."""


def quoted(text: str | bytes) -> str:
    """Somebody else's text as a sentence can carry it: ASCII, in quotes, of bounded length."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    shown = ascii(text[:MAX_QUOTED])
    return f"{shown}..." if len(text) > MAX_QUOTED else shown


def _one_line(sentence: str) -> str:
    # Upload clients search refusals for these words and then take the file for uploaded, so that
    # no name or summary inside a file may bring them into a sentence.
    return _RESERVED_WORDS.sub("already-exist", _CONTROL.sub(" ", sentence))


def _at_most(limit: int, reasons: tuple[str, ...]) -> tuple[str, ...]:
    if len(reasons) <= limit:
        return reasons
    left_out = len(reasons) - limit + 1
    return (*reasons[: limit - 1], f"There are {left_out} further problems.")
