"""The indexes behind this one, as the settings say them."""

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit, urlunsplit

from msgspec import Struct
from packaging.licenses import canonicalize_license_expression

FORM = "names with the addresses of simple indexes: pypi=https://index.example/simple/"
LICENSE_FORM = "licences by their SPDX identifiers, such as MIT, separated by commas"
CLAIMED_FORM = "names of projects, or beginnings of them that end with *, such as acme-*"

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
_CLAIMED = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?([._-]?\*)?", re.ASCII)


class Upstream(Struct, frozen=True):
    """An index behind this one: one that speaks PEP 503 or 691.

    Attributes:
        name: by which people and addresses name it.
        url: of its simple index, with a slash at its end; it may have credentials in it, which are
            for nobody's eyes.
    """

    name: str
    url: str

    @property
    def shown(self) -> str:
        """Its address without credentials."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def host(self) -> str:
        """Where it is, in lower case, without the port."""
        return (urlsplit(self.url).hostname or "").lower()

    def __str__(self) -> str:
        return f"{self.name}={self.shown}"

    def __repr__(self) -> str:
        return f"Upstream({self.name!r}, {self.shown!r})"


def parse_all(entries: Sequence[str]) -> tuple[Upstream, ...]:
    """The upstreams that ``NAME=URL`` each say, in their order.

    Raises:
        ValueError: one is written otherwise, or two have one name.
    """
    found = tuple(_parse(entry.strip()) for entry in entries)
    if len({upstream.name for upstream in found}) < len(found):
        raise ValueError(f"{FORM}, each name once")
    return found


def _parse(entry: str) -> Upstream:
    name, sign, url = entry.partition("=")
    if not sign or _NAME.fullmatch(name) is None or not _is_whole(url):
        raise ValueError(FORM)
    return Upstream(name, url.rstrip("/") + "/")


def _is_whole(url: str) -> bool:
    try:
        parts: SplitResult = urlsplit(url)
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and not re.search(r"[\s\\]", url)
    return is_http and is_plain and not parts.query and not parts.fragment


def is_claim(text: str) -> bool:
    """Whether a text says which names an operator claims: one name, or a beginning and ``*``."""
    return _CLAIMED.fullmatch(text) is not None


def license_of(text: str) -> str:
    """The SPDX identifier, which may have an exception with it, in its canonical form.

    Raises:
        ValueError: it is none.
    """
    try:
        found = str(canonicalize_license_expression(text))
    except ValueError:
        raise ValueError(LICENSE_FORM) from None
    if re.search(r"[()]| AND | OR ", found):
        raise ValueError(LICENSE_FORM)
    return found
