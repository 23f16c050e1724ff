"""Where bytes are kept: blobs under the SHA-256 of their content.

A blob's key is the lower-case hexadecimal SHA-256 digest of what is in it, so a blob never
changes, storing it twice is storing it once, and whoever holds a digest can check what they get.
Nothing here knows of projects, users or databases; which blobs are still wanted is for the caller
to say. `open_storage` picks the place: a local folder, or any S3-compatible service.

What clients put into a service themselves lies apart from the blobs (`S3Parts`), and is whatever
they say it is until somebody has read it.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, Self
from urllib.parse import parse_qsl, quote, urlsplit

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Store

CHUNK_SIZE = 128 * 1024

_DIGEST = re.compile(r"[0-9a-f]{64}")
_UPLOAD = re.compile(r"[0-9A-Za-z]{1,40}")
_PART = re.compile(r"[1-9][0-9]{0,9}")
# The variables from which the driver takes an endpoint by itself.
_ENDPOINTS = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
_NONE: Mapping[str, str] = MappingProxyType({})
_S3_URL = re.compile(
    r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9])"
    r"(?:/(?P<prefix>[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*))?/?"
)


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
    """The storage cannot be used now: its driver is not installed, or the service refuses."""


class Blob:
    """The bytes of a blob, or of a range of it, read as they are iterated over.

    It is iterated over once, in chunks whose size does not depend on that of the blob, and closed
    after that; `with` and WSGI servers do so by themselves.
    """

    size: int
    """The size of the whole blob, in bytes."""

    length: int
    """How many bytes iterating yields: those of the range that the blob has."""

    file: BinaryIO | None
    """A local blob's file, positioned at the start of the range, for `sendfile`; else `None`.

    It ends where the blob ends, not where the range does."""

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


class Storage(Protocol):
    """What every place for blobs can do.

    All methods may be called from many threads, and from many processes on the same place.
    Every `digest` is 64 lower-case hexadecimal characters, else `ValueError`. A service that does
    not answer, or refuses, raises `StorageUnavailable` from any method that asks it.
    """

    @property
    def incoming(self) -> Path:
        """The local folder for files that are still being received. It exists."""
        ...

    @property
    def parts(self) -> S3Parts | None:
        """Where clients may put parts of files themselves. `None`: they cannot."""
        ...

    def new_file(self) -> Path:
        """Make an empty file in `incoming`, from which `put` is cheap; the caller removes it."""
        ...

    def remove_stale_incoming(self, older_than: timedelta) -> int:
        """Remove what crashed processes left in `incoming`; return how many files that were.

        A file is stale when nobody has written to it for `older_than`.
        """
        ...

    def put(self, path: Path, digest: str) -> None:
        """Keep the content of the file at `path` as the blob `digest`.

        When this returns, the blob is there as a whole and survives a loss of power; before, it
        is not there at all. The caller vouches for the digest, may remove `path` afterwards, and
        does not write to it again. Storing a blob that is there makes it young again (`digests`).
        """
        ...

    def open(self, digest: str, offset: int = 0, length: int | None = None) -> Blob:
        """Return `length` bytes of a blob from `offset` on, or what there is of them.

        Raises `BlobMissing`, and `ValueError` for a negative offset or length.
        """
        ...

    def local(self, digest: str) -> AbstractContextManager[Path]:
        """Have the blob as a file of this machine, which nobody writes to, while in the context.

        Raises `BlobMissing`.
        """
        ...

    def url(self, digest: str, *, filename: str, expires_in: timedelta) -> str | None:
        """Return a URL under which anyone can fetch the blob until it expires.

        A browser saves it as `filename`. `None`: the blob can only be had through `open`.
        Whether the blob exists is not looked at.
        """
        ...

    def delete(self, digest: str) -> None:
        """Forget a blob. One that is not there is no error."""
        ...

    def __contains__(self, digest: object) -> bool:
        """Whether a blob is kept; what is not a digest is not contained."""
        ...

    def digests(self, *, older_than: timedelta | None = None) -> Iterator[str]:
        """Yield the digest of every blob, in no order, while it looks.

        With `older_than`, leave out blobs stored, or stored again, more recently. A sweep of
        unwanted blobs needs this: a blob is stored before the transaction that names it commits.
        """
        ...


def open_storage(
    url: str | None,
    folder: Path,
    *,
    s3_endpoint: str | None = None,
    s3_public_endpoint: str | None = None,
) -> Storage:
    """Return the storage that GREENROOM_STORAGE_URL asks for, without contacting any service.

    `None` is a local storage in `folder`; `s3://bucket` and `s3://bucket/prefix` are on a service
    found by `s3_endpoint` and the usual AWS variables, and keep only incoming files in `folder`.
    `s3_public_endpoint` is where clients of the index find that service.
    Raises `ValueError` when the URL or an endpoint is of another form, and `StorageUnavailable`
    when the driver for it is not installed.
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


