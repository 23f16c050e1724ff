"""The pages of a simple index as bytes: a pure function of what they list.

PEP 503 (HTML), 592 (yanking), 629 (version), 658 and 714 (metadata files), 691 (JSON), 700 (sizes,
times, versions), 792 (status). PEP 833 freezes the HTML form: what is new goes into JSON only.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from types import MappingProxyType

from greenroom import times
from greenroom.registry.catalogue import ListedFile, ListedProject, Listing
from greenroom.web.http.json import to_json

API_VERSION = "1.4"

_STATUS_MARKERS = {"status": "pypi:project-status", "reason": "pypi:project-status-reason"}

Link = Callable[[ListedFile], str]


def projects_html(projects: Sequence[ListedProject], serial: int) -> bytes:
    """The list of projects in HTML."""
    anchors = [f'<a href="{project.name}/">{project.name}</a><br />' for project in projects]
    return _page("Simple index", ["<h1>Simple index</h1>", *anchors], serial)


def projects_json(projects: Sequence[ListedProject], serial: int) -> bytes:
    """The list of projects in JSON."""
    return to_json(
        {
            "meta": {"_last-serial": serial, "api-version": API_VERSION},
            "projects": [
                {"_last-serial": project.last_serial, "name": project.name} for project in projects
            ],
        }
    )


def project_html(listing: Listing, link: Link) -> bytes:
    """A project's files in HTML; ``link`` gives the address of each, absolute or relative."""
    title = f"Links for {listing.name}"
    lines = [f"<h1>{title}</h1>", *(_anchor(file, link) for file in listing.files)]
    return _page(title, lines, listing.last_serial, _status(listing))


def project_json(listing: Listing, link: Link) -> bytes:
    """A project's files in JSON; ``link`` gives the address of each, absolute or relative."""
    return to_json(
        {
            "files": [_file(file, link) for file in listing.files],
            "meta": {"_last-serial": listing.last_serial, "api-version": API_VERSION},
            "name": listing.name,
            "project-status": _status(listing),
            "versions": listing.versions,
        }
    )


def core_metadata(file: ListedFile) -> dict[str, str] | bool:
    """The digests of the file's metadata file, or that there is none (PEP 658 and 714)."""
    return {"sha256": file.metadata_sha256} if file.metadata_sha256 else False


def _status(listing: Listing) -> dict[str, str]:
    status = {"status": listing.status.value}
    return status | {"reason": listing.status_reason} if listing.status_reason else status


def _page(
    title: str, lines: list[str], serial: int, status: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    markers = [
        f'<meta name="{_STATUS_MARKERS[key]}" content="{escape(value)}">'
        for key, value in status.items()
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta name="pypi:repository-version" content="{API_VERSION}">',
            *markers,
            f"<title>{title}</title>",
            "</head>",
            "<body>",
            *lines,
            "</body>",
            "</html>",
            f"<!--SERIAL {serial}-->",
        ]
    ).encode()


def _anchor(file: ListedFile, link: Link) -> str:
    attributes = {"href": f"{link(file)}#sha256={file.sha256}"}
    if file.requires_python:
        attributes["data-requires-python"] = file.requires_python
    if file.yanked:
        attributes["data-yanked"] = file.yanked_reason
    if file.metadata_sha256:
        attributes["data-core-metadata"] = f"sha256={file.metadata_sha256}"
        attributes["data-dist-info-metadata"] = f"sha256={file.metadata_sha256}"
    written = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<a {written}>{escape(file.filename)}</a><br />"


def _file(file: ListedFile, link: Link) -> dict[str, object]:
    metadata = core_metadata(file)
    return {
        "core-metadata": metadata,
        "data-dist-info-metadata": metadata,
        "filename": file.filename,
        "hashes": {"sha256": file.sha256},
        "requires-python": file.requires_python or None,
        "size": file.size,
        "upload-time": times.microseconds(file.upload_time),
        "url": link(file),
        "yanked": (file.yanked_reason or True) if file.yanked else False,
    }
