"""Core metadata: what a distribution says of itself, as one value that is stored and read back.

The fields are those of the core metadata specification that this index reads; the sentences beside
them are its rules in our words. None of it is trusted: whoever made the file wrote it.
"""

import string
from collections.abc import Mapping, Sequence
from email.utils import getaddresses
from typing import Self
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import asdict

_NOT_IN_LABELS = str.maketrans("", "", string.punctuation + string.whitespace)
_VOUCHED_SINCE = (2, 2)
_NAMES_IN_FILES = {
    "platforms": "platform",
    "license_files": "license-file",
    "classifiers": "classifier",
    "project_urls": "project-url",
}


class Mailbox(Struct, frozen=True):
    """Somebody in an e-mail field; either of the two may be empty."""

    name: str
    address: str

    @property
    def is_address(self) -> bool:
        """Whether mail could be sent there."""
        local, _, domain = self.address.rpartition("@")
        return bool(local and domain) and self.address.isprintable() and " " not in self.address


def mailboxes(field: str) -> tuple[Mailbox, ...]:
    """Those whom an e-mail field names: any number of them, separated by commas (RFC 5322)."""
    found = (Mailbox(name, address) for name, address in getaddresses([field]))
    return tuple(mailbox for mailbox in found if mailbox.name or mailbox.address)


def normalized_label(label: str) -> str:
    """The label of a project URL, the same for all spellings of it (PEP 753)."""
    return label.translate(_NOT_IN_LABELS).lower()


def is_web_address(url: str) -> bool:
    """Whether a page may link to it: http or https, with a host, and nothing that hides in it.

    Blanks behind the host are let through, which browsers follow as ``%20``.
    """
    if not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and " " not in parts.netloc
        return parts.scheme in ("http", "https") and has_host and parts.port != 0
    except ValueError:
        return False


class CoreMetadata(Struct, frozen=True):
    """What a distribution says of itself. A field that says nothing is empty."""

    metadata_version: str = ""
    """Version of the file format."""
    name: str = ""
    """The name of the project, as its maintainers spell it."""
    version: str = ""
    """The version, as they spell it (PEP 440)."""
    dynamic: tuple[str, ...] = ()
    """Fields that a source distribution does not vouch for, in lower case (PEP 643)."""
    platforms: tuple[str, ...] = ()
    """What it runs on, where no classifier says so."""
    summary: str = ""
    """One line."""
    description: str = ""
    """As long as one likes."""
    description_content_type: str = ""
    """The markup of the description; reStructuredText where it is absent (PEP 566)."""
    keywords: tuple[str, ...] = ()
    """Separated by commas (PEP 566)."""
    home_page: str = ""
    """A URL; deprecated in favour of a project URL (PEP 753)."""
    download_url: str = ""
    """A URL; deprecated in favour of a project URL (PEP 753)."""
    author: str = ""
    """At least the name."""
    author_email: str = ""
    """Names and addresses as in mail headers; may have several."""
    maintainer: str = ""
    """As ``author``, where it is somebody else."""
    maintainer_email: str = ""
    """As ``author_email``."""
    license: str = ""
    """Text; deprecated in favour of the expression (PEP 639)."""
    license_expression: str = ""
    """An SPDX expression, in the canonical form that index servers are to serve (PEP 639)."""
    license_files: tuple[str, ...] = ()
    """Paths of files with license texts (PEP 639)."""
    classifiers: tuple[str, ...] = ()
    """One of the list of trove classifiers each (PEP 301)."""
    requires_dist: tuple[str, ...] = ()
    """Requirements, with environment markers (PEP 508)."""
    requires_python: str = ""
    """Versions of Python on which it may be installed (PEP 440)."""
    project_urls: tuple[tuple[str, str], ...] = ()
    """Labels and URLs, in the order of the file (PEP 753)."""
    provides_extra: tuple[str, ...] = ()
    """Names of optional features (PEP 685)."""

    def to_json(self) -> dict[str, object]:
        """What is stored: the fields that say something, in the form of ``RawMetadata``."""
        said = asdict(self)
        lists = {name: list(value) for name, value in said.items() if isinstance(value, tuple)}
        stored = said | lists | {"project_urls": dict(self.project_urls)}
        return {name: value for name, value in stored.items() if value}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Self:
        """What was stored, also by earlier versions; what has a wrong form is empty."""
        return cls(
            metadata_version=_text(stored.get("metadata_version")),
            name=_text(stored.get("name")),
            version=_text(stored.get("version")),
            dynamic=tuple(field.lower() for field in _texts(stored.get("dynamic"))),
            platforms=_texts(stored.get("platforms")),
            summary=_text(stored.get("summary")),
            description=_text(stored.get("description")),
            description_content_type=_text(stored.get("description_content_type")),
            keywords=_texts(stored.get("keywords")),
            home_page=_text(stored.get("home_page")),
            download_url=_text(stored.get("download_url")),
            author=_text(stored.get("author")),
            author_email=_text(stored.get("author_email")),
            maintainer=_text(stored.get("maintainer")),
            maintainer_email=_text(stored.get("maintainer_email")),
            license=_text(stored.get("license")),
            license_expression=_text(stored.get("license_expression")),
            license_files=_texts(stored.get("license_files")),
            classifiers=_texts(stored.get("classifiers")),
            requires_dist=_texts(stored.get("requires_dist")),
            requires_python=_text(stored.get("requires_python")),
            project_urls=_pairs(stored.get("project_urls")),
            provides_extra=_texts(stored.get("provides_extra")),
        )


def of_release(sdist: CoreMetadata | None, wheels: Sequence[CoreMetadata]) -> CoreMetadata:
    """What a release says of itself when its source distribution and its wheels say this.

    Field by field: what the source distribution vouches for (PEP 643) is as it says; all else is as
    the first of the wheels says that says something, and where none does, as the source
    distribution says after all. Where there is nothing, nothing is said.
    """
    by_sdist = sdist.to_json() if sdist is not None else {}
    by_wheels: dict[str, object] = {}
    for wheel in wheels:
        by_wheels = wheel.to_json() | by_wheels
    vouched = vouched_for(sdist) if sdist is not None else frozenset()
    not_vouched_for = {name: value for name, value in by_wheels.items() if name not in vouched}
    return CoreMetadata.from_json(by_sdist | not_vouched_for)


def vouched_for(sdist: CoreMetadata) -> frozenset[str]:
    """The fields that are the same in every wheel that is built of it."""
    version = tuple(int(part) for part in sdist.metadata_version.split(".") if part.isdecimal())
    if version < _VOUCHED_SINCE:
        return frozenset()
    names = CoreMetadata.__struct_fields__
    return frozenset(
        name
        for name in names
        if _NAMES_IN_FILES.get(name, name.replace("_", "-")) not in sdist.dynamic
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        return ()
    return tuple((str(label), str(url)) for label, url in value.items())
