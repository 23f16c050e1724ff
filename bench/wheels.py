"""Wheels to measure with: valid, and the same bytes for the same arguments."""

import base64
import hashlib
import random
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1024**2
README = "# A project\n\nWhat it *does*, in `code` and in [words](https://project.example).\n" * 4

_NOT_BEFORE_1980 = (2026, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Wheel:
    """A file to serve or to upload, and what is said of it."""

    path: Path
    project: str
    version: str
    size: int
    sha256: str
    metadata: str
    described: bool


def make_wheel(
    folder: Path,
    project: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    noise: int = 0,
    described: bool = False,
    requires: Sequence[str] = (),
    modules: int = 0,
) -> Wheel:
    """Make a wheel with so many bytes of noise in it.

    Args:
        folder: where it goes; made where it is not there.
        project: its name, normalized.
        version: its version.
        tag: its compatibility tag.
        noise: how many bytes there are in it that cannot be compressed.
        described: whether it has a description, as most have.
        requires: what it depends on.
        modules: how many modules there are besides; one in ten of them has the version in it.
    """
    module = project.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{version}-{tag}.whl"
    info = f"{module}-{version}.dist-info"
    metadata = _metadata(project, version, requires, described)
    tags = f"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: {tag}\n"
    with zipfile.ZipFile(path, "w") as archive:
        record = [
            _add(archive, f"{module}/__init__.py", [f"FILE = {path.name!r}\n".encode()]),
            _add(archive, f"{module}/noise.bin", _noise(path.name, noise)),
            *(
                _add(archive, f"{module}/part_{number}.py", [_part(number, version)])
                for number in range(modules)
            ),
            _add(archive, f"{info}/METADATA", [metadata.encode()]),
            _add(archive, f"{info}/WHEEL", [tags.encode()]),
        ]
        _add(archive, f"{info}/RECORD", ["".join([*record, f"{info}/RECORD,,\n"]).encode()])
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Wheel(path, project, version, path.stat().st_size, sha256, metadata, described)


def _part(number: int, version: str) -> bytes:
    lines = [f"def function_{line}():\n    return {number * line}\n" for line in range(40)]
    return "".join([f"VERSION = {version!r}\n" if number % 10 == 0 else "", *lines]).encode()


def platform_tags(count: int) -> list[str]:
    """So many compatibility tags."""
    return [f"py3-none-macosx_{number + 10}_0_arm64" for number in range(count)]


def _metadata(project: str, version: str, requires: Sequence[str], described: bool) -> str:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project}",
        f"Version: {version}",
        "Summary: Made to measure with.",
        "Requires-Python: >=3.8",
        *(f"Requires-Dist: {requirement}" for requirement in requires),
    ]
    if described:
        lines += ["Description-Content-Type: text/markdown", "", README]
    return "\n".join([*lines, ""])


def _noise(seed: str, size: int) -> Iterator[bytes]:
    source = random.Random(seed)
    for start in range(0, size, MIB):
        yield source.randbytes(min(MIB, size - start))


def _add(archive: zipfile.ZipFile, name: str, pieces: Iterator[bytes] | list[bytes]) -> str:
    """Add a member; gives its line for RECORD."""
    member = zipfile.ZipInfo(name, _NOT_BEFORE_1980)
    digest, size = hashlib.sha256(), 0
    with archive.open(member, "w", force_zip64=True) as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
            size += len(piece)
    encoded = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")
    return f"{name},sha256={encoded},{size}\n"
