"""What leaves a view as an exception is answered, in the format of the node that was asked."""

import math
from collections.abc import Sequence

import structlog
from pyramid.config import Configurator
from pyramid.exceptions import BadCSRFToken, PredicateMismatch, URLDecodeError
from pyramid.httpexceptions import HTTPException, HTTPNotFound
from pyramid.response import Response

from greenroom import redaction
from greenroom.counters import Counted, count
from greenroom.outages import Outage, Part, outage_of
from greenroom.registry import errors
from greenroom.request_notes import request_id
from greenroom.web.http.cors import open_to_all_origins
from greenroom.web.http.reading import asked_who
from greenroom.web.http.refusals import JSON, PROBLEM, RefusalFormat
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import branch_of, refusals_at
from greenroom.web.http.upload_refusals import upload_refusal

FULL_RETRY_AFTER = 300
"""Seconds after which there may be room again for what was refused with 507."""


def includeme(config: Configurator) -> None:
    """Render whatever leaves a view as an exception."""
    config.add_exception_view(refused, context=errors.Refusal)
    config.add_exception_view(http_error, context=HTTPException)
    config.add_exception_view(bad_csrf, context=BadCSRFToken)
    config.add_exception_view(undecodable, context=URLDecodeError)
    config.add_exception_view(broken_off, context=ConnectionAbortedError)
    config.add_exception_view(unexpected, context=Exception)
    config.add_notfound_view(not_found)


def refused(refusal: errors.Refusal, request: Request) -> Response:
    """A refusal that no view has rendered itself."""
    format_ = refusals_at(request)
    response = format_.respond(
        request, format_.status(type(refusal)), refusal.code, refusal.title, refusal.details
    )
    if isinstance(refusal, errors.NotAuthenticated):
        response.www_authenticate = 'Basic realm="greenroom", Bearer realm="greenroom"'
    if isinstance(refusal, errors.TooMany):
        response.retry_after = retry_after(refusal)
    if isinstance(refusal, errors.OutOfSpace):
        response.retry_after = FULL_RETRY_AFTER
    return _opened(request, response)


def retry_after(refusal: errors.TooMany) -> int:
    """The whole seconds after which a request that was refused is not refused again."""
    return max(1, math.ceil(refusal.retry_after.total_seconds()))


def not_found(error: HTTPNotFound, request: Request) -> Response:
    """The same answer for what is not there and for what may not be known of.

    Where something is there that other methods reach, the answer names these (405).
    """
    allowed = _allowed_methods(request) if isinstance(error, PredicateMismatch) else []
    if allowed and request.method not in allowed:
        sentence = f"This address answers to {' and '.join(allowed)} only."
        response = _message(request, 405, "Method not allowed", [sentence])
        response.allow = allowed
        return response
    try:
        asked = asked_who(request)
    except errors.NotAuthenticated as refusal:
        return refused(refusal, request)
    return asked or _message(request, 404, "Not found", ["There is nothing at this address."])


def http_error(error: HTTPException, request: Request) -> Response:
    """Redirects as they are; every other status with a page."""
    if error.status_int < 400 or error.status_int == 304:
        return _opened(request, error)
    sentences = [error.detail or error.explanation]
    response = _message(request, error.status_int, error.title, sentences)
    for name in ("Allow", "Location", "Retry-After"):
        if name in error.headers:
            response.headers[name] = error.headers[name]
    return response


def bad_csrf(error: BadCSRFToken, request: Request) -> Response:
    """A form that was not made for this session."""
    sentence = "This form has expired, or it is not ours: go back, reload the page and try again."
    return _message(request, 400, "Form expired", [sentence])


def undecodable(error: URLDecodeError, request: Request) -> Response:
    """An address that is no UTF-8 names nothing."""
    if refusals_at(request) in (PROBLEM, JSON):
        return _message(request, 404, "Not found", ["The address is not UTF-8."])
    return Response("Not found: the address is not UTF-8.\n", 404, content_type="text/plain")


def unavailable(outage: Outage, request: Request) -> Response:
    """The database, the storage or the disk does not do its part; that is nobody's bad input."""
    structlog.get_logger("greenroom").error(
        f"{outage.part} unavailable",
        method=request.method,
        path=redaction.target(request.environ.get("PATH_INFO", "")),
        reason=outage.reason,
    )
    if outage.part is Part.STORAGE:
        count(Counted.STORAGE_ERRORS, "full" if outage.is_full else "unavailable")
    # Who is signed in is not asked: that would wait for the same database once more.
    request.__dict__["signed_in"] = None
    status, title = (507, "Out of space") if outage.is_full else (503, "Not available")
    if branch_of(request).takes_uploads and request.method == "POST":
        # Its clients print the status line.
        code = _code(title)
        response = upload_refusal(request, status, code, outage.sentence, [outage.sentence])
    else:
        response = _message(request, status, title, [outage.sentence])
    response.retry_after = outage.retry_after
    return response


def broken_off(error: ConnectionAbortedError, request: Request) -> Response:
    """The client has stopped in the middle of its request."""
    sentence = "The request stopped before its end: send it once more."
    return _message(request, 400, "Request broken off", [sentence])


def unexpected(error: Exception, request: Request) -> Response:
    """An outage; else a bug of ours: the log has the traceback, the answer says nothing of it."""
    outage = outage_of(error)
    if outage is not None:
        return unavailable(outage, request)
    structlog.get_logger("greenroom").error(
        "unexpected error",
        method=request.method,
        path=redaction.target(request.environ.get("PATH_INFO", "")),
        exc_info=error,
    )
    sentence = "Something went wrong in this index, and its operator can see what."
    if refusals_at(request) == PROBLEM:
        return _message(request, 500, "Internal error", [sentence])
    name = request_id(request.environ)
    which = f" This is request {name}." if name is not None else ""
    return Response(f"{sentence} Try again later.{which}\n", 500, content_type="text/plain")


def _message(request: Request, status: int, title: str, sentences: Sequence[str]) -> Response:
    """What is no refusal of the registry's, in the format of the node."""
    format_: RefusalFormat = refusals_at(request)
    return _opened(request, format_.respond(request, status, _code(title), title, sentences))


def _code(title: str) -> str:
    return title.lower().replace(" ", "-")


def _opened(request: Request, response: Response) -> Response:
    is_open = branch_of(request).open_to_all_origins
    return open_to_all_origins(response) if is_open else response


def _allowed_methods(request: Request) -> list[str]:
    """The methods that views of this node, under this name, answer to."""
    methods: set[str] = set()
    for view in request.registry.introspector.get_category("views"):
        found = view["introspectable"]
        context = found["context"]
        if (
            isinstance(context, type)
            and isinstance(request.context, context)
            and found["name"] == request.view_name
        ):
            named = found["request_methods"]
            methods.update([named] if isinstance(named, str) else named or ())
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)
