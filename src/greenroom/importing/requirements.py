"""Which projects are wanted, and which versions of them: names, and requirements files."""

import re
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct, field
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from greenroom.distributions.historical import version_in

_COMMENT = re.compile(r"(^|\s)#.*$")
_OPTIONS = re.compile(r"\s--?[a-z][a-z-]*(=|\s).*$")
_INCLUDE = re.compile(r"(?:-r|--requirement)[=\s]*(?P<path>\S.*)")
_MOST_FILES = 100


class NotUnderstood(ValueError):
    """What is wanted cannot be understood; the text is a sentence."""


class Wanted(Struct, frozen=True):
    """A project, and which versions of it: one of the sets is enough, and none means all."""

    name: str
    specifiers: tuple[SpecifierSet, ...] = field(default=())

    def has(self, filename: str) -> bool:
        """Whether a file is one of these; where its name does not tell its version, it is."""
        version = version_in(filename, self.name)
        if version is None:
            return self.name == canonicalize_name(filename.rpartition("-")[0])
        return self.takes(filename)

    def takes(self, filename: str) -> bool:
        """The same of a file that is known to be of the project."""
        version = version_in(filename, self.name)
        if version is None or not self.specifiers:
            return True
        return any(wanted.contains(version, prereleases=True) for wanted in self.specifiers)


def wanted_of(texts: Iterable[str]) -> dict[str, Wanted]:
    """What requirements ask for, by normalized name; what they depend on is not followed.

    Raises:
        NotUnderstood: one is none.
    """
    found: dict[str, Wanted] = {}
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            raise NotUnderstood(
                f"{text[:80]!r} is no project name, with or without versions: example>=1.0."
            ) from None
        if requirement.url is not None:
            raise NotUnderstood(f"{text[:80]!r} names an address: only what is on an index counts.")
        name = canonicalize_name(requirement.name)
        former = found.get(name)
        is_all = not requirement.specifier or (former is not None and not former.specifiers)
        sets = (*(former.specifiers if former is not None else ()), requirement.specifier)
        found[name] = Wanted(name, () if is_all else sets)
    return found


def requirements_in(path: Path, depth: int = 0) -> list[str]:
    """The requirements in a file of pip's, and in those that it includes; its options are not read.

    Raises:
        NotUnderstood: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise NotUnderstood(f"{path} cannot be read: {reason}.") from None
    found: list[str] = []
    for line in text.replace("\\\n", " ").splitlines():
        plain = _COMMENT.sub("", line).strip()
        included = _INCLUDE.fullmatch(plain)
        if included is not None:
            if depth >= _MOST_FILES:
                raise NotUnderstood(f"{path} includes itself.")
            found += requirements_in(path.parent / included["path"].strip(), depth + 1)
        elif plain and not plain.startswith("-"):
            found.append(_OPTIONS.sub("", plain).strip())
    return found
