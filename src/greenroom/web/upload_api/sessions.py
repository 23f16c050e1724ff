"""Publishing sessions: create, look at, publish, extend, cancel."""

from pyramid.response import Response
from pyramid.view import view_config

from greenroom.models import ReviewState
from greenroom.registry import drafts
from greenroom.registry.errors import SessionExists
from greenroom.registry.names import check_version
from greenroom.web import errors
from greenroom.web.draft_addresses import session_url
from greenroom.web.request import Request
from greenroom.web.resources import UploadRoot, UploadSession
from greenroom.web.session_body import session_response
from greenroom.web.upload_api.access import authorized, begin
from greenroom.web.upload_api.schemas import CreateSession, Empty, Extend, parse

# In how many seconds to ask again what came of a review.
_SOON = 2


@view_config(context=UploadRoot, request_method="POST", require_csrf=False)
def create(context: UploadRoot, request: Request) -> Response:
    """Open a session for a project and version."""
    index = request.index
    actor = begin(request)
    asked = parse(request, CreateSession)
    version = check_version(asked.version, private=index.settings.private)
    try:
        draft = drafts.open_session(index, actor, asked.name, version)
    except SessionExists as refusal:
        request.tm.doom()
        response = errors.refused(refusal, request)
        response.headers["Location"] = session_url(request, refusal.draft)
        return response
    return session_response(request, index, draft, status=201)


@view_config(context=UploadSession, request_method="GET")
def status(context: UploadSession, request: Request) -> Response:
    """How the session stands."""
    authorized(request, context.draft)
    response = session_response(request, request.index, context.draft)
    if context.draft.review == ReviewState.PROCESSING:
        response.retry_after = _SOON
    return response


@view_config(context=UploadSession, request_method="DELETE", require_csrf=False)
def cancel(context: UploadSession, request: Request) -> Response:
    """Discard everything in it."""
    drafts.discard(request.index, authorized(request, context.draft), context.draft)
    return Response(status=204)


@view_config(context=UploadSession, name="publish", request_method="POST", require_csrf=False)
def publish(context: UploadSession, request: Request) -> Response:
    """Make it public: now, or after a review."""
    actor, draft = authorized(request, context.draft), context.draft
    parse(request, Empty)
    drafts.publish(request.index, actor, draft, registers_name=True)
    if draft.review == ReviewState.PROCESSING:
        response = session_response(request, request.index, draft, status=202)
        response.retry_after = _SOON
        return response
    return session_response(request, request.index, draft, status=201)


@view_config(context=UploadSession, name="extend", request_method="POST", require_csrf=False)
def extend(context: UploadSession, request: Request) -> Response:
    """Give it more time, as far as that goes."""
    actor = authorized(request, context.draft)
    drafts.extend_for(request.index, actor, context.draft, parse(request, Extend).length)
    return session_response(request, request.index, context.draft)
