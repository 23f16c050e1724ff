"""A path goes in; a ``Distribution``, or every reason why it is none, comes out."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from installer.records import RecordEntry
from msgspec import Struct
from packaging.tags import TooManyTagsError, parse_tag
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from greenroom.core_metadata import CoreMetadata
from greenroom.counts import counted
from greenroom.distributions.errors import InvalidDistribution, InvalidFilename, quoted
from greenroom.distributions.filenames import (
    DistributionName,
    PackageType,
    WheelName,
    packagetype_of,
    parse_filename,
)
from greenroom.distributions.metadata import MAX_METADATA, parse_metadata
from greenroom.distributions.records import (
    MAX_RECORD,
    MAX_SMALL_FILE,
    MAX_TAGS,
    WheelFile,
    check_entry_points,
    parse_record,
    parse_wheel_file,
    record_problems,
    too_many_tags,
)
from greenroom.distributions.tarballs import Tarball, read_tarball
from greenroom.distributions.zips import ZipArchive, open_zip

_DIST_INFO = ".dist-info"
_RECORD_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
_LICENSES_SINCE = Version("2.4")
_SHOWN_TAGS = 3

_T = TypeVar("_T")


class Distribution(Struct, frozen=True):
    """A wheel or a source distribution in which nothing was found to be wrong."""

    filename: str
    packagetype: PackageType
    name: str
    """As the metadata spells it."""
    normalized_name: str
    version: Version
    python_tag: str
    """``source`` for a source distribution, else as in the file name: ``py3``, ``cp312``."""
    build_tag: str | None
    requires_python: str | None
    metadata: CoreMetadata
    metadata_content: bytes
    """METADATA of a wheel or PKG-INFO of a source distribution, byte for byte."""

    @property
    def metadata_sha256(self) -> str:
        """The SHA-256 digest of ``metadata_content``, in hexadecimal."""
        return hashlib.sha256(self.metadata_content).hexdigest()


def inspect(path: Path, filename: str, *, private: bool = False) -> Distribution:
    """Say what is in a file that claims to be a distribution of this name.

    ``path`` is where the bytes are, ``filename`` what they were sent as. ``private`` lets through
    what only an index of one's own may have: wheels for ``linux_*``, local versions, direct
    references. Follows PEP 625 and PEP 643 for source distributions, PEP 427 for wheels, PEP 639
    for license files.

    Raises:
        InvalidDistribution: with every reason that can be established: what is wrong with the file
            name comes first.
    """
    findings = _Findings()
    named = findings.keep(lambda: parse_filename(filename, private=private))
    content = findings.keep(lambda: _content(path, filename, private, findings))
    if content is not None and content.metadata is not None and named is not None:
        findings.add(_naming_problems(named, content))
    if findings.reasons or named is None or content is None or content.metadata is None:
        raise InvalidDistribution(*findings.reasons)
    metadata = content.metadata
    return Distribution(
        filename=filename,
        packagetype=named.packagetype,
        name=metadata.name,
        normalized_name=named.name,
        version=Version(metadata.version),
        python_tag=named.python_tag,
        build_tag=named.build,
        requires_python=metadata.requires_python or None,
        metadata=metadata,
        metadata_content=content.metadata_content,
    )


class _Content(Struct, frozen=True):
    """What an archive says of itself, whatever it was called."""

    metadata: CoreMetadata | None
    """None when it was refused."""
    metadata_content: bytes
    dist_info: str | None = None
    wheel_file: WheelFile | None = None
    """None when it was refused, and for a source distribution."""


class _Findings:
    """Collects reasons, so that one refusal does not hide the next."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def add(self, reasons: Iterable[str]) -> None:
        self.reasons.extend(reasons)

    def keep(self, step: Callable[[], _T]) -> _T | None:
        """The result of a step, or None with its reasons kept when it refuses."""
        try:
            return step()
        except InvalidDistribution as refusal:
            self.add(refusal.reasons)
            return None


