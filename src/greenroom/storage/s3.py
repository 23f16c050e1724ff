"""Blobs in a bucket of an S3-compatible service, and the parts that clients put there."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from greenroom.storage.blobs import (
    CHUNK_SIZE,
    MARKER,
    PROBE,
    Blob,
    BlobMissing,
    PartMissing,
    Shelf,
    StorageFull,
    StorageUnavailable,
    available_bytes,
    check_digest,
    check_range,
    is_digest,
    size_of,
)
from greenroom.storage.disk import disk_errors
from greenroom.storage.incoming import Incoming
from greenroom.storage.sigv4 import signed_again

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig, S3Store

_UPLOAD = re.compile(r"[0-9A-Za-z]{1,40}")
_LARGEST_COPY = 5 * 2**30
"""What the service copies by itself, in one request."""
_PART = re.compile(r"[1-9][0-9]{0,9}")
# The variables from which the driver takes an endpoint by itself.
_ENDPOINTS = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")


# What services say that take no more: the status, and codes of some of them.
_NO_ROOM = re.compile(r"status code: 507|InsufficientStorage|QuotaExceeded|StorageFull")


class _Bucket:
    """The objects below a prefix of a bucket, and what the service says of them.

    Attributes:
        store: the driver's access to the bucket as a whole.
        prefix: what the keys start with, without the slash that follows; may be empty.
    """

    def __init__(self, name: str, prefix: str, store: S3Store) -> None:
        self._name = name
        self.store = store
        self.prefix = prefix

    @property
    def address(self) -> str:
        """The URL of what is below the prefix."""
        return f"s3://{self._name}/{self.prefix}".rstrip("/")

    def key(self, path: str) -> str:
        """Return the key of the object at a path below the prefix."""
        return f"{self.prefix}/{path}" if self.prefix else path

    def get(self, key: str, span: tuple[int, int] | None = None) -> Blob | None:
        """Return an object, or its bytes from one offset up to another. ``None``: it is missing."""
        with self.answers():
            try:
                found = self.store.get(key, options={"range": span} if span else None)
            except FileNotFoundError:
                return None
        start, end = found.range
        chunks = self._stream(found.stream(min_chunk_size=CHUNK_SIZE))
        return Blob(chunks, size=found.meta["size"], length=end - start)

    def _stream(self, chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
        with self.answers():
            yield from chunks

    @contextmanager
    def answers(self) -> Iterator[None]:
        """Turn the driver's errors into ``StorageUnavailable`` or ``StorageFull``."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            # The first line says what happened; a dump of the driver's structures follows it.
            reason = str(error).partition("\n")[0]
            kind = StorageFull if _NO_ROOM.search(str(error)) else StorageUnavailable
            raise kind(f"The bucket {self._name} refused: {reason}") from error


