"""``/api/drafts/<project>/<version>/checks``: results of checks of a draft, read and posted."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from pyramid.response import Response
from pyramid.view import view_config

from greenroom import times
from greenroom.models import CheckStatus
from greenroom.registry import (
    draft_checks,
    draft_contents,
    draft_installations,
    drafts,
    required_checks,
)
from greenroom.registry.draft_checks import LONGEST_LINK, LONGEST_SUMMARY, CheckResult, Posted
from greenroom.registry.draft_contents import CONTENT_DIGEST, LENGTH_OF_CONTENT_DIGEST
from greenroom.registry.required_checks import LONGEST_NAME
from greenroom.web.http import authentication, json_messages
from greenroom.web.http.json import to_json
from greenroom.web.http.problem_details import Answer
from greenroom.web.http.request import LARGEST_FORM, Request
from greenroom.web.uploads.draft_lookup.resources import ApiDraft
from greenroom.web.uploads.schemas import Timestamp

_JSON = "application/json"
_MOST_PROBLEMS = 10

_ContentDigest = Annotated[
    str,
    Meta(
        pattern=CONTENT_DIGEST,
        max_length=LENGTH_OF_CONTENT_DIGEST,
        description="Of the files that were checked.",
    ),
]


class PostCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A result of a check. No other members are taken, so that none is misspelt unnoticed."""

    name: Annotated[
        str,
        Meta(description=f"The same each time; one line, at most {LONGEST_NAME} characters."),
    ]
    status: Annotated[
        str,
        Meta(
            description="`pending`, `passed`, `failed` or `skipped`, or what a job of GitHub or "
            "GitLab says of itself, such as `success`.",
        ),
    ]
    link: Annotated[
        str | None,
        Meta(
            description="Where there is more of it: http or https, at most "
            f"{LONGEST_LINK} characters."
        ),
    ] = None
    summary: Annotated[
        str | None, Meta(description=f"Plain text of at most {LONGEST_SUMMARY} characters.")
    ] = None
    content_digest: Annotated[
        str | None,
        Meta(
            description="The draft's `content-digest` as it was checked: a result of other files "
            "than it has by now is refused. Without it the result is of what the draft has now.",
        ),
    ] = None


class CheckBody(Answer, frozen=True):
    """A result of a check."""

    name: str
    status: Literal["pending", "passed", "failed", "skipped"]
    link: Annotated[str, Meta(description="May be empty.")]
    summary: Annotated[str, Meta(description="Plain text; may be empty.")]
    content_digest: _ContentDigest
    is_current: Annotated[bool, Meta(description="Whether the draft has these files now.")]
    at: Timestamp
    by: Annotated[str, Meta(description="A user, or a workflow as `github:ada/example`.")]


class InstallationBody(Answer, frozen=True):
    """That an installer took a file from the draft's address."""

    client: Annotated[str, Meta(description="`pip 26.0 on Linux x86_64, cp313`")]
    filename: str
    is_current: Annotated[bool, Meta(description="Whether the draft has this file now.")]
    last: Timestamp
    count: Annotated[int, Meta(ge=1)]


class ChecksBody(Answer, frozen=True):
    """What was found out about a draft."""

    content_digest: _ContentDigest
    required: Annotated[list[str], Meta(description="The names that the project requires.")]
    missing: Annotated[
        list[str], Meta(description="Why the draft cannot be published, as far as checks go.")
    ]
    checks: Annotated[list[CheckBody], Meta(description="The result of each name that counts.")]
    installations: Annotated[list[InstallationBody], Meta(description="The last one first.")]


@view_config(context=ApiDraft, name="checks", request_method="GET")
def checks(context: ApiDraft, request: Request) -> Response:
    """The results that count, and who has installed the draft."""
    uow, draft = request.uow, context.draft
    staged = drafts.contents(uow.db, draft)
    digest = draft_contents.digest_of(draft, staged)
    required = required_checks.of_project(uow, draft.project) if draft.project is not None else ()
    body: dict[str, object] = {
        "content-digest": digest,
        "required": list(required),
        "missing": [str(reason) for reason in draft_checks.obstacles(uow, draft, staged)],
        "checks": [_body(result) for result in draft_checks.newest(uow, draft, digest)],
        "installations": [
            {
                "client": each.client,
                "filename": each.filename,
                "is-current": each.is_current,
                "last": times.seconds(each.last),
                "count": each.count,
            }
            for each in draft_installations.of_draft(uow, draft, staged)
        ],
    }
    return _answer(ChecksBody, body)


@view_config(context=ApiDraft, name="checks", request_method="POST", require_csrf=False)
def post(context: ApiDraft, request: Request) -> Response:
    """A result, by API token: the session of a browser posts nothing here."""
    actor = authentication.token_actor(request, request.uow)
    asked = _parse(request)
    posted = Posted(
        asked.name, asked.status, asked.link or "", asked.summary or "", asked.content_digest
    )
    result, is_new = draft_checks.post(request.uow, actor, context.draft, posted)
    return _answer(CheckBody, _body(result), 201 if is_new else 200)


def _body(result: CheckResult) -> dict[str, object]:
    return {
        "name": result.name,
        "status": CheckStatus(result.status).value,
        "link": result.link,
        "summary": result.summary,
        "content-digest": result.content_digest,
        "is-current": result.is_current,
        "at": times.seconds(result.at),
        "by": result.by,
    }


def _answer(kind: type[Answer], body: dict[str, object], status: int = 200) -> Response:
    response = Response(to_json(kind.checked(body)), status, content_type=_JSON)
    response.charset = None
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _parse(request: Request) -> PostCheck:
    """The result in the body.

    Raises:
        HTTPUnsupportedMediaType: it is sent as another type, or compressed.
        InvalidRequest: it is none; the details name each member that is wrong.
    """
    return json_messages.read(
        json_messages.body_of(request, _JSON, LARGEST_FORM, "the result"),
        PostCheck,
        'Send a JSON object: {"name": "tests", "status": "passed"}, with "link", "summary" and '
        '"content-digest" where there are any.',
        _MOST_PROBLEMS,
    )
