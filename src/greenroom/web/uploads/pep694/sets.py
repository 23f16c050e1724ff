"""Release sets: sessions that are published together. Not a part of PEP 694, nor in its way."""

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.models import ReleaseSet, SetState
from greenroom.registry import publishing, release_sets, set_members, set_schedules
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.permissions import Act, Actor
from greenroom.registry.release_sets import SetDetails, SetMember
from greenroom.web.http import waiting
from greenroom.web.http.problem_details import API_VERSION
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.uploads.pep694.access import authorized, begin
from greenroom.web.uploads.pep694.requests import JoinSet, Publish, parse
from greenroom.web.uploads.pep694.resources import PublishingSession, SetOfSessions, Sets
from greenroom.web.uploads.schemas import SetBody
from greenroom.web.uploads.session_body import (
    api_response,
    etag_and_known,
    scheduled,
    session_response,
    under_etag,
)

_SOON = 2
_STATUS = {
    SetState.OPEN: "open",
    SetState.PUBLISHED: "published",
    SetState.DISCARDED: "canceled",
    SetState.EXPIRED: "canceled",
}


@view_config(context=PublishingSession, name="set", request_method="POST", require_csrf=False)
def join(context: PublishingSession, request: Request) -> Response:
    """Put the session into a set, which is made where it is new."""
    actor = authorized(request, context.draft)
    named = release_sets.reference(parse(request, JoinSet).set_)
    release_sets.add(request.uow, actor, context.draft, named)
    return session_response(request, request.uow, context.draft)


@view_config(context=PublishingSession, name="set", request_method="DELETE", require_csrf=False)
def leave(context: PublishingSession, request: Request) -> Response:
    """Take the session out of its set; where it is in none, there is nothing to do."""
    actor = authorized(request, context.draft)
    release_set = set_members.of(request.uow.db, context.draft)
    if release_set is not None:
        release_sets.remove(request.uow, actor, release_set, context.draft)
    return Response(status=204)


@view_config(context=Sets, request_method="GET")
def find(context: Sets, request: Request) -> Response:
    """The open set of a name."""
    actor = begin(request)
    named = query_value(request, "name")
    if named is None:
        raise InvalidRequest("Say which release set: ?name=2026.11, or ?name=OWNER/2026.11.")
    found = release_sets.open_for(request.uow, actor, release_sets.reference(named))
    return _response(request, actor, found)


@view_config(context=SetOfSessions, request_method="GET")
def status(context: SetOfSessions, request: Request) -> Response:
    """How the set stands, and what is in the way of each of its sessions: now, or once it changes.

    Raises:
        HTTPBadRequest: the request does not say how long to wait.
    """
    seconds = waiting.asked_seconds(request)
    release_set = context.release_set
    actor = _authorized(context, request, may_have_ended=True)
    response = _response(request, actor, release_set)
    etag, known = etag_and_known(request, response)
    expires = [place.draft.expires for place in release_sets.places(request.uow, release_set)]
    not_yet = waiting.not_yet_of_set(
        *(request, release_set),
        stands=etag,
        known=known,
        seconds=seconds,
        expires=min(expires, default=None),
    )
    if not_yet is not None:
        return not_yet
    if release_set.in_review:
        response.retry_after = _SOON
    return under_etag(request, response, etag)


@view_config(context=SetOfSessions, name="publish", request_method="POST", require_csrf=False)
def publish(context: SetOfSessions, request: Request) -> Response:
    """Make all of it public, or nothing: now, or after reviews."""
    actor, release_set = _authorized(context, request), context.release_set
    digest = parse(request, Publish).content_digest or None
    publishing.publish_set(request.uow, actor, release_set, content_digest=digest)
    if release_set.state == SetState.OPEN:
        response = _response(request, actor, release_set, 202)
        response.retry_after = _SOON
        return response
    return _response(request, actor, release_set, 201)


