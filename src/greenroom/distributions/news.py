"""What has come into a release since the one before, that somebody should look at."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from greenroom.core_metadata import CoreMetadata
from greenroom.distributions.addresses import Place
from greenroom.distributions.agreement import Found
from greenroom.distributions.facts import Facts
from greenroom.distributions.review import Code, Finding


class Known(Struct, frozen=True):
    """A file with all that is known of it; no facts where it was not looked into."""

    filename: str
    metadata: CoreMetadata
    facts: Facts | None


def news(before: Sequence[Known], now: Sequence[Known]) -> Iterator[Found]:
    """What is in a release, in any of its files, and in no file of the one before.

    Args:
        before: the files of the release before; where there are none, nothing is news.
        now: the files of the release.
    """
    if not before:
        return
    yield from _dependencies(before, now)
    # Without facts of all of the release before, anything could be news.
    former = [file.facts for file in before if file.facts is not None and not file.facts.problem]
    if len(former) < len(before):
        return
    ours = [(file.filename, file.facts) for file in now if file.facts is not None]
    yield from _entry_points(former, ours)
    yield from _natives(former, ours)
    yield from _addresses(former, ours)


def _dependencies(before: Sequence[Known], now: Sequence[Known]) -> Iterator[Found]:
    old = {_dependency(each) for file in before for each in file.metadata.requires_dist}
    found: dict[tuple[str, bool], list[str]] = {}
    texts: dict[tuple[str, bool], str] = {}
    for file in now:
        for text in file.metadata.requires_dist:
            dependency = _dependency(text)
            if dependency not in old:
                texts.setdefault(dependency, text)
                found.setdefault(dependency, []).append(file.filename)
    for dependency, filenames in found.items():
        finding = Finding(Code.NEW_DEPENDENCY, detail=texts[dependency][:200])
        yield Found(finding, tuple(dict.fromkeys(filenames)))


def _dependency(text: str) -> tuple[str, bool]:
    """The name, and whether it comes from an address of its own."""
    try:
        parsed = Requirement(text)
    except InvalidRequirement:
        return text, False
    return canonicalize_name(parsed.name), parsed.url is not None


_Ours = Sequence[tuple[str, Facts]]


def _entry_points(before: Sequence[Facts], now: _Ours) -> Iterator[Found]:
    old = {entry.partition(" = ")[0]: entry for facts in before for entry in facts.entry_points}
    known = {entry for facts in before for entry in facts.entry_points}
    found: dict[str, list[str]] = {}
    for filename, facts in now:
        for entry in facts.entry_points:
            if entry not in known:
                found.setdefault(entry, []).append(filename)
    for entry, filenames in found.items():
        was = old.get(entry.partition(" = ")[0])
        detail = f"{entry} (was {was.partition(' = ')[2]})" if was is not None else entry
        yield Found(Finding(Code.NEW_ENTRY_POINT, detail=detail[:300]), tuple(filenames))


def _natives(before: Sequence[Facts], now: _Ours) -> Iterator[Found]:
    old = {_without_ending(key) for facts in before for key in facts.natives}
    found: dict[str, tuple[str, list[str]]] = {}
    for filename, facts in now:
        for key, path in facts.natives.items():
            if _without_ending(key) not in old:
                found.setdefault(_without_ending(key), (path, []))[1].append(filename)
    for path, filenames in found.values():
        yield Found(Finding(Code.NEW_NATIVE, path), tuple(filenames))


def _without_ending(key: str) -> str:
    """The same for the module of each platform."""
    return key.removesuffix(".so").removesuffix(".pyd")


def _addresses(before: Sequence[Facts], now: _Ours) -> Iterator[Found]:
    hosts = {host for facts in before for host in facts.hosts}
    urls = {url for facts in before for url in facts.urls}
    new_hosts = _new(((filename, facts.hosts) for filename, facts in now), hosts)
    for host, (place, filenames) in new_hosts.items():
        yield Found(_at(Code.NEW_ADDRESS, host, place), tuple(filenames))
    new_urls = _new(((filename, facts.urls) for filename, facts in now), urls)
    for url, (place, filenames) in new_urls.items():
        if url.partition("/")[0] in hosts:
            yield Found(_at(Code.NEW_URL, url, place), tuple(filenames))


def _new(
    files: Iterable[tuple[str, Mapping[str, Place]]], known: set[str]
) -> dict[str, tuple[Place, list[str]]]:
    found: dict[str, tuple[Place, list[str]]] = {}
    for filename, addresses in files:
        for address, place in addresses.items():
            if address not in known:
                found.setdefault(address, (place, []))[1].append(filename)
    return found


def _at(code: Code, address: str, place: Place) -> Finding:
    return Finding(code, place[0], f"{address} in line {place[1]}")
