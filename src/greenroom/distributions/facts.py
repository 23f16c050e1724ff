"""All that the review of a release has to know of one distribution, found by reading it once.

Facts are a function of the bytes and of the file name. They are kept as JSON; :data:`ANALYSIS`
says by which way of looking they were found, so that they are found anew when there is a better
one.
"""

import base64
import configparser
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from installer.records import RecordEntry
from msgspec import Struct, field

from greenroom.distributions.addresses import Addresses, Place, watch_paths
from greenroom.distributions.comparison import place_of
from greenroom.distributions.contents import Kind, Member
from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.filenames import DistributionName, WheelName, parse_filename
from greenroom.distributions.natives import Format, Native
from greenroom.distributions.records import (
    MAX_RECORD,
    MAX_SMALL_FILE,
    parse_record,
    record_problems,
)
from greenroom.distributions.review import Code, Finding, review
from greenroom.distributions.zips import open_zip

ANALYSIS = 1
"""Raise it when facts of the same file would be others, or more."""

MOST_ENTRY_POINTS = 500
MOST_NATIVES = 500
_LEVEL = 6

_SCRIPT = re.compile(r"\*\.data/scripts/([^/]+)")
_ENTRY_POINTS = re.compile(r"(?:.*/)?\*\.(?:dist|egg)-info/entry_points\.txt")
_EXTENSION_TAG = re.compile(r"\.(?:cpython-\d+|cp\d+|pypy\d+|abi3)[^/]*(?=\.(?:so|pyd)$)")
_LIBRARY_HASH = re.compile(r"-[0-9a-f]{8,}(?=\.)")


class Facts(Struct, frozen=True):
    """What is known of one distribution.

    Attributes:
        findings: of this file by itself, and how many more there were of a code.
        entry_points: ``group: name = reference`` for each, and ``script: name`` for each script.
        hosts: network addresses that are named in it, and where each is first; without a path.
        urls: the same, with a path.
        natives: machine code, by its path without what changes with each build.
        unix_sources: of Python sources with line ends of Windows, the digest that they have
            without them, by path.
        problem: why it cannot be read, in a sentence; empty where it can. Then there is no more.
    """

    findings: tuple[Finding, ...] = ()
    left_out: Mapping[Code, int] = field(default_factory=dict)
    entry_points: tuple[str, ...] = ()
    hosts: Mapping[str, Place] = field(default_factory=dict)
    urls: Mapping[str, Place] = field(default_factory=dict)
    natives: Mapping[str, str] = field(default_factory=dict)
    unix_sources: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    def to_json(self) -> dict[str, object]:
        """What is stored."""
        said: dict[str, object] = {
            **stored_findings(self.findings, self.left_out),
            "entry_points": list(self.entry_points),
            "hosts": {host: list(place) for host, place in self.hosts.items()},
            "urls": {url: list(place) for url, place in self.urls.items()},
            "natives": dict(self.natives),
            "unix_sources": dict(self.unix_sources),
            "problem": self.problem,
        }
        return {name: value for name, value in said.items() if value}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Self:
        """What was stored; codes that this version does not know any more are left out."""
        findings, left_out = findings_of(stored)
        return cls(
            findings=findings,
            left_out=left_out,
            entry_points=tuple(map(str, _list(stored, "entry_points"))),
            hosts=_places(stored, "hosts"),
            urls=_places(stored, "urls"),
            natives={key: str(path) for key, path in _object(stored, "natives").items()},
            unix_sources={key: str(sha) for key, sha in _object(stored, "unix_sources").items()},
            problem=str(stored.get("problem", "")),
        )


def stored_findings(findings: Iterable[Finding], left_out: Mapping[Code, int]) -> dict[str, object]:
    """Findings, and how many more there are of a code, as they are stored."""
    return {
        "findings": [[each.code, each.path, each.detail] for each in findings],
        "left_out": {code.value: count for code, count in left_out.items()},
    }


def findings_of(stored: Mapping[str, object]) -> tuple[tuple[Finding, ...], dict[Code, int]]:
    """What was stored; codes that this version does not know any more are left out."""
    known = {code.value for code in Code}
    findings = tuple(
        Finding(Code(code), path, detail)
        for code, path, detail in _list(stored, "findings")
        if code in known
    )
    left_out = {
        Code(code): count
        for code, count in _object(stored, "left_out").items()
        if code in known and isinstance(count, int)
    }
    return findings, left_out


