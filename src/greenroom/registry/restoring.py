"""Restoring a backup: into an empty database and an empty storage, on this machine or another.

What is killed goes on when it is called again. The storage is marked with what is being restored
into it, so that nothing else works on it; the database comes after the files that it names, as a
whole, and last the storage is marked as that database's.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import sqlalchemy
from msgspec import Struct, field
from sqlalchemy import Select, Table, func, or_, select

from greenroom.models import Attempt, AuditEntry, Base, Identity, Job, RunningBackup
from greenroom.registry import (
    audit,
    backup_holds,
    backup_snapshots,
    blob_digests,
    database_dumps,
    storage_identity,
    upstream_files,
)
from greenroom.registry.backup_snapshots import DATABASES, BackupRefused, Snapshot
from greenroom.registry.backups import Lost
from greenroom.registry.known_blobs import KnownBlob
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.progress import Progress
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.settings import key_file
from greenroom.storage import BackupPlace, BlobMissing, BlobSource, Shelf, Storage
from greenroom.storage.disk import disk_errors

_AT_ONCE = 4
_BATCH = 64
# A database that has only these was just made, or is of a server that was just started.
_OF_NO_ACCOUNT = {model.__tablename__ for model in (Identity, Job, Attempt, RunningBackup)}


class Restored(Struct):
    """What came of restoring.

    Attributes:
        snapshot: what was restored.
        copied: how many blobs were copied; others were there already.
        lost: what the backup has not got.
        has_key: whether the key that signs sessions came with it.
    """

    snapshot: Snapshot
    copied: int = 0
    lost: list[Lost] = field(default_factory=list)
    has_key: bool = False


def restore(
    services: Services,
    place: BackupPlace,
    name: str | None,
    confirm: Callable[[str], bool],
    progress: Progress,
) -> Restored:
    """Restore a snapshot, with all of its files, and bind the storage to the database.

    Args:
        services: where to. The database and the storage are empty, or this was begun before.
        place: where the backup is.
        name: which snapshot; the newest by default.
        confirm: asked, with a sentence, before a storage that has files is used.
        progress: told how far it is.

    Raises:
        NotFound: there is no such snapshot.
        BackupRefused: it cannot be restored here.
        database_dumps.DumpFailed: the database could not be restored. All else is there.
        greenroom.storage.StorageUnavailable: the storage or the place does not answer.
    """
    snapshot = backup_snapshots.pick(place, name)
    _check_kind(services, snapshot)
    marker = storage_identity.restoring_marker(snapshot.identity, snapshot.name)
    has_database = _has_database(services, snapshot, marker)
    _check_storage(services.storage, snapshot, confirm)
    with disk_errors(services.storage.incoming), _files(services, 2) as (dump, listed):
        backup_snapshots.fetch(place, snapshot, backup_snapshots.BLOBS, listed)
        if not has_database:
            backup_snapshots.fetch(place, snapshot, DATABASES[snapshot.database], dump)
        services.storage.mark(marker)
        restored = Restored(snapshot)
        _copy_all(services.storage, place.blobs, listed, restored, progress)
        if not has_database:
            database_dumps.restore(services.database, dump)
    restored.has_key = _restore_key(services, place, snapshot)
    services.database.upgrade()
    with services.writing() as uow:
        backup_holds.forget(uow)
        upstream_files.forget_missing(uow)
        _record(uow, place, restored)
    services.storage.mark(snapshot.identity)
    return restored


def _record(uow: UnitOfWork, place: BackupPlace, restored: Restored) -> None:
    """Write down in the database that was restored that it was."""
    snapshot = restored.snapshot
    detail = (
        f"snapshot {snapshot.name} from {place.address}; schema of the snapshot: "
        f"{snapshot.schema_revision}; files: {snapshot.blobs}, copied: {restored.copied}, "
        f"lost: {len(restored.lost)}"
    )
    audit.write(uow, audit.Kind.BACKUP_RESTORE, OPERATOR, detail=detail)


def _check_kind(services: Services, snapshot: Snapshot) -> None:
    kind = database_dumps.kind_of(services.database)
    if kind != snapshot.database:
        raise BackupRefused(
            f"The snapshot {snapshot.name} is of a database of {_NAMES[snapshot.database]}, and "
            f"the settings name one of {_NAMES[kind]}: restore it into one of its own kind, and "
            "move from there with 'greenroom db copy'."
        )
    if not services.database.knows(snapshot.schema_revision):
        raise BackupRefused(
            f"The snapshot {snapshot.name} is of a newer version of Greenroom "
            f"({snapshot.version}): restore it with that version."
        )


_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def _has_database(services: Services, snapshot: Snapshot, marker: str) -> bool:
    """Whether the database was restored already, by a call that was killed.

    Raises:
        BackupRefused: it has something else.
    """
    database = services.database
    if database.is_sqlite and not database_dumps.file_of(database).exists():
        return False
    database_dumps.check_can_restore(database)
    with database.engine.connect() as connection:
        present = set(sqlalchemy.inspect(connection).get_table_names())
        tables = [table for table in Base.metadata.sorted_tables if table.name in present]
        rows = {table.name: connection.scalar(_counted(table)) for table in tables}
        identity = None
        if Identity.__tablename__ in present:
            identity = connection.scalar(select(Identity.text))
    database.close()
    if services.storage.marker() == marker and identity == snapshot.identity:
        return True
    if any(count for table, count in rows.items() if table not in _OF_NO_ACCOUNT):
        raise BackupRefused(
            f"The database {_address(services)} is not empty: restore into a new data folder "
            "(GREENROOM_DATA), or into an empty database (GREENROOM_DATABASE_URL)."
        )
    return False


def _counted(table: Table) -> Select[int]:
    """How many rows a table has; of the audit log, how many tell of a person or a project.

    Whoever upgrades a schema, or tries in vain to sign in, leaves a line there that nobody misses.
    """
    count = select(func.count()).select_from(table)
    if table.name != AuditEntry.__tablename__:
        return count
    told = (table.c.by_id, table.c.about_id, table.c.project)
    return count.where(or_(*(column.is_not(None) for column in told)))


def _address(services: Services) -> str:
    return services.database.engine.url.render_as_string(hide_password=True)


def _check_storage(storage: Storage, snapshot: Snapshot, confirm: Callable[[str], bool]) -> None:
    """See that the storage is empty, or was begun to be restored into, or is to be used anyway.

    Raises:
        BackupRefused: it is not.
    """
    marker = storage.marker() or ""
    if marker.startswith(storage_identity.restoring_marker(snapshot.identity, "")):
        return
    if storage_identity.is_empty(storage):
        return
    owner = "of the index that the backup is of" if marker == snapshot.identity else "of its own"
    if not confirm(
        f"The storage {storage.address} has files {owner}. What the backup has is added to them, "
        "the storage belongs to the restored database from then on, and housekeeping moves what "
        "that does not know to the trash. No other index may use it."
    ):
        raise BackupRefused(
            f"The storage {storage.address} is not empty: restore into a new data folder "
            "(GREENROOM_DATA) or an empty bucket or prefix (GREENROOM_STORAGE_URL)."
        )


@contextmanager
def _files(services: Services, count: int) -> Iterator[list[Path]]:
    """Empty files for this account alone, where the database's file can be renamed from."""
    database = services.database
    folder = services.storage.incoming
    if database.is_sqlite:
        folder = database_dumps.file_of(database).parent
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_RESTORING}*"):
            left.unlink(missing_ok=True)
    paths = [folder / f"{_RESTORING}{secrets.token_hex(8)}" for _ in range(count)]
    try:
        for path in paths:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        yield paths
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