class _Incoming:
    """The folder of files that are still being received, the same for every storage."""

    def __init__(self, incoming: Path) -> None:
        self._incoming = incoming
        _make_folder(incoming)

    @property
    def incoming(self) -> Path:
        return self._incoming

    def new_file(self) -> Path:
        descriptor, name = tempfile.mkstemp(prefix="upload-", dir=self._incoming)
        os.close(descriptor)
        return Path(name)

    def remove_stale_incoming(self, older_than: timedelta) -> int:
        removed = 0
        for path in self._incoming.iterdir():
            with suppress(FileNotFoundError):  # its owner, or another housekeeper, was faster
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and _is_older(status, older_than):
                    path.unlink()
                    removed += 1
        return removed


class LocalStorage(_Incoming):
    """Blobs as files in a local folder: `ab/cd/abcd…`."""

    parts = None

    def __init__(self, folder: Path) -> None:
        """Use `folder`, and make it if it is not there."""
        super().__init__(folder / "incoming")
        self._folder = folder

    def put(self, path: Path, digest: str) -> None:
        """See `Storage.put`. `path` on another filesystem, or of another user, is copied."""
        final = self._path(digest)
        _make_folder(final.parent)
        try:
            os.utime(final)
        except FileNotFoundError:
            self._place(path, final)
        # Another process may have made the folders or the blob just now and not have come to
        # this point, so they are flushed whoever made them; it costs next to nothing if clean.
        for folder in (final.parent, final.parent.parent, self._folder):
            _flush(folder)

    def _place(self, path: Path, final: Path) -> None:
        aside = self._incoming / f"put-{final.name}-{secrets.token_hex(8)}"
        try:
            _link_or_copy(path, aside)
            _flush(aside)
            os.replace(aside, final)
        finally:
            # Replacing one link to a file by another link to it leaves both.
            aside.unlink(missing_ok=True)

    def open(self, digest: str, offset: int = 0, length: int | None = None) -> Blob:
        """See `Storage.open`. The blob stays readable when it is deleted meanwhile."""
        _check_range(offset, length)
        try:
            file = self._path(digest).open("rb")
        except FileNotFoundError:
            raise BlobMissing(digest) from None
        size = os.fstat(file.fileno()).st_size
        file.seek(offset)
        available = _available(size, offset, length)
        return Blob(_read(file, available), size=size, length=available, file=file)

    @contextmanager
    def local(self, digest: str) -> Iterator[Path]:
        """See `Storage.local`: a link of its own, which stays when the blob is deleted."""
        aside = self._incoming / f"read-{digest}-{secrets.token_hex(8)}"
        try:
            _link_or_copy(self._path(digest), aside)
        except FileNotFoundError:
            raise BlobMissing(digest) from None
        try:
            yield aside
        finally:
            aside.unlink(missing_ok=True)

    def url(self, digest: str, *, filename: str, expires_in: timedelta) -> str | None:
        """See `Storage.url`: always `None`."""
        _check_digest(digest)
        return None

    def delete(self, digest: str) -> None:
        """See `Storage.delete`."""
        self._path(digest).unlink(missing_ok=True)

    def __contains__(self, digest: object) -> bool:
        return _is_digest(digest) and self._path(str(digest)).is_file()

    def digests(self, *, older_than: timedelta | None = None) -> Iterator[str]:
        """See `Storage.digests`."""
        for path in self._folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):
                if _is_digest(path.name) and _is_older(path.stat(), older_than):
                    yield path.name

    def _path(self, digest: str) -> Path:
        _check_digest(digest)
        return self._folder / digest[:2] / digest[2:4] / digest