@view_config(context=SetOfSessions, name="go", request_method="POST", require_csrf=False)
def say_go(context: SetOfSessions, request: Request) -> Response:
    """Let those sessions go with the set that whoever asks may publish, as they are."""
    actor, release_set = _authorized(context, request), context.release_set
    digest = parse(request, Publish).content_digest
    if not digest:
        raise InvalidRequest("content-digest: say what you have looked at.")
    publishing.say_go(request.uow, actor, release_set, content_digest=digest)
    return _response(request, actor, release_set)


@view_config(context=SetOfSessions, request_method="DELETE", require_csrf=False)
def discard(context: SetOfSessions, request: Request) -> Response:
    """End the set; its sessions stay."""
    release_sets.discard(request.uow, _authorized(context, request), context.release_set)
    return Response(status=204)


def _authorized(context: SetOfSessions, request: Request, *, may_have_ended: bool = False) -> Actor:
    """Who asks, and may see the set; to everybody else there is none.

    To whom has waited for it while it ended, it is there once more where it ``may_have_ended``.
    """
    actor, release_set = begin(request), context.release_set
    if release_sets.may_see(request.uow, actor, release_set):
        return actor
    has_ended = release_set.state != SetState.OPEN
    if may_have_ended and has_ended and waiting.has_waited_for_set(request, release_set):
        return actor
    raise HTTPNotFound


def _response(
    request: Request, actor: Actor, release_set: ReleaseSet, status: int = 200
) -> Response:
    """An answer with the set as far as the credentials cover its projects."""
    details = release_sets.details(request.uow, actor, release_set)
    reasons = publishing.set_obstacles(request.uow, actor, release_set)
    shown = [member for member in details.members if Act.SEE in member.may]
    hidden = len(details.members) - len(shown)
    body: dict[str, object] = {
        "meta": {"api-version": API_VERSION},
        "links": _links(request, details, sees_all=not hidden),
        "name": details.title,
        "status": "processing" if details.is_being_reviewed else _STATUS[details.state],
        "only-together": details.only_together,
        "content-digest": details.content_digest,
        "sessions": [_session(request, details, member, reasons) for member in shown],
        "hidden": hidden,
        "notices": _notices(request, details, hidden),
    }
    if not details.is_open:
        body["outcome"] = details.state.value
    elif details.scheduled is not None:
        digest = details.content_digest
        body |= scheduled(set_schedules.of_set(request.uow, actor, release_set, digest))
    response = api_response(SetBody, body, status)
    response.headers["Location"] = request.urls.set_session(details)
    return response


def _links(request: Request, details: SetDetails, *, sees_all: bool) -> dict[str, str]:
    there = request.urls.set_session(details)
    if not details.is_open:
        return {"set": there}
    links = {"set": there, "publish": f"{there}publish", "go": f"{there}go"}
    links["review"] = request.urls.api_set_review(details)
    return links | {"stage": request.urls.draft_index(details)} if sees_all else links


def _session(
    request: Request,
    details: SetDetails,
    member: SetMember,
    reasons: dict[str, tuple[str, ...]],
) -> dict[str, object]:
    body: dict[str, object] = {
        "session": request.urls.publishing_session(member),
        "name": member.project_name,
        "version": member.version,
        "content-digest": member.content_digest,
        "obstacles": list(reasons.get(f"{member.project_name} {member.version}", ())),
    }
    return body | {"go-by": member.go_by} if member.go_by is not None else body


def _notices(request: Request, details: SetDetails, hidden: int) -> list[str]:
    if not details.is_open:
        return [f"{details.title}: it has ended."]
    notices = [f"Release set {details.title}: {request.urls.managed_set(details)}"]
    if details.scheduled is not None:
        at = f"{details.scheduled:%Y-%m-%d at %H:%M} UTC"
        notices.append(f"It is to be published by itself on {at}.")
    if hidden:
        notices.append(f"{hidden} of its drafts are of projects that this token does not cover.")
    return notices
