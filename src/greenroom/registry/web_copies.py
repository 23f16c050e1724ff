"""Files that lie on the web, to mend an index from: another index, or a folder that is listed.

What comes from there is only what it claims to be: whoever takes it compares digests.
"""

import base64
import json
import posixpath
import time
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import closing
from html.parser import HTMLParser
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit, urlunsplit

from msgspec import Struct
from packaging.utils import canonicalize_name

from greenroom.storage import Blob, BlobMissing, StorageUnavailable

TIMEOUT_SECONDS = 30
"""How long a server may be silent."""

_LONGEST_SECONDS = 3600.0
_LARGEST_PAGE = 64 * 2**20
_CHUNK = 128 * 1024
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5, */*;q=0.1"
_METADATA = ".metadata"
_NOT_THERE = frozenset({403, 404, 410, 451})
_MOST_WORDS = 6


class _Link(Struct, frozen=True):
    url: str
    filename: str
    sha256: str | None


class WebCopy:
    """The address of a simple index, of one of its projects, or of a page that lists files."""

    def __init__(self, address: str) -> None:
        """Use an http:// or https:// address, which may have a user name and a password in it.

        Raises:
            ValueError: it is another one.
        """
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{address!r} is no http:// or https:// address.")
        host = parts.netloc.rpartition("@")[2]
        path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
        self._address = urlunsplit((parts.scheme, host, path, "", ""))
        self._origin = (parts.scheme, host)
        self._credentials = None
        if parts.username is not None:
            said = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._credentials = f"Basic {base64.b64encode(said.encode()).decode()}"
        self._pages: dict[str, list[_Link]] = {}
        self._opener = urllib.request.build_opener(_SameScheme)

    def open(self, digest: str, filename: str) -> Blob:
        """Return the bytes of a file that is said to have this digest, or else this name.

        Raises:
            BlobMissing: there is none.
            StorageUnavailable: the server does not answer, or not as it should.
        """
        for url in self._candidates(digest, filename):
            try:
                response = self._get(url)
            except _NotThere:
                continue
            length = response.length or 0
            return Blob(_read(response), size=length, length=length)
        raise BlobMissing(digest)

    def _candidates(self, digest: str, filename: str) -> Iterator[str]:
        """The addresses to look at, those that are said to have the digest first."""
        for page in self._places(filename):
            links = self._links(page)
            yield from (link.url for link in links if link.sha256 == digest)
            named = [link for link in links if link.filename == filename]
            yield from (link.url for link in named if link.sha256 is None)
            if filename.endswith(_METADATA):
                of = filename.removesuffix(_METADATA)
                yield from (f"{link.url}{_METADATA}" for link in links if link.filename == of)

    def _places(self, filename: str) -> Iterator[str]:
        """The pages that may have it: of the projects that it may be of, and what was named."""
        words = filename.split("-")[:_MOST_WORDS]
        for count in range(1, len(words)):
            yield urljoin(self._address, f"{quote(canonicalize_name('-'.join(words[:count])))}/")
        yield self._address

    def _links(self, page: str) -> list[_Link]:
        if page not in self._pages:
            try:
                with closing(self._get(page)) as response:
                    content = response.read(_LARGEST_PAGE + 1)
                    if response.length and len(content) <= _LARGEST_PAGE:
                        raise HTTPException("it is cut off")
                    where, kind = response.geturl(), response.headers.get_content_type()
            except _NotThere:
                self._pages[page] = []
            except (OSError, HTTPException) as error:
                raise _unavailable(page, error) from None
            else:
                if len(content) > _LARGEST_PAGE:
                    raise StorageUnavailable(f"The page {page} is too large.")
                found = _listed(content, kind)
                self._pages[page] = [link for href in found if (link := self._link(where, *href))]
        return self._pages[page]

    def _link(self, page: str, href: str, name: str | None, sha256: str | None) -> _Link | None:
        try:
            url, fragment = urldefrag(urljoin(page, href))
            scheme = urlsplit(url).scheme
        except ValueError:
            return None
        if scheme not in (self._origin[0], "https"):
            return None
        if fragment.startswith("sha256="):
            sha256 = fragment.removeprefix("sha256=")
        filename = name or unquote(posixpath.basename(urlsplit(url).path))
        return _Link(url, filename, sha256.lower() if sha256 else None)

    def _get(self, url: str) -> HTTPResponse:
        """Ask for an address.

        Raises:
            _NotThere: there is nothing, or nothing for us.
            StorageUnavailable: it does not answer.
        """
        request = urllib.request.Request(  # noqa: S310
            url, headers={"Accept": _ACCEPT, "Accept-Encoding": "identity"}
        )
        parts = urlsplit(url)
        if self._credentials is not None and (parts.scheme, parts.netloc) == self._origin:
            request.add_unredirected_header("Authorization", self._credentials)
        try:
            return cast("HTTPResponse", self._opener.open(request, timeout=TIMEOUT_SECONDS))
        except HTTPError as error:
            with error:
                if error.code in _NOT_THERE:
                    raise _NotThere from None
                raise StorageUnavailable(f"{url} answered with status {error.code}.") from None
        except (OSError, HTTPException, ValueError) as error:
            raise _unavailable(url, error) from None


class _NotThere(Exception):
    """There is nothing at an address."""


class _SameScheme(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Follow within the scheme only: what is asked for in secret is not to come in the open."""
        if urlsplit(newurl).scheme != urlsplit(req.full_url).scheme:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _unavailable(url: str, error: Exception) -> StorageUnavailable:
    reason = error.reason if isinstance(error, URLError) else error
    return StorageUnavailable(f"{url} cannot be read: {reason or type(error).__name__}.")


def _read(response: HTTPResponse) -> Generator[bytes, None, None]:
    url, deadline = response.geturl(), time.monotonic() + _LONGEST_SECONDS
    with closing(response):
        try:
            while piece := response.read(_CHUNK):
                yield piece
                if time.monotonic() > deadline:
                    raise StorageUnavailable(f"{url} takes too long.")
        except (OSError, HTTPException) as error:
            raise _unavailable(url, error) from None


_Href = tuple[str, str | None, str | None]
"""An address as a page has it, the file's name and its SHA-256, where the page says so."""


def _listed(content: bytes, kind: str) -> list[_Href]:
    if kind.endswith("json"):
        return list(_listed_json(content))
    parser = _Anchors()
    parser.feed(content.decode("utf-8", "replace"))
    return [(href, None, None) for href in parser.hrefs]


def _listed_json(content: bytes) -> Iterator[_Href]:
    try:
        page = json.loads(content)
    except ValueError:
        return
    files = page.get("files") if isinstance(page, dict) else None
    for file in files if isinstance(files, list) else []:
        if isinstance(file, dict) and isinstance(file.get("url"), str):
            hashes, name = file.get("hashes"), file.get("filename")
            sha256 = hashes.get("sha256") if isinstance(hashes, dict) else None
            yield (
                file["url"],
                name if isinstance(name, str) else None,
                sha256 if isinstance(sha256, str) else None,
            )


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the address of a link."""
        if tag == "a":
            self.hrefs += [value for name, value in attrs if name == "href" and value]
