"""What the JSON API says of a release: a pure function of metadata, files and addresses.

Keys and types are those of Warehouse's JSON API. What this index does not know is there as well:
``null`` for what has no value, -1 for downloads that nobody has counted.
"""

from collections.abc import Callable, Iterable

from msgspec import Struct

from greenroom import times
from greenroom.core_metadata import CoreMetadata, normalized_label
from greenroom.registry.catalogue import ListedFile
from greenroom.registry.downloads import DownloadNumbers
from greenroom.registry.upstream_adoption import Origin
from greenroom.web.index.simple_rendering import core_metadata

Link = Callable[[ListedFile], str]


class Described(Struct, frozen=True):
    """The release that is described, and the addresses of its pages."""

    name: str
    version: str
    metadata: CoreMetadata
    yanked: bool
    yanked_reason: str
    project_url: str
    release_url: str
    downloads: DownloadNumbers | None = None


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
        "author": metadata.author or None,
        "author_email": metadata.author_email or None,
        "bugtrack_url": None,
        "classifiers": list(metadata.classifiers),
        "description": metadata.description,
        "description_content_type": metadata.description_content_type or None,
        "docs_url": None,
        "download_url": metadata.download_url or None,
        "downloads": _downloads(described.downloads),
        "dynamic": [field.title() for field in metadata.dynamic] or None,
        "home_page": metadata.home_page or None,
        "keywords": ", ".join(metadata.keywords) or None,
        "license": metadata.license or None,
        "license_expression": metadata.license_expression or None,
        "license_files": list(metadata.license_files) or None,
        "maintainer": metadata.maintainer or None,
        "maintainer_email": metadata.maintainer_email or None,
        "name": described.name,
        "package_url": described.project_url,
        "platform": next(iter(metadata.platforms), None),
        "project_url": described.project_url,
        "project_urls": _project_urls(metadata) or None,
        "provides_extra": list(metadata.provides_extra) or None,
        "release_url": described.release_url,
        "requires_dist": list(metadata.requires_dist) or None,
        "requires_python": metadata.requires_python or None,
        "summary": metadata.summary or None,
        "version": described.version,
        "yanked": described.yanked,
        "yanked_reason": described.yanked_reason or None,
    }


def origins(files: Iterable[Origin]) -> list[dict[str, object]]:
    """Where files come from that were copied from an index behind this one: a key of our own."""
    return [
        {
            "filename": each.filename,
            "upstream": each.upstream,
            "url": each.url,
            "digests": {"sha256": each.sha256},
            "adopted": times.seconds(each.at),
            "by": each.by,
        }
        for each in files
    ]


def _downloads(numbers: DownloadNumbers | None) -> dict[str, int]:
    if numbers is None:
        return {"last_day": -1, "last_month": -1, "last_week": -1}
    return {
        "last_day": numbers.last_day,
        "last_month": numbers.last_month,
        "last_week": numbers.last_week,
    }


def file_object(file: ListedFile, link: Link) -> dict[str, object]:
    """What is said of one file; ``link`` gives its address."""
    return {
        "comment_text": file.comment,
        "core-metadata": core_metadata(file),
        "digests": {"blake2b_256": file.blake2_256, "md5": file.md5, "sha256": file.sha256},
        "downloads": -1,
        "filename": file.filename,
        "has_sig": False,
        "md5_digest": file.md5,
        "packagetype": file.packagetype,
        "python_version": file.python_tag,
        "requires_python": file.requires_python or None,
        "size": file.size,
        "upload_time": times.seconds(file.upload_time).removesuffix("Z"),
        "upload_time_iso_8601": times.microseconds(file.upload_time),
        "url": link(file),
        "yanked": file.yanked,
        "yanked_reason": file.yanked_reason or None,
    }


def _project_urls(metadata: CoreMetadata) -> dict[str, str]:
    """The links by their labels, those that have fields of their own among them.

    What differs in the spelling of its label alone is there once, as it comes first (PEP 753).
    """
    fields = (("Homepage", metadata.home_page), ("Download", metadata.download_url))
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for label, url in (*fields, *metadata.project_urls):
        if url and (normalized_label(label), url) not in seen:
            seen.add((normalized_label(label), url))
            found[label] = url
    return found
