"""The files to be staged, by release."""

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from twine.package import PackageFile

from twine_stage.errors import Failure

# What lies beside distributions and is none.
_BESIDE = (".asc", ".attestation")


@dataclass(frozen=True, slots=True)
class Dist:
    """A distribution: twine's view of it, its size and its SHA-256."""

    package: PackageFile
    path: Path
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """Its name, without folders."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class Release:
    """All files of one project and version."""

    project: str
    version: str
    dists: Sequence[Dist]


def releases(patterns: Sequence[str]) -> list[Release]:
    """The files that these paths and patterns name, by project and version.

    Signatures and attestations that lie beside them are left out: a session takes neither.

    Raises:
        Failure: a path names nothing, or two files have the same name.
        twine.exceptions.InvalidDistribution: a file is no distribution.
    """
    groups: dict[tuple[str, str], list[Dist]] = {}
    seen: set[str] = set()
    for path in dict.fromkeys(_paths(patterns)):
        if path.name in seen:
            raise Failure(f"Two files have the name {path.name}.")
        seen.add(path.name)
        dist = _dist(path)
        groups.setdefault(_release_of(dist), []).append(dist)
    if not groups:
        raise Failure("There is no distribution among these files.")
    return [
        Release(project, version, dists) for (project, version), dists in sorted(groups.items())
    ]


def canonical_version(text: str) -> str:
    """The version in its one spelling; text that is no version as it is."""
    try:
        return str(Version(text))
    except InvalidVersion:
        return text


def _paths(patterns: Iterable[str]) -> Iterable[Path]:
    for pattern in patterns:
        found = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern))
        if not found:
            raise Failure(f"There is no file {pattern!r}.")
        yield from (Path(name) for name in found if not name.endswith(_BESIDE))


def _dist(path: Path) -> Dist:
    try:
        package = PackageFile.from_filename(str(path), None)
        size = path.stat().st_size
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}.") from error
    if package.sha2_digest is None:
        raise Failure("This Python cannot compute SHA-256.")
    return Dist(package, path, size, package.sha2_digest)


def _release_of(dist: Dist) -> tuple[str, str]:
    name = dist.package.metadata["name"]
    return canonicalize_name(name), canonical_version(dist.package.version)
