"""Choose where bytes are kept."""

import re
from pathlib import Path

from msgspec import Struct

from greenroom.storage.blobs import BlobSource, NamedFiles, Storage
from greenroom.storage.local import FolderCopy, FolderFiles, LocalStorage
from greenroom.storage.s3 import S3Files, S3Storage

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_S3_URL = re.compile(
    r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9])"
    r"(?:/(?P<prefix>[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*))?/?"
)

POOL = "files"
"""The folder of a backup that has the blobs of all its snapshots."""


class BackupPlace(Struct, frozen=True):
    """Where backups are written to, and read from.

    Attributes:
        address: the folder or the URL, for people to read.
        folder: the folder; ``None`` for a bucket.
        files: what each backup says of itself.
        blobs: the blobs of all of them, to read from.
    """

    address: str
    folder: Path | None
    files: NamedFiles
    blobs: BlobSource


def open_backup(where: str, scratch: Path, *, s3_endpoint: str | None = None) -> BackupPlace:
    """Return the place of backups that a folder or an s3:// URL names; nothing is made there.

    Args:
        where: the folder or the URL.
        scratch: a local folder, in which files lie for a moment on their way to a service.
        s3_endpoint: where the service is, if the usual AWS variables do not say so.

    Raises:
        ValueError: the URL is of another form.
        StorageUnavailable: the driver for the service is not installed.
    """
    if not _SCHEME.match(where):
        folder = Path(where).absolute()
        return BackupPlace(str(folder), folder, FolderFiles(folder), FolderCopy(folder / POOL))
    match = _S3_URL.fullmatch(where)
    if match is None:  # it may have a password
        scheme = where.partition("://")[0]
        raise ValueError(
            f"An address that begins with {scheme}:// is no place for backups: name a folder, or "
            "s3://bucket/prefix."
        )
    bucket, prefix = match["bucket"], match["prefix"] or ""
    return BackupPlace(
        where.rstrip("/"),
        None,
        S3Files(bucket, prefix, endpoint=s3_endpoint),
        open_pool(where, scratch, s3_endpoint=s3_endpoint),
    )


def open_pool(where: str, scratch: Path, *, s3_endpoint: str | None = None) -> Storage:
    """Return the blobs of such a place, to write to; a folder is made where there is none."""
    if where.startswith("s3://"):
        return open_storage(f"{where.rstrip('/')}/{POOL}", scratch, s3_endpoint=s3_endpoint)
    return LocalStorage(Path(where).absolute() / POOL)


def open_copy(where: str, incoming: Path, *, s3_endpoint: str | None = None) -> BlobSource:
    """Return a copy of a storage, to read from: a folder, or what an s3:// URL names.

    Args:
        where: the folder of the files, or the data folder that has it; or the URL.
        incoming: a local folder that may be written to.
        s3_endpoint: where the service is, if the usual AWS variables do not say so.

    Raises:
        ValueError: it is neither.
        StorageUnavailable: the driver for the service is not installed.
    """
    if where.startswith("s3://"):
        return open_storage(where, incoming.parent, s3_endpoint=s3_endpoint)
    folder = Path(where)
    if not folder.is_dir():
        raise ValueError(f"{where} is no folder and no s3:// URL: name a copy of the files.")
    return FolderCopy(folder / "files" if (folder / "files").is_dir() else folder)


def open_storage(
    url: str | None,
    folder: Path,
    *,
    s3_endpoint: str | None = None,
    s3_public_endpoint: str | None = None,
) -> Storage:
    """Return the storage that GREENROOM_STORAGE_URL asks for, without contacting any service.

    Args:
        url: ``None`` for a local storage in ``folder``; ``s3://bucket`` or ``s3://bucket/prefix``,
        which
            keep only incoming files in ``folder``.
        folder: a local folder, made if need be.
        s3_endpoint: where the service is, if the usual AWS variables do not say so.
        s3_public_endpoint: where clients of the index find that service.

    Raises:
        ValueError: the URL or an endpoint is of another form.
        StorageUnavailable: the driver for the service is not installed.
    """
    if url is None:
        return LocalStorage(folder)
    match = _S3_URL.fullmatch(url)
    if match is None:
        raise ValueError(
            "GREENROOM_STORAGE_URL accepts s3://bucket or s3://bucket/prefix; "
            "leave it unset to keep files in the data folder."
        )
    return S3Storage(
        match["bucket"],
        match["prefix"] or "",
        folder / "incoming",
        endpoint=s3_endpoint,
        public_endpoint=s3_public_endpoint,
    )
