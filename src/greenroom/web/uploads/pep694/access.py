"""Who asks, at every request anew: a session belongs to the project, not to a credential."""

from pyramid.httpexceptions import HTTPNotFound

from greenroom.models import Draft
from greenroom.registry import drafts
from greenroom.registry.errors import NotAllowed
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.uploads.pep694.requests import check_acceptable


def authenticated(request: Request, uow: UnitOfWork) -> Actor:
    """The actor of the request's API token. A browser's session opens nothing here.

    Raises:
        NotAuthenticated: there is no valid token.
    """
    return authentication.token_actor(request, uow)


def begin(request: Request) -> Actor:
    """Who asks, in a way that this API answers.

    Raises:
        NotAuthenticated: there is no valid token.
        HTTPNotAcceptable: the client does not take what this API answers.
    """
    actor = authenticated(request, request.uow)
    check_acceptable(request)
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

    Raises:
        NotAllowed: the actor may not.
        HTTPNotFound: the session ended so long ago that it is forgotten.
    """
    if drafts.is_forgotten(uow, draft):
        raise HTTPNotFound
    if not drafts.may_be_followed(uow, actor, draft):
        raise NotAllowed(
            f"The user {actor.name!r} isn't allowed to upload to project "
            f"{draft.project_name!r}, or this API token does not cover it."
        )