def unreadable(reason: str) -> Facts:
    """The facts of a file that cannot be read."""
    return Facts(findings=(Finding(Code.UNREADABLE, detail=reason[:300]),), problem=reason)


def analyse(path: Path, filename: str) -> tuple[Facts, tuple[Member, ...]]:
    """Read a wheel or a source distribution once, and say all there is to say of it by itself.

    What cannot be read is a fact as well. Nothing is unpacked; memory is taken for what is said.

    Args:
        path: where its bytes are.
        filename: what it is called.

    Returns:
        The facts, and its members in the order of the archive.
    """
    try:
        named = parse_filename(filename, private=True)
        return _analysed(path, named)
    except InvalidDistribution as error:
        return unreadable(str(error)), ()


def _analysed(path: Path, named: DistributionName) -> tuple[Facts, tuple[Member, ...]]:
    addresses, sources = Addresses(), _Sources()
    entry_points: dict[str, bytes] = {}
    paths: list[Finding] = []
    is_sdist = not isinstance(named, WheelName)

    def keep_entry_points(name: str) -> Callable[[bytes], None] | None:
        if not _ENTRY_POINTS.fullmatch(place_of(name, is_sdist=is_sdist)):
            return None

        def keep(piece: bytes) -> None:
            kept = entry_points.get(name, b"")
            entry_points[name] = (kept + piece)[:MAX_SMALL_FILE]

        return keep

    def find_paths(name: str) -> Callable[[bytes], None] | None:
        return watch_paths(
            name, lambda detail: paths.append(Finding(Code.ABSOLUTE_PATH, name, detail))
        )

    reviewed = review(
        path,
        named,
        [addresses.watch, sources.watch, keep_entry_points, find_paths],
        further=lambda members: [*paths, *_of_record(path, named, members)],
    )
    places = {place_of(member.path, is_sdist=is_sdist): member for member in reviewed.members}
    facts = Facts(
        findings=reviewed.findings,
        left_out=reviewed.left_out,
        entry_points=_entry_points(entry_points.values(), places),
        hosts=addresses.hosts,
        urls=addresses.urls,
        natives=dict(_natives(places)),
        unix_sources=sources.digests(),
    )
    return facts, reviewed.members


# --- entry points and scripts ---------------------------------------------------------------------


