"""``/upstream/…``: files of upstreams and their metadata, from here or as they come from there."""

import math
import re
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from urllib.parse import quote

from msgspec.structs import replace
from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from pyramid.view import view_config

from greenroom import request_notes
from greenroom.registry import (
    upstream_files,
    upstream_metadata,
    upstream_pages,
    upstream_policy,
    upstream_usage,
)
from greenroom.registry.upstream_fetching import Arriving, Fetches, FileNotHere
from greenroom.registry.upstream_files import KeptFile
from greenroom.registry.upstream_policy import Policy, Refused
from greenroom.request_notes import SendArriving, Wait
from greenroom.storage import BlobMissing
from greenroom.web.http import blob_responses, reading, upstream_names
from greenroom.web.http.late_writes import after_answer
from greenroom.web.http.request import Request
from greenroom.web.http.upload_refusals import one_line
from greenroom.web.index.upstream_files.resources import MovedFile, OnPage, UpstreamFile

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
    """The file, if it is let in.

    Raises:
        HTTPNotFound: the upstream has no such file.
        UpstreamUnavailable: nobody can say whether it has.
    """
    page = context.page()
    found = context.found_on(page) if page is not None else None
    if found is None:
        asked = upstream_names.find(request, context.project)
        if isinstance(asked, Response):
            return asked
        page = context.page()
        found = context.found_on(page) if page is not None else None
    if page is None or found is None:
        raise HTTPNotFound
    if upstream_pages.is_use_due(request.uow, page):
        note = partial(upstream_pages.note_use, upstream=page.upstream, name=context.project)
        after_answer(request, note)
    return _if_let_in(found, request)


@view_config(context=MovedFile, request_method="GET")
def moved(context: MovedFile, request: Request) -> Response:
    """Where a file is that was adopted."""
    response = Response(status=302, location=context.address)
    response.headers["Cache-Control"] = "no-cache"
    return response


def _if_let_in(found: OnPage, request: Request) -> Response:
    """The file, or why it is not let in."""
    uow, wanted = request.uow, found.wanted
    policy = upstream_policy.load(uow, wanted.upstream, wanted.project)
    refused = policy.of(found.file)
    if refused is None and policy.needs_license(found.file):
        judged = _judged_by_metadata(found, request, policy)
        if isinstance(judged, Response):
            return judged
        refused, uow = judged, request.uow
    if refused is not None:
        return _refused(found, request, refused)
    if uow.settings.upstream_mode == "redirect":
        response = Response(status=302, location=wanted.url)
        response.headers["Cache-Control"] = "no-cache"
        return response
    kept = _sent_if_kept(found, request)
    response = kept if kept is not None else _fetched(found, request)
    refused = _judged_by_size(found, policy, response)
    if refused is not None:
        return _refused(found, request, refused)
    if response.status_int < 400 and request.environ.get(request_notes.WAIT) is None:
        _note_use(found, request, response, was_kept=kept is not None)
        _let_keep(found, request, response)
    return response


def _judged_by_metadata(
    found: OnPage, request: Request, policy: Policy
) -> Refused | Response | None:
    """Why what the metadata of a file says does not let it in.

    Returns:
        None: it lets it in. A response, where the metadata is not here yet, or cannot be had.
    """
    metadata = upstream_files.wanted_metadata(policy.upstream, policy.project, found.file)
    if metadata is None:
        return None
    try:
        kept = upstream_files.find(request.uow.db, metadata)
        if kept is None or not upstream_files.is_whole(request.uow, kept):
            if request_notes.send_arriving(request.environ) is not None:
                coming = _fetches(request).look(metadata)
                if isinstance(coming, Arriving):
                    coming.file.close()
                    coming = None
                return _wait(request, coming) or _not_now(_BUSY, _RETRY_AFTER)
            request.give_up_unit_of_work()
            _fetches(request).fetch(metadata)
            kept = upstream_files.find(request.uow.db, metadata)
    except FileNotHere as error:
        return _not_now(str(error), error.retry_after)
    if kept is None:
        return _not_now(_TOO_LARGE, _RETRY_AFTER)
    try:
        return upstream_metadata.judge(request.uow, policy, found.file, kept)
    except BlobMissing:  # another process has let go of it just now
        return _wait(request, None) or _not_now(_BUSY, _RETRY_AFTER)


def _judged_by_size(found: OnPage, policy: Policy, response: Response) -> Refused | None:
    """Why a file is not let in that is larger than may be, where its page does not say its size.

    An answer that is not sent is closed.
    """
    size, span = response.content_length, response.content_range
    if found.file.size is not None or found.is_metadata or not size or response.status_int >= 300:
        return None
    whole = span.length if span is not None else size
    refused = policy.of(replace(found.file, size=whole))
    if refused is not None and hasattr(response.app_iter, "close"):
        response.app_iter.close()
    return refused


