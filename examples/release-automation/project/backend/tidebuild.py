"""Builds this project with nothing but the standard library, so that nothing has to be fetched.

The setting ``platform`` names the platform of a wheel (``any`` if it is not given), as a project
with compiled parts would have one wheel for each.
"""

import base64
import csv
import hashlib
import io
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_IN_SDIST = ("pyproject.toml", "src", "backend", "tests")

Settings = Mapping[str, str] | None


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Write the source distribution; gives its name."""
    stem = _stem()
    filename = f"{stem}.tar.gz"
    with tarfile.open(Path(sdist_directory) / filename, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for path in _files(*_IN_SDIST):
            tar.add(path, f"{stem}/{path.relative_to(_ROOT).as_posix()}")
        member = tarfile.TarInfo(f"{stem}/PKG-INFO")
        member.size = len(_metadata())
        tar.addfile(member, io.BytesIO(_metadata()))
    return filename


def build_wheel(
    wheel_directory: str,
    config_settings: Settings = None,
    metadata_directory: str | None = None,
) -> str:
    """Write a wheel; gives its name."""
    tag = f"py3-none-{(config_settings or {}).get('platform', 'any')}"
    info = f"{_stem()}.dist-info"
    wheel = f"Wheel-Version: 1.0\nGenerator: tidebuild\nRoot-Is-Purelib: true\nTag: {tag}\n"
    files = {
        path.relative_to(_ROOT / "src").as_posix(): path.read_bytes() for path in _files("src")
    }
    files |= {f"{info}/METADATA": _metadata(), f"{info}/WHEEL": wheel.encode()}
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    filename = f"{_stem()}-{tag}.whl"
    with zipfile.ZipFile(Path(wheel_directory) / filename, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return filename


def _project() -> dict[str, str]:
    with (_ROOT / "pyproject.toml").open("rb") as file:
        project: dict[str, str] = tomllib.load(file)["project"]
    return project


def _stem() -> str:
    project = _project()
    return f"{project['name']}-{project['version']}"


def _metadata() -> bytes:
    project = _project()
    fields = {
        "Metadata-Version": "2.4",
        "Name": project["name"],
        "Version": project["version"],
        "Summary": project["description"],
        "Requires-Python": project["requires-python"],
        "License-Expression": project["license"],
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items()).encode()


def _files(*names: str) -> list[Path]:
    found = [path for name in names for path in ((_ROOT / name), *(_ROOT / name).rglob("*"))]
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _record(files: Mapping[str, bytes], name: str) -> bytes:
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        writer.writerow([path, f"sha256={digest}", len(content)])
    writer.writerow([name, "", ""])
    return rows.getvalue().encode()