def _content(path: Path, filename: str, private: bool, findings: _Findings) -> _Content | None:
    try:
        packagetype = packagetype_of(filename)
    except InvalidFilename:
        return None  # said by parse_filename
    if packagetype == "sdist":
        return _sdist_content(path, private, findings)
    with open_zip(path) as archive:
        return _wheel_content(archive, private, findings)


def _naming_problems(named: DistributionName, content: _Content) -> Iterator[str]:
    """What the file name says otherwise than the content does."""
    metadata = content.metadata
    if metadata is None:
        return
    if canonicalize_name(metadata.name) != named.name:
        yield (
            f"The file name is for the project {quoted(named.name)}, but the metadata inside is "
            f"for {quoted(metadata.name)}."
        )
    if Version(metadata.version) != named.version:
        yield (
            f"The file name is for version {quoted(str(named.version))}, but the metadata inside "
            f"is for {quoted(str(Version(metadata.version)))}."
        )
    if content.dist_info is not None and not _is_dist_info_of(named, content.dist_info):
        yield (
            f"The folder {quoted(content.dist_info)} does not have the name and the version of "
            "the file name (PEP 427)."
        )
    if isinstance(named, WheelName) and content.wheel_file is not None:
        yield from _tag_problems(named, content.wheel_file)


def _tag_problems(named: WheelName, inside: WheelFile) -> Iterator[str]:
    """What WHEEL says otherwise than the file name, which installers check after installing."""
    written = f"{named.python_tag}-{named.abi_tag}-{named.platform_tag}"
    try:
        tags = parse_tag(written, limit=MAX_TAGS)
    except TooManyTagsError:
        yield from too_many_tags().reasons
        return
    if inside.tags != tags:
        missing = sorted(map(str, tags - inside.tags))
        more = sorted(map(str, inside.tags - tags))
        parts = [
            f"{what} {_some(found)}" for what, found in (("lacks", missing), ("has", more)) if found
        ]
        yield (
            f"WHEEL contradicts the file name: it {' and '.join(parts)}. Rename a wheel with "
            "'wheel tags', which changes both."
        )
    if inside.build is not None and inside.build != named.build:
        yield (
            f"WHEEL has Build {quoted(inside.build)}, and the file name "
            f"{quoted(named.build) if named.build is not None else 'none'} (PEP 427)."
        )


def _some(tags: list[str]) -> str:
    shown = ", ".join(map(quoted, tags[:_SHOWN_TAGS]))
    return shown if len(tags) <= _SHOWN_TAGS else f"{shown} and others"


def _is_dist_info_of(named: DistributionName, folder: str) -> bool:
    name, _, version = folder.removesuffix(_DIST_INFO).partition("-")
    try:
        return canonicalize_name(name) == named.name and Version(version) == named.version
    except InvalidVersion:
        return False


def _license_problems(metadata: CoreMetadata, folder: str, members: Iterable[str]) -> Iterator[str]:
    """License files that the metadata lists and the archive does not have (PEP 639)."""
    if Version(metadata.metadata_version) < _LICENSES_SINCE:
        return
    present = set(members)
    for license_file in metadata.license_files:
        if f"{folder}/{license_file}" not in present:
            yield (
                f"The License-File {quoted(license_file)} of the metadata is missing; it should "
                f"be at {quoted(f'{folder}/{license_file}')}."
            )


# --- source distributions -------------------------------------------------------------------------


def _sdist_content(path: Path, private: bool, findings: _Findings) -> _Content | None:
    tarball = read_tarball(path, _may_be_pkg_info, MAX_METADATA)
    folder = _top_folder(tarball)
    content = tarball.contents.get(f"{folder}/PKG-INFO")
    if content is None:
        raise InvalidDistribution(
            f"The source distribution has no PKG-INFO in its folder {quoted(folder)}."
        )
    metadata = findings.keep(lambda: parse_metadata(content, private=private))
    if metadata is not None:
        findings.add(_license_problems(metadata, folder, tarball.files()))
    return _Content(metadata, content)


