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
    Blob,
    BlobMissing,
    available_bytes,
    check_digest,
    check_range,
    is_digest,
)
from greenroom.storage.disk import flush, is_older, link_or_copy, make_folder
from greenroom.storage.incoming import Incoming


class LocalStorage(Incoming):
    """Blobs as files in a local folder: ``ab/cd/abcd…``."""

    parts = None

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, and make it if it is not there."""
        super().__init__(folder / "incoming")
        self._folder = folder

    def put(self, path: Path, digest: str) -> None:
        """See ``Storage.put``. ``path`` on another filesystem, or of another user, is copied."""
        final = self._path(digest)
        make_folder(final.parent)
        try:
            os.utime(final)
        except FileNotFoundError:
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
        try:
            file = self._path(digest).open("rb")
        except FileNotFoundError:
            raise BlobMissing(digest) from None
        size = os.fstat(file.fileno()).st_size
        file.seek(offset)
        available = available_bytes(size, offset, length)
        return Blob(_read(file, available), size=size, length=available, file=file)

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

    def delete(self, digest: str) -> None:
        """See ``Storage.delete``."""
        self._path(digest).unlink(missing_ok=True)

    def __contains__(self, digest: object) -> bool:
        return is_digest(digest) and self._path(str(digest)).is_file()

    def digests(self, *, older_than: timedelta | None = None) -> Iterator[str]:
        """See ``Storage.digests``."""
        for path in self._folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):
                if is_digest(path.name) and is_older(path.stat(), older_than):
                    yield path.name

    def _path(self, digest: str) -> Path:
        check_digest(digest)
        return self._folder / digest[:2] / digest[2:4] / digest


def _read(file: BinaryIO, length: int) -> Generator[bytes, None, None]:
    while length and (chunk := file.read(min(CHUNK_SIZE, length))):
        length -= len(chunk)
        yield chunk
