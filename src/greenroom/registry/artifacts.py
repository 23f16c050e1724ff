"""A file on its way in: what arrived, what was said about it, and what is inside."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.version import Version

PackageType = Literal["sdist", "bdist_wheel"]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that has arrived: where it lies for now, its name, size in bytes and digests (hex)."""

    path: Path
    filename: str
    size: int
    sha256: str
    md5: str
    blake2_256: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What the uploader says of the file; ``digests`` maps ``sha256`` and the like to hex text."""

    name: str
    version: Version
    packagetype: PackageType
    python_tag: str
    digests: Mapping[str, str]
