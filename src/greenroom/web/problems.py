"""Refusals as problem details (RFC 9457), in the form that PEP 694 gives them."""

import json
from collections.abc import Sequence

from pyramid.response import Response

from greenroom.web.request import Request
from greenroom.web.session_body import API_VERSION, PROBLEM_TYPE
from greenroom.web.upload_answers import Problem

# Where docs/errors.md is served; every code has a heading of its own there.
ERRORS_PAGE = "/help/errors/"


def problem(
    request: Request, status: int, code: str, title: str, sentences: Sequence[str]
) -> Response:
    """An answer that says what is wrong.

    ``code`` is stable and names the section of the page that ``type`` leads to; the sentences are
    all that is wrong, the first of them in ``detail`` too, which PEP 694 calls ``details``.
    """
    body = {
        "type": f"{request.application_url}{ERRORS_PAGE}#{code}",
        "status": status,
        "title": title,
        "detail": sentences[0],
        "details": sentences[0],
        "meta": {"api-version": API_VERSION},
        "errors": [{"source": code, "message": sentence} for sentence in sentences],
    }
    response = Response(
        json.dumps(Problem.checked(body)).encode(), status, content_type=PROBLEM_TYPE
    )
    response.charset = None
    response.headers["Cache-Control"] = "no-store"
    return response