class S3Storage(_Incoming):
    """Blobs as objects `prefix/abcd…` in a bucket of an S3-compatible service.

    Credentials and region come from the usual AWS variables. A process may not fork once it has
    talked to the service: the driver's threads do not follow into the child.

    A `put` that is killed leaves parts of a multipart upload, invisible but billed; let the
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
        """Use `bucket`, which must be there, and the local folder `incoming`, made if need be.

        Clients find the service at `public_endpoint`, or at the provider's own address where
        there is no `endpoint` either.
        """
        self._bucket = bucket
        self._prefix = prefix
        self._store = _s3_store(bucket, endpoint)
        # Any other endpoint may be of a network that only the servers are in.
        elsewhere = endpoint is not None or any(name in os.environ for name in _ENDPOINTS)
        public = None if elsewhere else self._store
        if public_endpoint is not None:
            public = _s3_store(bucket, public_endpoint, "GREENROOM_S3_PUBLIC_ENDPOINT")
        self.parts: S3Parts | None = S3Parts(self, public)
        super().__init__(incoming)

    def put(self, path: Path, digest: str) -> None:
        """See `Storage.put`. A blob that is there is sent again: only that makes it young."""
        key = self._key(digest)
        with path.open("rb") as file, self._answers():
            self._store.put(
                key, file, chunk_size=self._PART_SIZE, max_concurrency=self._PARTS_AT_ONCE
            )

    def open(self, digest: str, offset: int = 0, length: int | None = None) -> Blob:
        """See `Storage.open`."""
        _check_range(offset, length)
        if offset == 0 and length is None:
            return self._get(digest)
        # The service refuses an empty range, and one that starts at the end or behind it.
        size = self._size(digest)
        if size is None:
            raise BlobMissing(digest)
        available = _available(size, offset, length)
        if available == 0:
            return Blob(_nothing(), size=size, length=0)
        return self._get(digest, (offset, offset + available))

    def _get(self, digest: str, span: tuple[int, int] | None = None) -> Blob:
        blob = self._fetch(self._key(digest), span)
        if blob is None:
            raise BlobMissing(digest)
        return blob

    def _fetch(self, key: str, span: tuple[int, int] | None = None) -> Blob | None:
        with self._answers():
            try:
                found = self._store.get(key, options={"range": span} if span else None)
            except FileNotFoundError:
                return None
        start, end = found.range
        chunks = self._stream(found.stream(min_chunk_size=CHUNK_SIZE))
        return Blob(chunks, size=found.meta["size"], length=end - start)

    def _stream(self, chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
        with self._answers():
            yield from chunks

    @contextmanager
    def local(self, digest: str) -> Iterator[Path]:
        """See `Storage.local`: a copy."""
        path = self.new_file()
        try:
            with self.open(digest) as blob, path.open("wb") as file:
                for piece in blob:
                    file.write(piece)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def url(self, digest: str, *, filename: str, expires_in: timedelta) -> str | None:
        """See `Storage.url`.

        The filename is part of the URL when the credentials come from AWS_ACCESS_KEY_ID and
        AWS_SECRET_ACCESS_KEY. With others, the blob is saved under the name its client knows.
        """
        import obstore

        with self._answers():
            url = obstore.sign(self._store, "GET", self._key(digest), expires_in)
        return _named(url, filename)

    def delete(self, digest: str) -> None:
        """See `Storage.delete`."""
        key = self._key(digest)
        with self._answers(), suppress(FileNotFoundError):
            self._store.delete(key)

    def __contains__(self, digest: object) -> bool:
        return _is_digest(digest) and self._size(str(digest)) is not None

    def digests(self, *, older_than: timedelta | None = None) -> Iterator[str]:
        """See `Storage.digests`."""
        # The service's list is alphabetical and in pages, so blobs put or deleted while it is
        # read neither hide nor repeat others.
        with self._answers():
            for page in self._store.list(self._prefix or None, chunk_size=1000):
                for found in page:
                    name = found["path"].rpartition("/")[2]
                    if found["path"] != self._join(name) or not _is_digest(name):
                        continue
                    if older_than is None or datetime.now(UTC) - found["last_modified"] >= (
                        older_than
                    ):
                        yield name

    def _size(self, digest: str) -> int | None:
        key = self._key(digest)
        with self._answers():
            try:
                return self._store.head(key)["size"]
            except FileNotFoundError:
                return None

    def _key(self, digest: str) -> str:
        _check_digest(digest)
        return self._join(digest)

    def _join(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """Turn the driver's errors into `StorageUnavailable`."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            # The first line says what happened; a dump of the driver's structures follows it.
            reason = str(error).partition("\n")[0]
            raise StorageUnavailable(f"The bucket {self._bucket} refused: {reason}") from error


