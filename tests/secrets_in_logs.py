"""No log of any test may hold a secret: a whole slug, an API token, a password.

Every secret that the program makes while tests run is written down, in this process and in the
servers that tests start; what is logged is looked through for them. Nothing has to be done for
that in a test. What is logged in this process is looked through when its test ends, and the log of
another process (``tests/processes.py``) when that has ended.
"""

import atexit
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from greenroom import logs
from greenroom.registry import passwords
from greenroom.registry import random_text as random_texts

SHORTEST = 20
"""What is shorter is no secret, or nothing would be said of it with certainty."""
SHORTEST_PASSWORD = 12
FEWEST_CHARACTERS = 5
"""A password of fewer different ones is of a test of lengths, and may be a part of anything."""

_VARIABLE = "TESTS_SECRETS_FILE"
_WORDS = re.compile(r"[A-Za-z0-9]{20,}")


class SecretLogged(AssertionError):
    """A secret is in a log."""


class _Secrets:
    """What was made so far, by this process and by those that have the same file."""

    def __init__(self) -> None:
        name = os.environ.get(_VARIABLE)
        if name is None:
            descriptor, name = tempfile.mkstemp(prefix="secrets-")
            os.close(descriptor)
            os.environ[_VARIABLE] = name
            atexit.register(_remove, name, os.getpid())
        self._path = name
        self._read = 0
        self._texts: set[str] = set()
        self._passwords: set[str] = set()
        self._written: set[str] = set()

    def add(self, kind: str, text: str) -> None:
        if text in self._written or "\n" in text:
            return
        self._written.add(text)
        with open(self._path, "ab") as file:  # in one piece, as many processes write
            file.write(f"{kind}{text}\n".encode("utf-8", "surrogatepass"))

    def in_text(self, text: str) -> str | None:
        """The first of them that is in a text; None: it has none."""
        self._take_up()
        for word in _WORDS.findall(text):
            for start in range(len(word) - SHORTEST + 1):
                if word[start : start + SHORTEST] in self._texts:
                    return str(word)
        return next((each for each in self._passwords if each in text), None)

    def _take_up(self) -> None:
        if os.path.getsize(self._path) == self._read:
            return
        with open(self._path, "rb") as file:
            file.seek(self._read)
            news = file.read()
        self._read += len(news)
        for line in news.decode("utf-8", "surrogatepass").split("\n"):
            if line.startswith("t"):
                self._texts.add(line[1 : 1 + SHORTEST])
            elif line:
                self._passwords.add(line[1:])


def _remove(name: str, process: int) -> None:
    if os.getpid() == process:
        Path(name).unlink(missing_ok=True)


_secrets = _Secrets()
_logged: list[str] = []


def write_down() -> None:
    """From now on, in this process and its forks, write down every secret that is made."""
    make = random_texts.random_text
    hash_, verify = passwords.hashed, passwords.verify

    def making(length: int) -> str:
        text = make(length)
        if length >= SHORTEST:
            _secrets.add("t", text)
        return text

    def hashing(password: str) -> str:
        _note_password(password)
        return hash_(password)

    def verifying(password_hash: str, password: str) -> bool:
        _note_password(password)
        return verify(password_hash, password)

    for name, module in list(sys.modules.items()):
        if name.startswith("greenroom.") and getattr(module, "random_text", None) is make:
            module.random_text = making  # type: ignore[attr-defined]
    passwords.hashed, passwords.verify = hashing, verifying


def _note_password(password: str) -> None:
    if len(password) >= SHORTEST_PASSWORD and len(set(password)) >= FEWEST_CHARACTERS:
        _secrets.add("p", password)


def listen() -> None:
    """From now on, keep what is logged in this process until it is looked through."""
    write: Callable[[str], int] = logs._output.write

    def writing(line: str) -> int:
        _logged.append(line)
        return write(line)

    logs._output.write = writing  # type: ignore[method-assign]


def look_through() -> None:
    """Look through what was logged since the last time.

    Raises:
        SecretLogged: a secret is in it.
    """
    if _logged:
        lines = "".join(_logged)
        _logged.clear()
        look_through_text(lines, "The log of this test")


def look_through_text(text: str, where: str) -> None:
    """Look through what was logged elsewhere.

    Raises:
        SecretLogged: a secret is in it.
    """
    found = _secrets.in_text(text)
    if found is not None:
        line = next(line for line in text.splitlines() if found in line)
        raise SecretLogged(f"{where} has a secret, {found!r}: {line}")
