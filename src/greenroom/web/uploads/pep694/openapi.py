"""The OpenAPI 3.1 description of Upload 2.0, generated from the models of what goes in and out.

An operation is a row of ``OPERATIONS``; what it takes and answers are the models that the views
themselves use, and the codes of refusals those that ``web/http/refusals.py`` gives a status.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import errors
from greenroom.registry.draft_addresses import SLUG_LENGTH
from greenroom.registry.errors import Refusal
from greenroom.registry.upload_sessions import KEY_LENGTH
from greenroom.web.http import waiting
from greenroom.web.http.caching import conditional
from greenroom.web.http.json import to_json
from greenroom.web.http.problem_details import API_VERSION, CONTENT_TYPE, PROBLEM_TYPE, Problem
from greenroom.web.http.refusals import PROBLEM
from greenroom.web.http.request import Request
from greenroom.web.http.urls import Urls
from greenroom.web.uploads.openapi_schemas import schemas_of
from greenroom.web.uploads.pep694.requests import (
    LONGEST_OFFSET,
    CreateFileUpload,
    CreateSession,
    Empty,
    Extend,
    JoinSet,
    Publish,
)
from greenroom.web.uploads.pep694.resources import UploadRoot
from greenroom.web.uploads.schemas import FileUploadBody, SessionBody, SetBody

Json = dict[str, Any]

_BYTES = "application/octet-stream"
_DESCRIPTION = """\
Releases in sessions, as PEP 694 (draft of 29 July 2026, which is provisional) has them. The
[guide]({guide}) has a walk through it. Clients follow the addresses in `links`, and
make none themselves.

Every error is a problem (RFC 9457) whose `type` leads to what happened and what to do. A method
that an address does not have is 405 with `Allow`. Keys that a request has and this description has
not are ignored, in `meta` too.

