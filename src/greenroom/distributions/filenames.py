"""The names of distribution files: what they must look like and what they tell."""

import re
from typing import Literal

from msgspec import Struct
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from greenroom.distributions.errors import InvalidFilename, quoted
from greenroom.distributions.moving_lists import (
    PLATFORMS,
    PRIVATE_PLATFORMS,
    platform_pattern,
)

UploadedType = Literal["sdist", "bdist_wheel"]
PackageType = Literal["sdist", "bdist_wheel", "bdist_egg", "bdist_wininst"]
"""What a file can be; of the last two only imports bring any (``historical.py``)."""

MAX_FILENAME = 255
SDIST_SUFFIX = ".tar.gz"
WHEEL_SUFFIX = ".whl"

_SAFE_CHARACTERS = re.compile(r"[A-Za-z0-9_.!+-]+")
_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_BUILD_TAG = re.compile(r"[0-9][A-Za-z0-9_.]*")
_TAG = re.compile(r"[A-Za-z0-9_]+")

_PLATFORM = platform_pattern(PLATFORMS)
_PRIVATE_PLATFORM = platform_pattern(PRIVATE_PLATFORMS)
_BARE_LINUX = re.compile(r"linux_", re.IGNORECASE)


class SdistName(Struct, frozen=True):
    """The file name of a source distribution (PEP 625)."""

    filename: str
    name: str
    """The project's normalized name, with ``-`` (PEP 503)."""
    version: Version
    packagetype: Literal["sdist"] = "sdist"
    build: None = None
    python_tag: str = "source"
    """What the legacy upload form calls ``pyversion``."""


class WheelName(Struct, frozen=True):
    """The file name of a wheel (PEP 427, PEP 425)."""

    filename: str
    name: str
    """The project's normalized name, with ``-`` (PEP 503)."""
    version: Version
    build: str | None
    python_tag: str
    """Such as ``py3`` or ``py2.py3``, in lower case, as the other tags."""
    abi_tag: str
    platform_tag: str
    packagetype: Literal["bdist_wheel"] = "bdist_wheel"


DistributionName = SdistName | WheelName


def packagetype_of(filename: str) -> UploadedType:
    """Tell from its ending what kind of distribution a file name is for.

    Raises:
        InvalidFilename: it is neither ``.tar.gz`` nor ``.whl``.
    """
    if filename.endswith(SDIST_SUFFIX):
        return "sdist"
    if filename.endswith(WHEEL_SUFFIX):
        return "bdist_wheel"
    raise InvalidFilename(
        f"The file name {quoted(filename)} ends neither in {SDIST_SUFFIX} (a source distribution) "
        f"nor in {WHEEL_SUFFIX} (a wheel)."
    )


def parse_filename(filename: str, *, private: bool = False) -> DistributionName:
    """Parse and check the file name of a wheel or a source distribution.

    With ``private``, wheels for the machine they were built on (``linux_*``) and for one release
    of Pyodide (``pyodide_*``) are let through. Tags may be in any letter case (PEP 425).
    Follows PEP 625 for sdists, PEP 427 and PEP 425 for wheels, PEP 440 for versions.

    Raises:
        InvalidFilename: with every reason.
    """
    _check_characters(filename)
    if packagetype_of(filename) == "sdist":
        return parse_sdist_filename(filename)
    return parse_wheel_filename(filename, private=private)


def parse_sdist_filename(filename: str) -> SdistName:
    """Parse ``normalized_name-version.tar.gz`` (PEP 625).

    Raises:
        InvalidFilename: the name is anything but exactly that.
    """
    _check_characters(filename)
    name, dash, version_text = filename.removesuffix(SDIST_SUFFIX).rpartition("-")
    if not filename.endswith(SDIST_SUFFIX) or not dash:
        raise InvalidFilename(
            f"The file name {quoted(filename)} is not of the form name-version{SDIST_SUFFIX} "
            "(PEP 625)."
        )
    reasons = [*_project_problems(name), *_version_problems(version_text)]
    if reasons:
        raise InvalidFilename(*reasons)
    return SdistName(filename, canonicalize_name(name), Version(version_text))


