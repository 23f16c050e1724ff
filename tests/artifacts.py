"""Real distributions for tests: pip installs them, and the same arguments make the same bytes.

    wheel = make_wheel(tmp_path, "example", "1.0", requires_python=">=3.11")
    sdist = make_sdist(tmp_path, "example", "1.0")

Both hold one package, named after the project, with `__version__` in it. `salt` makes other bytes
under the same name; `payload` makes a file of at least a certain size.
"""

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from packaging.utils import canonicalize_name
from packaging.version import Version

Fields = Iterable[tuple[str, str]]
Files = Mapping[str, bytes]

NO_FILES: Files = MappingProxyType({})

_BUILD_BACKEND = '''\
"""Builds the wheel of this project with nothing but the standard library."""

import base64
import hashlib
import pathlib
import zipfile

PACKAGE = {package!r}
STEM = {stem!r}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    root = pathlib.Path(__file__).parent
    info = STEM + ".dist-info/"
    files = {{
        str(path.relative_to(root).as_posix()): path.read_bytes()
        for path in sorted(root.glob(PACKAGE + "/*"))
        if path.is_file()
    }}
    files[info + "METADATA"] = (root / "PKG-INFO").read_bytes()
    files[info + "WHEEL"] = (
        b"Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    )
    rows = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        rows.append(f"{{name}},sha256={{digest}},{{len(content)}}\\n")
    files[info + "RECORD"] = ("".join(rows) + info + "RECORD,,\\n").encode()
    filename = STEM + "-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / filename, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return filename
'''

_PYPROJECT = b"""\
[build-system]
requires = []
build-backend = "build_backend"
backend-path = ["."]
"""


def make_wheel(
    folder: Path,
    name: str = "example",
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    build: str | None = None,
    requires_python: str | None = None,
    summary: str | None = "An example.",
    description: str | None = None,
    description_content_type: str | None = None,
    extra_files: Files = NO_FILES,
    metadata_extra: Fields = (),
    metadata_version: str = "2.1",
    payload: bytes = b"",
    salt: str = "",
    filename: str | None = None,
    overrides: Mapping[str, bytes | None] = MappingProxyType({}),
) -> Path:
    """Write a wheel into a folder, which is made if need be.

    `extra_files` are further members by path, listed in RECORD; in a path, `{dist_info}` stands for
    that folder. `overrides` replaces members after RECORD was made, or with None leaves them out:
    this is how to make a wheel that is not valid. `filename` is for a name that does not fit.
    """
    stem = _stem(name, version)
    dist_info = f"{stem}.dist-info"
    metadata = make_metadata(
        name,
        version,
        requires_python=requires_python,
        summary=summary,
        description=description,
        description_content_type=description_content_type,
        metadata_extra=metadata_extra,
        metadata_version=metadata_version,
    )
    files = _package(name, version, salt, payload)
    files[f"{dist_info}/METADATA"] = metadata
    files[f"{dist_info}/WHEEL"] = _wheel_file(tag, build)
    files |= {
        path.replace("{dist_info}", dist_info): content for path, content in extra_files.items()
    }
    files[f"{dist_info}/RECORD"] = make_record(files, f"{dist_info}/RECORD")
    for path, content in overrides.items():
        path = path.replace("{dist_info}", dist_info)
        files.pop(path, None)
        if content is not None:
            files[path] = content
    parts = [stem, build, tag] if build else [stem, tag]
    return _write(folder, filename or f"{'-'.join(parts)}.whl", zip_of(files))


