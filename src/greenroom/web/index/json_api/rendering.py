"""What the JSON API says of a release: a pure function of metadata, files and addresses.

Keys and types are those of Warehouse's JSON API. What this index does not know is there as well:
``null`` for what has no value, -1 for downloads that nobody counts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from greenroom.registry.catalogue import ListedFile
from greenroom.web.http.json import precise_time

Metadata = Mapping[str, object]
Link = Callable[[ListedFile], str]


@dataclass(frozen=True, slots=True)
class Described:
    """The release that is described, and the addresses of its pages.

    ``metadata`` is in the form of :class:`packaging.metadata.RawMetadata`.
    """

    name: str
    version: str
    metadata: Metadata
    yanked: bool
    yanked_reason: str
    project_url: str
    release_url: str


def document(
    described: Described,
    files: Iterable[ListedFile],
    people: Iterable[tuple[str, str]],
    serial: int,
    link: Link,
) -> dict[str, object]:
    """What is said of one release; ``people`` are pairs of role and user name."""
    return {
        "info": info(described),
        "last_serial": serial,
        "ownership": {
            "organization": None,
            "roles": [{"role": role, "user": user} for role, user in people],
        },
        "urls": [file_object(file, link) for file in files],
        "vulnerabilities": [],
    }


def releases(
    versions: Iterable[str], files: Iterable[ListedFile], link: Link
) -> dict[str, list[dict[str, object]]]:
    """The files of each version; a version without files has none."""
    of_version: dict[str, list[dict[str, object]]] = {version: [] for version in versions}
    for file in files:
        of_version[file.version].append(file_object(file, link))
    return of_version


def info(described: Described) -> dict[str, object]:
    """What the release says of itself."""
    metadata = described.metadata
    return {
        "author": metadata.get("author"),
        "author_email": metadata.get("author_email"),
        "bugtrack_url": None,
        "classifiers": metadata.get("classifiers", []),
        "description": metadata.get("description", ""),
        "description_content_type": metadata.get("description_content_type"),
        "docs_url": None,
        "download_url": metadata.get("download_url"),
        "downloads": {"last_day": -1, "last_month": -1, "last_week": -1},
        "dynamic": [field.title() for field in _texts(metadata, "dynamic")] or None,
        "home_page": metadata.get("home_page"),
        "keywords": ", ".join(_texts(metadata, "keywords")) or None,
        "license": metadata.get("license"),
        "license_expression": metadata.get("license_expression"),
        "license_files": metadata.get("license_files"),
        "maintainer": metadata.get("maintainer"),
        "maintainer_email": metadata.get("maintainer_email"),
        "name": described.name,
        "package_url": described.project_url,
        "platform": ", ".join(_texts(metadata, "platforms")) or None,
        "project_url": described.project_url,
        "project_urls": _project_urls(metadata) or None,
        "provides_extra": metadata.get("provides_extra"),
        "release_url": described.release_url,
        "requires_dist": metadata.get("requires_dist"),
        "requires_python": metadata.get("requires_python"),
        "summary": metadata.get("summary"),
        "version": described.version,
        "yanked": described.yanked,
        "yanked_reason": described.yanked_reason or None,
    }


def file_object(file: ListedFile, link: Link) -> dict[str, object]:
    """What is said of one file; ``link`` gives its address."""
    return {
        "comment_text": "",
        "digests": {"blake2b_256": file.blake2_256, "md5": file.md5, "sha256": file.sha256},
        "downloads": -1,
        "filename": file.filename,
        "has_sig": False,
        "md5_digest": file.md5,
        "packagetype": file.packagetype,
        "python_version": file.python_tag,
        "requires_python": file.requires_python or None,
        "size": file.size,
        "upload_time": file.upload_time.strftime("%Y-%m-%dT%H:%M:%S"),
        "upload_time_iso_8601": precise_time(file.upload_time),
        "url": link(file),
        "yanked": file.yanked,
        "yanked_reason": file.yanked_reason or None,
    }


def _texts(metadata: Metadata, key: str) -> Sequence[str]:
    value = metadata.get(key)
    return [str(item) for item in value] if isinstance(value, list) else []


def _project_urls(metadata: Metadata) -> dict[str, object]:
    """The links by their labels, those that have fields of their own among them."""
    named = metadata.get("project_urls")
    fields = {"Homepage": metadata.get("home_page"), "Download": metadata.get("download_url")}
    own: dict[str, object] = {label: url for label, url in fields.items() if url}
    return own | (named if isinstance(named, dict) else {})