def parse_wheel_filename(filename: str, *, private: bool = False) -> WheelName:
    """Parse ``name-version[-build]-python-abi-platform.whl`` (PEP 427).

    Raises:
        InvalidFilename: with every reason.
    """
    _check_characters(filename)
    parts = filename.removesuffix(WHEEL_SUFFIX).split("-")
    if not filename.endswith(WHEEL_SUFFIX) or len(parts) not in (5, 6):
        raise InvalidFilename(
            f"The file name {quoted(filename)} is not of the form "
            f"name-version[-build]-python-abi-platform{WHEEL_SUFFIX} (PEP 427)."
        )
    name, version_text, *builds, python_tag, abi_tag, platform_tag = parts
    reasons = [
        *_project_problems(name),
        *_version_problems(version_text),
        *(problem for build in builds for problem in _build_problems(build)),
        *_tag_problems("Python tag", python_tag),
        *_tag_problems("ABI tag", abi_tag),
        *_platform_problems(platform_tag, private=private),
    ]
    if reasons:
        raise InvalidFilename(*reasons)
    return WheelName(
        filename=filename,
        name=canonicalize_name(name),
        version=Version(version_text),
        build=builds[0] if builds else None,
        python_tag=python_tag.lower(),
        abi_tag=abi_tag.lower(),
        platform_tag=platform_tag.lower(),
    )


def _check_characters(filename: str) -> None:
    if len(filename) > MAX_FILENAME:
        raise InvalidFilename(f"The file name is longer than {MAX_FILENAME} characters.")
    if filename.startswith(".") or not _SAFE_CHARACTERS.fullmatch(filename):
        raise InvalidFilename(
            f"The file name {quoted(filename)} has characters that no distribution's name has; "
            "letters, digits and _ . ! + - are allowed, and it must not begin with a dot."
        )


def _project_problems(name: str) -> list[str]:
    if not _PROJECT.fullmatch(name):
        return [f"The file name begins with {quoted(name)}, which is no valid project name."]
    wanted = canonicalize_name(name).replace("-", "_")
    if name != wanted:
        return [
            f"The file name should begin with {quoted(wanted)} rather than {quoted(name)}: "
            "lower case, and each run of - _ . as one _. A current build backend does this."
        ]
    return []


def _version_problems(text: str) -> list[str]:
    try:
        version = Version(text)
    except InvalidVersion:
        return [f"The version {quoted(text)} in the file name is not valid (PEP 440)."]
    if str(version) != text:
        return [
            f"The version in the file name should be written {quoted(str(version))} rather than "
            f"{quoted(text)}. A current build backend does this."
        ]
    return []


def _build_problems(build: str) -> list[str]:
    if _BUILD_TAG.fullmatch(build):
        return []
    return [f"The build tag {quoted(build)} in the file name must begin with a digit (PEP 427)."]


def _tag_problems(kind: str, compressed: str) -> list[str]:
    return [
        f"The {kind} {quoted(tag)} in the file name is not valid (PEP 425)."
        for tag in compressed.split(".")
        if not _TAG.fullmatch(tag)
    ]


def _platform_problems(compressed: str, *, private: bool) -> list[str]:
    return [
        _platform_sentence(tag)
        for tag in compressed.split(".")
        if not _PLATFORM.fullmatch(tag) and not (private and _PRIVATE_PLATFORM.fullmatch(tag))
    ]


def _platform_sentence(tag: str) -> str:
    if _BARE_LINUX.match(tag):
        return (
            f"The platform tag {quoted(tag)} fits only the machine it was built on. "
            "Build for manylinux or musllinux, for instance by auditwheel."
        )
    if _PRIVATE_PLATFORM.fullmatch(tag):
        return (
            f"The platform tag {quoted(tag)} fits only one release of Pyodide. "
            "Build for pyemscripten (PEP 783)."
        )
    return f"The platform tag {quoted(tag)} is not supported by this index."
