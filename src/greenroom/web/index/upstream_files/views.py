"""``/upstream/…``: files of upstreams and their metadata, from here or as they come from there."""

import math
import re
from concurrent.futures import Future
from functools import partial
from urllib.parse import quote

from pyramid.response import Response
from pyramid.view import view_config

from greenroom import request_notes
from greenroom.registry import upstream_files, upstream_policy, upstream_usage
from greenroom.registry.errors import NotAuthenticated
from greenroom.registry.upstream_fetching import Arriving, Fetches, FileNotHere
from greenroom.registry.upstream_files import KeptFile
from greenroom.registry.upstream_policy import Refused
from greenroom.registry.upstream_usage import Who
from greenroom.request_notes import SendArriving, Wait
from greenroom.web.http import blob_responses
from greenroom.web.http.request import Request
from greenroom.web.http.upload_refusals import one_line
from greenroom.web.index.upstream_files.resources import UpstreamFile

LONGEST_WAIT = 300.0
"""Seconds that a request waits for the first byte of a file."""
KEPT_SECONDS = 30.0
"""So long the server sends a file without asking whether it is let in."""

_BUSY = "This index is busy, or about to stop: try again."
_TOO_LARGE = "The file is larger than all that this index keeps of upstreams."
_RETRY_AFTER = 5
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.03, 0.5
# For whoever has it: with this digest it never changes. It may be refused later.
_UNCHANGING = "public, max-age=365000000, s-maxage=60, immutable"
_CHANGING = "public, max-age=60"
_TOPIC = "upstream-file"
_UNSAFE_NAME = re.compile(r"[^ !#-\[\]-~]")


@view_config(context=UpstreamFile, request_method="GET")
def content(context: UpstreamFile, request: Request) -> Response:
    """The file, if it is let in."""
    uow, wanted = request.uow, context.wanted
    policy = upstream_policy.load(uow, wanted.upstream, wanted.project)
    refused = policy.of(context.file)
    if refused is not None:
        return _refused(context, request, refused)
    if uow.settings.upstream_mode == "redirect":
        response = Response(status=302, location=wanted.url)
        response.headers["Cache-Control"] = "no-cache"
        return response
    kept = upstream_files.find(uow.db, wanted)
    is_kept = kept is not None and upstream_files.is_whole(uow, kept)
    response = _sent(context, request, kept) if kept and is_kept else _fetched(context, request)
    if response.status_int < 400 and request.environ.get(request_notes.WAIT) is None:
        _note_use(context, request, response, was_kept=is_kept)
        _let_keep(context, request, response)
    return response


def _let_keep(context: UpstreamFile, request: Request, response: Response) -> None:
    """Say who may keep the answer for how long: here for a short time, since it may be refused."""
    headers = response.headers
    headers["Cache-Control"] = _UNCHANGING if context.wanted.strong else _CHANGING
    headers["Surrogate-Key"] = f"project/{context.wanted.project}"
    headers["Access-Control-Allow-Origin"] = "*"
    request.environ[request_notes.KEEP_FOR] = KEPT_SECONDS


def _refused(context: UpstreamFile, request: Request, refused: Refused) -> Response:
    """The file is not let in: clients print the status line, or the body."""
    wanted = context.wanted
    upstream_usage.PENDING.note_refusal(
        wanted.upstream,
        wanted.project,
        context.file.filename,
        refused,
        _who(request),
        request.uow.now,
    )
    return _told(403, refused.sentence)


def _note_use(
    context: UpstreamFile, request: Request, response: Response, *, was_kept: bool
) -> None:
    """Take note of a file that is sent from its beginning."""
    span = response.content_range
    if request.method != "GET" or response.status_int == 304 or (span and span.start):
        return
    upstream_usage.PENDING.note_file(
        context.wanted.upstream,
        context.wanted.project,
        _who(request),
        request.services.clock(),
        was_kept=was_kept,
        size=response.content_length or 0,
    )


def _who(request: Request) -> Who:
    """Who asks, as far as it is known; a token that is not valid changes nothing here."""
    try:
        return upstream_usage.who(request.actor)
    except NotAuthenticated:
        return Who()


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
        found = _fetches(request).look(wanted)
    except FileNotHere as error:
        return _not_now(str(error), error.retry_after)
    if isinstance(found, Arriving):
        return _arriving(context, request, found, send)
    return _wait(request, found) or _not_now(_BUSY, _RETRY_AFTER)


def _fetched_in_place(context: UpstreamFile, request: Request) -> Response:
    """The file, once all of it has come, where the server cannot send what still comes.

    Raises:
        FileNotHere: it cannot be had.
    """
    request.give_up_unit_of_work()
    _fetches(request).fetch(context.wanted)
    kept = upstream_files.find(request.uow.db, context.wanted)
    return _sent(context, request, kept) if kept is not None else _not_now(_TOO_LARGE, _RETRY_AFTER)


def _wait(request: Request, done: "Future[None] | None") -> Response | None:
    """Have the request asked again when this process can say more, or in a moment.

    Returns:
        None: it cannot wait any longer.
    """
    waited = request_notes.waited(request.environ)
    if waited is None:
        return None
    left = LONGEST_WAIT if waited.topic is None else waited.left
    if left <= 0:
        return None
    pause = min(max((LONGEST_WAIT - left) / 4, _SHORTEST_PAUSE), _LONGEST_PAUSE)
    request.environ[request_notes.WAIT] = Wait(
        topic=_TOPIC,
        mark="",
        since="",
        left=left,
        pause=min(pause if done is None else LONGEST_WAIT, left),
        done=done or Future(),
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
    """The file cannot be had now."""
    response = _told(503, sentence)
    response.retry_after = max(1, math.ceil(retry_after))
    return response


def _told(status: int, sentence: str) -> Response:
    response = Response(f"{sentence}\n", content_type="text/plain")
    response.status = f"{status} {one_line(sentence)}"
    response.headers["Cache-Control"] = "no-store"
    return response


def _content_type(context: UpstreamFile) -> str:
    if context.is_metadata:
        return blob_responses.METADATA
    is_gzip = context.file.filename.endswith((".tar.gz", ".tgz"))
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