What has to do with release sets is this index's own. It adds to PEP 694 what that leaves room for:
the key `set` of a request and of `links`, and addresses besides its own.
"""


class Operation(Struct, frozen=True):
    """One method of one address.

    ``body`` is what it takes: a message, or bytes. ``answers`` has what comes of it when all is
    well, by status; ``refusals`` the statuses of what may be wrong besides credentials.
    """

    method: str
    path: str
    name: str
    summary: str
    answers: Mapping[int, "Answered"]
    refusals: tuple[int, ...] = ()
    body: type[Empty] | str | None = None
    parameters: tuple[str, ...] = ()
    is_open: bool = False


class Answered(Struct, frozen=True):
    """What comes of an operation: a body or none, headers, and what can be done next."""

    summary: str
    body: type[Struct] | str | None = None
    headers: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


_SESSION = "/session/{session}/"
_FILE = "/session/{session}/file/{file}/"
_SET = "/set/{set}/"

# What can be done next: the operation, and the address in the body that it is at.
_SESSION_LINKS = {
    "readSession": "links.session",
    "cancelSession": "links.session",
    "publishSession": "links.publish",
    "extendSession": "links.extend",
    "announceFile": "links.upload",
    "joinSet": "links.join-set",
    "leaveSet": "links.join-set",
}
_FILE_LINKS = {
    "readFile": "links.file-upload-session",
    "cancelFile": "links.file-upload-session",
    "completeFile": "links.complete",
    "extendFile": "links.extend",
    "postBytes": "mechanism.file_url",
    "appendBytes": "mechanism.file_url",
    "askOffset": "mechanism.file_url",
}

_SET_LINKS = {
    "readSet": "links.set",
    "publishSet": "links.publish",
    "sayGo": "links.go",
    "discardSet": "links.set",
}

_LOCATED = ("Location", "Cache-Control")
_POLLED = ("Location", "Retry-After", "Cache-Control")
_OFFSET = ("Upload-Offset", "Upload-Length", "Cache-Control")


def _session(summary: str, *headers: str) -> Answered:
    return Answered(summary, SessionBody, headers or _LOCATED, tuple(_SESSION_LINKS))


def _file(summary: str) -> Answered:
    return Answered(summary, FileUploadBody, _POLLED, tuple(_FILE_LINKS))


def _set(summary: str, *headers: str) -> Answered:
    return Answered(summary, SetBody, headers or _LOCATED, tuple(_SET_LINKS))


OPERATIONS = (
    Operation(
        "get", "/openapi.json", "readDescription", "This description",
        {
            200: Answered("It.", "application/json", ("ETag", "Cache-Control")),
            304: Answered("It has not changed.", headers=("ETag", "Cache-Control")),
        },
        parameters=("If-None-Match",),
        is_open=True,
    ),
    Operation(
        "post", "/", "createSession", "Open a publishing session",
        {
            201: _session("It is open."),
            409: Answered(
                "A session of this version is open, which is at `Location`; or the project or the "
                "release takes no files.",
                Problem,
                ("Location.if-any",),
                tuple(_SESSION_LINKS),
            ),
        },
        (400, 403, 404, 406, 415, 429),
        CreateSession,
    ),
    Operation(
        "get", _SESSION, "readSession", "How a session stands",
        {
            200: _session(
                "With `Retry-After` while its publication is decided.", *_POLLED, "ETag"
            ),
            304: Answered("It has not changed.", headers=("ETag", "Location", "Cache-Control")),
        },
        (400, 403, 404, 406),
        parameters=("wait", "If-None-Match"),
    ),
    Operation(
        "delete", _SESSION, "cancelSession", "Cancel a session, and discard everything in it",
        {204: Answered("It is canceled.")},
        (403, 404, 406, 409, 410),
    ),
    Operation(
        "post", f"{_SESSION}publish", "publishSession", "Make everything in a session public",
        {
            201: _session("Everything is public."),
            202: _session("That is being decided: ask `Location` again.", *_POLLED),
        },
        (400, 403, 404, 406, 409, 410, 415),
        Publish,
    ),
    Operation(
        "post", f"{_SESSION}set", "joinSet", "Put a session into a release set",
        {200: _session("`links.set` is the set.")},
        (400, 403, 404, 406, 409, 410, 415),
        JoinSet,
    ),
    Operation(
        "delete", f"{_SESSION}set", "leaveSet", "Take a session out of its release set",
        {204: Answered("It is in none.")},
        (403, 404, 406, 409, 410),
    ),
    Operation(
        "get", "/set/", "findSet", "Find an open release set by its name",
        {200: _set("It.")},
        (400, 404, 406),
        parameters=("name",),
    ),
    Operation(
        "get", _SET, "readSet", "How a release set stands",
        {
            200: _set("With `Retry-After` while its publication is decided.", *_POLLED, "ETag"),
            304: Answered("It has not changed.", headers=("ETag", "Location", "Cache-Control")),
        },
        (400, 404, 406),
        parameters=("wait", "If-None-Match"),
    ),
    Operation(
        "post", f"{_SET}publish", "publishSet", "Make all of a release set public, or nothing",
        {
            201: _set("All of it is public."),
            202: _set("That is being decided: ask `Location` again.", *_POLLED),
        },
        (400, 403, 404, 406, 409, 410, 415),
        Publish,
    ),
    Operation(
        "post", f"{_SET}go", "sayGo", "Let your sessions go with a release set, as they are",
        {200: _set("`go-by` says who said so, until something changes.")},
        (400, 403, 404, 406, 409, 410, 415),
        Publish,
    ),
    Operation(
        "delete", _SET, "discardSet", "End a release set; its sessions stay",
        {204: Answered("It has ended.")},
        (403, 404, 406, 409, 410),
    ),
    Operation(
        "post", f"{_SESSION}extend", "extendSession", "Ask for more time for a session",
        {200: _session("`expires-at` says what came of it.")},
        (400, 403, 404, 406, 409, 410, 415),
        Extend,
    ),
    Operation(
        "post", f"{_SESSION}upload", "announceFile", "Announce a file: open a file upload session",
        {202: _file("Send its bytes as `mechanism` says.")},
        (400, 403, 404, 406, 409, 410, 415, 422, 429),
        CreateFileUpload,
    ),
    Operation(
        "get", _FILE, "readFile", "How the upload of a file stands",
        {200: _file("Ask again after `Retry-After` seconds.")},
        (403, 404, 406),
    ),
    Operation(
        "delete", _FILE, "cancelFile", "Break an upload off, or delete the file that it brought",
        {204: Answered("It is canceled.")},
        (403, 404, 406, 409, 410),
    ),
    Operation(
        "post", f"{_FILE}extend", "extendFile", "Ask for more time for an upload",
        {200: _file("`expires-at` says what came of it.")},
        (400, 403, 404, 406, 409, 410, 415),
        Extend,
    ),
    Operation(
        "post", f"{_FILE}complete", "completeFile", "All bytes are there: take the file",
        {201: _file("The file is staged.")},
        (400, 403, 404, 406, 409, 410, 415, 429),
        Empty,
    ),
    Operation(
        "post", f"{_FILE}bytes", "postBytes", "`http-post-bytes`: the whole file",
        {204: Answered("It has arrived.", headers=_OFFSET)},
        (400, 403, 404, 406, 409, 410),
        _BYTES,
    ),
    Operation(
        "patch", f"{_FILE}bytes", "appendBytes", "`vnd-greenroom-resumable-v1`: the next bytes",
        {204: Answered("They have arrived.", headers=_OFFSET)},
        (400, 403, 404, 406, 409, 410),
        _BYTES,
        ("Upload-Offset",),
    ),
    Operation(
        "head", f"{_FILE}bytes", "askOffset", "`vnd-greenroom-resumable-v1`: what has arrived",
        {204: Answered("So many bytes.", headers=_OFFSET)},
        (403, 404, 406),
    ),
)  # fmt: skip

_SAY = {
    400: "The request does not make sense, or the file is none that is taken.",
    401: "There are no valid credentials.",
    403: "Whose credentials these are may not do this.",
    404: "There is no such thing, or not any more.",
    406: "The client takes no answer that this API gives.",
    409: "It does not stand where this could be done.",
    410: "The session has ended.",
    415: f"The body is not `{CONTENT_TYPE}`.",
    422: "There is no such mechanism.",
    429: "A limit is reached.",
    503: "The database or the storage does not answer.",
    507: "There is no room.",
}
# Of errors that are none of the registry; these and its codes are the headings of docs/errors.md.
_OF_HTTP = {
    404: "not-found",
    406: "not-acceptable",
    415: "unsupported-media-type",
    503: "not-available",
}
_WITH_HEADER = {
    401: "WWW-Authenticate",
    429: "Retry-After",
    503: "Retry-After",
    507: "Retry-After",
}

_IN_PATHS = ("session", "file", "set")
_PARAMETERS: dict[str, Json] = {
    "session": {
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": f"^[0-9A-Za-z]{{{SLUG_LENGTH}}}$"},
    },
    "file": {
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": f"^[0-9A-Za-z]{{{KEY_LENGTH}}}$"},
    },
    "set": {
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": f"^[0-9A-Za-z]{{{KEY_LENGTH}}}$"},
    },
    "name": {
        "in": "query",
        "required": True,
        "description": "Of a release set: `NAME`, or `OWNER/NAME`.",
        "schema": {"type": "string", "maxLength": 120},
    },
    "Upload-Offset": {
        "in": "header",
        "required": True,
        "description": "Where the bytes go on: how many have arrived before.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 10**LONGEST_OFFSET - 1},
    },
    "wait": {
        "in": "query",
        "description": "Answer when the session has changed: by what `If-None-Match` names, or "
        "else since the request came; after so many seconds anyway. The index may answer earlier.",
        "schema": {"type": "integer", "minimum": 0, "maximum": waiting.LONGEST},
    },
    "If-None-Match": {
        "in": "header",
        "description": "The `ETag` of what the client has.",
        "schema": {"type": "string"},
    },
}

_HEADERS: dict[str, Json] = {
    "Cache-Control": {"required": True, "schema": {"type": "string"}},
    "ETag": {"required": True, "schema": {"type": "string"}},
    "Location": {
        "required": True,
        "description": "The session, or the file upload session.",
        "schema": {"type": "string", "format": "uri"},
    },
    "Location.if-any": {
        "description": "The session that is open.",
        "schema": {"type": "string", "format": "uri"},
    },
    "Retry-After": {
        "description": "After how many seconds to ask again.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Upload-Length": {
        "required": True,
        "description": "How many bytes the file has.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Upload-Offset": {
        "required": True,
        "description": "How many bytes have arrived.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string"}},
}


@view_config(context=UploadRoot, name="openapi.json", request_method="GET")
def description(context: UploadRoot, request: Request) -> Response:
    """The description, for anybody and for every cache."""
    body = _described(request.urls.home().removesuffix("/"))
    response = conditional(request, body, "application/json")
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


@lru_cache(maxsize=8)
def _described(root: str) -> bytes:
    return to_json(describe(Urls(root)))


def describe(urls: Urls) -> Json:
    """The description of the API of the index that is at these addresses."""
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        at = paths.setdefault(operation.path, {})
        if named := [name for name in _IN_PATHS if f"{{{name}}}" in operation.path]:
            at["parameters"] = [_reference("parameters", name) for name in named]
        at[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Upload 2.0",
            "version": API_VERSION,
            "description": _DESCRIPTION.format(guide=urls.help("upload-2.0")),
        },
        "externalDocs": {"url": urls.help("upload-2.0")},
        "servers": [{"url": urls.upload_api().removesuffix("/")}],
        "security": [{"token": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "responses": {_problem_name(status): _problem(urls, status) for status in _SAY},
            "parameters": {name: {"name": name, **one} for name, one in _PARAMETERS.items()},
            "headers": _HEADERS,
            "links": {
                name: {"operationId": name, "description": f"Its address is `{where}`."}
                for name, where in (_SESSION_LINKS | _FILE_LINKS | _SET_LINKS).items()
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The user name `__token__`, and an API token as the password.",
                },
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API token."},
            },
        },
    }


def _operation(operation: Operation) -> Json:
    described: Json = {"operationId": operation.name, "summary": operation.summary}
    if operation.is_open:
        described["security"] = []
    if operation.parameters:
        described["parameters"] = [_reference("parameters", name) for name in operation.parameters]
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _content(operation.body)}
    refusals = set(operation.refusals)
    if not operation.is_open:
        refusals |= {401, 503} if operation.method in ("get", "head") else {401, 503, 507}
    described["responses"] = {
        **{str(status): _answer(answer) for status, answer in operation.answers.items()},
        **{
            str(status): _reference("responses", _problem_name(status))
            for status in sorted(refusals)
        },
    }
    return described


def _answer(answer: Answered) -> Json:
    described: Json = {"description": answer.summary}
    if answer.headers:
        described["headers"] = {
            name.partition(".")[0]: _reference("headers", name) for name in answer.headers
        }
    if answer.body is not None:
        described["content"] = _content(answer.body)
    if answer.links:
        described["links"] = {name: _reference("links", name) for name in answer.links}
    return described


def _content(body: type[Struct] | str) -> Json:
    if body == _BYTES:
        return {_BYTES: {"schema": {"type": "string", "format": "binary", "minLength": 1}}}
    if isinstance(body, str):
        return {body: {"schema": {"type": "object"}}}
    kind = PROBLEM_TYPE if body is Problem else CONTENT_TYPE
    return {kind: {"schema": _reference("schemas", body.__name__)}}


def _problem(urls: Urls, status: int) -> Json:
    codes = sorted({*_codes(status), *filter(None, [_OF_HTTP.get(status)])})
    links = [f"[`{code}`]({urls.refusal(code)})" for code in codes]
    described: Json = {
        "description": f"{_SAY[status]} One of {', '.join(links)}.",
        "content": {PROBLEM_TYPE: {"schema": _reference("schemas", "Problem")}},
    }
    if status in _WITH_HEADER:
        described["headers"] = {_WITH_HEADER[status]: _reference("headers", _WITH_HEADER[status])}
    return described


def _problem_name(status: int) -> str:
    return f"Problem{status}"


def _codes(status: int) -> Iterator[str]:
    """The codes of the refusals that have this status."""
    for kind in vars(errors).values():
        is_refusal = isinstance(kind, type) and issubclass(kind, Refusal) and kind is not Refusal
        if is_refusal and PROBLEM.status(kind) == status:
            yield kind.code


def _reference(section: str, name: str) -> Json:
    return {"$ref": f"#/components/{section}/{name}"}


def _schemas() -> Json:
    return schemas_of(
        CreateSession,
        Extend,
        CreateFileUpload,
        Empty,
        JoinSet,
        Publish,
        SetBody,
        SessionBody,
        FileUploadBody,
        Problem,
    )
