"""Sending the bytes of a blob: whole or a range, never held in memory, never shown by a browser."""

import re
from collections.abc import Iterator

import structlog
from pyramid.response import Response

from greenroom.counters import Counted, count
from greenroom.storage import Blob, BlobMissing, StorageUnavailable
from greenroom.web.http.request import Request

WHEEL = "application/octet-stream"
SDIST = "application/gzip"
METADATA = "text/plain"

_BLOCK = 256 * 1024
_RETRY_AFTER = 300
"""Seconds; housekeeping, which brings back what lies in the trash, runs as often."""
# One range; of several none is sent, and the whole answers. Nothing we keep has more digits.
_RANGE = re.compile(r"bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE | re.ASCII)


class _Damaged(Exception):
    """The bytes are not those that the database knows. The text says why, for the log."""


class _Sent:
    """The bytes of a blob on their way to a client, who learns that they end too early."""

    def __init__(self, blob: Blob, sha256: str) -> None:
        self._blob = blob
        self._sha256 = sha256
        self.close = blob.close

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._blob
        except (StorageUnavailable, OSError) as error:
            structlog.get_logger("greenroom.storage").error(
                "a file could not be sent to its end", sha256=self._sha256, reason=str(error)
            )
            raise ConnectionAbortedError("The storage has stopped sending.") from error


def send(
    request: Request, sha256: str, *, content_type: str, filename: str, size: int | None = None
) -> Response:
    """The blob with this digest, or the range of it that the request wants (RFC 9110, section 14).

    A blob that is missing, or that has another size than it had, is not available (503): the file
    is there as far as anybody knows, and comes back when its bytes are put again.

    Args:
        request: what is asked.
        sha256: which blob.
        content_type: what it is sent as.
        filename: what a browser saves it under.
        size: how many bytes it has; None where nobody knows.
    """
    try:
        return send_what_may_be_gone(
            request, sha256, content_type=content_type, filename=filename, size=size
        )
    except BlobMissing:
        count(Counted.STORAGE_ERRORS, "missing")
        return _not_available(sha256, filename, "It is missing.")


def send_what_may_be_gone(
    request: Request, sha256: str, *, content_type: str, filename: str, size: int | None = None
) -> Response:
    """The same, of a blob that may be let go of at any moment.

    Raises:
        BlobMissing: it was.
    """
    response = head_of(content_type, filename)
    response.etag = sha256
    response.accept_ranges = "bytes"
    if sha256 in request.if_none_match:
        response.status_int = 304
        response.content_type = None
        response.content_length = None
        return response
    try:
        return _with_body(request, response, sha256, size)
    except _Damaged as damage:
        count(Counted.STORAGE_ERRORS, "damaged")
        return _not_available(sha256, filename, str(damage))


def head_of(content_type: str, filename: str) -> Response:
    """An answer that browsers save under this name, and do not show; without its content."""
    response = Response(content_type=content_type)
    response.charset = "utf-8" if content_type == METADATA else None
    response.content_disposition = f'attachment; filename="{filename}"'
    return response


def _not_available(sha256: str, filename: str, reason: str) -> Response:
    structlog.get_logger("greenroom.storage").error(
        "a file is damaged", file=filename, sha256=sha256, reason=reason
    )
    sentence = "The storage of this index has lost this file: its operator can see that. Try later."
    response = Response(f"{sentence}\n", 503, content_type="text/plain")
    response.retry_after = _RETRY_AFTER
    return response


def _open(
    request: Request, sha256: str, size: int | None, offset: int = 0, length: int | None = None
) -> Blob:
    blob = request.services.storage.open(sha256, offset, length)
    if size is not None and blob.size != size:
        blob.close()
        raise _Damaged(f"It has {blob.size} bytes instead of {size}.")
    return blob


def _with_body(request: Request, response: Response, sha256: str, expected: int | None) -> Response:
    wanted = wanted_range(request)
    if wanted is None or response not in request.if_range:
        blob = _open(request, sha256, expected)
    else:
        with _open(request, sha256, expected, 0, 0) as blob:
            size = blob.size
        start, end = span(*wanted, size)
        if start >= end:
            return unsatisfied(size)
        blob = _open(request, sha256, expected, start, end - start)
        response.status_int = 206
        response.content_range = (start, end, size)
    if request.method == "HEAD":
        blob.close()
        response.app_iter = []
    elif blob.file is not None and "wsgi.file_wrapper" in request.environ:
        # The server may hand the file to the kernel; it sends no more than the content length.
        response.app_iter = request.environ["wsgi.file_wrapper"](blob.file, _BLOCK)
    else:
        response.app_iter = _Sent(blob, sha256)
    response.content_length = blob.length
    return response


def unsatisfied(size: int) -> Response:
    """The answer to who wants a range that the file has not got (416)."""
    response = Response(f"The file has {size} bytes.\n", 416, content_type="text/plain")
    response.content_range = (None, None, size)
    return response


def wanted_range(request: Request) -> tuple[str, str] | None:
    """First and last byte of the range, either of which may be left open; None for the whole.

    What is no range of bytes is ignored, as is a range in anything but a GET.
    """
    match = _RANGE.fullmatch(request.headers.get("Range") or "")
    if match is None or request.method != "GET":
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if first and last and int(first) > int(last):
        return None
    return first, last


def span(first: str, last: str, size: int) -> tuple[int, int]:
    """The range as offsets, the end exclusive; empty when the file has no such bytes."""
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size
