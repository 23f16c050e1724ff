"""Sixty projects that need each other: real distributions, the same bytes each time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.artifacts import make_sdist, make_wheel
from tests.upstream_server import UpstreamServer

COUNT = 60
ROOT = "world-00"
"""What needs all the others."""

VERSIONS = ("1.0", "1.1", "2.0")
TOO_NEW = ">=4"
YANKED = 'Breaks "everything" <here>'


@dataclass(frozen=True)
class Distribution:
    """A file, and what the page of its project says of it."""

    path: Path
    version: str
    requires_python: str | None
    yanked: str | None


def name(number: int) -> str:
    """What a project is called."""
    return f"world-{number:02}"


def chosen(number: int) -> str:
    """The version of a project that every installer chooses: the newest that there is for it."""
    is_wanted_older = any(
        requirement == f"{name(number)}<2"
        for other in range(COUNT)
        for requirement in _requirements(other)
    )
    is_for_others = _requires_python(number, "2.0") == TOO_NEW or _yanked(number, "2.0") is not None
    return "1.1" if is_wanted_older or is_for_others else "2.0"


def make_universe(folder: Path) -> Iterator[Distribution]:
    """All the files, in a folder."""
    for number in range(COUNT):
        for version in VERSIONS:
            yield from _release(folder, number, version)


def fill(upstream: UpstreamServer, folder: Path) -> None:
    """Put everything into an index."""
    for made in make_universe(folder):
        upstream.add(made.path, requires_python=made.requires_python, yanked=made.yanked)


def _release(folder: Path, number: int, version: str) -> Iterator[Distribution]:
    requires_python, yanked = _requires_python(number, version), _yanked(number, version)
    needs = [("Requires-Dist", requirement) for requirement in _requirements(number)]
    wheel = make_wheel(
        folder, name(number), version, requires_python=requires_python, metadata_extra=needs
    )
    yield Distribution(wheel, version, requires_python, yanked)
    if number % 4 == 1:
        sdist = make_sdist(
            folder, name(number), version, requires_python=requires_python, metadata_extra=needs
        )
        yield Distribution(sdist, version, requires_python, yanked)


def _requirements(number: int) -> Sequence[str]:
    """A tree, and here and there a branch more."""
    needed = [2 * number + 1, 2 * number + 2]
    if number % 5 == 0:
        needed.append(number + 17)
    signs = {0: ">=1.0", 1: "<2", 2: ">=1.1"}
    return [f"{name(other)}{signs[(number + other) % 4 % 3]}" for other in needed if other < COUNT]


def _requires_python(number: int, version: str) -> str | None:
    if version == "2.0" and number % 7 == 6:
        return TOO_NEW
    return ">=3.8" if number % 2 else None


def _yanked(number: int, version: str) -> str | None:
    return YANKED if version == "2.0" and number % 6 == 5 else None
