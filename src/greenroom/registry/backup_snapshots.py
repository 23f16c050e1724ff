"""What a place for backups has: snapshots of the database, and one pool of blobs for them all."""

import fcntl
import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from greenroom import times
from greenroom.registry.errors import NotFound, Refusal
from greenroom.registry.known_blobs import KnownBlob
from greenroom.storage import BackupPlace, Storage

# backup.json                  which index it is of
# snapshots/<moment>/          a snapshot of the database, and what belongs to it:
#     blobs.txt                every blob that it names: digest, size, file name
#     database.sqlite          or database.dump (pg_dump, custom format)
#     secret-key               where the index keeps one in its data folder
#     snapshot.json            written last: without it there is no snapshot
# files/                       the blobs, as a storage keeps them

FORMAT = 1
BLOBS = "blobs.txt"
SECRET_KEY = "secret-key"  # noqa: S105
DATABASES = {"sqlite": "database.sqlite", "postgresql": "database.dump"}

_ABOUT = "backup.json"
_FOLDER = "snapshots"
_MANIFEST = "snapshot.json"
_NAME = re.compile(r"\d{6,}-(\d{8}T\d{6}Z)-[0-9a-f]{4}")
_UNFINISHED_KEPT = timedelta(days=1)
_BATCH = 200


class BackupRefused(Refusal):
    """A backup is not written, or not restored, as things stand."""

    code = "backup-refused"
    title = "Backup refused"


class StoredFile(msgspec.Struct, frozen=True):
    """One file of a snapshot."""

    size: int
    sha256: str


class Snapshot(msgspec.Struct, kw_only=True):
    """What a snapshot says of itself.

    Attributes:
        name: its number and when it was made; newer ones have names that sort behind.
        version: the version of Greenroom that made it.
        database: which kind of database it is of: ``sqlite`` or ``postgresql``.
        schema_revision: the revision of that database's schema.
        identity: that of the database.
        files: the files beside this one, by name.
        blobs: how many blobs the database names.
        size: how many bytes they have.
        lost: the digests of those that could not be copied.
    """

    format: int = FORMAT
    name: str
    version: str
    database: str
    schema_revision: str
    identity: str
    files: dict[str, StoredFile]
    blobs: int
    size: int
    lost: list[str]


class _About(msgspec.Struct, frozen=True):
    format: int
    identity: str


def new_name(place: BackupPlace, now: datetime) -> str:
    """The name of a snapshot that is made now: it sorts behind all others, whatever the clock says.

    Two that begin at once have different names, too.
    """
    numbers = [int(name.partition("-")[0]) for name in _names(place) if _NAME.fullmatch(name)]
    number = max(numbers, default=0) + 1
    return f"{number:06}-{times.compact(now.astimezone(UTC))}-{secrets.token_hex(2)}"


def all_of(place: BackupPlace) -> list[Snapshot]:
    """Every whole snapshot, the oldest first.

    Raises:
        BackupRefused: one of them cannot be read.
    """
    return [_read(place, name) for name in _whole(place)]


def pick(place: BackupPlace, name: str | None) -> Snapshot:
    """The snapshot of this name, or the newest.

    Raises:
        NotFound: there is none.
        BackupRefused: it cannot be read.
    """
    whole = _whole(place)
    if not whole:
        raise NotFound(f"There is no backup in {place.address}.")
    if name is not None and name not in whole:
        raise NotFound(
            f"There is no snapshot {name} in {place.address}: 'greenroom restore "
            f"{place.address} --list' has all."
        )
    return _read(place, name or whole[-1])


def _whole(place: BackupPlace) -> list[str]:
    return sorted(name for name, is_whole in _names(place).items() if is_whole)


def _names(place: BackupPlace) -> dict[str, bool]:
    """Every snapshot that was begun, and whether it is whole."""
    found: dict[str, bool] = {}
    for path in place.files.names(_FOLDER):
        name, _, file = path.removeprefix(f"{_FOLDER}/").partition("/")
        found[name] = found.get(name, False) or file == _MANIFEST
    return found


