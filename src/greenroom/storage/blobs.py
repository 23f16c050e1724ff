"""What keeps blobs: bytes under the SHA-256 of their content.

A blob's key is the lower-case hexadecimal SHA-256 digest of what is in it, so a blob never
changes, storing it twice is storing it once, and whoever holds a digest can check what they get.
Which blobs are still wanted is for the caller to say.

What clients put into a service themselves lies apart from the blobs (``Parts``), and is whatever
they say it is until somebody has read it.
"""

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol, Self

CHUNK_SIZE = 128 * 1024
MARKER = "identity"
"""The name of what a storage is marked with, beside its blobs."""
PROBE = "writable"
"""The name of what is written to see whether anything can be."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Shelf(StrEnum):
    """Where in a storage a blob lies: with those in use, or aside, for somebody to decide."""

    KEPT = "kept"
    TRASH = "trash"
    DAMAGED = "damaged"


class BlobMissing(LookupError):
    """No blob is kept under this digest."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"No blob is kept under {digest}.")
        self.digest = digest


class PartMissing(LookupError):
    """Nobody has put this part of an upload."""

    def __init__(self, upload: str, number: int) -> None:
        super().__init__(f"Nobody has put part {number} of the upload {upload}.")
        self.number = number


class StorageUnavailable(Exception):
    """The storage cannot be used now.

    Its driver is not installed, the service does not answer or refuses, or the disk cannot be read
    or written. The text says which, for the operator.
    """


class StorageFull(StorageUnavailable):
    """There is no room left for what was to be kept."""


