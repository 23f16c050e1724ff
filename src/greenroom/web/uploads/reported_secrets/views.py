"""``POST /_/secrets/reported``: what a scanner for secrets has found, as GitHub's tells it.

A JSON array of objects with ``token``, ``type``, ``url`` and ``source`` (GitHub's secret scanning
partner program). The answer has a label for each, ``true_positive`` or ``false_positive``, and
names it by its digest, so that no secret is in an answer.
"""

import base64
import hashlib

import msgspec
from pyramid.httpexceptions import HTTPRequestEntityTooLarge
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import reported_secrets
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.reported_secrets import Found
from greenroom.web.http.request import LARGEST_FORM, Request
from greenroom.web.uploads.reported_secrets.resources import Reported

MOST = 100
"""So many tokens may be in one report."""

_SHAPE = (
    "The body is no report: send a JSON array of objects with the text of a token in 'token', and "
    "where it was found in 'url' and 'source'."
)


class _Report(msgspec.Struct, frozen=True):
    token: str
    type: str = ""
    url: str = ""
    source: str = ""


@view_config(context=Reported, request_method="POST", require_csrf=False)
def reported(context: Reported, request: Request) -> Response:
    """Revoke what is a token of this index, whoever shows it, and say what is one."""
    reports = _read(request)
    found = [Found(each.token, each.url, each.source) for each in reports]
    are_tokens = reported_secrets.report(request.services, found)
    body = [
        {
            "token_hash": _digest(each.token),
            "token_type": each.type,
            "label": "true_positive" if is_token else "false_positive",
        }
        for each, is_token in zip(reports, are_tokens, strict=True)
    ]
    response = Response(json_body=body)
    response.headers["Cache-Control"] = "no-store"
    return response


def _read(request: Request) -> list[_Report]:
    body = request.environ["wsgi.input"].read(LARGEST_FORM + 1)
    if len(body) > LARGEST_FORM:
        raise HTTPRequestEntityTooLarge(f"A report has at most {LARGEST_FORM} bytes: send several.")
    try:
        reports = msgspec.json.decode(body, type=list[_Report])
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest(_SHAPE) from None
    if len(reports) > MOST:
        raise InvalidRequest(f"A report has at most {MOST} tokens: send several.")
    return reports


def _digest(token: str) -> str:
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).decode()
