"""Backing up: the database as of one moment, and then every blob that it names.

Blobs never change, so what is named can be copied after the database was, however long that takes.
What is unwanted meanwhile is found in the trash, from which nothing is deleted while this goes on
(:mod:`greenroom.registry.backup_holds`).
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import timedelta
from itertools import islice
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace
from sqlalchemy import column, select, table

from greenroom import __version__
from greenroom.models import Identity
from greenroom.registry import (
    audit,
    backup_holds,
    backup_snapshots,
    blob_digests,
    database_dumps,
    known_blobs,
)
from greenroom.registry.backup_snapshots import DATABASES, BackupRefused, Snapshot
from greenroom.registry.known_blobs import KnownBlob
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.progress import Progress
from greenroom.registry.unit_of_work import Services
from greenroom.settings import PRIVATE_FOLDER, key_file
from greenroom.storage import (
    BackupPlace,
    BlobMissing,
    Shelf,
    Storage,
    open_backup,
    open_pool,
)
from greenroom.storage.disk import disk_errors, make_folder

_AT_ONCE = 4
_BATCH = 64
_ROUNDS = 3
# A blob may go to the trash, and come back, while it is looked for.
_LOOKED_AT = (Shelf.KEPT, Shelf.TRASH, Shelf.KEPT, Shelf.TRASH, Shelf.DAMAGED)


class Lost(Struct, frozen=True):
    """A blob that could not be copied, and why."""

    digest: str
    filename: str
    reason: str


class Made(Struct):
    """What came of a backup.

    Attributes:
        snapshot: the new snapshot.
        copied: how many blobs were copied, since the place did not have them.
        copied_size: how many bytes those have.
        lost: what the index itself has not got.
        removed_snapshots: the names of those that were not to be kept.
        removed_blobs: how many blobs no snapshot named any more.
    """

    snapshot: Snapshot
    copied: int = 0
    copied_size: int = 0
    lost: list[Lost] = field(default_factory=list)
    removed_snapshots: list[str] = field(default_factory=list)
    removed_blobs: int = 0


class Wish(Struct, frozen=True):
    """How a backup is to be made.

    Attributes:
        keep: so many snapshots stay, and older ones go; None: all stay. While a blob is lost,
            nothing goes.
        verify: read what the place has, and copy again what is damaged.
        s3_endpoint: where the service of a bucket is, if the usual AWS variables do not say so.
    """

    keep: int | None = None
    verify: bool = False
    s3_endpoint: str | None = None


def _check_apart(services: Services, place: BackupPlace) -> None:
    """See that the backup is not lost together with what it is of.

    Raises:
        BackupRefused: it lies in the index's own folder, or in its storage.
    """
    inside = False
    if place.folder is not None:
        inside = place.folder.resolve().is_relative_to(services.settings.data.resolve())
    elif services.settings.storage_url is not None:
        inside = f"{place.address}/".startswith(f"{services.settings.storage_url.rstrip('/')}/")
    if inside:
        raise BackupRefused(
            f"{place.address} is inside of what is to be backed up: name a place elsewhere, better "
            "on another machine."
        )


def back_up(services: Services, where: str, wish: Wish, progress: Progress) -> Made:
    """Make a snapshot of the database in a place, and copy the blobs that the place has not got.

    Args:
        services: what is backed up; it may be in use.
        where: a folder, or ``s3://bucket/prefix``.
        wish: how.
        progress: told how far it is.

    Raises:
        BackupRefused: the place is not for this.
        database_dumps.DumpFailed: the database could not be dumped.
        greenroom.storage.StorageUnavailable: the storage or the place does not answer.
        ValueError: there is no such place.
        There is no new snapshot then.
    """
    scratch, endpoint = services.storage.incoming.parent, wish.s3_endpoint
    place = open_backup(where, scratch, s3_endpoint=endpoint)
    backup_snapshots.check(place)
    _check_apart(services, place)
    with _private(), disk_errors(place.folder or scratch):
        if place.folder is not None:
            make_folder(place.folder, PRIVATE_FOLDER)
        pool = open_pool(where, scratch, s3_endpoint=endpoint)
        with (
            backup_snapshots.alone(place) as is_alone,
            backup_holds.held(services) as renew,
            _scratch(pool) as new_file,
        ):
            backup_snapshots.forget_unfinished(place, services.clock(), is_alone=is_alone)
            if is_alone:
                pool.remove_stale_incoming(timedelta(0))
            to = _To(place, pool, new_file)
            made = _make(services, to, _Copying(wish.verify, renew, progress))
            try:
                if wish.keep is not None and not made.lost:
                    made.removed_snapshots, made.removed_blobs = backup_snapshots.keep_last(
                        place, pool, wish.keep, made.snapshot.name, new_file()
                    )
            finally:  # there is a snapshot
                _record(services, place, made)
    return made


def _record(services: Services, place: BackupPlace, made: Made) -> None:
    """Write down what was made; the snapshot itself does not say it."""
    words = [
        f"snapshot {made.snapshot.name} in {place.address}",
        f"files: {made.snapshot.blobs}, copied: {made.copied}, lost: {len(made.lost)}",
    ]
    if made.removed_snapshots:
        words.append(f"snapshots removed: {', '.join(made.removed_snapshots)}")
    with services.writing() as uow:
        audit.write(uow, audit.Kind.BACKUP, OPERATOR, detail="; ".join(words))


class _To(Struct, frozen=True):
    """Where a backup is written to, and what makes files beside it for a while."""

    place: BackupPlace
    pool: Storage
    new_file: Callable[[], Path]

    def write(self, snapshot: Snapshot, file: str, path: Path) -> None:
        snapshot.files[file] = backup_snapshots.write(self.place, snapshot.name, file, path)


def _make(services: Services, to: _To, how: "_Copying") -> Made:
    dump, listed = to.new_file(), to.new_file()
    snapshot = _dump(services, to, dump, listed)
    made = Made(snapshot)
    # Who removes what no snapshot names has to know of this one first.
    to.write(snapshot, backup_snapshots.BLOBS, listed)
    _copy_all(services, to.pool, listed, made, how)
    to.write(snapshot, DATABASES[snapshot.database], dump)
    key = key_file(services.settings)
    if key is not None and key.exists():
        copy = to.new_file()
        copy.write_bytes(key.read_bytes())
        to.write(snapshot, backup_snapshots.SECRET_KEY, copy)
    snapshot.lost = [lost.digest for lost in made.lost]
    backup_snapshots.finish(to.place, snapshot, to.new_file())
    return made


@contextmanager
def _private() -> Iterator[None]:
    """Make files and folders for this account alone."""
    before = os.umask(0o777 & ~PRIVATE_FOLDER)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _scratch(pool: Storage) -> Iterator[Callable[[], Path]]:
    """Makes files beside the pool, which are gone when the context is left."""
    with ExitStack() as stack:

        def new_file() -> Path:
            path = pool.new_file()
            stack.callback(path.unlink, missing_ok=True)
            return path

        yield new_file


def _dump(services: Services, to: _To, dump: Path, listed: Path) -> Snapshot:
    """Dump the database, and list the blobs that it names; the place is for this index then."""
    with database_dumps.dumped(services.database, dump) as session:
        identity = session.scalar(select(Identity.text))
        if identity is None:
            raise BackupRefused("The database has no identity: run 'greenroom housekeeping' once.")
        backup_snapshots.claim(to.place, identity, to.new_file())
        revision = session.scalar(
            select(column("version_num")).select_from(table("alembic_version"))
        )
        blobs, size = backup_snapshots.write_blobs(
            listed, known_blobs.all_of(lambda: nullcontext(session))
        )
    return Snapshot(
        name=backup_snapshots.new_name(to.place, services.clock()),
        version=__version__,
        database=database_dumps.kind_of(services.database),
        schema_revision=str(revision),
        identity=identity,
        files={},
        blobs=blobs,
        size=size,
        lost=[],
    )


class _Copying(Struct, frozen=True):
    """How blobs are copied."""

    verify: bool
    renew: Callable[[], None]
    progress: Progress


def _copy_all(services: Services, pool: Storage, listed: Path, made: Made, how: _Copying) -> None:
    """Copy what the pool has not got, and look once more: somebody may remove what it had.

    Raises:
        BackupRefused: somebody does so again and again.
    """
    lost: dict[str, Lost] = {}
    for number in range(_ROUNDS):
        how.progress.begin("Copying files", _absent_size(pool, listed, how))
        absent = _absent(pool, listed, how if number == 0 else replace(how, verify=False))
        is_whole = True
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for batch in _batches(blob for blob in absent if blob.digest not in lost):
                is_whole = False
                for found in threads.map(lambda b: _copy(services.storage, pool, b, how), batch):
                    if isinstance(found, Lost):
                        lost[found.digest] = found
                    else:
                        made.copied, made.copied_size = made.copied + 1, made.copied_size + found
                how.renew()
        if is_whole:
            made.lost = list(lost.values())
            return
    raise BackupRefused("Files vanish from the backup while it is made: is another one running?")


def _absent_size(pool: Storage, listed: Path, how: _Copying) -> int:
    """How many bytes are to be copied, or to be read where all is verified."""
    present = _present(pool)
    return sum(
        blob.size or 0
        for blob in backup_snapshots.read_blobs(listed)
        if how.verify or not _is_there(present, blob)
    )


def _absent(pool: Storage, listed: Path, how: _Copying) -> Iterator[KnownBlob]:
    """The blobs that the pool has not got, or not as they were."""
    present = _present(pool)
    for blob in backup_snapshots.read_blobs(listed):
        is_there = _is_there(present, blob)
        if is_there and how.verify and not _is_intact(pool, blob, how.progress):
            is_there = False  # to put it again would leave a blob of the right size alone
            pool.delete(blob.digest)
        if not is_there:
            yield blob


def _present(pool: Storage) -> dict[bytes, int]:
    return {bytes.fromhex(digest): size for digest, size in pool.sizes()}


def _is_there(present: dict[bytes, int], blob: KnownBlob) -> bool:
    size = present.get(bytes.fromhex(blob.digest))
    return size is not None and blob.size in (None, size)


def _is_intact(pool: Storage, blob: KnownBlob, progress: Progress) -> bool:
    try:
        return blob_digests.is_intact(pool, blob.digest, progress.advance)
    except (BlobMissing, OSError):
        return False


def _copy(storage: Storage, pool: Storage, blob: KnownBlob, how: _Copying) -> Lost | int:
    """Copy a blob that has the content that its digest says; gives its size."""
    reason = "It is missing."
    aside = pool.new_file()
    try:
        for shelf in _LOOKED_AT:
            try:
                digest, size = _fetch(storage, blob.digest, shelf, aside, how.progress)
            except BlobMissing:
                continue
            except OSError as error:
                reason = f"It cannot be read: {error.strerror}."
                continue
            if digest == blob.digest:
                pool.put(aside, digest)
                return size
            reason = "Its content is another one."
    finally:
        aside.unlink(missing_ok=True)
    return Lost(blob.digest, blob.filename, reason)


def _fetch(
    storage: Storage, digest: str, shelf: Shelf, target: Path, progress: Progress
) -> tuple[str, int]:
    actual, size = hashlib.sha256(), 0
    with storage.open(digest, shelf=shelf) as blob, target.open("wb") as copy:
        for piece in blob:
            actual.update(piece)
            with disk_errors(target.parent):  # what cannot be read is another matter
                copy.write(piece)
            size += len(piece)
            progress.advance(len(piece))
    return actual.hexdigest(), size


def _batches(blobs: Iterable[KnownBlob]) -> Iterator[tuple[KnownBlob, ...]]:
    remaining = iter(blobs)
    while batch := tuple(islice(remaining, _BATCH)):
        yield batch
