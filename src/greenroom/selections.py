"""Projects and versions of them, as settings and rules choose them: ``acme-*``, ``requests<3``."""

import re
from enum import IntEnum
from functools import lru_cache

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from greenroom import name_patterns

FORM = "names of projects, '*' for any text in them, with specifiers of versions: requests>=2,<3"

_PARTS = re.compile(r"([A-Za-z0-9*._-]+)\s*(.*)", re.ASCII | re.DOTALL)
_OPERATORS = ("<", ">", "=", "!", "~")
_LONGEST_SPECIFIER = 200


class Breadth(IntEnum):
    """How much a selection may choose: what chooses less was meant for it."""

    SOME_NAMES = 0
    ONE_NAME = 1
    SOME_VERSIONS = 2
    ONE_VERSION = 3


class Selection(Struct, frozen=True):
    """A name or a pattern of names, and versions.

    Attributes:
        project: normalized, with ``*`` for any text.
        specifier: of PEP 440, in its canonical form; empty for every version.
    """

    project: str
    specifier: str = ""

    def __str__(self) -> str:
        return f"{self.project}{self.specifier}"

    @property
    def breadth(self) -> Breadth:
        """How much it may choose."""
        if "*" in self.project:
            return Breadth.SOME_NAMES
        if not self.specifier:
            return Breadth.ONE_NAME
        one = self.specifier.startswith("==") and not re.search(r"[,*]", self.specifier)
        return Breadth.ONE_VERSION if one else Breadth.SOME_VERSIONS

    def is_about(self, name: str) -> bool:
        """Whether it may choose something of this project, by its normalized name."""
        return name_patterns.matches(self.project, name)

    def has(self, name: str, version: Version | None, *, unknown: bool) -> bool:
        """Whether it chooses this version of this project, pre-releases like others.

        Args:
            name: normalized.
            version: None where nobody can say.
            unknown: the answer where nobody can say which version it is, and it matters.
        """
        if not self.is_about(name):
            return False
        if not self.specifier:
            return True
        if version is None:
            return unknown
        return _specifiers(self.specifier).contains(version, prereleases=True)


@lru_cache(maxsize=1000)
def _specifiers(text: str) -> SpecifierSet:
    return SpecifierSet(text)


def parse(text: str) -> Selection:
    """The selection that a text stands for.

    Raises:
        ValueError: it is written otherwise; the text says what it should be.
    """
    found = _PARTS.fullmatch(text.strip())
    if found is None:
        raise ValueError(FORM)
    return selection(found[1], found[2])


def selection(project: str, specifier: str) -> Selection:
    """The selection of a name or a pattern, and a specifier that may be empty.

    Raises:
        ValueError: as :func:`parse`.
    """
    name = name_patterns.normalized(project)
    if not name_patterns.is_pattern(name) or len(specifier) > _LONGEST_SPECIFIER:
        raise ValueError(FORM)
    try:
        return Selection(name, str(SpecifierSet(specifier)))
    except ValueError:
        raise ValueError(FORM) from None


def parse_all(text: str) -> tuple[Selection, ...]:
    """The selections of a text, separated by commas, which specifiers may have in them, too.

    Raises:
        ValueError: as :func:`parse`.
    """
    entries: list[str] = []
    for part in text.split(","):
        if entries and part.strip().startswith(_OPERATORS):
            entries[-1] += f",{part}"
        elif part.strip():
            entries.append(part)
    return tuple(parse(entry) for entry in entries)