def _read(place: BackupPlace, name: str) -> Snapshot:
    text = _content(place, f"{_FOLDER}/{name}/{_MANIFEST}")
    try:
        snapshot = msgspec.json.decode(text or b"", type=Snapshot)
    except (msgspec.DecodeError, RecursionError):
        raise BackupRefused(
            f"The snapshot {name} in {place.address} is damaged, or of a newer version of "
            "Greenroom."
        ) from None
    if snapshot.format != FORMAT:
        raise BackupRefused(f"The snapshot {name} is of a newer version of Greenroom.")
    return snapshot


def _content(place: BackupPlace, name: str) -> bytes | None:
    blob = place.files.read(name)
    if blob is None:
        return None
    with blob:
        return b"".join(blob)


def check(place: BackupPlace) -> None:
    """See that the place has backups, or nothing.

    Raises:
        BackupRefused: it has something else. Nothing was changed.
        ValueError: it is a file.
    """
    if place.folder is not None and place.folder.exists() and not place.folder.is_dir():
        raise ValueError(f"{place.address} is no folder.")
    if _content(place, _ABOUT) is None and _has_others(place):
        raise BackupRefused(
            f"{place.address} has files that are no backups: name a folder or a prefix that is "
            "empty, or was used for backups before."
        )


def claim(place: BackupPlace, identity: str, scratch: Path) -> None:
    """See that the place has backups of this index, or nothing; then it is for them.

    Raises:
        BackupRefused: it has something else.
    """
    found = _content(place, _ABOUT)
    if found is not None:
        try:
            about = msgspec.json.decode(found, type=_About)
        except (msgspec.DecodeError, RecursionError):
            about = _About(format=0, identity="")
        if about.format != FORMAT:
            raise BackupRefused(f"{place.address} has backups of another version of Greenroom.")
        if about.identity != identity:
            raise BackupRefused(
                f"{place.address} has backups of another index: name another place for this one's."
            )
        return
    scratch.write_text(msgspec.json.encode(_About(format=FORMAT, identity=identity)).decode())
    place.files.put(_ABOUT, scratch)


def _has_others(place: BackupPlace) -> bool:
    """Whether there is anything but what a backup leaves that is killed before it has begun."""
    ours = ("files/incoming/", "lock", f"{_ABOUT}.")
    return any(not name.startswith(ours) for name in place.files.names())


def write(place: BackupPlace, snapshot: str, file: str, path: Path) -> StoredFile:
    """Keep a file of a snapshot."""
    stored = StoredFile(size=path.stat().st_size, sha256=digest_of(path))
    place.files.put(f"{_FOLDER}/{snapshot}/{file}", path)
    return stored


def finish(place: BackupPlace, snapshot: Snapshot, scratch: Path) -> None:
    """Make a snapshot whole: everything else of it is there."""
    scratch.write_text(msgspec.json.format(msgspec.json.encode(snapshot), indent=2).decode())
    place.files.put(f"{_FOLDER}/{snapshot.name}/{_MANIFEST}", scratch)


def fetch(place: BackupPlace, snapshot: Snapshot, file: str, target: Path) -> None:
    """Have a file of a snapshot at ``target``, which is there and empty.

    Raises:
        BackupRefused: it is missing, or has another content than it had.
    """
    expected = snapshot.files.get(file)
    blob = place.files.read(f"{_FOLDER}/{snapshot.name}/{file}")
    actual = hashlib.sha256()
    if blob is not None:
        with blob, target.open("wb") as copy:
            for piece in blob:
                actual.update(piece)
                copy.write(piece)
    if blob is None or expected is None or actual.hexdigest() != expected.sha256:
        raise BackupRefused(
            f"The file {file} of the snapshot {snapshot.name} is missing or damaged: restore "
            "another snapshot ('--snapshot')."
        )


