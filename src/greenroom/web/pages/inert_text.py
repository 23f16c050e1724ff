"""Text that somebody else has written, made ready to be shown as it is, whatever is in it."""

import re
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

LONGEST_LINE = 2_000
"""Characters of a line that are shown."""

# What is not seen, or lets other characters stand in another order than they are read in: controls,
# marks of direction, joiners, tags, and selectors of variants but the one that emoji have.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff]"
)


class Line(Struct, frozen=True):
    """A line of a text. ``is_cut`` says that it goes on."""

    number: int
    text: str
    is_cut: bool


class Side(StrEnum):
    """Where a line of a difference is from."""

    BOTH = "both"
    REMOVED = "removed"
    ADDED = "added"
    GAP = "gap"


class DifferenceLine(Struct, frozen=True):
    """A line of a difference; its numbers are None where the text does not have it."""

    side: Side
    before: int | None
    after: int | None
    text: str


def inert(text: str) -> str:
    """The text with every character that is not seen, by its number: ``⟨U+202E⟩``."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def has_unseen(text: str) -> bool:
    """Whether there is something in a text that is not seen, besides how its lines end."""
    return _UNSEEN.search(text.replace("\r\n", "\n").removeprefix("\ufeff")) is not None


def split_lines(text: str) -> list[str]:
    """The lines of a text as editors count them; none of an empty one."""
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def shown_lines(lines: Sequence[str], first: int) -> list[Line]:
    """Some lines, of which the first has this number."""
    return [
        Line(first + at, inert(line[:LONGEST_LINE].removesuffix("\r")), len(line) > LONGEST_LINE)
        for at, line in enumerate(lines)
    ]


_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def difference_lines(lines: Sequence[str]) -> list[DifferenceLine]:
    """The lines of a unified difference, each with its numbers."""
    shown: list[DifferenceLine] = []
    before = after = 0
    for line in lines:
        hunk = _HUNK.fullmatch(line)
        if hunk is not None:
            # Of nothing, the line before it is named.
            before = int(hunk[1]) + (hunk[2] == "0")
            after = int(hunk[3]) + (hunk[4] == "0")
            shown.append(DifferenceLine(Side.GAP, None, None, line))
            continue
        text = inert(line[1:])
        if line.startswith("-"):
            shown.append(DifferenceLine(Side.REMOVED, before, None, text))
            before += 1
        elif line.startswith("+"):
            shown.append(DifferenceLine(Side.ADDED, None, after, text))
            after += 1
        else:
            shown.append(DifferenceLine(Side.BOTH, before, after, text))
            before, after = before + 1, after + 1
    return shown
