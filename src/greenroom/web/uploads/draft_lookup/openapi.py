"""``GET /api/openapi.json``: what can be asked below ``/api/`` (OpenAPI 3.1)."""

from functools import lru_cache
from typing import Any

from pyramid.response import Response
from pyramid.view import view_config

from greenroom.web.http.caching import conditional
from greenroom.web.http.json import to_json
from greenroom.web.http.problem_details import CONTENT_TYPE
from greenroom.web.http.request import Request
from greenroom.web.http.urls import Urls
from greenroom.web.uploads.draft_lookup.checks import CheckBody, ChecksBody, PostCheck
from greenroom.web.uploads.draft_lookup.resources import Api
from greenroom.web.uploads.draft_lookup.review_schemas import (
    REVIEW_VERSION,
    ReviewBody,
    SetReviewBody,
)
from greenroom.web.uploads.openapi_schemas import schemas_of
from greenroom.web.uploads.schemas import SessionBody

Json = dict[str, Any]

_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_REFUSALS = {
    "400": "The address does not make sense: the sentence says why.",
    "401": "The credentials are not valid.",
    "403": "Whose credentials these are may not do this.",
    "404": "There is no such draft or release set that may be seen, or no such release to compare "
    "with.",
    "409": "The draft has other files by now than were checked.",
    "410": "The draft, or the release set, has ended.",
    "415": "The body is not `application/json`.",
    "429": "Too many results of this name within an hour: see `Retry-After`.",
    "503": "The database does not answer: see `Retry-After`.",
    "507": "There is no room.",
}
_OF_READING = ("400", "401", "404", "503")


@view_config(context=Api, name="openapi.json", request_method="GET")
def description(context: Api, request: Request) -> Response:
    """The description, for anybody and for every cache."""
    body = _described(request.urls.home().removesuffix("/"))
    response = conditional(request, body, "application/json")
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


@lru_cache(maxsize=8)
def _described(root: str) -> bytes:
    return to_json(describe(Urls(root)))


def describe(urls: Urls) -> Json:
    """The description of what is below ``/api/`` of the index that is at these addresses."""
    named = [
        {"$ref": "#/components/parameters/project"},
        {"$ref": "#/components/parameters/version"},
    ]
    draft = "/drafts/{project}/{version}"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Drafts",
            "version": REVIEW_VERSION,
            "description": "Drafts by project and version, for API tokens that may stage in the "
            "project and for people who are signed in and work on it.",
        },
        "externalDocs": {"url": urls.help("review")},
        "servers": [{"url": urls.api().removesuffix("/")}],
        "security": [{"token": []}, {"bearer": []}],
        "paths": {
            draft: {"parameters": named, "get": _session()},
            f"{draft}/review": {"parameters": named, "get": _review()},
            f"{draft}/checks": {"parameters": named, "get": _checks(), "post": _post_check()},
            "/sets/{set}/review": {
                "parameters": [{"$ref": "#/components/parameters/set"}],
                "get": _review_of_set(),
            },
        },
        "components": {
            "schemas": schemas_of(
                *(ReviewBody, SetReviewBody, SessionBody, ChecksBody, CheckBody, PostCheck)
            ),
            "parameters": {
                "project": _parameter("project", "path", "In any spelling.", required=True),
                "version": _parameter("version", "path", "In any spelling.", required=True),
                "set": _parameter(
                    *("set", "path", "The key of a release set, as `links.review` has it."),
                    required=True,
                ),
                "against": _parameter(
                    "against", "query", "The version of the public release to compare with."
                ),
                "format": _parameter("format", "query", "What to answer with.")
                | {"schema": {"enum": ["json", "text", "markdown"], "default": "json"}},
            },
            "responses": {
                f"Refusal{status}": {"description": sentence, "content": _TEXT}
                for status, sentence in _REFUSALS.items()
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


def _session() -> Json:
    return {
        "operationId": "readDraft",
        "summary": "The publishing session that is open for a version",
        "responses": _responses({CONTENT_TYPE: _schema(SessionBody.__name__)}),
    }


def _review() -> Json:
    return {
        "operationId": "readReview",
        "summary": "The review of a draft: what would become public, and what to look at",
        "parameters": [
            {"$ref": f"#/components/parameters/{name}"} for name in ("against", "format")
        ],
        "responses": _responses(
            {
                "application/json": _schema(ReviewBody.__name__),
                **_TEXT,
                "text/markdown": {"schema": {"type": "string"}},
            }
        ),
    }


def _review_of_set() -> Json:
    return {
        "operationId": "readSetReview",
        "summary": "The review of a release set: what would become public together",
        "parameters": [{"$ref": "#/components/parameters/format"}],
        "responses": _responses(
            {
                "application/json": _schema(SetReviewBody.__name__),
                **_TEXT,
                "text/markdown": {"schema": {"type": "string"}},
            },
            refusals=(*_OF_READING, "410"),
        ),
    }


def _checks() -> Json:
    return {
        "operationId": "readChecks",
        "summary": "What was found out about a draft",
        "responses": _responses({"application/json": _schema(ChecksBody.__name__)}),
    }


def _post_check() -> Json:
    written = {"application/json": _schema(CheckBody.__name__)}
    return {
        "operationId": "postCheck",
        "summary": "Post the result of a check",
        "requestBody": {
            "required": True,
            "content": {"application/json": _schema(PostCheck.__name__)},
        },
        "responses": {
            "201": {"description": "It is written down, and was not before.", "content": written},
            **_responses(written, refusals=tuple(_REFUSALS)),
        },
    }


def _responses(content: Json, refusals: tuple[str, ...] = _OF_READING) -> Json:
    return {
        "200": {"description": "As it stands now.", "content": content},
        **{status: {"$ref": f"#/components/responses/Refusal{status}"} for status in refusals},
    }


def _schema(name: str) -> Json:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def _parameter(name: str, where: str, description: str, *, required: bool = False) -> Json:
    return {
        "name": name,
        "in": where,
        "required": required,
        "description": description,
        "schema": {"type": "string"},
    }
