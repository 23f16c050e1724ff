"""The clients that resolve and lock, each run as its users run it, with one index and no other."""

import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.clients.installers import Installation
from tests.clients.programs import program


@dataclass(frozen=True)
class Locked:
    """What a lock file holds.

    Attributes:
        versions: by project.
        hashes: by file.
    """

    versions: Mapping[str, str]
    hashes: Mapping[str, str]


# An installation and what it requires; gives what is locked.
Locker = Callable[[Installation, str], Locked]


def pip(installation: Installation, requirement: str) -> Locked:
    installation.run(
        sys.executable, "-m", "pip", "lock", "--no-cache-dir", requirement,
        PIP_INDEX_URL=installation.index,
    )  # fmt: skip
    return _locked(_read(installation, "pylock.toml", "packages"), _url_and_hashes)


def uv(installation: Installation, requirement: str) -> Locked:
    _require(installation, requirement)
    installation.run("uv", "lock", "--no-cache", UV_DEFAULT_INDEX=installation.index)
    packages = _read(installation, "uv.lock", "package")
    return _locked([each for each in packages if each["name"] != "application"], _url_and_hash)


def poetry(installation: Installation, requirement: str) -> Locked:
    _require(installation, requirement)
    installation.run(program("poetry"), "source", "add", "greenroom", installation.index)
    installation.run(program("poetry"), "lock", "--no-cache")
    return _locked(_read(installation, "poetry.lock", "package"), _file_and_hash)


def pdm(installation: Installation, requirement: str) -> Locked:
    _require(installation, requirement)
    installation.run(program("pdm"), "lock", PDM_PYPI_URL=installation.index)
    return _locked(_read(installation, "pdm.lock", "package"), _file_and_hash)


LOCKERS: list[Locker] = [pip, uv, poetry, pdm]


def _require(installation: Installation, requirement: str) -> None:
    installation.new_project()
    path = installation.folder / "pyproject.toml"
    needs = f'requires-python = ">=3.11,<4"\ndependencies = ["{requirement}"]'
    path.write_text(path.read_text().replace('requires-python = ">=3.11,<4"', needs))


def _read(installation: Installation, name: str, key: str) -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = tomllib.loads((installation.folder / name).read_text())[key]
    return packages


_Files = Callable[[dict[str, Any]], Iterator[tuple[str, str]]]


def _locked(packages: list[dict[str, Any]], files: _Files) -> Locked:
    return Locked(
        {package["name"]: package["version"] for package in packages},
        {name: digest for package in packages for name, digest in files(package)},
    )


def _archives(package: dict[str, Any]) -> list[dict[str, Any]]:
    return [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]


def _url_and_hashes(package: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for archive in _archives(package):
        yield _last_segment(archive["url"]), f"sha256:{archive['hashes']['sha256']}"


def _url_and_hash(package: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for archive in _archives(package):
        yield _last_segment(archive["url"]), archive["hash"]


def _file_and_hash(package: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for file in package["files"]:
        yield file["file"], file["hash"]


def _last_segment(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])