class S3Parts:
    """Parts of files that clients put into the bucket themselves, with URLs made for that.

    They are objects `prefix/parts/<upload>/<number>`, apart from the blobs, to which no such URL
    leads. Whoever has the URL of a part may put it, and put it anew, until the URL expires,
    whatever became of the upload meanwhile. An `upload` is at most 40 ASCII letters and digits,
    and a `number` at least 1, else `ValueError`. Raises `StorageUnavailable` as `Storage` does.
    """

    def __init__(self, storage: S3Storage, public: S3Store | None) -> None:
        """Use the bucket of `storage`, which clients know as `public`."""
        self._storage = storage
        self._public = public

    @property
    def offered(self) -> bool:
        """Whether there is an address under which clients reach the service."""
        return self._public is not None

    def url(self, upload: str, number: int, *, size: int, expires_in: timedelta) -> str | None:
        """Return a URL to which anyone can PUT the part until it expires, within 7 days.

        It takes `size` bytes and no others when the credentials come from AWS_ACCESS_KEY_ID and
        AWS_SECRET_ACCESS_KEY; with others, look at `sizes`. `None`: clients do not reach the
        service.
        """
        import obstore

        key = self._key(upload, number)
        if self._public is None:
            return None
        with self._storage._answers():
            url = obstore.sign(self._public, "PUT", key, expires_in)
        return _resigned(url, "PUT", headers={"content-length": str(size)})

    def sizes(self, upload: str) -> dict[int, int]:
        """Return the size of each part that was put, in bytes, by its number."""
        return {number: size for _, number, size in self._list(upload)}

    def open(self, upload: str, number: int) -> Blob:
        """Return the bytes of a part, as they are now. Raises `PartMissing`."""
        blob = self._storage._fetch(self._key(upload, number))
        if blob is None:
            raise PartMissing(upload, number)
        return blob

    def remove(self, upload: str) -> None:
        """Forget all parts of an upload. That there are none is no error."""
        keys = [self._key(upload, number) for _, number, _ in self._list(upload)]
        if keys:
            with self._storage._answers(), suppress(FileNotFoundError):
                self._storage._store.delete(keys)

    def uploads(self) -> Iterator[str]:
        """Yield every upload of which parts were put, while it looks."""
        for upload, _ in itertools.groupby(self._list(), key=lambda found: found[0]):
            yield upload

    def _list(self, upload: str | None = None) -> Iterator[tuple[str, int, int]]:
        """Upload, number and size of every part, those of one upload one after the other."""
        folder = "parts" if upload is None else f"parts/{_checked_upload(upload)}"
        with self._storage._answers():
            for page in self._storage._store.list(self._storage._join(folder), chunk_size=1000):
                for found in page:
                    above, _, number = found["path"].rpartition("/")
                    name = above.rpartition("/")[2]
                    if _PART.fullmatch(number) and found["path"] == self._path(name, number):
                        yield name, int(number), found["size"]

    def _key(self, upload: str, number: int) -> str:
        if number < 1:
            raise ValueError("Parts are numbered from 1 on.")
        return self._path(_checked_upload(upload), str(number))

    def _path(self, upload: str, number: str) -> str:
        return self._storage._join(f"parts/{upload}/{number}")


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
    return _resigned(url, "GET", parameters={"response-content-disposition": disposition})


