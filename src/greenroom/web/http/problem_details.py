"""Refusals as problem details (RFC 9457), in the form that PEP 694 gives them."""

import json
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from pyramid.response import Response

from greenroom.request_notes import request_id
from greenroom.web.http.request import Request

CONTENT_TYPE = "application/vnd.pypi.upload.v2+json"
PROBLEM_TYPE = "application/problem+json"
API_VERSION = "2.0"

Url = Annotated[str, Meta(extra_json_schema={"format": "uri"})]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What all have in common: keys in kebab case, and none but these."""

    @classmethod
    def checked(cls, body: dict[str, object]) -> dict[str, object]:
        """The body itself, if it is one of these.

        Raises:
            msgspec.ValidationError: it is not, which is a bug of the index.
        """
        msgspec.convert(body, cls)
        return body


class AnswerMeta(Answer, frozen=True):
    """About the message itself."""

    api_version: Literal["2.0"]


class ProblemCause(Answer, frozen=True):
    """One thing that is wrong."""

    source: str
    message: str


class Problem(Answer, frozen=True):
    """Problem details (RFC 9457), in the form that PEP 694 gives them."""

    type: Annotated[Url, Meta(description="A page that says what happened and what to do.")]
    status: Annotated[int, Meta(ge=400, le=599)]
    title: str
    detail: str
    details: Annotated[str, Meta(description="As `detail`, under the name that PEP 694 has.")]
    meta: AnswerMeta
    errors: Annotated[list[ProblemCause], Meta(min_length=1)]
    request_id: Annotated[str, Meta(description="By which name the request stands in logs.")] = ""


def problem(
    request: Request, status: int, code: str, title: str, sentences: Sequence[str]
) -> Response:
    """An answer that says what is wrong.

    ``code`` is stable and names the section of the page that ``type`` leads to; the sentences are
    all that is wrong, the first of them in ``detail`` too, which PEP 694 calls ``details``.
    """
    body: dict[str, object] = {
        "type": request.urls.refusal(code),
        "status": status,
        "title": title,
        "detail": sentences[0],
        "details": sentences[0],
        "meta": {"api-version": API_VERSION},
        "errors": [{"source": code, "message": sentence} for sentence in sentences],
    }
    name = request_id(request.environ)
    if name is not None:
        body["request-id"] = name
    response = Response(
        json.dumps(Problem.checked(body)).encode(), status, content_type=PROBLEM_TYPE
    )
    response.charset = None
    response.headers["Cache-Control"] = "no-store"
    return response
