"""``GET /api/drafts/<project>/<version>``: the session body, for those who may stage."""

from pyramid.response import Response
from pyramid.view import view_config

from greenroom.web.http.request import Request
from greenroom.web.uploads.draft_lookup.resources import ApiDraft
from greenroom.web.uploads.session_body import session_response


@view_config(context=ApiDraft, request_method="GET")
def draft(context: ApiDraft, request: Request) -> Response:
    """The live draft of this version."""
    response = session_response(request, request.uow, context.draft)
    del response.headers["Location"]
    return response
