"""Where bytes are kept: a folder of this machine, or any S3-compatible service.

``open_storage`` picks the place. Nothing here knows of projects, users or databases.
"""

from greenroom.storage.blobs import (
    Blob,
    BlobMissing,
    BlobSource,
    PartMissing,
    Parts,
    Shelf,
    Storage,
    StorageFull,
    StorageUnavailable,
)
from greenroom.storage.disk import disk_errors
from greenroom.storage.local import LocalStorage
from greenroom.storage.open import open_copy, open_storage
from greenroom.storage.s3 import S3Parts, S3Storage

__all__ = [
    "Blob",
    "BlobMissing",
    "BlobSource",
    "LocalStorage",
    "PartMissing",
    "Parts",
    "S3Parts",
    "S3Storage",
    "Shelf",
    "Storage",
    "StorageFull",
    "StorageUnavailable",
    "disk_errors",
    "open_copy",
    "open_storage",
]
