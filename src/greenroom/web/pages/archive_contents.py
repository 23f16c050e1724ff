"""Pages of what is in a distribution, published or staged: folders, members, and differences.

Nothing of it is trusted: it is shown as text, or sent as bytes that no browser shows.
"""

import re
from typing import Protocol

from msgspec import Struct
from pyramid.response import Response

from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.member_reading import MemberContent, MemberEntry
from greenroom.distributions.member_tree import folder, found, top
from greenroom.models import File, Project
from greenroom.registry import archive_contents, catalogue, releases
from greenroom.registry.archive_contents import MemberDifference
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.web.http.caching import conditional
from greenroom.web.http.paging import page_of
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.inert_text import (
    difference_lines,
    has_unseen,
    inert,
    shown_lines,
    split_lines,
)
from greenroom.web.pages.release_details import release_details

FOLDER = "pages/contents/folder.jinja2"
_MEMBER = "pages/contents/member.jinja2"
_DIFFERENCE = "pages/contents/difference.jinja2"

_ENTRIES_ON_A_PAGE = 200
_LINES_ON_A_PAGE = 1_000
_MOST_VERSIONS = 50
_MOST_DIFFERENT = 3_000
_LONGEST_WORDS = 200
_RAW = "application/octet-stream"

# What a distribution says of itself, by where it is (PEP 427, 517, 621; eggs).
_METADATA = ("METADATA", "PKG-INFO", "WHEEL", "RECORD", "entry_points.txt", "pyproject.toml")

_KEPT_HEADERS = ("Cache-Control", "Surrogate-Key", "Vary", "X-Robots-Tag")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")


class Address(Protocol):
    """Makes addresses of what is in an archive."""

    def __call__(self, **query: str) -> str:
        """The archive, or what the query says of it."""


class Place(Struct, frozen=True):
    """Where somebody looks into an archive.

    Attributes:
        project_name: as it spells itself.
        version: of the release.
        home: the page that lists the file.
        home_title: what that page is called.
        address: makes the addresses of what is in it.
        download: where its bytes are.
        is_draft: whether it is staged.
        review: the page of the review of the draft; empty where there is none, or not for everyone.
    """

    project_name: str
    version: str
    home: str
    home_title: str
    address: Address
    download: str
    is_draft: bool = False
    review: str = ""


class Archive(Struct, frozen=True):
    """An archive that somebody may look into.

    Attributes:
        file: which.
        project: whose it is; the other releases that it can be compared with are public.
        place: where it is.
    """

    file: File
    project: Project
    place: Place


Page = dict[str, object]


def contents_page(request: Request, file: File, project: Project, place: Place) -> Page | Response:
    """What the address asks for: a folder, a member, its bytes, or what has changed in it.

    Raises:
        NotFound: the archive has no such folder or member.
        InvalidRequest: the bytes that are asked for cannot be had.
        StorageUnavailable: those of the archive are not there.
    """
    archive = Archive(file, project, place)
    request.response.headers["X-Robots-Tag"] = "noindex, nofollow"
    raw, path = query_value(request, "raw"), query_value(request, "member")
    if raw is not None:
        return _bytes(request, archive, raw)
    if path is None:
        return _folder(request, archive)
    against = query_value(request, "against")
    if against:
        request.override_renderer = _DIFFERENCE
        return _difference(request, archive, path, against)
    request.override_renderer = _MEMBER
    return _member(request, archive, path)


def _subject(request: Request, archive: Archive) -> Page:
    return {
        "place": archive.place,
        "file": releases.file_summary(archive.file),
        "address": archive.place.address,
    }


# --- folders --------------------------------------------------------------------------------------


def _folder(request: Request, archive: Archive) -> Page:
    page = _subject(request, archive) | {
        "problems": (),
        "listed": None,
        "said": (),
        "details": None,
    }
    try:
        listed = archive_contents.members(request.services, archive.file)
    except InvalidDistribution as problem:
        return page | {"problems": problem.reasons}
    path, words = query_value(request, "folder"), (query_value(request, "find") or "").strip()
    wanted = top(listed.entries) if path is None else path
    try:
        shown = folder(listed.entries, wanted)
    except KeyError:
        raise NotFound(f"There is no folder {inert(wanted[:200])!r} in this archive.") from None
    matching = found(listed.entries, words[:_LONGEST_WORDS]) if words else None
    items = matching if matching is not None else [*shown.folders, *shown.files]
    page |= {
        "listed": listed,
        "folder": shown,
        "words": words[:_LONGEST_WORDS],
        "page": page_of(request, items, _ENTRIES_ON_A_PAGE),
        "query": {"find": words} if words else {"folder": path} if path is not None else {},
    }
    if path is None and not words:
        metadata = releases.metadata_of(request.uow.db, archive.file)
        page |= {
            "said": tuple(_said(listed.entries, archive.file)),
            "details": release_details(metadata, ""),
        }
    return page


