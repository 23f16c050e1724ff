"""How a refusal is answered: as a page, as lines of text, as JSON, or as problem details.

Each node of the traversal tree says which of them it wants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field
from pyramid.renderers import render
from pyramid.response import Response

from greenroom.registry import errors
from greenroom.request_notes import request_id
from greenroom.web.http.problem_details import problem
from greenroom.web.http.request import Request

_STATUS: dict[type[errors.Refusal], int] = {
    errors.Refusal: 400,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Ended: 410,
    errors.CannotPublish: 409,
    errors.DraftChanged: 409,
    errors.DraftExists: 409,
    errors.FileReserved: 409,
    errors.SetConflict: 409,
    errors.UploadConflict: 409,
    errors.UnknownMechanism: 422,
    errors.TooMany: 429,
    errors.OutOfSpace: 507,
}


class Respond(Protocol):
    """Makes the answer: its status, a stable code, a title, and a sentence for each reason."""

    def __call__(
        self, request: Request, status: int, code: str, title: str, sentences: Sequence[str], /
    ) -> Response:
        """Make it."""


class RefusalFormat(Struct, frozen=True):
    """One way to answer a refusal.

    Attributes:
        respond: makes the answer.
        is_page: whether it is for people, so that a template has to be rendered.
        statuses: the statuses of those kinds of refusals that have others here than elsewhere.
    """

    respond: Respond
    is_page: bool = False
    statuses: Mapping[type[errors.Refusal], int] = field(default_factory=dict)

    def status(self, kind: type[errors.Refusal]) -> int:
        """The HTTP status of a kind of refusal."""
        return self.statuses.get(kind) or next(
            _STATUS[each] for each in kind.__mro__ if each in _STATUS
        )


def _page(
    request: Request, status: int, code: str, title: str, sentences: Sequence[str]
) -> Response:
    values = {"title": title, "sentences": sentences, "request_id": request_id(request.environ)}
    page = render("http/error.jinja2", values, request)
    return Response(page, status, content_type="text/html")


def _text(
    request: Request, status: int, code: str, title: str, sentences: Sequence[str]
) -> Response:
    body = "".join(f"{sentence}\n" for sentence in sentences)
    return Response(body, status, content_type="text/plain")


def _json(
    request: Request, status: int, code: str, title: str, sentences: Sequence[str]
) -> Response:
    text = "Not Found" if status == 404 else " ".join(sentences)
    return Response(json_body={"message": text}, status=status)


PAGE = RefusalFormat(_page, is_page=True)
"""A page for people."""

TEXT = RefusalFormat(_text)
"""Lines of text, for programs that show them to people."""

JSON = RefusalFormat(_json)
"""``{"message": …}``, as clients of the JSON API know it."""

PROBLEM = RefusalFormat(
    problem,
    statuses={
        errors.BeingReviewed: 409,
        errors.FileExists: 409,
        errors.NameNotAvailable: 403,
        errors.ProjectClosed: 409,
        errors.ReleaseClosed: 409,
        errors.SecondSdist: 409,
        errors.TooLarge: 409,
    },
)
"""Problem details, with the statuses that Upload 2.0 has for them (PEP 694)."""