def _let_keep(found: OnPage, request: Request, response: Response) -> None:
    """Say who may keep the answer for how long: here for a short time, since it may be refused."""
    headers = response.headers
    headers["Cache-Control"] = _UNCHANGING if found.wanted.strong else _CHANGING
    headers["Surrogate-Key"] = f"project/{found.wanted.project}"
    headers["Access-Control-Allow-Origin"] = "*"
    request.environ[request_notes.KEEP_FOR] = KEPT_SECONDS


def _refused(found: OnPage, request: Request, refused: Refused) -> Response:
    """The file is not let in: clients print the status line, or the body."""
    wanted = found.wanted
    upstream_usage.PENDING.note_refusal(
        wanted.upstream,
        wanted.project,
        found.file.filename,
        refused,
        upstream_usage.who(reading.known_actor(request)),
        request.uow.now,
    )
    return _told(403, refused.sentence)


def _note_use(found: OnPage, request: Request, response: Response, *, was_kept: bool) -> None:
    """Take note of a file that is sent from its beginning."""
    span = response.content_range
    if request.method != "GET" or response.status_int == 304 or (span and span.start):
        return
    upstream_usage.PENDING.note_file(
        found.wanted.upstream,
        found.wanted.project,
        upstream_usage.who(reading.known_actor(request)),
        request.services.clock(),
        was_kept=was_kept,
        size=response.content_length or 0,
    )


def _sent_if_kept(found: OnPage, request: Request) -> Response | None:
    """The file, if it is kept here."""
    kept = upstream_files.find(request.uow.db, found.wanted)
    if kept is not None and upstream_files.is_whole(request.uow, kept):
        with suppress(BlobMissing):  # another process may let go of it just now
            return _sent(found, request, kept)
    return None


def _sent(found: OnPage, request: Request, kept: KeptFile) -> Response:
    """The file, which is kept here.

    Raises:
        BlobMissing: not any more.
    """
    upstream_files.PENDING.note(kept, request.uow.now)
    return blob_responses.send_what_may_be_gone(
        request,
        kept.sha256,
        content_type=_content_type(found),
        filename=_disposed(kept.filename),
        size=kept.size,
    )


def _fetched(found: OnPage, request: Request) -> Response:
    """The file, which is not here yet."""
    wanted, send = found.wanted, request_notes.send_arriving(request.environ)
    if request.method == "HEAD" and wanted.size is not None:
        return _head(found, request, wanted.size)[0]
    try:
        if send is None:
            return _fetched_in_place(found, request)
        arriving = _fetches(request).look(wanted)
    except FileNotHere as error:
        return _not_now(str(error), error.retry_after)
    if isinstance(arriving, Arriving):
        return _arriving(found, request, arriving, send)
    return _wait(request, arriving) or _not_now(_BUSY, _RETRY_AFTER)


def _fetched_in_place(found: OnPage, request: Request) -> Response:
    """The file, once all of it has come, where the server cannot send what still comes.

    Raises:
        FileNotHere: it cannot be had.
    """
    request.give_up_unit_of_work()
    _fetches(request).fetch(found.wanted)
    kept = upstream_files.find(request.uow.db, found.wanted)
    if kept is None:
        return _not_now(_TOO_LARGE, _RETRY_AFTER)
    try:
        return _sent(found, request, kept)
    except BlobMissing:
        return _not_now(_BUSY, _RETRY_AFTER)


def _wait(request: Request, done: "Future[None] | None") -> Response | None:
    """Have the request asked again when this process can say more, or in a moment.

    Returns:
        None: it cannot wait any longer.
    """
    waited = request_notes.waited(request.environ)
    if waited is None:
        return None
    left = waited.left if waited.topic == _TOPIC else LONGEST_WAIT
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


def _arriving(found: OnPage, request: Request, arriving: Arriving, send: SendArriving) -> Response:
    """The file, or the range of it that the request wants, as it comes."""
    response, span = _head(found, request, arriving.size)
    if span is None:
        arriving.file.close()
        return response
    begin, end = span
    arriving.file.seek(begin)
    may_grow = partial(_fetches(request).is_coming, found.wanted, arriving.file)
    response.app_iter = send(arriving.file, end, may_grow)
    response.content_length = end - begin
    return response


def _head(found: OnPage, request: Request, size: int) -> tuple[Response, tuple[int, int] | None]:
    """The answer without its content, of a file that has so many bytes in the end.

    Returns:
        The answer, and where its content begins and ends; None where it has none.
    """
    wanted = found.wanted
    response = blob_responses.head_of(_content_type(found), _disposed(wanted.filename))
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


def _content_type(found: OnPage) -> str:
    if found.is_metadata:
        return blob_responses.METADATA
    is_gzip = found.file.filename.endswith((".tar.gz", ".tgz"))
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