class S3Storage(Incoming):
    """Blobs as objects ``prefix/abcd…`` in a bucket of an S3-compatible service.

    Credentials and region come from the usual AWS variables. A process may not fork once it has
    talked to the service: the driver's threads do not follow into the child.

    A ``put`` that is killed leaves parts of a multipart upload, invisible but billed; let the
    bucket's lifecycle rules abort incomplete uploads after some days.
    """

    _PART_SIZE = 8 * 1024 * 1024
    _PARTS_AT_ONCE = 2

    def __init__(
        self,
        bucket: str,
        prefix: str,
        incoming: Path,
        *,
        endpoint: str | None = None,
        public_endpoint: str | None = None,
    ) -> None:
        """Use ``bucket``, which must be there, and the local folder ``incoming``, made if need be.

        Clients find the service at ``public_endpoint``, or at the provider's own address where
        there is no ``endpoint`` either.
        """
        store = _s3_store(bucket, endpoint)
        # Any other endpoint may be of a network that only the servers are in.
        elsewhere = endpoint is not None or any(name in os.environ for name in _ENDPOINTS)
        public = None if elsewhere else store
        if public_endpoint is not None:
            public = _s3_store(bucket, public_endpoint, "GREENROOM_S3_PUBLIC_ENDPOINT")
        self._bucket = _Bucket(bucket, prefix, store)
        self.parts = S3Parts(self._bucket, public)
        super().__init__(incoming)

    def put(self, path: Path, digest: str) -> None:
        """See ``Storage.put``. A blob that is there is sent again: only that makes it young."""
        self._send(path, self._key(digest))

    def _send(self, path: Path, key: str) -> None:
        with disk_errors(self._incoming):
            file = path.open("rb")
        with file, self._bucket.answers():
            self._bucket.store.put(
                key, file, chunk_size=self._PART_SIZE, max_concurrency=self._PARTS_AT_ONCE
            )

    def put_all(self, contents: Mapping[str, Path | bytes]) -> None:
        """See ``Storage.put_all``."""
        for digest, content in contents.items():
            if self.size(digest) == size_of(content):
                continue
            if isinstance(content, Path):
                self.put(content, digest)
            else:
                with self._bucket.answers():
                    self._bucket.store.put(self._key(digest), content)

    def open(
        self,
        digest: str,
        offset: int = 0,
        length: int | None = None,
        *,
        shelf: Shelf = Shelf.KEPT,
    ) -> Blob:
        """See ``Storage.open``."""
        check_range(offset, length)
        if offset == 0 and length is None:
            return self._get(digest, shelf=shelf)
        # The service refuses an empty range, and one that starts at the end or behind it.
        size = self.size(digest, shelf)
        if size is None:
            raise BlobMissing(digest)
        available = available_bytes(size, offset, length)
        if available == 0:
            return Blob(_nothing(), size=size, length=0)
        return self._get(digest, (offset, offset + available), shelf)

    def _get(
        self, digest: str, span: tuple[int, int] | None = None, shelf: Shelf = Shelf.KEPT
    ) -> Blob:
        blob = self._bucket.get(self._key(digest, shelf), span)
        if blob is None:
            raise BlobMissing(digest)
        return blob

    @contextmanager
    def local(self, digest: str) -> Iterator[Path]:
        """See ``Storage.local``: a copy."""
        with self._fetched(digest, Shelf.KEPT) as path:
            yield path

    @contextmanager
    def _fetched(self, digest: str, shelf: Shelf) -> Iterator[Path]:
        path = self.new_file()
        try:
            with (
                disk_errors(self._incoming),
                self._get(digest, shelf=shelf) as blob,
                path.open("wb") as file,
            ):
                for piece in blob:
                    file.write(piece)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def url(self, digest: str, *, filename: str, expires_in: timedelta) -> str | None:
        """See ``Storage.url``.

        The filename is part of the URL when the credentials come from AWS_ACCESS_KEY_ID and
        AWS_SECRET_ACCESS_KEY. With others, the blob is saved under the name its client knows.
        """
        import obstore

        with self._bucket.answers():
            url = obstore.sign(self._bucket.store, "GET", self._key(digest), expires_in)
        return _named(url, filename)

    def move(self, digest: str, source: Shelf, target: Shelf) -> bool:
        """See ``Storage.move``. A move that is killed leaves the blob on both shelves."""
        before, after = self._key(digest, source), self._key(digest, target)
        size = self.size(digest, source)
        if size is None:
            return False
        if size <= _LARGEST_COPY:
            with self._bucket.answers():
                self._bucket.store.copy(before, after)
        else:
            with self._fetched(digest, source) as path:
                self._send(path, after)
        with self._bucket.answers():
            self._bucket.store.delete(before)
        return True

    def size(self, digest: str, shelf: Shelf = Shelf.KEPT) -> int | None:
        """See ``Storage.size``."""
        key = self._key(digest, shelf)
        with self._bucket.answers():
            try:
                return self._bucket.store.head(key)["size"]
            except FileNotFoundError:
                return None

    @property
    def address(self) -> str:
        """See ``Storage.address``."""
        return self._bucket.address

    def marker(self) -> str | None:
        """See ``Storage.marker``."""
        blob = self._bucket.get(self._bucket.key(MARKER))
        if blob is None:
            return None
        with blob:
            return b"".join(blob).decode("ascii", "replace").strip()

    def mark(self, text: str) -> None:
        """See ``Storage.mark``."""
        with self._bucket.answers():
            self._bucket.store.put(self._bucket.key(MARKER), text.encode("ascii"))

    def check_writable(self) -> None:
        """See ``Storage.check_writable``."""
        with self._bucket.answers():
            self._bucket.store.put(self._bucket.key(PROBE), b"")
        with disk_errors(self._incoming):
            self.new_file().unlink(missing_ok=True)

    def delete(self, digest: str, shelf: Shelf = Shelf.KEPT) -> None:
        """See ``Storage.delete``."""
        key = self._key(digest, shelf)
        with self._bucket.answers(), suppress(FileNotFoundError):
            self._bucket.store.delete(key)

    def __contains__(self, digest: object) -> bool:
        return is_digest(digest) and self.size(str(digest)) is not None

    def digests(
        self, *, older_than: timedelta | None = None, shelf: Shelf = Shelf.KEPT
    ) -> Iterator[str]:
        """See ``Storage.digests``."""
        for digest, found in self._list(shelf):
            if older_than is None or datetime.now(UTC) - found["last_modified"] >= older_than:
                yield digest

    def sizes(self, shelf: Shelf = Shelf.KEPT) -> Iterator[tuple[str, int]]:
        """See ``Storage.sizes``: the list of the service has them."""
        for digest, found in self._list(shelf):
            yield digest, found["size"]

    def _list(self, shelf: Shelf) -> Iterator[tuple[str, ObjectMeta]]:
        folder = self._bucket.prefix if shelf is Shelf.KEPT else self._bucket.key(shelf)
        # The service's list is alphabetical and in pages, so blobs put or deleted while it is
        # read neither hide nor repeat others.
        with self._bucket.answers():
            for page in self._bucket.store.list(folder or None, chunk_size=1000):
                for found in page:
                    name = found["path"].rpartition("/")[2]
                    if is_digest(name) and found["path"] == self._key(name, shelf):
                        yield name, found

    def _key(self, digest: str, shelf: Shelf = Shelf.KEPT) -> str:
        check_digest(digest)
        return self._bucket.key(digest if shelf is Shelf.KEPT else f"{shelf}/{digest}")


