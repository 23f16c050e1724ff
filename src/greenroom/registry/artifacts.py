"""A file on its way in: what arrived, what was said about it, and what is inside."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

from msgspec import Struct
from packaging.version import Version

from greenroom.digests import Digests, Hash
from greenroom.registry.arriving import FULL, OF_NOBODY, Room, Share
from greenroom.registry.errors import OutOfSpace
from greenroom.storage import StorageFull, disk_errors
from greenroom.storage.disk import begin_to_flush

_LOOK_EVERY = 32 * 2**20
_FLUSHED_EVERY = 16 * 2**20

PackageType = Literal["sdist", "bdist_wheel"]


class Received(Struct, frozen=True):
    """Bytes that have arrived.

    Attributes:
        path: where they lie for now.
        size: how many there are.
        digests: hexadecimal, by name: ``md5``, ``sha256``, ``blake2_256`` and what was asked for.
    """

    path: Path
    size: int
    digests: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """The digest under which the storage keeps them."""
        return self.digests["sha256"]


class Artifact(Struct, frozen=True):
    """A file that has arrived whole, under the name that its uploader gives it."""

    filename: str
    content: Received

    @property
    def path(self) -> Path:
        """Where it lies for now."""
        return self.content.path

    @property
    def size(self) -> int:
        """In bytes."""
        return self.content.size

    @property
    def sha256(self) -> str:
        """Hexadecimal."""
        return self.content.digests["sha256"]

    @property
    def md5(self) -> str:
        """Hexadecimal."""
        return self.content.digests["md5"]

    @property
    def blake2_256(self) -> str:
        """BLAKE2b with 32 bytes, hexadecimal."""
        return self.content.digests["blake2_256"]


class Claims(Struct, frozen=True):
    """What the uploader says of the file.

    Attributes:
        digests: maps ``sha256`` and the like to hex text.
        comment: a word about the file for everybody to read; may be empty.
        told_by: what says so, as sentences call it.
    """

    name: str
    version: Version
    packagetype: PackageType
    digests: Mapping[str, str]
    comment: str = ""
    told_by: str = "uploader"


class TooManyBytes(Exception):
    """More bytes arrive than may.

    Attributes:
        limit: how many may.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"More than {limit} bytes arrive.")
        self.limit = limit


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn what the disk of the folder says, which takes no more, into ``OutOfSpace``.

    Raises:
        greenroom.storage.StorageUnavailable: it cannot be written to.
    """
    try:
        with disk_errors(folder):
            yield
    except StorageFull as error:
        raise OutOfSpace(FULL) from error


def _digests(more: Iterable[str]) -> Digests:
    """Those of every file, and others by their names in :mod:`hashlib`."""
    hashes: dict[str, Hash] = {
        "md5": hashlib.md5(usedforsecurity=False),
        "sha256": hashlib.sha256(),
        "blake2_256": hashlib.blake2b(digest_size=32),
    }
    for name in more:
        if name not in hashes:
            hashes[name] = hashlib.new(name, usedforsecurity=False)
    return Digests(hashes)


class Receiver:
    """Writes bytes to a temporary file and hashes them, as they arrive.

    Memory does not grow with what arrives, and nothing is read twice. Leaving its context removes
    the file; whoever wants to keep it moves or links it away before.
    """

    def __init__(
        self,
        folder: Path,
        *,
        limit: int,
        digests: Iterable[str] = (),
        share: Share | None = OF_NOBODY,
    ) -> None:
        """Make the file.

        Args:
            folder: where it lies; its mode is 0600.
            limit: how many bytes may arrive.
            digests: names of hash functions of :mod:`hashlib`, besides those of every file.
            share: whose quota they count against; None where they are counted already.

        Raises:
            OutOfSpace: the disk is nearly full.
            greenroom.storage.StorageUnavailable: it cannot be written to.
        """
        self._room = Room(folder, min(limit + 1, _LOOK_EVERY), share)
        self._limit = limit
        self._size = self._on_its_way = 0
        self._digests = _digests(digests)
        self._folder = folder
        try:
            with _writing(folder):
                number, path = tempfile.mkstemp(prefix="upload-", dir=folder)
        except BaseException:
            self._room.free()
            raise
        self._path = Path(path)
        self._file: BinaryIO = os.fdopen(number, "wb", buffering=0)

    def add(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            TooManyBytes: they are more than may arrive.
            TooLarge: they are more than the person has left whose they are.
            OutOfSpace: the disk is full, or nearly so.
            greenroom.storage.StorageUnavailable: it cannot be written to.
        """
        self._size += len(piece)
        if self._size > self._limit:
            raise TooManyBytes(self._limit)
        self._room.need(len(piece), _LOOK_EVERY)
        self._digests.add(piece)
        left = memoryview(piece)
        with _writing(self._folder):
            while left:  # a disk that is nearly full takes a part
                left = left[self._file.write(left) :]
        self._room.use(len(piece))
        if self._size - self._on_its_way >= _FLUSHED_EVERY:
            self._begin_to_flush()

    def received(self) -> Received:
        """What has arrived; nothing more may."""
        if self._size >= _FLUSHED_EVERY:  # what is small is written at once when it is flushed
            self._begin_to_flush()
        self._file.close()
        self._room.close()
        return Received(self._path, self._size, self._digests.finished())

    def _begin_to_flush(self) -> None:
        """Have the disk work while more arrives, or is looked at: whoever keeps it waits for it."""
        begin_to_flush(self._file.fileno())
        self._on_its_way = self._size

    def remove(self) -> None:
        """Remove the file, if it is still where it was."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)
        self._room.free()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()
