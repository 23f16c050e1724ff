"""Whether a blob has the content that its digest says."""

import hashlib
from collections.abc import Callable

from greenroom.storage import BlobMissing, Storage


def is_intact(
    storage: Storage, digest: str, progress: Callable[[int], None] = lambda size: None
) -> bool:
    """Read a blob as a whole, and say whether its content is what it was stored as.

    Args:
        storage: where it is kept.
        digest: which one.
        progress: told of the size of each piece that was read.

    Raises:
        greenroom.storage.BlobMissing: there is none.
    """
    actual = hashlib.sha256()
    with storage.open(digest) as blob:
        for piece in blob:
            actual.update(piece)
            progress(len(piece))
    return actual.hexdigest() == digest


def is_there_intact(storage: Storage, digest: str) -> bool:
    """Whether there is a blob that has the content that its digest says."""
    try:
        return is_intact(storage, digest)
    except BlobMissing:
        return False
