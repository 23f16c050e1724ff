"""Passwords: what one must be, and hashing and checking it.

To hash one takes long on purpose: what does it is called in no transaction.
"""

import base64
import secrets
from functools import cache, partial

import argon2
from argon2.low_level import ARGON2_VERSION

from greenroom.registry import password_turns
from greenroom.registry.errors import NotAllowed
from greenroom.settings import Settings

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1000


def problems(password: str) -> list[str]:
    """Why a password does not do, empty when it does."""
    if len(password) < SHORTEST_PASSWORD:
        return [f"The password is too short: use at least {SHORTEST_PASSWORD} characters."]
    if len(password) > LONGEST_PASSWORD:
        return [f"The password is too long: use at most {LONGEST_PASSWORD} characters."]
    return []


class _Hasher:
    """Argon2 in threads that give way to others: people who sign in can wait, requests cannot."""

    def __init__(self) -> None:
        self._argon2 = argon2.PasswordHasher()

    def hash(self, password: str) -> str:
        return password_turns.in_background(partial(self._argon2.hash, password))

    def verify(self, password_hash: str, password: str) -> bool:
        return password_turns.in_background(partial(self._argon2.verify, password_hash, password))

    def check_needs_rehash(self, password_hash: str) -> bool:
        return self._argon2.check_needs_rehash(password_hash)

    def of_nothing(self) -> str:
        """A hash of no password, which takes as long to check as any. It computes nothing."""
        its = self._argon2
        cost = f"m={its.memory_cost},t={its.time_cost},p={its.parallelism}"
        salt, digest = _random_base64(its.salt_len), _random_base64(its.hash_len)
        return f"$argon2id$v={ARGON2_VERSION}${cost}${salt}${digest}"


def _random_base64(length: int) -> str:
    return base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")


@cache
def hasher() -> _Hasher:
    """What computes hashes; made when it is first asked for."""
    return _Hasher()


@cache
def dummy_hash() -> str:
    """The hash of a password that nobody has, to check where there is no account."""
    return hasher().of_nothing()


def check_taken(settings: Settings) -> None:
    """Raise NotAllowed where nobody signs in with a password of this index.

    Raises:
        NotAllowed: the operator has switched passwords off.
    """
    if not settings.takes_passwords:
        raise NotAllowed("Passwords are switched off in this index: sign in with single sign-on.")


def hashed(password: str) -> str:
    """What is kept of a password. It takes long: call it in no unit of work."""
    return hasher().hash(password)


def verify(password_hash: str, password: str) -> bool:
    """Whether this is the password. It takes long: call it in no unit of work."""
    if len(password) > LONGEST_PASSWORD:
        return False
    try:
        return hasher().verify(password_hash, password)
    except argon2.exceptions.Argon2Error:
        return False
