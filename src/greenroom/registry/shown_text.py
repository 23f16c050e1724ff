"""Text of several lines that people write to each other, and what it must not have."""

import re

# Control characters but line ends and tabs, halves of characters, and what turns the direction of
# text around, so that it reads otherwise than it is.
_UNSHOWN = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069"
    "\\ud800-\\udfff\\ufffe\\uffff]"
)


def plain_lines(text: str) -> str:
    """The text as it is kept: line ends as here, nothing around it."""
    return text.replace("\r\n", "\n").strip()


def has_unshown(text: str) -> bool:
    """Whether there are characters in it that nobody can see, or that lead readers astray."""
    return _UNSHOWN.search(text) is not None
