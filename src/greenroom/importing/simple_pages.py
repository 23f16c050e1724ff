"""The pages of a simple index, read: PEP 503 (HTML), 592, 691 (JSON), 700. None is trusted."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from greenroom.importing.candidates import SourceFailed

ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, "
    "text/html;q=0.01"
)


@dataclass(frozen=True, slots=True)
class Link:
    """A file on the page of a project.

    Attributes:
        url: absolute, without fragment.
        digests: hexadecimal, by names of :mod:`hashlib`.
        yanked: why; None where it is not.
    """

    filename: str
    url: str
    digests: dict[str, str]
    yanked: str | None = None
    size: int | None = None
    uploaded: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it came: the address that it has after redirects, and its media type."""

    url: str
    content_type: str
    body: bytes

    @property
    def is_json(self) -> bool:
        """Whether it is in the JSON form."""
        return self.content_type.partition(";")[0].strip().lower().endswith("json")


def project_names(page: Page) -> list[str]:
    """The projects that the first page of an index lists, in its order.

    Raises:
        SourceFailed: it is no such page.
    """
    if page.is_json:
        listed = _json(page).get("projects")
        found = [entry.get("name") for entry in _objects(listed)]
        return list(dict.fromkeys(name for name in found if isinstance(name, str) and name))
    root = urlsplit(page.url).path
    root = root[: root.rfind("/") + 1]
    names = []
    for anchor in _anchors(page):
        path = urlsplit(anchor.url).path
        rest = unquote(path.removeprefix(root)).strip("/")
        if path.startswith(root) and rest and "/" not in rest and not rest.startswith("."):
            names.append(rest)
    return list(dict.fromkeys(names))


def project_files(page: Page) -> list[Link]:
    """The files on the page of a project.

    Raises:
        SourceFailed: it is no such page.
    """
    if page.is_json:
        links = [_json_link(page, entry) for entry in _objects(_json(page).get("files"))]
    else:
        links = [_html_link(anchor) for anchor in _anchors(page)]
    return [link for link in links if link is not None]


def _json(page: Page) -> dict[str, object]:
    try:
        content = json.loads(page.body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise SourceFailed("The index answered with JSON that is none of a simple index.")
    return content


def _objects(value: object) -> list[dict[str, object]]:
    if not isinstance(value, list):
        raise SourceFailed("The index answered with JSON that is none of a simple index.")
    return [entry for entry in value if isinstance(entry, dict)]


def _json_link(page: Page, entry: dict[str, object]) -> Link | None:
    filename, url = entry.get("filename"), entry.get("url")
    if not isinstance(filename, str) or not isinstance(url, str) or "/" in filename:
        return None
    hashes = entry.get("hashes")
    yanked = entry.get("yanked")
    size = entry.get("size")
    return Link(
        filename=filename,
        url=_joined(page.url, url),
        digests=_digests(hashes) if isinstance(hashes, dict) else {},
        yanked=yanked if isinstance(yanked, str) else ("" if yanked is True else None),
        size=size if isinstance(size, int) and size >= 0 else None,
        uploaded=_moment(entry.get("upload-time")),
    )


def _digests(hashes: dict[object, object]) -> dict[str, str]:
    return {
        name.lower(): value.lower()
        for name, value in hashes.items()
        if isinstance(name, str) and isinstance(value, str) and is_digest(name.lower())
    }


def is_digest(name: str) -> bool:
    """Whether a hash function is known here, and has digests of one length."""
    return name in hashlib.algorithms_available and not name.startswith("shake")


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _joined(base: str, url: str) -> str:
    try:
        return urldefrag(urljoin(base, url)).url
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class _Anchor:
    url: str
    fragment: str
    yanked: str | None


class _Anchors(HTMLParser):
    """Collects the anchors of a page."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self._base = url
        self.found: list[_Anchor] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(reversed(attrs))
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
        elif tag == "a":
            yanked = values["data-yanked"] or "" if "data-yanked" in values else None
            self.found.append(_Anchor(url, fragment, yanked))


def _anchors(page: Page) -> list[_Anchor]:
    parser = _Anchors(page.url)
    parser.feed(page.body.decode("utf-8", "replace"))
    parser.close()
    return parser.found


def _html_link(anchor: _Anchor) -> Link | None:
    filename = unquote(urlsplit(anchor.url).path.rpartition("/")[2])
    if not filename or "/" in filename:
        return None
    digests = {}
    for part in anchor.fragment.split("&"):
        name, _, value = part.partition("=")
        if is_digest(name.lower()) and value:
            digests[name.lower()] = value.lower()
    return Link(filename, anchor.url, digests, anchor.yanked)
