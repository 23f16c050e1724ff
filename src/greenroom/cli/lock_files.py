"""What lock files name: requirements files with ``--hash``, pylock.toml, uv.lock, poetry.lock."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from greenroom.registry.upstream_warming import Locked

_COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"\s--hash[=\s]\s*(?P<name>[a-z0-9]+):(?P<digest>[0-9a-fA-F]+)")
_OPTIONS = re.compile(r"\s--?[a-z][a-z-]*(=|\s).*$")
_INCLUDE = re.compile(r"(?:-r|--requirement)[=\s]*(?P<path>\S.*)")
_SHA256 = re.compile(r"(?:sha256:)?(?P<digest>[0-9a-f]{64})")
_MOST_INCLUDED = 100


def read(path: Path) -> list[Locked]:
    """The projects that a lock file names, in its order.

    Raises:
        ValueError: it cannot be read; the text is a sentence.
    """
    if path.suffix in (".toml", ".lock"):
        return list(_of_toml(path))
    return list(_of_requirements(path, 0))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"{path} cannot be read: {reason}.") from None


def _of_requirements(path: Path, depth: int) -> Iterator[Locked]:
    if depth > _MOST_INCLUDED:
        raise ValueError(f"{path} includes itself.")
    for line in _text(path).replace("\\\n", " ").splitlines():
        plain = _COMMENT.sub("", line).strip()
        included = _INCLUDE.fullmatch(plain)
        if included is not None:
            yield from _of_requirements(path.parent / included["path"].strip(), depth + 1)
        elif plain and not plain.startswith("-"):
            yield _requirement(path, plain)


def _requirement(path: Path, line: str) -> Locked:
    try:
        requirement = Requirement(_OPTIONS.sub("", line).strip())
    except InvalidRequirement:
        raise ValueError(f"{path}: {line[:80]!r} is no requirement: example==1.0.") from None
    if requirement.url is not None:
        raise ValueError(f"{path}: {line[:80]!r} names an address, and no file of an index.")
    digests = {found["digest"].lower() for found in _HASH.finditer(line) if found[1] == "sha256"}
    return Locked(requirement.name, requirement.specifier, frozenset(digests))


def _of_toml(path: Path) -> Iterator[Locked]:
    """pylock.toml (PEP 751) has ``packages``, the locks of uv, Poetry and PDM ``package``."""
    try:
        content = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no TOML: {error}.") from None
    packages = content.get("packages", content.get("package"))
    if not isinstance(packages, list):
        raise ValueError(f"{path} is no lock file that is known: it has no packages.")
    for package in packages:
        if not isinstance(package, Mapping) or not isinstance(package.get("name"), str):
            raise ValueError(f"{path} is no lock file that is known: a package has no name.")
        digests = frozenset(_digests(package))
        if digests:  # a project of the folder, or of a repository, has none
            yield Locked(package["name"], _version(path, package.get("version")), digests)


def _version(path: Path, version: object) -> SpecifierSet:
    if not isinstance(version, str):
        return SpecifierSet()
    try:
        return SpecifierSet(f"=={version}")
    except InvalidSpecifier:
        raise ValueError(f"{path}: {version!r} is no version.") from None


def _digests(value: object) -> Iterator[str]:
    """All SHA-256 digests in a value of TOML, wherever they stand."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            found = _SHA256.fullmatch(inner) if isinstance(inner, str) else None
            if found is not None and key in ("hash", "sha256"):
                yield found["digest"]
            else:
                yield from _digests(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _digests(inner)
