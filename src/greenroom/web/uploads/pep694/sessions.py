"""Publishing sessions: create, look at, publish, extend, cancel."""

from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import drafts, publishing, release_sets
from greenroom.registry.errors import DraftExists
from greenroom.registry.names import check_version
from greenroom.web.http import errors
from greenroom.web.http.request import Request
from greenroom.web.uploads.pep694.access import authorized, begin
from greenroom.web.uploads.pep694.requests import CreateSession, Extend, Publish, parse
from greenroom.web.uploads.pep694.resources import PublishingSession, UploadRoot
from greenroom.web.uploads.session_body import session_response, session_status

# In how many seconds to ask again what came of a review.
_SOON = 2


@view_config(context=UploadRoot, request_method="POST", require_csrf=False)
def create(context: UploadRoot, request: Request) -> Response:
    """Open a session for a project and version."""
    uow = request.uow
    actor = begin(request)
    asked = parse(request, CreateSession)
    version = check_version(asked.version, private=uow.settings.private)
    into = release_sets.reference(asked.set_) if asked.set_ else None
    if into is not None:  # whose lock comes before that of the project
        release_sets.lock_name(uow, into)
    try:
        draft = drafts.open_new(uow, actor, asked.name, version)
        if into is not None:
            release_sets.join(uow, actor, draft, into)
    except DraftExists as refusal:
        request.tm.doom()
        response = errors.refused(refusal, request)
        response.headers["Location"] = request.urls.publishing_session(refusal.draft)
        return response
    return session_response(request, uow, draft, status=201)


@view_config(context=PublishingSession, request_method="GET")
def status(context: PublishingSession, request: Request) -> Response:
    """How the session stands: now, or once that changes."""
    authorized(request, context.draft)
    response = session_status(request, context.draft)
    if drafts.details(request.uow, context.draft).is_being_reviewed:
        response.retry_after = _SOON
    return response


@view_config(context=PublishingSession, request_method="DELETE", require_csrf=False)
def cancel(context: PublishingSession, request: Request) -> Response:
    """Discard everything in it."""
    drafts.discard(request.uow, authorized(request, context.draft), context.draft)
    return Response(status=204)


@view_config(context=PublishingSession, name="publish", request_method="POST", require_csrf=False)
def publish(context: PublishingSession, request: Request) -> Response:
    """Make it public: now, or after a review."""
    actor, draft = authorized(request, context.draft), context.draft
    digest = parse(request, Publish).content_digest or None
    publishing.publish(request.uow, actor, draft, content_digest=digest, registers_name=True)
    if drafts.details(request.uow, draft).is_being_reviewed:
        response = session_response(request, request.uow, draft, status=202)
        response.retry_after = _SOON
        return response
    return session_response(request, request.uow, draft, status=201)


@view_config(context=PublishingSession, name="extend", request_method="POST", require_csrf=False)
def extend(context: PublishingSession, request: Request) -> Response:
    """Give it more time, as far as that goes."""
    actor = authorized(request, context.draft)
    drafts.extend_for(request.uow, actor, context.draft, parse(request, Extend).length)
    return session_response(request, request.uow, context.draft)
