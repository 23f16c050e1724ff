"""Who asks, at every request anew: a session belongs to the project, not to a credential."""

from pyramid.httpexceptions import HTTPNotFound

from greenroom.models import Draft
from greenroom.registry import accounts, drafts, projects
from greenroom.registry.errors import NotAllowed
from greenroom.registry.index import Index
from greenroom.registry.permissions import Actor, may_follow
from greenroom.web import security
from greenroom.web.request import SAFE_METHODS, Request
from greenroom.web.upload_api.schemas import check_acceptable


def authenticated(request: Request, index: Index) -> Actor:
    """The actor of the request's API token. A browser's session opens nothing here.

    Raises:
        NotAuthenticated: there is no valid token.
    """
    return security.token_actor(request.headers.get("Authorization"), index)


def begin(request: Request) -> Actor:
    """Who asks, of whom it is noted that their token was used.

    Raises:
        NotAuthenticated: there is no valid token.
        HTTPNotAcceptable: the client does not take what this API answers.
    """
    index = request.index
    actor = authenticated(request, index)
    check_acceptable(request)
    if actor.token is not None and request.method not in SAFE_METHODS:
        accounts.note_use(index, actor.token)
    return actor


def authorized(request: Request, draft: Draft) -> Actor:
    """Who asks, and may know how the session stands.

    Raises:
        As :func:`begin` and :func:`check_may_see`.
    """
    actor = begin(request)
    check_may_see(request.index, actor, draft)
    return actor


def check_may_see(index: Index, actor: Actor, draft: Draft) -> None:
    """Nothing, if the actor may know how the session stands.

    Who opened a session that is gone with its project may still see that it is.

    Raises:
        NotAllowed: the actor may not.
        HTTPNotFound: the session ended so long ago that it is forgotten.
    """
    if drafts.is_forgotten(index, draft):
        raise HTTPNotFound
    project = projects.find(index, draft.project_name)
    if project is not None and may_follow(actor, project):
        return
    if project is None and drafts.opened_by(index.session, draft) == actor.name:
        return
    raise NotAllowed(
        f"The user {actor.name!r} isn't allowed to upload to project {draft.project_name!r}, or "
        "this API token does not cover it."
    )