class S3Files:
    """Named files as objects below a prefix of a bucket."""

    def __init__(self, bucket: str, prefix: str, *, endpoint: str | None = None) -> None:
        """Use ``bucket``, which must be there."""
        self._bucket = _Bucket(bucket, prefix, _s3_store(bucket, endpoint))

    def put(self, name: str, path: Path) -> None:
        """See ``NamedFiles.put``."""
        with path.open("rb") as file, self._bucket.answers():
            self._bucket.store.put(self._bucket.key(name), file)

    def read(self, name: str) -> Blob | None:
        """See ``NamedFiles.read``."""
        return self._bucket.get(self._bucket.key(name))

    def names(self, folder: str = "") -> Iterator[str]:
        """See ``NamedFiles.names``."""
        start = self._bucket.key("")
        under = self._bucket.key(folder) if folder else self._bucket.prefix
        with self._bucket.answers():
            for page in self._bucket.store.list(under or None, chunk_size=1000):
                for found in page:
                    yield found["path"].removeprefix(start)

    def remove(self, name: str) -> None:
        """See ``NamedFiles.remove``."""
        with self._bucket.answers(), suppress(FileNotFoundError):
            self._bucket.store.delete(self._bucket.key(name))


class S3Parts:
    """Parts as objects `prefix/parts/<upload>/<number>` in the bucket that has the blobs."""

    def __init__(self, bucket: _Bucket, public: S3Store | None) -> None:
        """Use ``bucket``, which clients know as ``public``."""
        self._bucket = bucket
        self._public = public

    @property
    def offered(self) -> bool:
        """See ``Parts.offered``."""
        return self._public is not None

    def url(self, upload: str, number: int, *, size: int, expires_in: timedelta) -> str | None:
        """See ``Parts.url``.

        It takes ``size`` bytes and no others when the credentials come from AWS_ACCESS_KEY_ID and
        AWS_SECRET_ACCESS_KEY; with others, look at ``sizes``.
        """
        import obstore

        key = self._key(upload, number)
        if self._public is None:
            return None
        with self._bucket.answers():
            url = obstore.sign(self._public, "PUT", key, expires_in)
        return signed_again(url, "PUT", headers={"content-length": str(size)})

    def sizes(self, upload: str) -> dict[int, int]:
        """See ``Parts.sizes``."""
        return {number: size for _, number, size, _ in self._list(upload)}

    def open(self, upload: str, number: int) -> Blob:
        """See ``Parts.open``."""
        blob = self._bucket.get(self._key(upload, number))
        if blob is None:
            raise PartMissing(upload, number)
        return blob

    def remove(self, upload: str) -> None:
        """See ``Parts.remove``."""
        keys = [self._key(upload, number) for _, number, _, _ in self._list(upload)]
        if keys:
            with self._bucket.answers(), suppress(FileNotFoundError):
                self._bucket.store.delete(keys)

    def uploads(self, *, older_than: timedelta | None = None) -> Iterator[str]:
        """See ``Parts.uploads``."""
        for upload, parts in itertools.groupby(self._list(), key=lambda found: found[0]):
            put = max(moment for _, _, _, moment in parts)
            if older_than is None or datetime.now(UTC) - put >= older_than:
                yield upload

    def _list(self, upload: str | None = None) -> Iterator[tuple[str, int, int, datetime]]:
        """Upload, number, size and age of every part, those of one upload one after the other."""
        folder = "parts" if upload is None else f"parts/{_checked_upload(upload)}"
        with self._bucket.answers():
            for page in self._bucket.store.list(self._bucket.key(folder), chunk_size=1000):
                for found in page:
                    above, _, number = found["path"].rpartition("/")
                    name = above.rpartition("/")[2]
                    if _PART.fullmatch(number) and found["path"] == self._path(name, number):
                        yield name, int(number), found["size"], found["last_modified"]

    def _key(self, upload: str, number: int) -> str:
        if number < 1:
            raise ValueError("Parts are numbered from 1 on.")
        return self._path(_checked_upload(upload), str(number))

    def _path(self, upload: str, number: str) -> str:
        return self._bucket.key(f"parts/{upload}/{number}")


