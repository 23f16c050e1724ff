"""Patterns of names of projects: ``*`` stands for any text."""

import re

from packaging.utils import canonicalize_name

MOST_STARS = 5
_LONGEST = 200
_PATTERN = re.compile(r"[a-z0-9*](?:[a-z0-9*-]*[a-z0-9*])?", re.ASCII)


def normalized(text: str) -> str:
    """A name or a pattern as it is kept; a text that is neither becomes one that is neither."""
    plain = text.strip()
    return re.sub(r"\*+", "*", canonicalize_name(plain)) if plain.isprintable() else ""


def is_pattern(text: str) -> bool:
    """Whether this, normalized, is a name of a project or a pattern of such."""
    is_short = len(text) <= _LONGEST and text.count("*") <= MOST_STARS
    return is_short and _PATTERN.fullmatch(text) is not None


def matches(pattern: str, name: str) -> bool:
    """Whether a name is one of those that a pattern stands for, both normalized."""
    # Piece by piece, so that no pattern takes long: a regular expression may.
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    if not name.startswith(first):
        return False
    place = len(first)
    for piece in rest[:-1]:
        found = name.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return name.endswith(rest[-1]) and len(name) - len(rest[-1]) >= place