def _resigned(
    url: str,
    method: Literal["GET", "PUT"],
    *,
    parameters: Mapping[str, str] = _NONE,
    headers: Mapping[str, str] = _NONE,
) -> str:
    """Add to a presigned URL parameters, and headers that whoever uses it has to send just so.

    The driver cannot do that, and all is under the signature, so this signs again:
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    Without the secret at hand the URL stays as it is.
    """
    query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    scope = query["X-Amz-Credential"].split("/", 1)[1]
    if query["X-Amz-Credential"] != f"{os.environ.get('AWS_ACCESS_KEY_ID')}/{scope}":
        return url
    query |= parameters
    secret = os.environ["AWS_SECRET_ACCESS_KEY"]
    return _signed(url.partition("?")[0], query, scope, secret, method, headers)


def _signed(
    address: str,
    query: dict[str, str],
    scope: str,
    secret: str,
    method: Literal["GET", "PUT"] = "GET",
    headers: Mapping[str, str] = _NONE,
) -> str:
    parts = urlsplit(address)
    sent = {**headers, "host": parts.netloc}
    names = ";".join(sorted(sent))
    query = {name: value for name, value in query.items() if name != "X-Amz-Signature"}
    query["X-Amz-SignedHeaders"] = names
    parameters = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items())
    )
    lines = "".join(f"{name}:{value}\n" for name, value in sorted(sent.items()))
    request = f"{method}\n{parts.path}\n{parameters}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    request_digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    signature = _mac(key, f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{request_digest}")
    return f"{address}?{parameters}&X-Amz-Signature={signature.hex()}"


def _mac(key: bytes, message: str) -> bytes:
    return hmac.digest(key, message.encode(), "sha256")


def _is_digest(digest: object) -> bool:
    return isinstance(digest, str) and _DIGEST.fullmatch(digest) is not None


def _check_digest(digest: str) -> None:
    if not _is_digest(digest):
        raise ValueError(f"A digest is 64 lower-case hexadecimal characters, not {digest!r}.")


def _check_range(offset: int, length: int | None) -> None:
    if offset < 0 or (length is not None and length < 0):
        raise ValueError("A range has neither a negative offset nor a negative length.")


def _available(size: int, offset: int, length: int | None) -> int:
    rest = max(size - offset, 0)
    return rest if length is None else min(rest, length)


def _read(file: BinaryIO, length: int) -> Generator[bytes, None, None]:
    while length and (chunk := file.read(min(CHUNK_SIZE, length))):
        length -= len(chunk)
        yield chunk


def _nothing() -> Generator[bytes, None, None]:
    yield from ()


def _is_older(status: os.stat_result, age: timedelta | None) -> bool:
    """Whether nothing was done to the file for that long, be it writing, linking or touching."""
    return age is None or time.time() - status.st_ctime >= age.total_seconds()


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that a loss of power does not take them away."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush(folder.parent)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another filesystem, one without links, or a file of another user
        shutil.copyfile(source, target)


def _flush(path: Path) -> None:
    """Have the content of a file, or the names in a folder, on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
