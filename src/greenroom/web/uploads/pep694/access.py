"""Who asks, at every request anew: a session belongs to the project, not to a credential."""

from pyramid.httpexceptions import HTTPNotFound

from greenroom.models import Draft
from greenroom.registry import drafts, projects
from greenroom.registry.errors import NotAllowed
from greenroom.registry.permissions import Actor, may_follow
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.web.http import authentication
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.uploads.pep694.requests import check_acceptable


def authenticated(request: Request, uow: UnitOfWork) -> Actor:
    """The actor of the request's API token. A browser's session opens nothing here.

    Raises:
        NotAuthenticated: there is no valid token.
    """
    return authentication.token_actor(request, uow)


def begin(request: Request) -> Actor:
    """Who asks, of whom it is noted that their token was used.

    Raises:
        NotAuthenticated: there is no valid token.
        HTTPNotAcceptable: the client does not take what this API answers.
    """
    uow = request.uow
    actor = authenticated(request, uow)
    check_acceptable(request)
    if request.method not in SAFE_METHODS:
        actor.used(uow)
    return actor


def authorized(request: Request, draft: Draft) -> Actor:
    """Who asks, and may know how the session stands.

    Raises:
        As :func:`begin` and :func:`check_may_see`.
    """
    actor = begin(request)
    check_may_see(request.uow, actor, draft)
    return actor


def check_may_see(uow: UnitOfWork, actor: Actor, draft: Draft) -> None:
    """Raise NotAllowed unless the actor may know how the session stands.

    Who opened a session that is gone with its project may still see that it is.

    Raises:
        NotAllowed: the actor may not.
        HTTPNotFound: the session ended so long ago that it is forgotten.
    """
    if drafts.is_forgotten(uow, draft):
        raise HTTPNotFound
    project = projects.find(uow, draft.project_name)
    if project is not None and may_follow(actor, project):
        return
    if project is None and drafts.opened_by(uow.db, draft) == actor.name:
        return
    raise NotAllowed(
        f"The user {actor.name!r} isn't allowed to upload to project {draft.project_name!r}, or "
        "this API token does not cover it."
    )
