"""Blobs in a folder of this machine.

What ``put_all`` flushes to the disk, and why:

- each file, before it appears under its name: a name is there only with all of its bytes;
- the folder that has the name, once for all files that go into it: or the name could be lost. Also
  where the file is there already: another process may just have put it, and not have come that far;
- the folders above that one, until this process has done so once: whoever has made them may not
  have come that far either. Nobody removes them.

So a wheel and its metadata file take four flushes. Files that are received are not flushed: what is
lost then was never acknowledged. The system begins to write large ones while they arrive
(``begin_to_flush``), so that there is less to wait for here.
"""

import os
import secrets
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from greenroom.storage.blobs import (
    CHUNK_SIZE,
    MARKER,
    PROBE,
    Blob,
    BlobMissing,
    Shelf,
    StorageUnavailable,
    available_bytes,
    check_digest,
    check_range,
    is_digest,
    size_of,
)
from greenroom.storage.disk import (
    disk_errors,
    flush,
    is_older,
    link_or_copy,
    make_folder,
    write_durably,
)
from greenroom.storage.incoming import Incoming

_ASIDE = ".aside"
"""How the names of files end that are not there as a whole yet."""
_PROBE_CONTENT = b"Whether anything can be written here is seen by writing this.\n"


class LocalStorage(Incoming):
    """Blobs as files in a local folder: ``ab/cd/abcd…``, aside in ``trash/ab/cd/abcd…``."""

    parts = None

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, and make it if it is not there."""
        super().__init__(folder / "incoming")
        self._folder = folder
        with disk_errors(folder):
            self._was_marked = (folder / MARKER).exists()
        self._lasting: set[Path] = set()

    def put(self, path: Path, digest: str) -> None:
        """See ``Storage.put``. ``path`` on another filesystem, or of another user, is copied."""
        self.put_all({digest: path})

    def put_all(self, contents: Mapping[str, Path | bytes]) -> None:
        """See ``Storage.put_all``."""
        with disk_errors(self._folder):
            self._check_presence()
            self._put_all(contents)

    def _check_presence(self) -> None:
        """See that the folder is the one that it was.

        What would be put into the empty folder where a disk is to be mounted is hidden afterwards.
        """
        is_marked = (self._folder / MARKER).exists()
        if self._was_marked and not is_marked:
            raise StorageUnavailable(
                f"The folder {self._folder} is no longer marked as this index's: its disk is not "
                "mounted, or its files were taken away."
            )
        self._was_marked = is_marked

    def _put_all(self, contents: Mapping[str, Path | bytes]) -> None:
        finals = {self._path(digest): content for digest, content in contents.items()}
        for final in finals:
            self._make_folder(final.parent)
        with ExitStack() as asides:
            placed = {
                asides.enter_context(self._aside(content, final)): final
                for final, content in finals.items()
                if not _is_there(final, content)
            }
            for aside in placed:
                flush(aside)
            for aside, final in placed.items():
                os.replace(aside, final)
        folders = dict.fromkeys(final.parent for final in finals)
        new = [folder for folder in folders if folder not in self._lasting]
        above = dict.fromkeys(folder.parent for folder in new)
        for folder in (*folders, *above, *([self._folder] if new else [])):
            flush(folder)
        self._lasting.update(new)

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._lasting.discard(folder)
            folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def _aside(self, content: Path | bytes, final: Path) -> Iterator[Path]:
        aside = self._incoming / f"put-{final.name}-{secrets.token_hex(8)}"
        try:
            if isinstance(content, bytes):
                aside.write_bytes(content)
            else:
                link_or_copy(content, aside)
            yield aside
        finally:
            # Replacing one link to a file by another link to it leaves both.
            aside.unlink(missing_ok=True)

    def open(
        self,
        digest: str,
        offset: int = 0,
        length: int | None = None,
        *,
        shelf: Shelf = Shelf.KEPT,
    ) -> Blob:
        """See ``Storage.open``. The blob stays readable when it is deleted meanwhile."""
        check_range(offset, length)
        with disk_errors(self._folder):
            return _open(self._path(digest, shelf), digest, offset, length)

    @contextmanager
    def local(self, digest: str) -> Iterator[Path]:
        """See ``Storage.local``: a link of its own, which stays when the blob is deleted."""
        aside = self._incoming / f"read-{digest}-{secrets.token_hex(8)}"
        with disk_errors(self._folder):
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
        with disk_errors(self._folder):
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
        with disk_errors(self._folder):
            self._path(digest, shelf).unlink(missing_ok=True)

    def size(self, digest: str, shelf: Shelf = Shelf.KEPT) -> int | None:
        """See ``Storage.size``."""
        with disk_errors(self._folder):
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
        with disk_errors(self._folder):
            try:
                text = (self._folder / MARKER).read_text("ascii", "replace").strip()
            except FileNotFoundError:
                return None
        self._was_marked = True
        return text

    def mark(self, text: str) -> None:
        """See ``Storage.mark``."""
        with disk_errors(self._folder):
            write_durably(self._folder / MARKER, text)

    def check_writable(self) -> None:
        """See ``Storage.check_writable``."""
        probe = self._folder / PROBE
        with disk_errors(self._folder):
            self._check_presence()
            probe.write_bytes(_PROBE_CONTENT)
            (self._incoming / f"{PROBE}-{os.getpid()}").touch()
            (self._incoming / f"{PROBE}-{os.getpid()}").unlink(missing_ok=True)

    def __contains__(self, digest: object) -> bool:
        return is_digest(digest) and self.size(str(digest)) is not None

    def digests(
        self, *, older_than: timedelta | None = None, shelf: Shelf = Shelf.KEPT
    ) -> Iterator[str]:
        """See ``Storage.digests``."""
        for path in self._shelf(shelf).glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            with disk_errors(self._folder), suppress(FileNotFoundError):
                if not (is_digest(path.name) and is_older(path.stat(), older_than)):
                    continue
            yield path.name

    def sizes(self, shelf: Shelf = Shelf.KEPT) -> Iterator[tuple[str, int]]:
        """See ``Storage.sizes``."""
        for digest in self.digests(shelf=shelf):
            size = self.size(digest, shelf)
            if size is not None:
                yield digest, size

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


class FolderFiles:
    """Named files in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, which is made when something is put into it."""
        self._folder = folder

    def put(self, name: str, path: Path) -> None:
        """See ``NamedFiles.put``."""
        final = self._folder / name
        aside = final.with_name(f"{final.name}.{secrets.token_hex(8)}{_ASIDE}")
        with disk_errors(self._folder):
            make_folder(final.parent)
            try:
                link_or_copy(path, aside)
                flush(aside)
                os.replace(aside, final)
            finally:
                aside.unlink(missing_ok=True)
            flush(final.parent)

    def read(self, name: str) -> Blob | None:
        """See ``NamedFiles.read``."""
        try:
            return _open(self._folder / name, name)
        except BlobMissing:
            return None

    def names(self, folder: str = "") -> Iterator[str]:
        """See ``NamedFiles.names``."""
        for above, _, files in os.walk(self._folder / folder):
            for file in files:
                yield (Path(above) / file).relative_to(self._folder).as_posix()

    def remove(self, name: str) -> None:
        """See ``NamedFiles.remove``. The folder that it leaves empty goes, too."""
        path = self._folder / name
        with disk_errors(self._folder):
            path.unlink(missing_ok=True)
            if path.parent != self._folder:
                with suppress(OSError):
                    path.parent.rmdir()


def blob_path(folder: Path, digest: str) -> Path:
    """Return where a blob lies in a folder of blobs."""
    check_digest(digest)
    return folder.joinpath(digest[:2], digest[2:4], digest)


def _open(path: Path, digest: str, offset: int = 0, length: int | None = None) -> Blob:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise BlobMissing(digest) from None
    size = os.fstat(file.fileno()).st_size
    file.seek(offset)
    available = available_bytes(size, offset, length)
    return Blob(_read(file, available), size=size, length=available, file=file)


def _is_there(final: Path, content: Path | bytes) -> bool:
    """Whether the blob is there in the size of the content; if so, it is young again."""
    try:
        if final.stat().st_size != size_of(content):
            return False
        os.utime(final)
    except FileNotFoundError:
        return False
    return True


def _read(file: BinaryIO, length: int) -> Generator[bytes, None, None]:
    while length and (chunk := file.read(min(CHUNK_SIZE, length))):
        length -= len(chunk)
        yield chunk
