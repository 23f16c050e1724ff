"""The pages of a simple index, read: PEP 503 (HTML), 592, 658, 691 (JSON), 700, 708, 740, 792.

None is trusted: what has no sense is left out, and what is no such page is refused.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion

from greenroom import times

ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, "
    "text/html;q=0.01"
)

_MAJOR_VERSION = "1"
_STATUSES = frozenset({"active", "archived", "quarantined", "deprecated"})
_UPLOAD_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_HEXADECIMAL = re.compile(r"[0-9a-f]+", re.ASCII)
# How names of files end to which pages of HTML link, besides links to anything else.
_SUFFIXES = (
    *(".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tar.z", ".tar", ".tgz", ".tbz", ".txz"),
    *(".egg", ".exe", ".msi", ".rpm", ".deb", ".dmg"),
)
_TITLES = ("title", "h1")
# Of which the last is what PyPI writes.
_METADATA_KEYS = ("core-metadata", "dist-info-metadata", "data-dist-info-metadata")
# In HTML, where each address has an element of its own (PEP 708).
_TRACKS, _ALTERNATES = "pypi:tracks", "pypi:alternate-locations"
_MOST_ADDRESSES = 20
_LONGEST_ADDRESS = 1000
_LARGEST_SIZE = 2**62
_FORM = 2


class NotAPage(Exception):
    """What an index has answered is no page of a simple index. The text is a sentence."""


class Page(Struct, frozen=True):
    """A page as it came: the address that it has after redirects, and its media type."""

    url: str
    content_type: str
    body: bytes

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.content_type.partition(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        """Whether it is in the JSON form."""
        return self.media_type.endswith("json")

    @property
    def is_html(self) -> bool:
        """Whether it is in the HTML form."""
        return self.media_type.endswith("html")


class PageFile(Struct, frozen=True):
    """A file on the page of a project, as the index says it.

    Attributes:
        filename: the last segment of its address.
        url: absolute, without fragment.
        hashes: hexadecimal, in lower case, by the name of the hash function.
        size: in bytes; None where it is not said. So are the others.
        upload_time: as text, in the form of PEP 700.
        requires_python: as it is written.
        yanked: why; empty where no reason is given, None where it is not yanked.
        core_metadata: the hashes of its metadata file (PEP 658 and 714), empty where there is one
            without; None where there is none.
        provenance: the address of what says where it was built (PEP 740).
        has_signature: whether there is a detached signature; None where it is not said.
    """

    filename: str
    url: str
    hashes: Mapping[str, str]
    size: int | None = None
    upload_time: str | None = None
    requires_python: str | None = None
    yanked: str | None = None
    core_metadata: Mapping[str, str] | None = None
    provenance: str | None = None
    has_signature: bool | None = None

    @property
    def uploaded(self) -> datetime | None:
        """When it was published, where that is said."""
        return _moment(self.upload_time)


class ProjectPage(Struct, frozen=True):
    """The page of a project.

    Attributes:
        name: the normalized name.
        files: in the order of the page.
        versions: as the page says them (PEP 700), or as the names of files do.
        status: of PEP 792; empty where it is not said. So is the reason.
        tracks: the pages of the same project at the indexes that it is of, where this is another
            one (PEP 708): absolute, and of the same name.
        alternates: the pages of it at indexes that have other files of it (PEP 708): absolute.
    """

    name: str
    files: tuple[PageFile, ...]
    versions: tuple[str, ...] = ()
    status: str = ""
    status_reason: str = ""
    tracks: tuple[str, ...] = ()
    alternates: tuple[str, ...] = ()


def project_names(page: Page) -> list[str]:
    """The projects that the first page of an index lists, in its order.

    Raises:
        NotAPage: it is no such page.
    """
    if page.is_json:
        listed = _json(page).get("projects")
        found = [entry.get("name") for entry in _objects(listed)]
        return list(dict.fromkeys(name for name in found if isinstance(name, str) and name))
    root = urlsplit(page.url).path
    root = root[: root.rfind("/") + 1]
    names = []
    for anchor in _html(page).anchors:
        path = urlsplit(anchor.url).path
        rest = unquote(path.removeprefix(root)).strip("/")
        if path.startswith(root) and rest and "/" not in rest and not rest.startswith("."):
            names.append(rest)
    return list(dict.fromkeys(names))


def project_files(page: Page) -> list[PageFile]:
    """The files on the page of a project, wherever they are said to be.

    Raises:
        NotAPage: it is no such page.
    """
    if page.is_json:
        return list(_json_files(page, _json(page)))
    return list(_html_files(_html(page)))


def project_page(page: Page, name: str) -> ProjectPage:
    """The page of a project of this normalized name, with the files that are on the web.

    Raises:
        NotAPage: it is no such page, or of a version of simple indexes that is not known here.
    """
    if page.is_json:
        content = _json(page)
        said_of_page = content.get("meta")
        meta = said_of_page if isinstance(said_of_page, dict) else {}
        _check_version(meta.get("api-version"))
        files = tuple(file for file in _json_files(page, content) if _is_on_the_web(file.url))
        status = content.get("project-status")
        said = status if isinstance(status, dict) else {}
        versions = content.get("versions")
        listed = versions if isinstance(versions, list) else None
        found = _project_page(name, files, listed, said.get("status"), said.get("reason"))
        tracks, alternates = meta.get("tracks"), content.get("alternate-locations")
        return _located(found, _joined_all(page.url, tracks), _joined_all(page.url, alternates))
    if not page.is_html:
        shown = page.media_type if page.media_type.isprintable() else ""
        raise NotAPage(f"The answer is no page of a simple index, but {shown[:80] or 'nothing'}.")
    read = _html(page)
    _check_version(read.meta.get("pypi:repository-version"))
    files = tuple(
        file
        for file in _html_files(read)
        if _is_on_the_web(file.url) and file.filename.lower().endswith(_SUFFIXES)
    )
    if not files and not _is_of(read, name):
        raise NotAPage("The answer is some page of HTML, and none of a simple index.")
    status, reason = map(read.meta.get, ("pypi:project-status", "pypi:project-status-reason"))
    found = _project_page(name, files, None, status, reason)
    return _located(found, read.addresses[_TRACKS], read.addresses[_ALTERNATES])


def _is_of(read: "_ReadHTML", name: str) -> bool:
    """Whether a page without files says that it is the one of this project."""
    words = re.split(r"[^A-Za-z0-9._-]+", " ".join(read.title))
    named = {canonicalize_name(word.strip("._-")) for word in words}
    return "pypi:repository-version" in read.meta or name in named


def _project_page(
    name: str, files: tuple[PageFile, ...], versions: object, status: object, reason: object
) -> ProjectPage:
    unique = tuple({file.filename: file for file in reversed(files)}.values())[::-1]
    said = isinstance(status, str) and status in _STATUSES
    return ProjectPage(
        name=name,
        files=unique,
        versions=tuple(
            dict.fromkeys(each for each in versions if isinstance(each, str) and _text(each))
            if isinstance(versions, list)
            else _versions_of(unique)
        ),
        status=str(status) if said else "",
        status_reason=_text(reason) or "" if said else "",
    )


def _located(page: ProjectPage, tracks: Sequence[str], alternates: Sequence[str]) -> ProjectPage:
    """The page with where else the project is, as far as that is addresses of pages on the web."""
    return replace(
        page,
        tracks=tuple(url for url in _addresses(tracks) if _name_in(url) == page.name),
        alternates=tuple(_addresses(alternates)),
    )


def _addresses(urls: Sequence[str]) -> Iterator[str]:
    """The first of these that are addresses of pages on the web, each once, without credentials."""
    for url in list(dict.fromkeys(urls))[:_MOST_ADDRESSES]:
        is_plain = _line(url) == url and len(url) <= _LONGEST_ADDRESS
        if is_plain and _is_on_the_web(url) and "@" not in urlsplit(url).netloc:
            yield url


def _name_in(url: str) -> str:
    """The project whose page is at this address, normalized."""
    return canonicalize_name(unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2])


def _check_version(text: object) -> None:
    if isinstance(text, str) and text.partition(".")[0] != _MAJOR_VERSION:
        raise NotAPage(
            f"The index speaks version {text[:20]!a} of simple indexes, which is not known here."
        )


def _versions_of(files: Iterable[PageFile]) -> Iterator[str]:
    found = {}
    for file in files:
        try:
            if file.filename.endswith(".whl"):
                version = parse_wheel_filename(file.filename)[1]
            else:
                version = parse_sdist_filename(file.filename)[1]
        except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion, ValueError):
            continue
        found[version] = str(version)
    return iter(found[version] for version in sorted(found))


def _is_on_the_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


# --- JSON ---


def _json(page: Page) -> dict[str, object]:
    try:
        content = json.loads(page.body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise NotAPage("The index answered with JSON that is none of a simple index.")
    return content


def _objects(value: object) -> list[dict[str, object]]:
    if not isinstance(value, list):
        raise NotAPage("The index answered with JSON that is none of a simple index.")
    return [entry for entry in value if isinstance(entry, dict)]


def _json_files(page: Page, content: Mapping[str, object]) -> Iterator[PageFile]:
    for entry in _objects(content.get("files")):
        file = _json_file(page, entry)
        if file is not None:
            yield file


def _json_file(page: Page, entry: Mapping[str, object]) -> PageFile | None:
    filename, url = _line(entry.get("filename")), _line(entry.get("url"))
    if not filename or not url or "/" in filename:
        return None
    yanked, size, time = entry.get("yanked"), entry.get("size"), _line(entry.get("upload-time"))
    provenance = _line(entry.get("provenance"))
    signature = entry.get("gpg-sig")
    is_size = isinstance(size, int) and not isinstance(size, bool) and 0 <= size < _LARGEST_SIZE
    return PageFile(
        filename=filename,
        url=_joined(page.url, url),
        hashes=_hashes(entry.get("hashes")),
        size=size if is_size and isinstance(size, int) else None,
        upload_time=_time(time),
        requires_python=_text(entry.get("requires-python")) or None,
        yanked="" if yanked is True else _text(yanked) or None,
        core_metadata=_metadata(next((entry[key] for key in _METADATA_KEYS if key in entry), None)),
        provenance=(_joined(page.url, provenance) or None) if provenance else None,
        has_signature=signature if isinstance(signature, bool) else None,
    )


def _metadata(value: object) -> Mapping[str, str] | None:
    if value is True:
        return {}
    return _hashes(value) if isinstance(value, dict) else None


def _hashes(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {
        name.lower(): text.lower()
        for name, text in value.items()
        if isinstance(name, str) and isinstance(text, str) and _is_hash(name.lower(), text.lower())
    }


def _is_hash(name: str, text: str) -> bool:
    return is_digest(name) and _HEXADECIMAL.fullmatch(text) is not None


def is_digest(name: str) -> bool:
    """Whether a hash function is known here, and has digests of one length."""
    return name in hashlib.algorithms_available and not name.startswith("shake")


def _text(value: object) -> str | None:
    """A text that can be written in UTF-8, and into a database."""
    if not isinstance(value, str) or "\0" in value:
        return None
    return value.encode("utf-8", "ignore").decode()


def _line(value: object) -> str | None:
    text = _text(value)
    return text if text is not None and text.isprintable() else None


def _time(text: str | None) -> str | None:
    if text is None or _UPLOAD_TIME.fullmatch(text):
        return text if _moment(text) is not None else None
    moment = _moment(text)
    if moment is None:
        return None
    return times.microseconds(moment)


def _moment(value: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if value is not None else None
        if moment is None or moment.tzinfo is not None:
            return moment.astimezone(UTC) if moment is not None else None
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC)


def _joined(base: str, url: str) -> str:
    try:
        return urldefrag(urljoin(base, url)).url
    except ValueError:
        return ""


def _joined_all(base: str, urls: object) -> list[str]:
    """The absolute addresses that are listed, where there is a list."""
    listed = urls if isinstance(urls, list) else []
    return [_joined(base, url) for url in listed[:_MOST_ADDRESSES] if isinstance(url, str) and url]


# --- HTML ---


class _Anchor(Struct, frozen=True):
    url: str
    fragment: str
    attributes: Mapping[str, str | None]


class _ReadHTML(Struct, frozen=True):
    url: str
    anchors: list[_Anchor] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, list[str]] = field(default_factory=lambda: {_TRACKS: [], _ALTERNATES: []})
    title: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    """Collects the anchors of a page, and what is said of the page as a whole."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self._base = url
        self._is_title = False
        self.read = _ReadHTML(url)

    def handle_data(self, data: str) -> None:
        if self._is_title:
            self.read.title.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in _TITLES:
            self._is_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _TITLES:
            self._is_title = True
        if tag not in ("a", "base", "meta"):
            return
        values = dict(reversed(attrs))
        if tag == "meta":
            self._read_meta(values.get("name") or "", values.get("content") or "")
            return
        href = values.get("href")
        if not href:
            return
        try:
            joined = urljoin(self._base, href.strip())
            url, fragment = urldefrag(joined)
        except ValueError:
            return
        if tag == "base":
            self._base = joined
        else:
            self.read.anchors.append(_Anchor(url, fragment, values))

    def _read_meta(self, name: str, content: str) -> None:
        self.read.meta[name] = content
        listed = self.read.addresses.get(name)
        if content and listed is not None and len(listed) < _MOST_ADDRESSES:
            listed.append(_joined(self._base, content.strip()))


