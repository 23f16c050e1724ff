"""What a release says of itself, made ready for pages. None of it is trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import getaddresses
from urllib.parse import quote, urlsplit

_LONGEST_LICENSE = 120
_LICENSE = "License"


@dataclass(frozen=True, slots=True)
class Link:
    """A label and an address; ``href`` is None where a browser must not follow it."""

    label: str
    text: str
    href: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """An author or a maintainer."""

    name: str
    mailto: str | None


@dataclass(frozen=True, slots=True)
class ReleaseDetails:
    """Core metadata as a page shows it.

    ``description_html`` is clean HTML, or empty; then ``description_text`` is what to show.
    """

    summary: str
    description_html: str
    description_text: str
    requires_python: str
    license: str
    authors: tuple[Person, ...]
    maintainers: tuple[Person, ...]
    keywords: tuple[str, ...]
    links: tuple[Link, ...]
    classifiers: tuple[tuple[str, tuple[str, ...]], ...]
    extras: tuple[str, ...]
    requirements: tuple[str, ...]


def release_details(metadata: Mapping[str, object], description_html: str) -> ReleaseDetails:
    """Make core metadata ready that is in the form of :class:`packaging.metadata.RawMetadata`."""
    return ReleaseDetails(
        summary=_text(metadata, "summary"),
        description_html=description_html,
        description_text=_text(metadata, "description"),
        requires_python=_text(metadata, "requires_python"),
        license=_license(metadata),
        authors=_people(metadata, "author"),
        maintainers=_people(metadata, "maintainer"),
        keywords=_keywords(metadata),
        links=tuple(_links(metadata)),
        classifiers=_classifiers(metadata),
        extras=_texts(metadata, "provides_extra"),
        requirements=_texts(metadata, "requires_dist"),
    )


def _text(metadata: Mapping[str, object], key: str) -> str:
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def _texts(metadata: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = metadata.get(key)
    if not isinstance(value, list):
        return ()
    return tuple(item for item in value if isinstance(item, str))


def _license(metadata: Mapping[str, object]) -> str:
    """The expression; else the first line of the license field; else what classifiers say."""
    expression = _text(metadata, "license_expression")
    if expression:
        return expression
    lines = _text(metadata, "license").strip().splitlines()
    if lines:
        line = lines[0].strip()
        return line if len(line) <= _LONGEST_LICENSE else f"{line[:_LONGEST_LICENSE]}…"
    names = [
        text.rpartition(" :: ")[2]
        for text in _texts(metadata, "classifiers")
        if text.startswith(f"{_LICENSE} ::")
    ]
    return ", ".join(names)


def _people(metadata: Mapping[str, object], key: str) -> tuple[Person, ...]:
    """Those of a name field and an e-mail field; the latter may have names of its own."""
    named = _text(metadata, key).strip()
    written = _text(metadata, f"{key}_email")
    people = [
        Person(name or address, _mailto(address))
        for name, address in getaddresses([written])
        if name or address
    ]
    if named and not people:
        return (Person(named, None),)
    if named and len(people) == 1 and people[0].name == written.strip():
        return (Person(named, people[0].mailto),)
    if named and named not in {person.name for person in people}:
        return (Person(named, None), *people)
    return tuple(people)


def _mailto(address: str) -> str | None:
    name, _, domain = address.rpartition("@")
    if not name or not domain or not address.isprintable() or " " in address:
        return None
    return f"mailto:{quote(address, safe='@')}"


def _keywords(metadata: Mapping[str, object]) -> tuple[str, ...]:
    """Keywords, which old build backends separate by spaces and not by commas."""
    words = _texts(metadata, "keywords")
    if len(words) == 1 and "," not in words[0]:
        words = tuple(words[0].split())
    return tuple(word for word in (word.strip() for word in words) if word)


def _links(metadata: Mapping[str, object]) -> list[Link]:
    urls = metadata.get("project_urls")
    pairs = [
        ("Homepage", _text(metadata, "home_page")),
        ("Download", _text(metadata, "download_url")),
    ]
    if isinstance(urls, dict):
        pairs += [(str(label), str(url)) for label, url in urls.items()]
    seen: set[str] = set()
    links = []
    for label, url in pairs:
        if url and url not in seen:
            seen.add(url)
            links.append(Link(label, url, url if is_web_address(url) else None))
    return links


def is_web_address(url: str) -> bool:
    """Whether a page may link to it: http or https, with a host, and nothing that hides in it."""
    if not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _classifiers(metadata: Mapping[str, object]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Classifiers under the part that they begin with."""
    groups: dict[str, list[str]] = {}
    for text in _texts(metadata, "classifiers"):
        group, _, rest = text.partition(" :: ")
        groups.setdefault(group, []).append(rest or group)
    return tuple((group, tuple(members)) for group, members in groups.items())