def _entry_points(contents: Iterable[bytes], places: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for content in contents:
        parser = configparser.ConfigParser(
            delimiters=("=",), interpolation=None, strict=False, default_section="\0"
        )
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        try:
            parser.read_string(content.decode("utf-8", "replace"))
        except configparser.Error:
            continue  # an upload of it is refused
        for group in parser.sections():
            for name, reference in parser.items(group):
                found[f"{group}: {name} = {' '.join((reference or '').split())}"] = None
    for place in places:
        if script := _SCRIPT.fullmatch(place):
            found[f"script: {script[1]}"] = None
    return tuple(found)[:MOST_ENTRY_POINTS]


def _natives(places: Mapping[str, Member]) -> Iterator[tuple[str, str]]:
    """Machine code without the tag of the Python and the hash that its path has of a build."""
    kept: set[str] = set()
    for place, member in places.items():
        key = native_key(place)
        if member.native is not None and key not in kept and len(kept) < MOST_NATIVES:
            kept.add(key)
            yield key, member.path


def native_key(place: str) -> str:
    """The place of machine code without what changes with each build of it."""
    return _LIBRARY_HASH.sub("", _EXTENSION_TAG.sub("", place))


class _Sources:
    """What Python sources are without the line ends of Windows, where they have such."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._path = ""
        self._digest = hashlib.sha256()
        self._has_returns = False
        self._held = b""

    def watch(self, path: str) -> Callable[[bytes], None] | None:
        """What is given the pieces of the next member."""
        self._finish()
        if not path.endswith((".py", ".pyi")):
            return None
        self._path, self._digest, self._held = path, hashlib.sha256(), b""
        return self._see

    def digests(self) -> dict[str, str]:
        """Of all members, once they were seen."""
        self._finish()
        return self._found

    def _see(self, piece: bytes) -> None:
        piece = self._held + piece
        self._held = b"\r" if piece.endswith(b"\r") else b""
        if b"\r\n" in piece:
            self._has_returns = True
            piece = piece.replace(b"\r\n", b"\n")
        self._digest.update(piece[: len(piece) - len(self._held)])

    def _finish(self) -> None:
        if self._has_returns:
            self._found[self._path] = self._digest.hexdigest()
        self._has_returns = False


# --- RECORD ---------------------------------------------------------------------------------------


def _of_record(path: Path, named: DistributionName, members: Sequence[Member]) -> Iterator[Finding]:
    """Where RECORD says something else than what is there (PEP 427)."""
    if not isinstance(named, WheelName):
        return
    folders = {member.path.partition("/")[0] for member in members}
    own = [folder for folder in sorted(folders) if folder.endswith(".dist-info")]
    record = f"{own[0]}/RECORD" if len(own) == 1 else None
    if record is None or all(member.path != record for member in members):
        yield Finding(Code.RECORD, detail="there is none")
        return
    with open_zip(path) as archive:
        try:
            entries = parse_record(archive.read(record, MAX_RECORD))
        except InvalidDistribution as error:
            yield Finding(Code.RECORD, record, str(error)[:300])
            return
        unlisted = {record, f"{record}.jws", f"{record}.p7s"}
        for member in members:
            entry = entries.pop(member.path, None)
            if member.path in unlisted:
                continue
            if entry is None:
                yield Finding(Code.RECORD, member.path, "it is not listed")
            elif not _is_as_listed(member, entry):
                for problem in record_problems(archive.stream(member.path), member.path, entry):
                    yield Finding(Code.RECORD, member.path, problem)
        for name in entries:
            if name not in unlisted:
                yield Finding(Code.RECORD, name, "it is listed, and not there")


def _is_as_listed(member: Member, entry: RecordEntry) -> bool:
    """Whether it is certain by what was found already that RECORD is right."""
    if entry.hash_ is None or entry.hash_.name != "sha256":
        return False
    digest = base64.urlsafe_b64encode(bytes.fromhex(member.sha256)).decode().rstrip("=")
    return entry.hash_.value.rstrip("=") == digest and entry.size in (None, member.size)


# --- members, as they are stored ------------------------------------------------------------------


def pack(members: Iterable[Member]) -> str:
    """Members in little space."""
    return pack_rows([member_row(member) for member in members])


def unpack(packed: str) -> tuple[Member, ...]:
    """The members that were packed."""
    return tuple(member_of(*row) for row in unpack_rows(packed))


def pack_rows(rows: Sequence[object]) -> str:
    """What can be written in JSON, in little space."""
    packed = zlib.compress(json.dumps(rows, separators=(",", ":")).encode(), _LEVEL)
    return base64.b64encode(packed).decode()


def unpack_rows(packed: str) -> list[Any]:
    """What was packed."""
    rows: list[Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return rows


def member_row(member: Member) -> list[object]:
    """A member as it is packed."""
    row: list[object] = [member.path, member.size, member.sha256, member.kind.value]
    if member.native is not None:
        return [*row, member.native.format.value, sorted(member.native.machines)]
    return [*row, member.leads_to] if member.leads_to is not None else row


def member_of(path: str, size: int, sha256: str, kind: str, *rest: object) -> Member:
    """The member that was packed so."""
    if len(rest) == 2 and isinstance(rest[1], list):
        native = Native(Format(str(rest[0])), frozenset(map(str, rest[1])))
        return Member(path, size, sha256, Kind(kind), native)
    return Member(path, size, sha256, Kind(kind), leads_to=str(rest[0]) if rest else None)


def _list(stored: Mapping[str, object], name: str) -> list[Any]:
    value = stored.get(name)
    return value if isinstance(value, list) else []


def _object(stored: Mapping[str, object], name: str) -> dict[str, object]:
    value = stored.get(name)
    return value if isinstance(value, dict) else {}


def _places(stored: Mapping[str, object], name: str) -> dict[str, Place]:
    return {
        key: (str(place[0]), int(place[1]))
        for key, place in _object(stored, name).items()
        if isinstance(place, list) and len(place) == 2
    }
