"""Where bytes are kept: a folder of this machine, or any S3-compatible service.

``open_storage`` picks the place. Nothing here knows of projects, users or databases.
"""

from greenroom.storage.blobs import (
    Blob,
    BlobMissing,
    BlobSource,
    NamedFiles,
    PartMissing,
    Parts,
    Shelf,
    Storage,
    StorageFull,
    StorageUnavailable,
)
from greenroom.storage.disk import disk_errors
from greenroom.storage.local import LocalStorage
from greenroom.storage.open import (
    BackupPlace,
    open_backup,
    open_copy,
    open_pool,
    open_storage,
)
from greenroom.storage.s3 import S3Parts, S3Storage

__all__ = [
    "BackupPlace",
    "Blob",
    "BlobMissing",
    "BlobSource",
    "LocalStorage",
    "NamedFiles",
    "PartMissing",
    "Parts",
    "S3Parts",
    "S3Storage",
    "Shelf",
    "Storage",
    "StorageFull",
    "StorageUnavailable",
    "disk_errors",
    "open_backup",
    "open_copy",
    "open_pool",
    "open_storage",
]
