"""``/upstream/…``: files of upstreams and their metadata, from here or as they come from there."""

import math
import re
from functools import partial
from urllib.parse import quote

from pyramid.response import Response
from pyramid.view import view_config

from greenroom import request_notes
from greenroom.registry import upstream_files
from greenroom.registry.upstream_fetching import Arriving, Fetches, FileNotHere
from greenroom.registry.upstream_files import KeptFile
from greenroom.request_notes import SendArriving, Wait
from greenroom.web.http import blob_responses
from greenroom.web.http.request import Request
from greenroom.web.http.upload_refusals import one_line
from greenroom.web.index.upstream_files.resources import UpstreamFile

LONGEST_WAIT = 300.0
"""Seconds that a request waits for the first byte of a file."""

_BUSY = "This index is busy, or about to stop: try again."
_TOO_LARGE = "The file is larger than all that this index keeps of upstreams."
_RETRY_AFTER = 5
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.03, 0.5
# With this digest it never changes; it may be refused later, of which no cache is told.
_UNCHANGING = "max-age=86400, immutable"
_CHANGING = "max-age=60"
_UNSAFE_NAME = re.compile(r"[^ !#-\[\]-~]")


@view_config(context=UpstreamFile, request_method="GET")
def content(context: UpstreamFile, request: Request) -> Response:
    """The file, if it is not refused."""
    if request.services.settings.upstream_mode == "redirect":
        response = Response(status=302, location=context.wanted.url)
        response.headers["Cache-Control"] = "no-cache"
        return response
    kept = upstream_files.find(request.uow.db, context.wanted)
    if kept is None or not upstream_files.is_whole(request.uow, kept):
        response = _fetched(context, request)
    else:
        response = _sent(context, request, kept)
    if response.status_int < 400 and request.environ.get(request_notes.WAIT) is None:
        response.headers["Cache-Control"] = _UNCHANGING if context.wanted.strong else _CHANGING
        response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _sent(context: UpstreamFile, request: Request, kept: KeptFile) -> Response:
    """The file, which is kept here."""
    upstream_files.PENDING.note(kept, request.uow.now)
    return blob_responses.send(
        request,
        kept.sha256,
        content_type=_content_type(context),
        filename=_disposed(kept.filename),
        size=kept.size,
    )


def _fetched(context: UpstreamFile, request: Request) -> Response:
    """The file, which is not here yet."""
    wanted, send = context.wanted, request_notes.send_arriving(request.environ)
    if request.method == "HEAD" and wanted.size is not None:
        return _head(context, request, wanted.size)[0]
    try:
        if send is None:
            return _fetched_in_place(context, request)
        arriving = _fetches(request).look(wanted)
    except FileNotHere as error:
        return _not_now(str(error), error.retry_after)
    if arriving is None:
        return _wait(request, wanted.filename) or _not_now(_BUSY, _RETRY_AFTER)
    return _arriving(context, request, arriving, send)


def _fetched_in_place(context: UpstreamFile, request: Request) -> Response:
    """The file, once all of it has come, where the server cannot send what still comes.

    Raises:
        FileNotHere: it cannot be had.
    """
    request.give_up_unit_of_work()
    _fetches(request).fetch(context.wanted)
    kept = upstream_files.find(request.uow.db, context.wanted)
    return _sent(context, request, kept) if kept is not None else _not_now(_TOO_LARGE, _RETRY_AFTER)


def _wait(request: Request, topic: str) -> Response | None:
    """Have the request asked again in a moment; None where it cannot wait any longer."""
    waited = request_notes.waited(request.environ)
    if waited is None:
        return None
    left = LONGEST_WAIT if waited.topic is None else waited.left
    if left <= 0:
        return None
    pause = min(max((LONGEST_WAIT - left) / 4, _SHORTEST_PAUSE), _LONGEST_PAUSE, left)
    request.environ[request_notes.WAIT] = Wait(
        topic=f"upstream-file:{topic}", mark="", since="", left=left, pause=pause
    )
    return Response(status=204)


def _arriving(
    context: UpstreamFile, request: Request, arriving: Arriving, send: SendArriving
) -> Response:
    """The file, or the range of it that the request wants, as it comes."""
    response, span = _head(context, request, arriving.size)
    if span is None:
        arriving.file.close()
        return response
    begin, end = span
    arriving.file.seek(begin)
    may_grow = partial(_fetches(request).is_coming, context.wanted, arriving.file)
    response.app_iter = send(arriving.file, end, may_grow)
    response.content_length = end - begin
    return response


def _head(
    context: UpstreamFile, request: Request, size: int
) -> tuple[Response, tuple[int, int] | None]:
    """The answer without its content, of a file that has so many bytes in the end.

    Returns:
        The answer, and where its content begins and ends; None where it has none.
    """
    wanted = context.wanted
    response = blob_responses.head_of(_content_type(context), _disposed(wanted.filename))
    sha256, asked = wanted.hashes.get("sha256"), blob_responses.wanted_range(request)
    start, end = 0, size
    if sha256 is not None:
        response.etag, response.accept_ranges = sha256, "bytes"
        if sha256 in request.if_none_match:
            response.status_int, response.content_type = 304, None
            response.content_length = None
            return response, None
        if asked is not None and response in request.if_range:
            start, end = blob_responses.span(*asked, size)
            if start >= end:
                return blob_responses.unsatisfied(size), None
            response.status_int, response.content_range = 206, (start, end, size)
    response.app_iter = []
    response.content_length = end - start
    return response, (start, end) if request.method != "HEAD" else None


def _not_now(sentence: str, retry_after: float) -> Response:
    """The file cannot be had now: clients print the status line, or the body."""
    response = Response(f"{sentence}\n", content_type="text/plain")
    response.status = f"503 {one_line(sentence)}"
    response.retry_after = max(1, math.ceil(retry_after))
    response.headers["Cache-Control"] = "no-store"
    return response


def _content_type(context: UpstreamFile) -> str:
    if context.is_metadata:
        return blob_responses.METADATA
    is_gzip = context.filename.endswith((".tar.gz", ".tgz"))
    return blob_responses.SDIST if is_gzip else blob_responses.WHEEL


def _disposed(filename: str) -> str:
    """A name of a file that can stand between quotation marks in a header."""
    return filename if _UNSAFE_NAME.search(filename) is None else quote(filename)


def _fetches(request: Request) -> Fetches:
    """What this process fetches; all requests to this application share it."""
    services = request.registry.services
    known: tuple[object, Fetches] | None = request.registry.__dict__.get("upstream_fetches")
    if known is None or known[0] is not services:
        known = (services, Fetches(services))
        request.registry.__dict__["upstream_fetches"] = known
    return known[1]