_RESTORING = "greenroom-restoring-"


def _copy_all(
    storage: Storage, source: BlobSource, listed: Path, restored: Restored, progress: Progress
) -> None:
    """Copy every blob that is listed, unless it is there as it should be."""
    progress.begin("Restoring files", restored.snapshot.size)
    remaining = backup_snapshots.read_blobs(listed)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        while batch := tuple(islice(remaining, _BATCH)):
            for found in threads.map(lambda blob: _copy(storage, source, blob, progress), batch):
                if isinstance(found, Lost):
                    restored.lost.append(found)
                else:
                    restored.copied += found


def _copy(storage: Storage, source: BlobSource, blob: KnownBlob, progress: Progress) -> Lost | bool:
    """Copy a blob that has the content that its digest says; False where it is there already."""
    if blob_digests.is_there_intact(storage, blob.digest):
        progress.advance(blob.size or 0)
        return False
    storage.move(blob.digest, Shelf.KEPT, Shelf.DAMAGED)
    path, actual = storage.new_file(), hashlib.sha256()
    try:
        with source.open(blob.digest) as pieces, path.open("wb") as copy:
            for piece in pieces:
                actual.update(piece)
                with disk_errors(path.parent):
                    copy.write(piece)
                progress.advance(len(piece))
        if actual.hexdigest() != blob.digest:
            return Lost(blob.digest, blob.filename, "Its content in the backup is another one.")
        storage.put(path, blob.digest)
    except BlobMissing:
        return Lost(blob.digest, blob.filename, "It is missing in the backup.")
    except OSError as error:
        return Lost(blob.digest, blob.filename, f"It cannot be read: {error.strerror}.")
    finally:
        path.unlink(missing_ok=True)
    return True


def _restore_key(services: Services, place: BackupPlace, snapshot: Snapshot) -> bool:
    """Put the key that signs sessions where it was; False where it did not come with the backup."""
    path = key_file(services.settings)
    if path is None or backup_snapshots.SECRET_KEY not in snapshot.files:
        return False
    aside = path.with_name(f"{_RESTORING}{secrets.token_hex(8)}")
    os.close(os.open(aside, os.O_CREAT | os.O_EXCL, 0o600))
    try:
        backup_snapshots.fetch(place, snapshot, backup_snapshots.SECRET_KEY, aside)
        os.replace(aside, path)
    except BackupRefused:  # people have to sign in again; all else is there
        return False
    finally:
        aside.unlink(missing_ok=True)
    return True