def _may_be_pkg_info(name: str) -> bool:
    return name.count("/") == 1 and name.endswith("/PKG-INFO")


def _top_folder(tarball: Tarball) -> str:
    outside = [name for name in tarball.members if "/" not in name]
    folders = {name.partition("/")[0] for name in tarball.members if "/" in name}
    if outside or len(folders) != 1:
        raise InvalidDistribution(
            "The source distribution must have exactly one folder at its top and all else in it, "
            f"but has {counted(len(folders), 'folder')} and {counted(len(outside), 'file')} there "
            "(PEP 625)."
        )
    return folders.pop()


# --- wheels ---------------------------------------------------------------------------------------


def _wheel_content(archive: ZipArchive, private: bool, findings: _Findings) -> _Content | None:
    dist_info = _dist_info_folder(archive)
    metadata_content = findings.keep(lambda: _read(archive, dist_info, "METADATA", MAX_METADATA))
    wheel_file = findings.keep(
        lambda: parse_wheel_file(_read(archive, dist_info, "WHEEL", MAX_SMALL_FILE))
    )
    if f"{dist_info}/entry_points.txt" in archive.members:
        findings.keep(
            lambda: check_entry_points(
                _read(archive, dist_info, "entry_points.txt", MAX_SMALL_FILE)
            )
        )
    findings.keep(lambda: _check_record(archive, dist_info, findings))
    if metadata_content is None:
        return None
    metadata = findings.keep(lambda: parse_metadata(metadata_content, private=private))
    if metadata is not None:
        findings.add(_license_problems(metadata, f"{dist_info}/licenses", archive.members))
    return _Content(metadata, metadata_content, dist_info, wheel_file)


def _dist_info_folder(archive: ZipArchive) -> str:
    folders = {name.partition("/")[0] for name in archive.members if "/" in name}
    found = sorted(folder for folder in folders if folder.endswith(_DIST_INFO))
    if len(found) != 1:
        raise InvalidDistribution(
            f"The wheel must have exactly one {_DIST_INFO} folder, but has {len(found)} (PEP 427)."
        )
    return found[0]


def _read(archive: ZipArchive, folder: str, name: str, limit: int) -> bytes:
    path = f"{folder}/{name}"
    if path not in archive.members:
        raise InvalidDistribution(f"The wheel has no {name} in its folder {quoted(folder)}.")
    return archive.read(path, limit)


def _check_record(archive: ZipArchive, dist_info: str, findings: _Findings) -> None:
    """Compare every member with RECORD, reading each once (PEP 427)."""
    record_path = f"{dist_info}/RECORD"
    entries = parse_record(_read(archive, dist_info, "RECORD", MAX_RECORD))
    own_entry = entries.get(record_path)
    if own_entry is not None and own_entry.hash_ is not None:
        findings.add(["RECORD has a hash of itself, which cannot be."])
    unlisted = {record_path, *(f"{dist_info}/{name}" for name in _RECORD_SIGNATURES)}
    for name, member in archive.members.items():
        if not member.is_folder:
            entry = entries.pop(name, None)
            findings.keep(partial(_check_member, archive, name, entry, name in unlisted))
    findings.add(
        f"RECORD lists {quoted(name)}, which the wheel does not have."
        for name in entries
        if name not in unlisted
    )


def _check_member(
    archive: ZipArchive, name: str, entry: RecordEntry | None, may_be_unlisted: bool
) -> None:
    content = archive.stream(name)
    if may_be_unlisted:
        for _ in content:
            pass  # reading is what finds damage
    elif entry is None:
        raise InvalidDistribution(f"The member {quoted(name)} is not listed in RECORD.")
    elif problems := list(record_problems(content, name, entry)):
        raise InvalidDistribution(*problems)
