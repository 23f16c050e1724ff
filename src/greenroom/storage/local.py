"""Blobs in a folder of this machine."""

import os
import secrets
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from greenroom.storage.blobs import (
    CHUNK_SIZE,
    MARKER,
    Blob,
    BlobMissing,
    Shelf,
    available_bytes,
    check_digest,
    check_range,
    is_digest,
)
from greenroom.storage.disk import flush, is_older, link_or_copy, make_folder, write_durably
from greenroom.storage.incoming import Incoming


class LocalStorage(Incoming):
    """Blobs as files in a local folder: ``ab/cd/abcd…``, aside in ``trash/ab/cd/abcd…``."""

    parts = None

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, and make it if it is not there."""
        super().__init__(folder / "incoming")
        self._folder = folder

    def put(self, path: Path, digest: str) -> None:
        """See ``Storage.put``. ``path`` on another filesystem, or of another user, is copied."""
        final = self._path(digest)
        make_folder(final.parent)
        if self.size(digest) == path.stat().st_size:
            os.utime(final)
        else:
            self._place(path, final)
        # Another process may have made the folders or the blob just now and not have come to
        # this point, so they are flushed whoever made them; it costs next to nothing if clean.
        for folder in (final.parent, final.parent.parent, self._folder):
            flush(folder)

    def _place(self, path: Path, final: Path) -> None:
        aside = self._incoming / f"put-{final.name}-{secrets.token_hex(8)}"
        try:
            link_or_copy(path, aside)
            flush(aside)
            os.replace(aside, final)
        finally:
            # Replacing one link to a file by another link to it leaves both.
            aside.unlink(missing_ok=True)

    def open(self, digest: str, offset: int = 0, length: int | None = None) -> Blob:
        """See ``Storage.open``. The blob stays readable when it is deleted meanwhile."""
        check_range(offset, length)
        return _open(self._path(digest), digest, offset, length)

    @contextmanager
    def local(self, digest: str) -> Iterator[Path]:
        """See ``Storage.local``: a link of its own, which stays when the blob is deleted."""
        aside = self._incoming / f"read-{digest}-{secrets.token_hex(8)}"
        try:
            link_or_copy(self._path(digest), aside)
        except FileNotFoundError:
            raise BlobMissing(digest) from None
        try:
            yield aside
        finally:
            aside.unlink(missing_ok=True)

    def url(self, digest: str, *, filename: str, expires_in: timedelta) -> str | None:
        """See ``Storage.url``: always ``None``."""
        check_digest(digest)
        return None

    def move(self, digest: str, source: Shelf, target: Shelf) -> bool:
        """See ``Storage.move``."""
        before, after = self._path(digest, source), self._path(digest, target)
        make_folder(after.parent)
        try:
            os.utime(before)  # so that it never lies there with its old age
            os.replace(before, after)
        except FileNotFoundError:
            return False
        for folder in (after.parent, before.parent):
            flush(folder)
        return True

    def delete(self, digest: str, shelf: Shelf = Shelf.KEPT) -> None:
        """See ``Storage.delete``."""
        self._path(digest, shelf).unlink(missing_ok=True)

    def size(self, digest: str, shelf: Shelf = Shelf.KEPT) -> int | None:
        """See ``Storage.size``."""
        try:
            return self._path(digest, shelf).stat().st_size
        except FileNotFoundError:
            return None

    @property
    def address(self) -> str:
        """See ``Storage.address``."""
        return str(self._folder)

    def marker(self) -> str | None:
        """See ``Storage.marker``."""
        try:
            return (self._folder / MARKER).read_text("ascii", "replace").strip()
        except FileNotFoundError:
            return None

    def mark(self, text: str) -> None:
        """See ``Storage.mark``."""
        write_durably(self._folder / MARKER, text)

    def __contains__(self, digest: object) -> bool:
        return is_digest(digest) and self._path(str(digest)).is_file()

    def digests(
        self, *, older_than: timedelta | None = None, shelf: Shelf = Shelf.KEPT
    ) -> Iterator[str]:
        """See ``Storage.digests``."""
        for path in self._shelf(shelf).glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):
                if is_digest(path.name) and is_older(path.stat(), older_than):
                    yield path.name

    def _path(self, digest: str, shelf: Shelf = Shelf.KEPT) -> Path:
        return blob_path(self._shelf(shelf), digest)

    def _shelf(self, shelf: Shelf) -> Path:
        return self._folder if shelf is Shelf.KEPT else self._folder / shelf


class FolderCopy:
    """A copy of such a folder, which is only read."""

    def __init__(self, folder: Path) -> None:
        """Read from ``folder``, which is there."""
        self._folder = folder

    def open(self, digest: str) -> Blob:
        """See ``BlobSource.open``."""
        return _open(blob_path(self._folder, digest), digest)


def blob_path(folder: Path, digest: str) -> Path:
    """Return where a blob lies in a folder of blobs."""
    check_digest(digest)
    return folder / digest[:2] / digest[2:4] / digest


def _open(path: Path, digest: str, offset: int = 0, length: int | None = None) -> Blob:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise BlobMissing(digest) from None
    size = os.fstat(file.fileno()).st_size
    file.seek(offset)
    available = available_bytes(size, offset, length)
    return Blob(_read(file, available), size=size, length=available, file=file)


def _read(file: BinaryIO, length: int) -> Generator[bytes, None, None]:
    while length and (chunk := file.read(min(CHUNK_SIZE, length))):
        length -= len(chunk)
        yield chunk
