"""Distributions as the ecosystem took them in its time, for imports that ask for it.

``inspect.py`` says what an upload has to be. Here what old tools made is let through: file names
that are not normalized, other archives, eggs and Windows installers, metadata that is missing, old,
odd or not UTF-8, and any RECORD. What has to be certain stays certain: the project, the version, an
archive that can be read to its end, and that no member leads out of it.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from greenroom.core_metadata import CoreMetadata
from greenroom.distributions.errors import InvalidDistribution, InvalidFilename, quoted
from greenroom.distributions.filenames import (
    MAX_FILENAME,
    SDIST_SUFFIX,
    WHEEL_SUFFIX,
    PackageType,
)
from greenroom.distributions.inspect import Distribution
from greenroom.distributions.metadata import salvage_metadata
from greenroom.distributions.old_archives import Rank, tar_metadata, zip_metadata

EGG_SUFFIX = ".egg"
INSTALLER_SUFFIX = ".exe"

TARS = {
    SDIST_SUFFIX: "gz",
    ".tgz": "gz",
    ".tar.bz2": "bz2",
    ".tbz": "bz2",
    ".tbz2": "bz2",
    ".tar.xz": "xz",
    ".txz": "xz",
    ".tar": "",
}
"""How tar archives are compressed, by how their names end."""
_ZIP_SUFFIX = ".zip"
_REFUSED = (".msi", ".rpm", ".deb", ".dmg", ".tar.z", ".phar", ".bz2", ".gz", ".7z", ".rar")

SUFFIXES = (*TARS, _ZIP_SUFFIX, WHEEL_SUFFIX, EGG_SUFFIX, INSTALLER_SUFFIX, *_REFUSED)
"""How the names of files end that are, or once were, distributions; in lower case."""

_CHARACTERS = re.compile(r"[A-Za-z0-9_.!+~-]+")
_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_TAG = re.compile(r"[A-Za-z0-9_.]+")
_BUILD = re.compile(r"[0-9][A-Za-z0-9_.]*")
_INSTALLER = re.compile(
    r"(?P<stem>.+)\.(?:win32|win-amd64|win-ia64|win-arm32|win-arm64|linux[a-z0-9_-]*)"
    r"(?:-py(?P<python>\d\.\d+))?",
    re.IGNORECASE,
)
_EGG = re.compile(
    r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-py(?P<python>\d+(?:\.\d+)?)(?:-[A-Za-z0-9_.-]+)?)?"
)


class _Kind(Struct, frozen=True):
    """What a file name tells before its project and version are known.

    Attributes:
        stem: the file name's part that has project and version.
        read: gives the metadata in the file, None where it has none.
    """

    packagetype: PackageType
    stem: str
    python_tag: str
    read: Callable[[Path], bytes | None]
    build_tag: str | None = None


def looks_like_one(filename: str) -> bool:
    """Whether the name of a file is that of a distribution of whatever kind and time."""
    return filename.lower().endswith(SUFFIXES)


def version_in(filename: str, project: str) -> Version | None:
    """The version that the name of a project's file tells; None where it tells none."""
    try:
        kind = _kind(filename)
    except InvalidFilename:
        return None
    wanted = canonicalize_name(project)
    fitting = (version for name, version in _splits(kind.stem) if canonicalize_name(name) == wanted)
    return next(fitting, None)


def inspect_historical(path: Path, filename: str, project: str | None = None) -> Distribution:
    """Say what is in a file that was a distribution in its time.

    Args:
        path: where the bytes are.
        filename: what the file is called.
        project: whose file it is, where its source says so; else the file has to say it.

    Raises:
        InvalidDistribution: it is none, or nobody can say of what.
    """
    if len(filename) > MAX_FILENAME or filename.startswith("."):
        raise InvalidFilename(f"The file name {quoted(filename)} is none that a file can have.")
    if not _CHARACTERS.fullmatch(filename):
        raise InvalidFilename(
            f"The file name {quoted(filename)} has characters that no distribution's name has."
        )
    kind = _kind(filename)
    content = kind.read(path)
    if content is None and kind.packagetype == "bdist_wheel":
        raise InvalidDistribution("The wheel has no METADATA in a .dist-info folder.")
    metadata = salvage_metadata(content) if content is not None else CoreMetadata()
    name, version = _identity(filename, kind, metadata, project)
    said = _name_said(metadata)
    metadata = replace(
        metadata,
        name=metadata.name if _PROJECT.fullmatch(metadata.name) and said else name,
        version=str(version),
    )
    return Distribution(
        filename=filename,
        packagetype=kind.packagetype,
        name=metadata.name,
        normalized_name=canonicalize_name(name),
        version=version,
        python_tag=kind.python_tag,
        build_tag=kind.build_tag,
        requires_python=metadata.requires_python or None,
        metadata=metadata,
        metadata_content=content if content is not None else _made_up(metadata),
    )


def _made_up(metadata: CoreMetadata) -> bytes:
    """What a source distribution without metadata would say; it is offered to nobody."""
    lines = ("Metadata-Version: 1.0", f"Name: {metadata.name}", f"Version: {metadata.version}", "")
    return "\n".join(lines).encode()


# --- kinds of files -------------------------------------------------------------------------------


def _kind(filename: str) -> _Kind:
    lower = filename.lower()
    for suffix, compression in TARS.items():
        if lower.endswith(suffix):
            return _Kind(
                "sdist",
                filename[: -len(suffix)],
                "source",
                partial(tar_metadata, compression=compression, rank=_rank_in_sdist),
            )
    if lower.endswith(_ZIP_SUFFIX):
        return _Kind("sdist", filename[: -len(_ZIP_SUFFIX)], "source", _reader(_rank_in_sdist))
    if lower.endswith(WHEEL_SUFFIX):
        return _wheel(filename)
    if lower.endswith(EGG_SUFFIX):
        return _egg(filename)
    if lower.endswith(INSTALLER_SUFFIX):
        return _installer(filename)
    raise InvalidFilename(
        f"The file {quoted(filename)} is of a kind that this index does not keep: it keeps source "
        "distributions, wheels, eggs and Windows installers (.exe)."
    )