def make_sdist(
    folder: Path,
    name: str = "example",
    version: str = "1.0",
    *,
    requires_python: str | None = None,
    summary: str | None = "An example.",
    description: str | None = None,
    description_content_type: str | None = None,
    extra_files: Files = NO_FILES,
    metadata_extra: Fields = (),
    metadata_version: str = "2.2",
    payload: bytes = b"",
    salt: str = "",
    filename: str | None = None,
    overrides: Mapping[str, bytes | None] = MappingProxyType({}),
) -> Path:
    """Write a source distribution into a folder, which is made if need be.

    It brings its own build backend and requires nothing, so that pip can build it with isolation or
    without, online or not. Paths in `extra_files` and `overrides` are relative to its top folder;
    `overrides` with None leaves a file out.
    """
    stem = _stem(name, version)
    package = _package_name(name)
    files = _package(name, version, salt, payload)
    files["PKG-INFO"] = make_metadata(
        name,
        version,
        requires_python=requires_python,
        summary=summary,
        description=description,
        description_content_type=description_content_type,
        metadata_extra=metadata_extra,
        metadata_version=metadata_version,
    )
    files["pyproject.toml"] = _PYPROJECT
    files["build_backend.py"] = _BUILD_BACKEND.format(package=package, stem=stem).encode()
    files |= extra_files
    for path, content in overrides.items():
        files.pop(path, None)
        if content is not None:
            files[path] = content
    content = tar_gz_of({f"{stem}/{path}": content for path, content in files.items()})
    return _write(folder, filename or f"{stem}.tar.gz", content)


def make_metadata(
    name: str = "example",
    version: str = "1.0",
    *,
    requires_python: str | None = None,
    summary: str | None = None,
    description: str | None = None,
    description_content_type: str | None = None,
    metadata_extra: Fields = (),
    metadata_version: str = "2.1",
) -> bytes:
    """The content of a METADATA or PKG-INFO file."""
    optional = [
        ("Summary", summary),
        ("Requires-Python", requires_python),
        ("Description-Content-Type", description_content_type),
    ]
    fields = [
        ("Metadata-Version", metadata_version),
        ("Name", name),
        ("Version", version),
        *((field, value) for field, value in optional if value is not None),
        *metadata_extra,
    ]
    lines = [f"{field}: {value}" for field, value in fields]
    return "\n".join([*lines, "", description or ""]).encode()


def make_record(files: Files, record_path: str) -> bytes:
    """The content of RECORD for these files."""
    rows = [f"{path},sha256={_digest(content)},{len(content)}" for path, content in files.items()]
    return "\n".join([*rows, f"{record_path},,", ""]).encode()


def zip_of(files: Files) -> bytes:
    """A zip archive of these files; large ones are stored, so that their size is the archive's."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, content in files.items():
            member = zipfile.ZipInfo(path)
            member.external_attr = 0o100644 << 16
            large = len(content) > 64 * 1024
            member.compress_type = zipfile.ZIP_STORED if large else zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return target.getvalue()


def tar_gz_of(files: Files) -> bytes:
    """A gzipped tar archive of these files."""
    target = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def _write(folder: Path, filename: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / filename
    path.write_bytes(content)
    return path


def _package_name(name: str) -> str:
    return canonicalize_name(name).replace("-", "_")


def _stem(name: str, version: str) -> str:
    return f"{_package_name(name)}-{Version(version)}"


def _package(name: str, version: str, salt: str, payload: bytes) -> dict[str, bytes]:
    package = _package_name(name)
    source = f'__version__ = "{Version(version)}"\n'
    if salt:
        source += f"# {salt!r}\n"
    files = {f"{package}/__init__.py": source.encode()}
    if payload:
        files[f"{package}/payload.bin"] = payload
    return files


def _wheel_file(tag: str, build: str | None) -> bytes:
    python_tags, abi_tags, platform_tags = (part.split(".") for part in tag.split("-"))
    lines = [
        "Wheel-Version: 1.0",
        "Generator: tests",
        "Root-Is-Purelib: true",
        *([f"Build: {build}"] if build else []),
        *(
            f"Tag: {python_tag}-{abi_tag}-{platform_tag}"
            for python_tag in python_tags
            for abi_tag in abi_tags
            for platform_tag in platform_tags
        ),
        "",
    ]
    return "\n".join(lines).encode()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