def _html(page: Page) -> _ReadHTML:
    reader = _Reader(page.url)
    reader.feed(page.body.decode("utf-8", "replace"))
    reader.close()
    return reader.read


def _html_files(read: _ReadHTML) -> Iterator[PageFile]:
    for anchor in read.anchors:
        file = _html_file(read.url, anchor)
        if file is not None:
            yield file


def _html_file(base: str, anchor: _Anchor) -> PageFile | None:
    try:
        filename = _line(unquote(urlsplit(anchor.url).path.rpartition("/")[2]))
    except ValueError:
        return None
    if not filename or "/" in filename or _line(anchor.url) is None:
        return None
    values = anchor.attributes
    metadata = values.get("data-core-metadata", values.get("data-dist-info-metadata"))
    provenance = _line(values.get("data-provenance"))
    signature = values.get("data-gpg-sig")
    return PageFile(
        filename=filename,
        url=anchor.url,
        hashes=_fragment_hashes(anchor.fragment),
        requires_python=_text(values.get("data-requires-python")) or None,
        yanked=(_text(values["data-yanked"]) or "") if "data-yanked" in values else None,
        core_metadata=_metadata_attribute(metadata),
        provenance=(_joined(base, provenance) or None) if provenance else None,
        has_signature={"true": True, "false": False}.get(signature or ""),
    )


