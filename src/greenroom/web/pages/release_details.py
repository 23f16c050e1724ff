"""What a release says of itself, made ready for pages. None of it is trusted."""

from urllib.parse import quote

from msgspec import Struct

from greenroom.core_metadata import CoreMetadata, Mailbox, is_web_address, mailboxes

_LONGEST_LICENSE = 120
_LICENSE = "License"


class Link(Struct, frozen=True):
    """A label and an address; ``href`` is None where a browser must not follow it."""

    label: str
    text: str
    href: str | None


class Person(Struct, frozen=True):
    """An author or a maintainer."""

    name: str
    mailto: str | None


class ReleaseDetails(Struct, frozen=True):
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


def release_details(metadata: CoreMetadata, description_html: str) -> ReleaseDetails:
    """Make core metadata ready."""
    return ReleaseDetails(
        summary=metadata.summary,
        description_html=description_html,
        description_text=metadata.description,
        requires_python=metadata.requires_python,
        license=_license(metadata),
        authors=_people(metadata.author, metadata.author_email),
        maintainers=_people(metadata.maintainer, metadata.maintainer_email),
        keywords=_keywords(metadata),
        links=tuple(_links(metadata)),
        classifiers=_classifiers(metadata),
        extras=metadata.provides_extra,
        requirements=metadata.requires_dist,
    )


def _license(metadata: CoreMetadata) -> str:
    """The expression; else the first line of the license field; else what classifiers say."""
    if metadata.license_expression:
        return metadata.license_expression
    lines = metadata.license.strip().splitlines()
    if lines:
        line = lines[0].strip()
        return line if len(line) <= _LONGEST_LICENSE else f"{line[:_LONGEST_LICENSE]}…"
    names = [
        text.rpartition(" :: ")[2]
        for text in metadata.classifiers
        if text.startswith(f"{_LICENSE} ::")
    ]
    return ", ".join(names)


def _people(name: str, emails: str) -> tuple[Person, ...]:
    """Those of a name field and an e-mail field; the latter may have names of its own."""
    named = name.strip()
    people = [
        Person(mailbox.name or mailbox.address, _mailto(mailbox)) for mailbox in mailboxes(emails)
    ]
    if named and not people:
        return (Person(named, None),)
    if named and len(people) == 1 and people[0].name == emails.strip():
        return (Person(named, people[0].mailto),)
    if named and named not in {person.name for person in people}:
        return (Person(named, None), *people)
    return tuple(people)


def _mailto(mailbox: Mailbox) -> str | None:
    return f"mailto:{quote(mailbox.address, safe='@')}" if mailbox.is_address else None


def _keywords(metadata: CoreMetadata) -> tuple[str, ...]:
    """Keywords, which old build backends separate by spaces and not by commas."""
    words = metadata.keywords
    if len(words) == 1 and "," not in words[0]:
        words = tuple(words[0].split())
    return tuple(word for word in (word.strip() for word in words) if word)


def _links(metadata: CoreMetadata) -> list[Link]:
    pairs = [
        ("Homepage", metadata.home_page),
        ("Download", metadata.download_url),
        *metadata.project_urls,
    ]
    seen: set[str] = set()
    links = []
    for label, url in pairs:
        if url and url not in seen:
            seen.add(url)
            href = url.replace(" ", "%20") if is_web_address(url) else None
            links.append(Link(label, url, href))
    return links


def _classifiers(metadata: CoreMetadata) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Classifiers under the part that they begin with."""
    groups: dict[str, list[str]] = {}
    for text in metadata.classifiers:
        group, _, rest = text.partition(" :: ")
        groups.setdefault(group, []).append(rest or group)
    return tuple((group, tuple(members)) for group, members in groups.items())
