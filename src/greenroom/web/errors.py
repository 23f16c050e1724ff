"""How a refusal is answered: the status of each kind, and a page or a sentence to go with it."""

import math
from collections.abc import Sequence

import structlog
from pyramid.config import Configurator
from pyramid.exceptions import BadCSRFToken, PredicateMismatch, URLDecodeError
from pyramid.httpexceptions import HTTPException, HTTPNotFound
from pyramid.renderers import render
from pyramid.response import Response

from greenroom import logs
from greenroom.registry import errors
from greenroom.storage import StorageUnavailable
from greenroom.web.addresses import segments
from greenroom.web.problems import problem
from greenroom.web.program_answers import open_to_all_origins
from greenroom.web.request import Request

STATUS: dict[type[errors.Refusal], int] = {
    errors.Refusal: 400,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Ended: 410,
    errors.CannotPublish: 409,
    errors.SessionExists: 409,
    errors.FileReserved: 409,
    errors.UploadConflict: 409,
    errors.UnknownMechanism: 422,
    errors.TooMany: 429,
}

# Addresses that programs ask: they get a line of text instead of a page.
_FOR_PROGRAMS = ("simple", "packages", "legacy", "api", "rss", "sitemap.xml")
# Addresses of the JSON API: they get JSON.
_IN_JSON = "pypi"
# Addresses that scripts of other origins ask; a browser shows them no answer that does not say so.
_OPEN = ("simple", "pypi")

# Upload 2.0 has statuses of its own for what other dialects call a bad request.
_STATUS_IN_UPLOADS: dict[type[errors.Refusal], int] = {
    errors.BeingReviewed: 409,
    errors.FileExists: 409,
    errors.NameNotAvailable: 403,
    errors.ProjectClosed: 409,
    errors.ReleaseClosed: 409,
    errors.SecondSdist: 409,
    errors.TooLarge: 409,
}


def includeme(config: Configurator) -> None:
    """Render whatever leaves a view as an exception."""
    config.add_exception_view(refused, context=errors.Refusal)
    config.add_exception_view(http_error, context=HTTPException)
    config.add_exception_view(bad_csrf, context=BadCSRFToken)
    config.add_exception_view(undecodable, context=URLDecodeError)
    config.add_exception_view(storage_unavailable, context=StorageUnavailable)
    config.add_exception_view(unexpected, context=Exception)
    config.add_notfound_view(not_found)


def status(refusal: errors.Refusal) -> int:
    """The HTTP status of a refusal, where the dialect has no other."""
    return _status(type(refusal))


def status_in_uploads(kind: type[errors.Refusal]) -> int:
    """The HTTP status that a kind of refusal has in Upload 2.0."""
    return _STATUS_IN_UPLOADS.get(kind) or _status(kind)


def _status(kind: type[errors.Refusal]) -> int:
    return next(STATUS[each] for each in kind.__mro__ if each in STATUS)


def refused(refusal: errors.Refusal, request: Request) -> Response:
    """A refusal that no view has rendered itself."""
    if _is_upload_api(request):
        number = status_in_uploads(type(refusal))
        response = problem(request, number, refusal.code, refusal.title, refusal.details)
    else:
        response = message(request, status(refusal), refusal.title, refusal.details)
    if isinstance(refusal, errors.NotAuthenticated):
        response.www_authenticate = 'Basic realm="greenroom", Bearer realm="greenroom"'
    if isinstance(refusal, errors.TooMany):
        response.retry_after = retry_after(refusal)
    return response


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
        response = message(request, 405, "Method not allowed", [sentence])
        response.allow = allowed
        return response
    return message(request, 404, "Not found", ["There is nothing at this address."])


def http_error(error: HTTPException, request: Request) -> Response:
    """Redirects as they are; every other status with a page."""
    if error.status_int < 400 or error.status_int == 304:
        return _opened(request, error)
    response = message(request, error.status_int, error.title, [error.detail or error.explanation])
    for name in ("Allow", "Location", "Retry-After"):
        if name in error.headers:
            response.headers[name] = error.headers[name]
    return response


def bad_csrf(error: BadCSRFToken, request: Request) -> Response:
    """A form that was not made for this session."""
    sentence = "This form has expired, or it is not ours: go back, reload the page and try again."
    return message(request, 400, "Form expired", [sentence])


def undecodable(error: URLDecodeError, request: Request) -> Response:
    """An address that is no UTF-8 names nothing."""
    if _is_upload_api(request):
        return problem(request, 404, "not-found", "Not found", ["The address is not UTF-8."])
    if _is_in_json(request):
        return _json_message(request, 404, [])
    return Response("Not found: the address is not UTF-8.\n", 404, content_type="text/plain")


def storage_unavailable(error: StorageUnavailable, request: Request) -> Response:
    """The service that keeps the bytes does not answer; that is nobody's bad input."""
    structlog.get_logger("greenroom").error("storage unavailable", reason=str(error))
    response = message(
        request, 503, "Not available", ["The storage of this index does not answer: try again."]
    )
    response.retry_after = 30
    return response


def unexpected(error: Exception, request: Request) -> Response:
    """A bug of ours. The log has the traceback, the answer says nothing of it."""
    structlog.get_logger("greenroom").error(
        "unexpected error",
        method=request.method,
        path=logs.without_secrets(request.path),
        exc_info=error,
    )
    if _is_upload_api(request):
        return message(
            request,
            500,
            "Internal error",
            ["Something went wrong in this index, and its operator can see what."],
        )
    return Response(
        "Something went wrong in this index, and its operator can see what. Try again later.\n",
        500,
        content_type="text/plain",
    )


def message(request: Request, status: int, title: str, sentences: Sequence[str]) -> Response:
    """A page for people; for programs lines of text, JSON, or problem details in Upload 2.0."""
    if _is_upload_api(request):
        return problem(request, status, _code(title), title, sentences)
    if _is_in_json(request):
        return _json_message(request, status, sentences)
    if _is_for_programs(request):
        body = "".join(f"{sentence}\n" for sentence in sentences)
        return _opened(request, Response(body, status, content_type="text/plain"))
    page = render("error.jinja2", {"title": title, "sentences": sentences}, request)
    return Response(page, status, content_type="text/html")


def _is_upload_api(request: Request) -> bool:
    """Whether Upload 2.0 is asked; to delete a file of a draft at its link is a part of it."""
    match segments(request):
        case ("upload", *_):
            return True
        case ("draft", _, "files", _):
            return request.method == "DELETE"
    return False


def _code(title: str) -> str:
    return title.lower().replace(" ", "-")


def _is_for_programs(request: Request) -> bool:
    match segments(request):
        case ("draft", _, _, *_):
            return True
        case (first, *_):
            return first in _FOR_PROGRAMS
    return False


def _is_in_json(request: Request) -> bool:
    return segments(request)[:1] == (_IN_JSON,)


def _json_message(request: Request, status: int, sentences: Sequence[str]) -> Response:
    text = "Not Found" if status == 404 else " ".join(sentences)
    return _opened(request, Response(json_body={"message": text}, status=status))


def _opened(request: Request, response: Response) -> Response:
    is_open = any(segments(request)[:1] == (name,) for name in _OPEN)
    return open_to_all_origins(response) if is_open else response


def _allowed_methods(request: Request) -> list[str]:
    """The methods that views of this resource, under this name, answer to."""
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
