"""The files inside a wheel's .dist-info folder that describe the wheel itself.

RECORD, WHEEL and entry_points.txt, after the binary distribution format (PEP 427), the recording
of installed projects (PEP 376, PEP 627) and the entry points specification.
"""

import base64
import configparser
import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from email.parser import HeaderParser

from installer.records import InvalidRecordEntry, RecordEntry, parse_record_file
from msgspec import Struct
from packaging.tags import Tag, TooManyTagsError, parse_tag

from greenroom.digests import Digests
from greenroom.distributions.archives import MAX_MEMBERS
from greenroom.distributions.errors import InvalidDistribution, quoted

MAX_RECORD = 16 * 1024 * 1024
MAX_SMALL_FILE = 1024 * 1024
"""Bytes of WHEEL and of entry_points.txt."""

MAX_TAGS = 1000
"""Combinations of Python, ABI and platform that one wheel is for."""

_SMALLEST_DIGEST = hashlib.sha256().digest_size

_SCRIPT_GROUPS = ("console_scripts", "gui_scripts")
_SCRIPT_NAME = re.compile(r"[^\s/\\:\"']+")
_OBJECT_REFERENCE = re.compile(r"[\w.]+\s*:\s*[\w.]+\s*(?:\[[^\]]*\])?")


def parse_record(content: bytes) -> dict[str, RecordEntry]:
    """Parse RECORD into its entries, by path.

    Raises:
        InvalidDistribution: with every reason.
    """
    entries: dict[str, RecordEntry] = {}
    problems: list[str] = []
    for row in _rows(_text("RECORD", content)):
        try:
            entry = RecordEntry.from_elements(*row)
        except InvalidRecordEntry as error:
            issues = "; ".join(error.issues)
            problems.append(f"The entry {quoted(row[0])} of RECORD is not valid: {issues}.")
            continue
        if entries.setdefault(entry.path, entry) != entry:
            problems.append(f"RECORD has two different entries for {quoted(entry.path)}.")
        if len(entries) > MAX_MEMBERS:
            problems.append(f"RECORD has more than {MAX_MEMBERS} entries.")
            break
    if problems:
        raise InvalidDistribution(*problems)
    return entries


def _rows(text: str) -> Iterator[tuple[str, str, str]]:
    lines = (line for line in io.StringIO(text, newline="\n") if line.strip())
    try:
        yield from parse_record_file(lines)
    except (InvalidRecordEntry, csv.Error):
        raise InvalidDistribution(
            "RECORD is not a list of paths, hashes and sizes, separated by commas."
        ) from None


def record_problems(content: Iterable[bytes], path: str, entry: RecordEntry) -> Iterator[str]:
    """Sentences about a member whose content is not as its entry in RECORD says.

    Reads the content once, whatever the entry.
    """
    shown = quoted(path)
    algorithm = entry.hash_.name if entry.hash_ is not None else "sha256"
    secure = _is_secure(algorithm)
    digests = Digests({algorithm: hashlib.new(algorithm if secure else "sha256")})
    size = 0
    for piece in content:
        digests.add(piece)
        size += len(piece)
    digest = bytes.fromhex(digests.finished()[algorithm])
    if entry.hash_ is None:
        yield f"RECORD gives no hash for the member {shown}."
    elif not secure:
        yield f"RECORD uses {quoted(algorithm)} for the member {shown}; sha256 or better is wanted."
    elif entry.hash_.value.rstrip("=") != _base64(digest):
        yield f"The hash of the member {shown} is not the one in RECORD."
    if entry.size is not None and entry.size != size:
        yield f"The size of the member {shown} is not the one in RECORD."


class WheelFile(Struct, frozen=True):
    """What WHEEL says, as far as the file name says it too."""

    tags: frozenset[Tag]
    """What the wheel is for, one tag for each combination (PEP 425)."""
    build: str | None


def parse_wheel_file(content: bytes) -> WheelFile:
    """Parse WHEEL, which has to be of a version 1 of the format.

    Raises:
        InvalidDistribution: with every reason.
    """
    fields = HeaderParser().parsestr(_text("WHEEL", content))
    versions = [str(value).strip() for value in fields.get_all("Wheel-Version", [])]
    if len(versions) != 1:
        raise InvalidDistribution("WHEEL must have exactly one Wheel-Version.")
    if not re.fullmatch(r"1\.[0-9]+", versions[0]):
        raise InvalidDistribution(
            f"WHEEL has Wheel-Version {quoted(versions[0])}; this index knows 1.x."
        )
    builds = [str(value).strip() for value in fields.get_all("Build", [])]
    if len(builds) > 1:
        raise InvalidDistribution("WHEEL has more than one Build.")
    tags = [str(value).strip() for value in fields.get_all("Tag", [])]
    return WheelFile(_expanded(tags), (builds or [""])[0] or None)


def _expanded(tags: Iterable[str]) -> frozenset[Tag]:
    found: set[Tag] = set()
    for text in tags:
        found |= _parsed(text)
        if len(found) > MAX_TAGS:
            raise too_many_tags()
    return frozenset(found)


def _parsed(text: str) -> frozenset[Tag]:
    try:
        return parse_tag(text, limit=MAX_TAGS)
    except TooManyTagsError:
        raise too_many_tags() from None
    except ValueError:
        raise InvalidDistribution(
            f"WHEEL has the Tag {quoted(text)}, which is not of the form python-abi-platform "
            "(PEP 425)."
        ) from None


def too_many_tags() -> InvalidDistribution:
    """The refusal of a wheel that is for more than ``MAX_TAGS`` combinations."""
    return InvalidDistribution(
        f"The wheel is for more than {MAX_TAGS} combinations of Python, ABI and platform."
    )


def check_entry_points(content: bytes) -> None:
    """Check entry_points.txt: it parses, and names a callable for each script.

    Raises:
        InvalidDistribution: with every reason.
    """
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string(_text("entry_points.txt", content))
    except configparser.Error as error:
        raise InvalidDistribution(
            f"entry_points.txt cannot be parsed ({quoted(error.message)})."
        ) from None
    problems = [
        problem
        for group in _SCRIPT_GROUPS
        if parser.has_section(group)
        for name, reference in parser.items(group)
        for problem in _script_problems(name, reference)
    ]
    if problems:
        raise InvalidDistribution(*problems)


def _script_problems(name: str, reference: str) -> Iterator[str]:
    if not _SCRIPT_NAME.fullmatch(name) or name in (".", ".."):
        yield (
            f"The script {quoted(name)} in entry_points.txt has no name that a command can have: "
            "white space, slashes, colons and quotes are not allowed."
        )
    if not _OBJECT_REFERENCE.fullmatch(reference):
        yield (
            f"The script {quoted(name)} in entry_points.txt refers to {quoted(reference)}, which "
            "is not of the form module:function."
        )


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InvalidDistribution(f"{name} is not encoded in UTF-8.") from None


def _is_secure(algorithm: str) -> bool:
    try:
        return hashlib.new(algorithm).digest_size >= _SMALLEST_DIGEST
    except ValueError:
        return False


def _base64(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
