"""``GET /api/drafts/<project>/<version>`` is the session body, and ``…/review`` the review.

``/api/sets/<key>/review`` is the review of a release set.
"""

from functools import partial

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.models import Draft
from greenroom.registry import draft_review, set_review
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.web.http.json import to_json
from greenroom.web.http.late_writes import after_answer
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.uploads.draft_lookup import review_text, set_review_text
from greenroom.web.uploads.draft_lookup.resources import ApiDraft, ApiSet
from greenroom.web.uploads.draft_lookup.review_body import review_body
from greenroom.web.uploads.draft_lookup.set_review_body import set_review_body
from greenroom.web.uploads.session_body import session_status

_TYPES = {"json": "application/json", "text": "text/plain", "markdown": "text/markdown"}


@view_config(context=ApiDraft, request_method="GET")
def draft(context: ApiDraft, request: Request) -> Response:
    """The live draft of this version: as it stands now, or once that changes."""
    response = session_status(request, context.draft)
    response.headers.pop("Location", None)
    return response


@view_config(context=ApiDraft, name="review", request_method="GET")
def review(context: ApiDraft, request: Request) -> Response:
    """The review of the live draft of this version, in one of three forms."""
    form = _form(request)
    against = query_value(request, "against") or None
    found = draft_review.review(request.uow, context.draft, against)
    if not found.progress.is_complete:
        _ask_for_the_rest(request, context.draft.id, against)
    page = request.urls.managed_draft(context.draft)
    if form == "json":
        body = to_json(review_body(found, page))
    else:
        write = review_text.text if form == "text" else review_text.markdown
        body = write(found, page).encode("utf-8", "replace")
    return _response(body, form)


@view_config(context=ApiSet, name="review", request_method="GET")
def review_of_set(context: ApiSet, request: Request) -> Response:
    """The review of the open release set, in one of three forms."""
    form, actor = _form(request), request.actor
    found = set_review.review(request.uow, actor, context.release_set, names_hidden=False)
    if found.unfinished:
        # Have what was not looked into looked into, once this is answered.
        after_answer(request, partial(set_review.want_missing, numbers=found.unfinished))
    if form == "json":
        return _response(to_json(set_review_body(found, request.urls)), form)
    write = set_review_text.text if form == "text" else set_review_text.markdown
    return _response(write(found, request.urls).encode("utf-8", "replace"), form)


def _form(request: Request) -> str:
    """Which of the forms is asked for.

    Raises:
        HTTPBadRequest: it is none of them.
    """
    form = query_value(request, "format") or "json"
    if form not in _TYPES:
        raise HTTPBadRequest(f"The format is one of {', '.join(_TYPES)}, not {form[:100]!r}.")
    return form


def _response(body: bytes, form: str) -> Response:
    response = Response(body, content_type=_TYPES[form])
    response.charset = None if form == "json" else "utf-8"
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _ask_for_the_rest(request: Request, number: int, against: str | None) -> None:
    """Have what was not looked into looked into, once this is answered."""

    def ask(uow: UnitOfWork) -> None:
        draft = uow.db.get(Draft, number)
        if draft is not None:
            draft_review.want_missing(uow, draft, against)

    after_answer(request, ask)
