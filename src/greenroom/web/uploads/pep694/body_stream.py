"""A raw request body, written to a temporary file and hashed while it arrives."""

import contextlib
from collections.abc import Iterator

from pyramid.httpexceptions import HTTPUnsupportedMediaType

from greenroom.registry.artifacts import Received, Receiver, TooManyBytes
from greenroom.registry.errors import InvalidRequest, TooLarge
from greenroom.storage import Storage
from greenroom.web.http.content_coding import COMPRESSED, is_compressed
from greenroom.web.http.request import Request

_PIECE = 256 * 1024


@contextlib.contextmanager
def receive(
    request: Request, storage: Storage, limit: int, names: tuple[str, ...], *, partial: bool
) -> Iterator[Received]:
    """The body, with digests by these names; its file is removed when the context is left.

    ``limit`` is how many bytes are expected. Where part of them will do, a connection that breaks
    leaves what has arrived.

    Raises:
        HTTPUnsupportedMediaType: it is sent compressed; its digests would be those of other bytes.
        TooLarge: more arrive.
        InvalidRequest: fewer arrive, or none.
    """
    if is_compressed(request):
        raise HTTPUnsupportedMediaType(COMPRESSED)
    if (request.content_length or 0) > limit:
        raise TooLarge(_too_many(limit))
    with Receiver(storage.incoming, limit=limit, digests=names, share=None) as receiver:
        try:
            for piece in _pieces(request, partial=partial):
                receiver.add(piece)
        except TooManyBytes:
            raise TooLarge(_too_many(limit)) from None
        received = receiver.received()
        if received.size == 0:
            raise InvalidRequest("No bytes have arrived.")
        if not partial and received.size != limit:
            raise InvalidRequest(
                f"{received.size} of {limit} bytes have arrived: send the whole file once more."
            )
        yield received


def _pieces(request: Request, *, partial: bool) -> Iterator[bytes]:
    stream = request.environ["wsgi.input"]
    while True:
        try:
            piece = stream.read(_PIECE)
        except Exception as error:  # each server has its own for a connection that breaks or stalls
            if partial:
                return
            raise InvalidRequest("The upload stopped before its end: send it once more.") from error
        if not piece:
            return
        yield piece


def _too_many(limit: int) -> str:
    return f"File too large: only {limit} more bytes were announced."