def _metadata_attribute(text: str | None) -> Mapping[str, str] | None:
    if not text or text == "false":
        return None
    return _fragment_hashes(text)


def _fragment_hashes(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split("&"))
    return _hashes({name: value for name, _, value in pairs})


# --- the form of our own in which pages are kept ---


def to_text(page: ProjectPage) -> str:
    """The page as text, of which :func:`from_text` makes the same page."""
    files = [
        (
            file.filename,
            file.url,
            dict(file.hashes),
            file.size,
            file.upload_time,
            file.requires_python,
            file.yanked,
            None if file.core_metadata is None else dict(file.core_metadata),
            file.provenance,
            file.has_signature,
        )
        for file in page.files
    ]
    located = page.tracks, page.alternates
    content = [_FORM, page.versions, page.status, page.status_reason, *located, files]
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def from_text(text: str, name: str) -> ProjectPage:
    """The page that a text of :func:`to_text` is of.

    Raises:
        NotAPage: it is in a form that another version of this program has written.
    """
    try:
        form, versions, status, reason, tracks, alternates, files = json.loads(text)
        if form == _FORM:
            listed = tuple(PageFile(*file) for file in files)
            located = tuple(tracks), tuple(alternates)
            return ProjectPage(name, listed, tuple(versions), status, reason, *located)
    except (ValueError, TypeError):
        pass
    raise NotAPage("The page is kept in a form that is not known here.")