def _said(entries: tuple[MemberEntry, ...], file: File) -> list[tuple[str, str]]:
    """Name and path of the members in which the distribution says something of itself."""
    depth = 1 if file.is_sdist or not file.filename.endswith(".exe") else 0
    at: dict[str, str] = {}
    for entry in entries:
        above, _, name = entry.path.rpartition("/")
        is_own = above.count("/") + bool(above) == depth
        in_metadata = above.endswith((".dist-info", "EGG-INFO")) or file.is_sdist
        if is_own and in_metadata and name in _METADATA and not entry.obstacle:
            at.setdefault(name, entry.path)
    return [(name, at[name]) for name in _METADATA if name in at]


# --- members --------------------------------------------------------------------------------------


def _read(request: Request, archive: Archive, path: str) -> MemberContent:
    try:
        return archive_contents.member(request.services, archive.file, path)
    except KeyError:
        raise NotFound(f"There is no member {inert(path[:200])!r} in this archive.") from None


def _member(request: Request, archive: Archive, path: str) -> Page:
    page = _subject(request, archive) | {
        "path": path,
        "problems": (),
        "content": None,
        "lines": None,
    }
    page["versions"] = _versions(request, archive)
    try:
        content = _read(request, archive, path)
    except InvalidDistribution as problem:
        return page | {"problems": problem.reasons}
    page["content"] = content
    if content.text is None:
        return page
    lines = page_of(request, split_lines(content.text), _LINES_ON_A_PAGE)
    return page | {
        "lines": lines,
        "shown": shown_lines(lines.items, (lines.number - 1) * _LINES_ON_A_PAGE + 1),
        "has_unseen": has_unseen(content.text),
    }


def _versions(request: Request, archive: Archive) -> list[str]:
    """Public releases whose files it can be compared with, the highest first."""
    public = catalogue.find_releases(request.uow.db, archive.project.id)
    return [each.version for each in public if each.version != archive.place.version][
        :_MOST_VERSIONS
    ]


def _bytes(request: Request, archive: Archive, path: str) -> Response:
    """The bytes of a member, which a browser saves and does not show."""
    try:
        content = _read(request, archive, path)
    except InvalidDistribution as problem:
        raise InvalidRequest(*problem.reasons) from None
    if not content.is_whole:
        raise InvalidRequest("It is too long to be sent by itself: download the whole archive.")
    sent = conditional(request, content.head, _RAW)
    for name in _KEPT_HEADERS:
        if name in request.response.headers:
            sent.headers[name] = request.response.headers[name]
    sent.content_disposition = f'attachment; filename="{_saved_as(path)}"'
    return sent


def _saved_as(path: str) -> str:
    name = path.rpartition("/")[2]
    kept = "".join(
        each if each.isascii() and (each.isalnum() or each in "._-") else "_" for each in name
    )
    return kept.lstrip(".")[-100:] or "member"


# --- differences ----------------------------------------------------------------------------------


def _difference(request: Request, archive: Archive, path: str, against: str) -> Page:
    db = request.uow.db
    release = catalogue.release(db, archive.project, against)
    if release is None:
        raise NotFound(
            f"There is no public release {inert(against[:100])!r} of {archive.project.name} to "
            "compare with."
        )
    offered = catalogue.offered_files(db, archive.project, release)
    page = _subject(request, archive) | {
        "path": path,
        "against": release.version,
        "versions": _versions(request, archive),
        "problems": (),
        "former": None,
        "former_path": "",
        "difference": None,
    }
    former = archive_contents.predecessor(offered, archive.file)
    if former is None:
        return page | {"problems": (f"The release {release.version} has no file of this kind.",)}
    page["former"] = releases.file_summary(former)
    services = request.services
    try:
        former_path = query_value(request, "former") or archive_contents.same_place(
            services, former, archive.file, path
        )
        found = archive_contents.difference(services, former, former_path, archive.file, path)
    except KeyError:
        raise NotFound(f"There is no member {inert(path[:200])!r} in these archives.") from None
    except InvalidDistribution as problem:
        return page | {"problems": problem.reasons}
    return page | {"former_path": former_path, **_compared(found)}


def _compared(found: MemberDifference) -> Page:
    lines = difference_lines(found.lines) if found.lines is not None else None
    return {
        "difference": found,
        "lines": lines[:_MOST_DIFFERENT] if lines is not None else None,
        "is_cut": lines is not None and len(lines) > _MOST_DIFFERENT,
        "has_unseen": any(
            each is not None and each.text is not None and has_unseen(each.text)
            for each in (found.before, found.after)
        ),
    }
