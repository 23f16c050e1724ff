"""What the tokens of this index look like, and what is kept of them.

``gr_``, 48 random letters and digits, and a checksum, as the tokens of other services have it: the
CRC-32 of all before it, in six digits of base 62 (0-9, A-Z, a-z). So a scanner for secrets knows a
token for certain, and what was mistyped is known without asking anybody. Tokens that were made
before there were checksums have none.
"""

import hashlib
import re
import zlib

from greenroom.registry.random_text import random_text

START = "gr_"
_PREFIX_LENGTH = len(START) + 8
_RANDOM = 48
_CHECKSUM = 6
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(
    rf"{START}[A-Za-z0-9]{{{_RANDOM}}}(?P<checksum>[A-Za-z0-9]{{{_CHECKSUM}}})?", re.ASCII
)
_ANY = re.compile(rf"({START}[A-Za-z0-9]{{8}})[A-Za-z0-9]+", re.ASCII)


def new_text(mark: str = "") -> str:
    """The text of a new token, which nobody can guess; ``mark`` tells a kind of token from others.

    What has no mark may begin so by chance.
    """
    text = START + mark + random_text(_RANDOM - len(mark))
    return text + _checksum(text)


def is_well_formed(text: str) -> bool:
    """Whether the text may be a token of this index, whole and without a mistake."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        return False
    checksum = found["checksum"]
    return checksum is None or checksum == _checksum(text[:-_CHECKSUM])


def prefix_of(text: str) -> str:
    """The beginning of a token, which finds it and is no secret."""
    return text[:_PREFIX_LENGTH]


def digest_of(text: str) -> str:
    """What proves that somebody has the text."""
    # 48 random letters and digits cannot be guessed, so that a fast hash is enough.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def without_tokens(text: str) -> str:
    """A text in which of each token no more is left than its beginning."""
    return _ANY.sub(r"\1…", text)


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
