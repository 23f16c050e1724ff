"""Text that nobody can guess: for addresses, keys and tokens."""

import secrets
from string import ascii_letters, digits


def may_be_random_text(text: str, length: int) -> bool:
    """Whether :func:`random_text` could have given this: nothing else need be looked for."""
    return len(text) == length and text.isascii() and text.isalnum()


def random_text(length: int) -> str:
    """Letters and digits from the operating system's source of secrets.

    At least one of them is a digit, so that no log takes it for words that are written together.
    """
    while True:
        text = "".join(secrets.choice(ascii_letters + digits) for _ in range(length))
        if any(character in digits for character in text):
            return text
