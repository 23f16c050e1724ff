"""Tiny distributions that are valid, built in memory with nothing but the standard library."""

import base64
import gzip
import hashlib
import io
import re
import tarfile
import zipfile
from dataclasses import dataclass

_DATE = (2020, 2, 2, 0, 0, 0)


@dataclass(frozen=True)
class Distribution:
    """A file to upload."""

    filename: str
    content: bytes

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.content)

    def hashes(self, *names: str) -> dict[str, str]:
        """Its digests, hexadecimal, by the names that hashlib has for the functions."""
        return {name: hashlib.new(name, self.content).hexdigest() for name in names}


def normalized(name: str) -> str:
    """A project name as the name normalization specification wants it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wheel(name: str, version: str, tag: str = "py3-none-any") -> Distribution:
    """A wheel with one module."""
    stem = f"{_escaped(name)}-{version}"
    info = f"{stem}.dist-info"
    files = {
        f"{_escaped(name)}.py": b'"""Nothing."""\n',
        f"{info}/METADATA": _metadata(name, version),
        f"{info}/WHEEL": (
            f"Wheel-Version: 1.0\nGenerator: conformance\nRoot-Is-Purelib: true\nTag: {tag}\n"
        ).encode(),
    }
    record = "".join(
        f"{path},sha256={_record_digest(content)},{len(content)}\n"
        for path, content in files.items()
    )
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            member = zipfile.ZipInfo(path, _DATE)
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
    return Distribution(f"{stem}-{tag}.whl", packed.getvalue())


def sdist(name: str, version: str) -> Distribution:
    """A source distribution that could be built, were its build backend installed."""
    stem = f"{_escaped(name)}-{version}"
    project = (
        '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\ndescription = "Nothing."\n'
    )
    files = {
        "PKG-INFO": _metadata(name, version),
        "pyproject.toml": project.encode(),
        f"{_escaped(name)}.py": b'"""Nothing."""\n',
    }
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, content in files.items():
            member = tarfile.TarInfo(f"{stem}/{path}")
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return Distribution(f"{stem}.tar.gz", packed.getvalue())


def _escaped(name: str) -> str:
    return normalized(name).replace("-", "_")


def _metadata(name: str, version: str) -> bytes:
    return (
        f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n"
        "Summary: Made by a conformance suite, to be thrown away.\n"
    ).encode()


def _record_digest(content: bytes) -> str:
    digest = hashlib.sha256(content).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