def digest_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_blobs(path: Path, blobs: Iterable[KnownBlob]) -> tuple[int, int]:
    """Write a list of blobs to a file, each once; gives how many there are, and their bytes."""
    count, size, seen = 0, 0, set[bytes]()
    with path.open("w", encoding="utf-8") as file:
        for blob in blobs:
            key = bytes.fromhex(blob.digest)
            if key in seen:
                continue
            seen.add(key)
            count, size = count + 1, size + (blob.size or 0)
            file.write(f"{blob.digest} {'-' if blob.size is None else blob.size} {blob.filename}\n")
    return count, size


def read_blobs(path: Path) -> Iterator[KnownBlob]:
    """The blobs in such a list."""
    with path.open(encoding="utf-8") as file:
        yield from _parsed(file)


def _parsed(lines: Iterable[str]) -> Iterator[KnownBlob]:
    for line in lines:
        digest, size, filename = line.rstrip("\n").split(" ", 2)
        yield KnownBlob(digest, None if size == "-" else int(size), filename)


@contextmanager
def alone(place: BackupPlace) -> Iterator[bool]:
    """Write to a place while nobody else does so.

    Yields:
        Whether that is certain: a bucket has no locks.

    Raises:
        BackupRefused: somebody does.
    """
    if place.folder is None:
        yield False
        return
    with (place.folder / "lock").open("ab") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BackupRefused(
                f"Another backup is being written to {place.address}: wait until it is done."
            ) from None
        yield True


def forget_unfinished(place: BackupPlace, now: datetime, *, is_alone: bool) -> None:
    """Remove what backups left that were killed; those that may still be written stay."""
    for name, is_whole in _names(place).items():
        if not is_whole and (is_alone or _begun(name) <= now - _UNFINISHED_KEPT):
            _remove(place, name)


def _begun(name: str) -> datetime:
    match = _NAME.fullmatch(name)
    moment = datetime.fromisoformat(match[1]) if match else datetime.max  # none of ours
    return moment.replace(tzinfo=UTC)


def keep_last(
    place: BackupPlace, pool: Storage, count: int, newest: str, scratch: Path
) -> tuple[list[str], int]:
    """Remove all but so many snapshots, and the blobs that no snapshot names after that.

    Args:
        place: where.
        pool: its blobs.
        count: how many stay, at least one.
        newest: one that stays whatever its name is.
        scratch: a file that may be written to.

    Returns:
        The names of the snapshots that were removed, and how many blobs were.
    """
    others = [name for name in _whole(place) if name != newest]
    removed = others[: max(0, len(others) - (count - 1))]
    for name in removed:
        _remove(place, name)
    begun = _names(place)
    named = _named(place, begun, scratch)
    unnamed = [digest for digest in pool.digests() if bytes.fromhex(digest) not in named]
    for start in range(0, len(unnamed), _BATCH):
        if place.folder is None and _names(place).keys() - begun.keys():  # another one has begun
            return removed, start
        for digest in unnamed[start : start + _BATCH]:
            pool.delete(digest)
    return removed, len(unnamed)


def _named(place: BackupPlace, snapshots: Mapping[str, bool], scratch: Path) -> set[bytes]:
    """The digests of all blobs that these snapshots name, those that are not whole too."""
    named: set[bytes] = set()
    for name, is_whole in snapshots.items():
        blob = place.files.read(f"{_FOLDER}/{name}/{BLOBS}")
        if blob is None and not is_whole:
            continue
        if blob is None:
            raise BackupRefused(
                f"Nobody knows which files the snapshot {name} has, so no files were removed: its "
                f"{BLOBS} is missing."
            )
        with blob, scratch.open("wb") as copy:
            copy.writelines(blob)
        named.update(bytes.fromhex(found.digest) for found in read_blobs(scratch))
    return named


def _remove(place: BackupPlace, name: str) -> None:
    """Remove a snapshot, which is none any more from the first step on."""
    place.files.remove(f"{_FOLDER}/{name}/{_MANIFEST}")
    for path in list(place.files.names(f"{_FOLDER}/{name}")):
        place.files.remove(path)