def _checked_upload(upload: str) -> str:
    if not _UPLOAD.fullmatch(upload):
        raise ValueError(f"An upload is at most 40 ASCII letters and digits, not {upload!r}.")
    return upload


def _s3_store(bucket: str, endpoint: str | None, setting: str = "GREENROOM_S3_ENDPOINT") -> S3Store:
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise StorageUnavailable(
            "GREENROOM_STORAGE_URL names an S3 bucket, which needs the extra: "
            "install greenroom[s3]."
        ) from error
    options: ClientConfig = {
        # The driver's own limit is on a whole transfer, however well that goes; what is to be
        # limited is silence.
        "timeout": timedelta(days=1),
        "read_timeout": timedelta(seconds=30),
    }
    # Somebody is waiting for the answer: rather tell them than try for minutes.
    retries: RetryConfig = {"max_retries": 4, "retry_timeout": timedelta(seconds=20)}
    if endpoint is None:
        return S3Store(bucket, client_options=options, retry_config=retries)
    address = urlsplit(endpoint)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError(f"{setting} accepts the http:// or https:// address of an S3 service.")
    options["allow_http"] = address.scheme == "http"
    return S3Store(
        bucket, endpoint=endpoint.rstrip("/"), client_options=options, retry_config=retries
    )


def _named(url: str, filename: str) -> str:
    """Add to a presigned URL the name under which a browser saves the file."""
    disposition = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
    return signed_again(url, "GET", parameters={"response-content-disposition": disposition})


def _nothing() -> Generator[bytes, None, None]:
    yield from ()
