"""Choose where bytes are kept."""

import re
from pathlib import Path

from greenroom.storage.blobs import BlobSource, Storage
from greenroom.storage.local import FolderCopy, LocalStorage
from greenroom.storage.s3 import S3Storage

_S3_URL = re.compile(
    r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9])"
    r"(?:/(?P<prefix>[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*))?/?"
)


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
