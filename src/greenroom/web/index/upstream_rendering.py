"""Pages of projects that an index behind this one has: a pure function of what that has said.

They have the form of our own pages (``simple_rendering.py``), and no serial: those of the upstream
mean nothing here. Besides, they say whose project it is (PEP 708): this index has it of the
upstream ("tracks"), or of those that the upstream itself has it of.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from html import escape

from greenroom.other_indexes.pages import PageFile, ProjectPage
from greenroom.web.http.json import to_json
from greenroom.web.index.simple_rendering import API_VERSION, page_html

WITHOUT_SIZES = "1.0"
"""The version of pages that do not say all that PEP 700 wants."""

# Which hash a link has, where there are several.
_PREFERRED = ("sha256", "sha512", "sha384", "blake2b", "sha3_256", "sha224", "sha1", "md5")

_text = json.encoder.encode_basestring

Link = Callable[[PageFile], str]
Reasons = Mapping[str, str]
"""Why files are marked as yanked that the upstream has not yanked, by their names."""


def project_html(page: ProjectPage, source: str, link: Link, marked: Reasons) -> bytes:
    """A project's files in HTML.

    Args:
        page: what the upstream has said.
        source: the address of the project's page there, without credentials.
        link: gives the address of each file, absolute or relative.
        marked: the files that are marked as yanked.
    """
    title = f"Links for {page.name}"
    lines = [f"<h1>{title}</h1>", *_anchors(page, link, marked)]
    markers = [
        *(("pypi:tracks", url) for url in tracks(page, source)),
        *(("pypi:alternate-locations", url) for url in alternate_locations(page, source)),
    ]
    return page_html(title, lines, None, _status(page), _version(page), markers)


def project_json(page: ProjectPage, source: str, link: Link, marked: Reasons) -> bytes:
    """A project's files in JSON, of the same arguments."""
    status, alternates = _status(page), alternate_locations(page, source)
    rest = to_json(
        {"meta": {"api-version": _version(page), "tracks": tracks(page, source)}}
        | {"name": page.name}
        | ({"alternate-locations": alternates} if alternates else {})
        | ({"project-status": status} if status else {})
        | {"versions": page.versions}
    )
    files = ",".join(_file_objects(page, link, marked))
    return b'{"files":[%s],%s' % (files.encode(), rest[1:])


def tracks(page: ProjectPage, source: str) -> tuple[str, ...]:
    """The pages of the project at the indexes that it is of.

    These are never pages of an index that has it of another one itself.
    """
    return page.tracks or (source,)


def alternate_locations(page: ProjectPage, source: str) -> tuple[str, ...]:
    """The pages of the project at indexes that have other files of it; mostly none.

    Whoever asks the upstream takes its page for one of them, though it does not say so. Whoever
    asks here takes ours for one, so that the upstream's has to be said.
    """
    return tuple(dict.fromkeys((*page.alternates, source))) if page.alternates else ()


def _version(page: ProjectPage) -> str:
    return API_VERSION if all(file.size is not None for file in page.files) else WITHOUT_SIZES


def _status(page: ProjectPage) -> dict[str, str]:
    if not page.status:
        return {}
    status = {"status": page.status}
    return status | {"reason": page.status_reason} if page.status_reason else status


def _anchors(page: ProjectPage, link: Link, marked: Reasons) -> Iterator[str]:
    for file in page.files:
        attributes = ""
        if file.requires_python:
            attributes += f' data-requires-python="{escape(file.requires_python)}"'
        yanked = marked.get(file.filename, file.yanked)
        if yanked is not None:
            attributes += f' data-yanked="{escape(yanked)}"'
        if file.core_metadata is not None:
            value = _hash(file.core_metadata) or "true"
            attributes += f' data-core-metadata="{value}" data-dist-info-metadata="{value}"'
        if file.provenance is not None:
            attributes += f' data-provenance="{escape(file.provenance)}"'
        if file.has_signature is not None:
            attributes += f' data-gpg-sig="{"true" if file.has_signature else "false"}"'
        found = _hash(file.hashes)
        fragment = f"#{found}" if found else ""
        href = f"{escape(link(file))}{fragment}"
        yield f'<a href="{href}"{attributes}>{escape(file.filename)}</a><br />'


def _hash(hashes: Mapping[str, str]) -> str:
    for name in (*_PREFERRED, *hashes):
        if name in hashes:
            return f"{name}={hashes[name]}"
    return ""


def _file_objects(page: ProjectPage, link: Link, marked: Reasons) -> Iterator[str]:
    requirements: dict[str | None, str] = {None: "null"}
    for file in page.files:
        metadata = "false"
        if file.core_metadata is not None:
            metadata = _hashes(file.core_metadata) if file.core_metadata else "true"
        requirement = requirements.get(file.requires_python)
        if requirement is None:
            requirement = requirements[file.requires_python] = _text(file.requires_python or "")
        yanked = marked.get(file.filename, file.yanked)
        more = ""
        if file.has_signature is not None:
            more += f'"gpg-sig":{"true" if file.has_signature else "false"},'
        if file.provenance is not None:
            more += f'"provenance":{_text(file.provenance)},'
        if file.size is not None:
            more += f'"size":{file.size},'
        if file.upload_time is not None:
            more += f'"upload-time":{_text(file.upload_time)},'
        yield (
            f'{{"core-metadata":{metadata},"data-dist-info-metadata":{metadata},'
            f'"filename":{_text(file.filename)},"hashes":{_hashes(file.hashes)},{more}'
            f'"requires-python":{requirement},"url":{_text(link(file))},'
            f'"yanked":{"false" if yanked is None else _text(yanked) if yanked else "true"}}}'
        )


def _hashes(hashes: Mapping[str, str]) -> str:
    # Names and digests have nothing in them that would have to be quoted.
    pairs = ",".join(f'"{name}":"{value}"' for name, value in hashes.items())
    return f"{{{pairs}}}"