def _reader(rank: Rank) -> Callable[[Path], bytes | None]:
    return partial(zip_metadata, rank=rank)


def _wheel(filename: str) -> _Kind:
    parts = filename[: -len(WHEEL_SUFFIX)].split("-")
    builds, tags = parts[2:-3], parts[-3:]
    is_well_tagged = all(map(_BUILD.fullmatch, builds)) and all(map(_TAG.fullmatch, tags))
    if len(parts) not in (5, 6) or not is_well_tagged:
        raise InvalidFilename(
            f"The file name {quoted(filename)} is not of the form "
            f"name-version[-build]-python-abi-platform{WHEEL_SUFFIX} (PEP 427)."
        )
    return _Kind(
        "bdist_wheel",
        f"{parts[0]}-{parts[1].replace('_', '-')}",
        tags[0].lower(),
        _reader(_rank_in_wheel),
        builds[0] if builds else None,
    )


def _egg(filename: str) -> _Kind:
    found = _EGG.fullmatch(filename[: -len(EGG_SUFFIX)])
    if found is None:
        raise InvalidFilename(
            f"The file name {quoted(filename)} is not of the form name-version[-pyX.Y].egg."
        )
    stem = f"{found['name']}-{found['version'].replace('_', '-')}"
    return _Kind("bdist_egg", stem, found["python"] or "any", _reader(_rank_in_egg))


def _installer(filename: str) -> _Kind:
    found = _INSTALLER.fullmatch(filename[: -len(INSTALLER_SUFFIX)])
    if found is None:
        raise InvalidFilename(
            f"The file name {quoted(filename)} is not of the form name-version.win32[-pyX.Y].exe."
        )
    python = found["python"] or "any"
    return _Kind("bdist_wininst", found["stem"], python, _reader(_rank_in_installer))


def _rank_in_sdist(parts: tuple[str, ...]) -> int | None:
    if not parts or parts[-1] != "PKG-INFO" or len(parts) > 4:
        return None
    if any(part.endswith(".egg-info") for part in parts[:-1]):
        # Those of vendored projects lie deeper.
        return 10 + len(parts)
    return len(parts) if len(parts) <= 2 else None


def _rank_in_wheel(parts: tuple[str, ...]) -> int | None:
    is_metadata = len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] == "METADATA"
    return 0 if is_metadata else None


def _rank_in_egg(parts: tuple[str, ...]) -> int | None:
    return 0 if parts == ("EGG-INFO", "PKG-INFO") else None


def _rank_in_installer(parts: tuple[str, ...]) -> int | None:
    # distutils wrote one file, setuptools a folder.
    if len(parts) == 2 and parts[1].endswith(".egg-info"):
        return 1
    if len(parts) == 3 and parts[1].endswith(".egg-info") and parts[2] == "PKG-INFO":
        return 0
    return None


# --- whose file it is -----------------------------------------------------------------------------


def _identity(
    filename: str, kind: _Kind, metadata: CoreMetadata, project: str | None
) -> tuple[str, Version]:
    """The project's name as the file name spells it, and the version."""
    said = _name_said(metadata)
    if project is not None and said is not None and canonicalize_name(project) != said:
        # What the source says is what installers asked for; an odd name inside may be a title.
        if _PROJECT.fullmatch(metadata.name):
            raise InvalidDistribution(
                f"The file is of the project {quoted(metadata.name)}, and its source lists it for "
                f"{quoted(project)}."
            )
        said = None
    wanted = canonicalize_name(project) if project is not None else said
    pairs = list(_splits(kind.stem))
    fitting = [pair for pair in pairs if wanted is None or canonicalize_name(pair[0]) == wanted]
    if not fitting:
        raise InvalidFilename(_why_not(filename, pairs, wanted))
    name, version = fitting[0]
    inside = _version(metadata.version)
    if inside is not None and inside != version:
        agreeing = [pair for pair in fitting if pair[1] == inside]
        if not agreeing:
            raise InvalidDistribution(
                f"The file name is for version {quoted(str(version))}, but the metadata inside is "
                f"for {quoted(str(inside))}."
            )
        name, version = agreeing[0]
    return name, version


def _why_not(filename: str, pairs: list[tuple[str, Version]], wanted: str | None) -> str:
    if pairs:
        return f"The file name {quoted(filename)} is not one of the project {quoted(wanted or '')}."
    return (
        f"The file name {quoted(filename)} has no version that can be compared (PEP 440): this "
        "index cannot tell what is newer."
    )


def _splits(stem: str) -> list[tuple[str, Version]]:
    """Every way to see a name and a version in ``name-version``, the shortest name first."""
    found = []
    for at, character in enumerate(stem):
        if character == "-":
            version = _version(stem[at + 1 :])
            if version is not None and _PROJECT.fullmatch(stem[:at]):
                found.append((stem[:at], version))
    return found


def _version(text: str) -> Version | None:
    if not text or not text.isascii():
        return None
    try:
        return Version(text)
    except (InvalidVersion, ValueError):
        return None


def _name_said(metadata: CoreMetadata) -> str | None:
    """The normalized name that the metadata has; old tools wrote titles there."""
    name = _NOT_IN_NAMES.sub("-", metadata.name).strip("-._")
    return canonicalize_name(name) if name else None