class Blob:
    """The bytes of a blob, or of a range of it, read as they are iterated over.

    It is iterated over once, in chunks whose size does not depend on that of the blob, and closed
    after that; ``with`` and WSGI servers do so by themselves.

    Attributes:
        size: the size of the whole blob, in bytes.
        length: how many bytes iterating yields: those of the range that the blob has.
        file: a local blob's file, positioned at the start of the range, for ``sendfile``; else
            ``None``. It ends where the blob ends, not where the range does.
    """

    def __init__(
        self,
        chunks: Generator[bytes, None, None],
        *,
        size: int,
        length: int,
        file: BinaryIO | None = None,
    ) -> None:
        self._chunks = chunks
        self.size = size
        self.length = length
        self.file = file

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the file or the connection. Closing twice does nothing."""
        self._chunks.close()
        if self.file is not None:
            self.file.close()


class Parts(Protocol):
    """Where clients put parts of files themselves, with URLs made for that.

    Parts lie apart from the blobs, to which no such URL leads. Whoever has the URL of a part may
    put it, and put it anew, until the URL expires, whatever became of the upload meanwhile. An
    ``upload`` is at most 40 ASCII letters and digits, and a ``number`` at least 1, else
    ``ValueError``. A service that does not answer, or refuses, raises ``StorageUnavailable`` as
    with ``Storage``.
    """

    @property
    def offered(self) -> bool:
        """Whether there is an address under which clients reach the service."""
        ...

    def url(self, upload: str, number: int, *, size: int, expires_in: timedelta) -> str | None:
        """Return a URL to which anyone can PUT the part until it expires.

        Args:
            upload: the upload that the part is of.
            number: the part's number.
            size: how many bytes the part has. Some services take others too: look at ``sizes``.
            expires_in: how long the URL is good for, within 7 days.

        Returns:
            The URL, or ``None``: clients do not reach the service.
        """
        ...

    def sizes(self, upload: str) -> dict[int, int]:
        """Return the size of each part that was put, in bytes, by its number."""
        ...

    def open(self, upload: str, number: int) -> Blob:
        """Return the bytes of a part, as they are now.

        Raises:
            PartMissing: nobody has put it.
        """
        ...

    def remove(self, upload: str) -> None:
        """Forget all parts of an upload. That there are none is no error."""
        ...

    def uploads(self, *, older_than: timedelta | None = None) -> Iterator[str]:
        """Yield every upload of which parts were put, while it looks.

        With ``older_than``, leave out those of which a part was put more recently.
        """
        ...


class BlobSource(Protocol):
    """Something that blobs can be read from, such as a backup."""

    def open(self, digest: str) -> Blob:
        """Return the bytes of a blob.

        Raises:
            BlobMissing: no blob is kept under this digest.
        """
        ...


class Storage(Protocol):
    """What every place for blobs can do.

    All methods may be called from many threads, and from many processes on the same place. Every
    ``digest`` is 64 lower-case hexadecimal characters, else ``ValueError``. A service that does not
    answer, or refuses, and a disk that cannot be read or written, raise ``StorageUnavailable`` from
    any method that needs them, ``StorageFull`` where no room is left. What was kept before still
    is.
    """

    @property
    def incoming(self) -> Path:
        """The local folder for files that are still being received. It exists."""
        ...

    @property
    def parts(self) -> Parts | None:
        """Where clients may put parts of files themselves. ``None``: they cannot."""
        ...

    def new_file(self) -> Path:
        """Make an empty file in ``incoming``, where ``put`` is cheap; the caller removes it."""
        ...

    def stale_incoming(self, older_than: timedelta) -> Iterator[Path]:
        """Yield what crashed processes left in ``incoming``.

        A file is stale when nobody has written to it for ``older_than``.
        """
        ...

    def remove_stale_incoming(self, older_than: timedelta) -> int:
        """Remove what is stale in ``incoming``; return how many files that were."""
        ...

    def put(self, path: Path, digest: str) -> None:
        """Keep the content of the file at ``path`` as the blob ``digest``.

        When this returns, the blob is there as a whole and survives a loss of power; before, it
        is not there at all. The caller vouches for the digest, may remove ``path`` afterwards, and
        does not write to it again. Storing a blob that is there makes it young again (``digests``);
        one that is there in another size is damaged, and replaced.
        """
        ...

    def put_all(self, contents: Mapping[str, Path | bytes]) -> None:
        """Keep the content of each of these files, or these bytes, as the blob of its digest.

        When this returns, all of them are there as ``put`` has it; when it raises, maybe some. It
        may take less than to put them one by one, and a blob that is there in the right size need
        not be sent again.
        """
        ...

    def open(
        self,
        digest: str,
        offset: int = 0,
        length: int | None = None,
        *,
        shelf: Shelf = Shelf.KEPT,
    ) -> Blob:
        """Return ``length`` bytes of a blob from ``offset`` on, or what there is of them.

        Raises:
            BlobMissing: there is no such blob on this shelf.
            ValueError: the offset or the length is negative.
        """
        ...

    def local(self, digest: str) -> AbstractContextManager[Path]:
        """Have the blob as a file of this machine, which nobody writes to, while in the context.

        Raises:
            BlobMissing: no blob is kept under this digest.
        """
        ...

    def url(self, digest: str, *, filename: str, expires_in: timedelta) -> str | None:
        """Return a URL under which anyone can fetch the blob until it expires.

        A browser saves it as ``filename``. ``None``: the blob can only be had through ``open``.
        Whether the blob exists is not looked at.
        """
        ...

    def move(self, digest: str, source: Shelf, target: Shelf) -> bool:
        """Move a blob from one shelf to another, where it is young (``digests``).

        One that lies on the other shelf already is replaced.

        Returns:
            False: there is none on the first shelf.
        """
        ...

    def delete(self, digest: str, shelf: Shelf = Shelf.KEPT) -> None:
        """Forget a blob for good. One that is not there is no error."""
        ...

    def size(self, digest: str, shelf: Shelf = Shelf.KEPT) -> int | None:
        """Return how many bytes are kept under a digest. ``None``: there is no such blob."""
        ...

    @property
    def address(self) -> str:
        """The folder or the URL where the blobs are, for people to read."""
        ...

    def marker(self) -> str | None:
        """Return the text with which the storage was marked. ``None``: it never was."""
        ...

    def mark(self, text: str) -> None:
        """Mark the storage with a text, durably, in place of what it was marked with."""
        ...

    def check_writable(self) -> None:
        """Write something small that is no blob, in place of what was written so before.

        Raises:
            StorageUnavailable: that is not possible now.
        """
        ...

    def __contains__(self, digest: object) -> bool:
        """Whether a blob is kept; what is not a digest is not contained."""
        ...

    def digests(
        self, *, older_than: timedelta | None = None, shelf: Shelf = Shelf.KEPT
    ) -> Iterator[str]:
        """Yield the digest of every blob on a shelf, in no order, while it looks.

        With ``older_than``, leave out blobs stored, or stored again, more recently. A sweep of
        unwanted blobs needs this: a blob is stored before the transaction that names it commits.
        """
        ...

    def sizes(self, shelf: Shelf = Shelf.KEPT) -> Iterator[tuple[str, int]]:
        """Yield digest and size of every blob on a shelf, as ``digests`` does."""
        ...


class NamedFiles(Protocol):
    """Files under names of their own, in a folder or in a bucket: what a backup says of itself.

    A name is made of segments with slashes between them. A service that does not answer, or
    refuses, raises ``StorageUnavailable`` as with ``Storage``.
    """

    def put(self, name: str, path: Path) -> None:
        """Keep the content of the file at ``path`` under a name, in place of what was there.

        It is there as a whole, and survives a loss of power, when this returns; before, it is not
        there at all. The caller may remove ``path`` afterwards, and does not write to it again.
        """
        ...

    def read(self, name: str) -> Blob | None:
        """Return what is kept under a name. ``None``: nothing is."""
        ...

    def names(self, folder: str = "") -> Iterator[str]:
        """Yield the name of every file, or of every one below a folder, in no order."""
        ...

    def remove(self, name: str) -> None:
        """Forget what is kept under a name. That there is nothing is no error."""
        ...


def size_of(content: Path | bytes) -> int:
    """The bytes that there are in a file, or in these bytes."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def is_digest(digest: object) -> bool:
    """Whether something is the digest of a blob, by its form."""
    return isinstance(digest, str) and _DIGEST.fullmatch(digest) is not None


def check_digest(digest: str) -> None:
    """Raise ``ValueError`` unless this has the form of a digest."""
    if not is_digest(digest):
        raise ValueError(f"A digest is 64 lower-case hexadecimal characters, not {digest!r}.")


def check_range(offset: int, length: int | None) -> None:
    """Raise ``ValueError`` for a negative offset or length."""
    if offset < 0 or (length is not None and length < 0):
        raise ValueError("A range has neither a negative offset nor a negative length.")


def available_bytes(size: int, offset: int, length: int | None) -> int:
    """Return how many bytes a blob of ``size`` bytes has in a range."""
    rest = max(size - offset, 0)
    return rest if length is None else min(rest, length)
