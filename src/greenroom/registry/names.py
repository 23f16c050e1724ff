"""Project and user names: what they look like, and which must not be taken."""

import re
from collections.abc import Iterable

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from greenroom.registry.errors import InvalidMetadata, NameNotAvailable
from greenroom.registry.standard_library import BACKPORTS, SUBMODULES, TOP_LEVEL

_PROJECT_NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE | re.ASCII)
_LOOK_ALIKES = str.maketrans({"1": "l", "i": "l", "0": "o", "-": None})
LONGEST_NAME = 200
"""Characters of the name of a project."""
_LONGEST_VERSION = 100
_SHOWN = 40

# People who type `pip install json` mean the module they already have.
_PROHIBITED = TOP_LEVEL - BACKPORTS | {"main", "requirements-txt", "rrequirements-txt"}
_PROHIBITED_SUBMODULES = SUBMODULES - BACKPORTS


def check_project_name(name: str) -> NormalizedName:
    """The normalized form of a project name (PEP 503 and the packaging name rule).

    Raises:
        InvalidMetadata: it is not a valid name.
    """
    if len(name) > LONGEST_NAME:
        raise _too_long("Name", name, LONGEST_NAME)
    if _PROJECT_NAME.fullmatch(name) is None:
        raise InvalidMetadata(
            f"{name!r} is an invalid value for Name. It must start and end with an "
            "ASCII letter or digit, and contain nothing but letters, digits, '.', '_' and '-'."
        )
    return canonicalize_name(name)


def _too_long(field: str, text: str, limit: int) -> InvalidMetadata:
    return InvalidMetadata(
        f"'{ascii(text[:_SHOWN])[1:-1]}...' is an invalid value for {field}: it has {len(text)} "
        f"characters, and this index takes at most {limit}."
    )


def lookup_name(name: str) -> str:
    """What a project of this name is kept under; for a text that is no name, what none is.

    Addresses bring any text, and PostgreSQL refuses to be asked for some.
    """
    return canonicalize_name(name) if _PROJECT_NAME.fullmatch(name) is not None else ""


def check_version(text: str, *, private: bool) -> Version:
    """The version that a text stands for (PEP 440).

    Raises:
        InvalidMetadata: it is no version, too long, or a local one on a public index.
    """
    if len(text) > _LONGEST_VERSION:
        raise _too_long("Version", text, _LONGEST_VERSION)
    try:
        version = Version(text) if text.isascii() else None
    except InvalidVersion:
        version = None
    if version is None:
        raise InvalidMetadata(
            f"{text!r} is an invalid value for Version. See PEP 440: 1.0, 2.1rc1."
        )
    if version.local is not None and not private:
        raise InvalidMetadata(
            f"The version {text!r} is a local version (it has a '+'), which a public index does "
            "not take: drop the part from '+' on."
        )
    return version


def parse_version(text: str) -> Version | None:
    """The version that a text stands for; None where it is none, or has too many digits."""
    try:
        return Version(text)
    except ValueError:  # no version, or one with more digits than Python reads
        return None


def canonical_version(version: Version) -> str:
    """The form under which versions that compare equal are the same text: 1.0 and 1.0.0 are 1."""
    if version.local is not None:
        return f"{canonical_version(Version(version.public))}+{version.local}"
    release = list(version.release)
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    epoch = f"{version.epoch}!" if version.epoch else ""
    pre = "".join(map(str, version.pre)) if version.pre else ""
    post = f".post{version.post}" if version.post is not None else ""
    dev = f".dev{version.dev}" if version.dev is not None else ""
    return epoch + ".".join(map(str, release)) + pre + post + dev


def confusable_form(normalized: str) -> str:
    """The name with look-alike characters folded and separators dropped."""
    return normalized.translate(_LOOK_ALIKES)


def check_not_prohibited(
    name: str, normalized: str, prohibited: Iterable[str] = (), *, private: bool = False
) -> None:
    """Refuse names that are not given to anyone.

    Args:
        name: as it was asked for.
        normalized: its normalized form.
        prohibited: further names, in any spelling, that this index does not give.
        private: whether this is an index of one's own, where a project may be called like a module
            in a package: ``http-server``.

    Raises:
        NameNotAvailable: it is one of them, or that of a standard library module or the like.
    """
    if normalized in _PROHIBITED or (not private and normalized in _PROHIBITED_SUBMODULES):
        raise NameNotAvailable(
            f"The name {name!r} isn't allowed: it is that of a module of Python's standard "
            "library, or invites mistakes. Choose another name."
        )
    if any(normalized == canonicalize_name(other) for other in prohibited):
        raise NameNotAvailable(
            f"The name {name!r} isn't allowed on this index. Choose another name, or ask its "
            "operator."
        )


_USERNAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,48}[a-z0-9])?", re.IGNORECASE | re.ASCII)


def is_username(text: str) -> bool:
    """Whether it can be a user name: 1 to 50 ASCII letters, digits, inner ``.``, ``_``, ``-``."""
    return _USERNAME.fullmatch(text) is not None
