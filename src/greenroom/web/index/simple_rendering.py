"""The pages of a simple index as bytes: a pure function of what they list.

PEP 503 (HTML), 592 (yanking), 629 (version), 658 and 714 (metadata files), 691 (JSON), 700 (sizes,
times, versions), 792 (status). PEP 833 freezes the HTML form: what is new goes into JSON only.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType

from msgspec import Struct

from greenroom import times
from greenroom.registry.catalogue import ListedFile, ListedProject, Listing
from greenroom.web.http.json import to_json

API_VERSION = "1.4"

_STATUS_MARKERS = {"status": "pypi:project-status", "reason": "pypi:project-status-reason"}

# How the standard library writes a text in JSON that need not be ASCII.
_text = json.encoder.encode_basestring

Link = Callable[[ListedFile], str]


class ListForm(Struct, frozen=True):
    """How a list of projects is written in one form, a line at a time.

    Attributes:
        ends: what stands before and after the lines; it has the serial.
        line: what is written of a project: of its normalized name and its newest serial.
        between: what stands between two lines.
    """

    ends: Callable[[int], tuple[bytes, bytes]]
    line: Callable[[str, str], str]
    between: str

    def lines(self, names: Iterable[str], serials: Iterable[str]) -> bytes:
        """Some projects of the list, given as columns."""
        return self.between.join(map(self.line, names, serials)).encode()


def list_of(form: ListForm, projects: Sequence[ListedProject], serial: int) -> bytes:
    """The list of projects in this form."""
    before, after = form.ends(serial)
    names = [project.name for project in projects]
    return before + form.lines(names, [str(project.last_serial) for project in projects]) + after


def projects_html(projects: Sequence[ListedProject], serial: int) -> bytes:
    """The list of projects in HTML."""
    return list_of(LIST_HTML, projects, serial)


def projects_json(projects: Sequence[ListedProject], serial: int) -> bytes:
    """The list of projects in JSON."""
    return list_of(LIST_JSON, projects, serial)


def _html_ends(serial: int) -> tuple[bytes, bytes]:
    page = page_html("Simple index", ["<h1>Simple index</h1>"], serial)
    before, body, after = page.partition(b"\n</body>")
    return before, body + after


def _json_ends(serial: int) -> tuple[bytes, bytes]:
    meta = to_json({"_last-serial": serial, "api-version": API_VERSION})
    return b'{"meta":%s,"projects":[' % meta, b"]}"


# Normalized names have nothing in them that would have to be escaped.
def _html_line(name: str, _serial: str) -> str:
    return f'\n<a href="{name}/">{name}</a><br />'


def _json_line(name: str, serial: str) -> str:
    return f'{{"_last-serial":{serial},"name":"{name}"}}'


LIST_HTML = ListForm(_html_ends, _html_line, "")
LIST_JSON = ListForm(_json_ends, _json_line, ",")


def project_html(listing: Listing, link: Link) -> bytes:
    """A project's files in HTML; ``link`` gives the address of each, absolute or relative."""
    title = f"Links for {listing.name}"
    lines = [f"<h1>{title}</h1>", *_anchors(listing.files, link)]
    return page_html(title, lines, listing.last_serial, _status(listing))


def project_json(listing: Listing, link: Link) -> bytes:
    """A project's files in JSON; ``link`` gives the address of each, absolute or relative."""
    rest = to_json(
        {
            "meta": {"_last-serial": listing.last_serial, "api-version": API_VERSION},
            "name": listing.name,
            "project-status": _status(listing),
            "versions": listing.versions,
        }
    )
    files = ",".join(_file_objects(listing.files, link))
    return b'{"files":[%s],%s' % (files.encode(), rest[1:])


def core_metadata(file: ListedFile) -> dict[str, str] | bool:
    """The digests of the file's metadata file, or that there is none (PEP 658 and 714)."""
    return {"sha256": file.metadata_sha256} if file.metadata_sha256 else False


def _status(listing: Listing) -> dict[str, str]:
    status = {"status": listing.status.value}
    return status | {"reason": listing.status_reason} if listing.status_reason else status


def page_html(
    title: str,
    lines: list[str],
    serial: int | None,
    status: Mapping[str, str] = MappingProxyType({}),
    version: str = API_VERSION,
    markers: Iterable[tuple[str, str]] = (),
) -> bytes:
    """A page of HTML.

    Args:
        title: of the page.
        lines: of its body.
        serial: which it shows; None where it shows none.
        status: of a project, and why (PEP 792).
        version: of the form that the page has (PEP 629).
        markers: what else its elements ``meta`` say, by their names.
    """
    said = [*((_STATUS_MARKERS[key], value) for key, value in status.items()), *markers]
    metas = [f'<meta name="{name}" content="{escape(value)}">' for name, value in said]
    end = [f"<!--SERIAL {serial}-->"] if serial is not None else []
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta name="pypi:repository-version" content="{version}">',
            *metas,
            f"<title>{title}</title>",
            "</head>",
            "<body>",
            *lines,
            "</body>",
            "</html>",
            *end,
        ]
    ).encode()


def _anchors(files: Iterable[ListedFile], link: Link) -> Iterator[str]:
    """A line for each file. What many files say alike is escaped once."""
    attributes: dict[tuple[str | None, bool, str], str] = {}
    for file in files:
        said = file.requires_python, file.yanked, file.yanked_reason
        shared = attributes.get(said)
        if shared is None:
            shared = attributes[said] = _shared_attributes(*said)
        digest = file.metadata_sha256
        metadata = (
            f' data-core-metadata="sha256={digest}" data-dist-info-metadata="sha256={digest}"'
            if digest
            else ""
        )
        yield (
            f'<a href="{escape(link(file))}#sha256={file.sha256}"{shared}{metadata}>'
            f"{escape(file.filename)}</a><br />"
        )


def _shared_attributes(requires_python: str | None, yanked: bool, reason: str) -> str:
    requirement = f' data-requires-python="{escape(requires_python)}"' if requires_python else ""
    return requirement + (f' data-yanked="{escape(reason)}"' if yanked else "")


def _file_objects(files: Iterable[ListedFile], link: Link) -> Iterator[str]:
    """A JSON object for each file. What many files say alike is written once."""
    requirements: dict[str | None, str] = {}
    for file in files:
        digest = file.metadata_sha256
        metadata = f'{{"sha256":"{digest}"}}' if digest else "false"
        requirement = requirements.get(file.requires_python)
        if requirement is None:
            requirement = _text(file.requires_python) if file.requires_python else "null"
            requirements[file.requires_python] = requirement
        yanked = "false"
        if file.yanked:
            yanked = _text(file.yanked_reason) if file.yanked_reason else "true"
        yield (
            f'{{"core-metadata":{metadata},"data-dist-info-metadata":{metadata},'
            f'"filename":{_text(file.filename)},'
            f'"hashes":{{"sha256":"{file.sha256}"}},'
            f'"requires-python":{requirement},"size":{file.size},'
            f'"upload-time":"{times.microseconds(file.upload_time)}",'
            f'"url":{_text(link(file))},"yanked":{yanked}}}'
        )
