"""Who reads, where not everybody may read everything (``GREENROOM_READ``).

It is found out before anything is looked for, and what may be read is decided by
``registry/catalogue.py`` alone, of whom this module tells it. Where a stranger may read nothing,
the answer is the same for what is there and what is not; where they may read some of it, it is the
same for what they may not read and what is not there.
"""

from pyramid.config import Configurator
from pyramid.events import BeforeTraversal
from pyramid.response import Response

from greenroom.registry import catalogue
from greenroom.registry.errors import NotAuthenticated
from greenroom.registry.kept_tokens import KeptTokens
from greenroom.registry.permissions import ANONYMOUS, Actor
from greenroom.web.http import authentication
from greenroom.web.http.coming_back import to_sign_in
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.traversal import Node, ReadBy, Root, branch_of, segments

_WHO_READS = (
    "This index asks who reads: send an API token that may read, with the user name __token__ and "
    "the token as the password."
)


def includeme(config: Configurator) -> None:
    """Find out who reads, for every request for which it counts."""
    config.add_subscriber(_find_reader, BeforeTraversal)


def _find_reader(event: BeforeTraversal) -> None:
    request: Request = event.request
    settings = request.registry.services.settings
    if settings.read == "public" and settings.draft_links == "anyone":
        return
    branch = branch_of(request)
    if not _is_read(request, branch) or (
        settings.read == "public" and not branch.has_secret_address
    ):
        return
    actor = _actor(request, branch.read_by)
    request.is_stranger, request.reads_as = actor is ANONYMOUS, actor
    request.reader = actor.reader(settings)
    if "uow" in request.__dict__ and settings.read != "public":
        catalogue.limit(request.uow.db, request.reader)
    if request.is_stranger and (settings.read == "members" or branch.has_secret_address):
        if branch.read_by is ReadBy.PEOPLE:
            raise to_sign_in(request)
        raise NotAuthenticated(_WHO_READS)


def known_actor(request: Request) -> Actor:
    """Who asks, as far as it can be known: for what is noted, and decides nothing.

    Where everybody is answered in the same way, sessions of browsers are not looked at.
    """
    if request.reads_as is not None:
        return request.reads_as
    return authentication.known_token(request, _kept_tokens(request), request.services)


def require_somebody(request: Request, read_by: ReadBy) -> None:
    """Ask who it is, of what takes an account besides its address, where nothing else does.

    Raises:
        HTTPSeeOther: a person is sent to sign in.
        NotAuthenticated: that is asked of a program.
    """
    if read_by is ReadBy.ANYBODY or _actor(request, read_by) is not ANONYMOUS:
        return
    if read_by is ReadBy.PEOPLE:
        raise to_sign_in(request)
    raise NotAuthenticated(_WHO_READS)


def _is_read(request: Request, branch: Node) -> bool:
    """Whether there is something to read, for which it counts who asks."""
    # Else it is what machines ask of the whole site, or nothing at all.
    is_there = not isinstance(branch, Root) or not segments(request)
    return is_there and branch.read_by is not ReadBy.ANYBODY


def read_besides_secret(request: Request) -> None:
    """Find out who reads below a secret address, where there is more than what that opens.

    Whoever holds the address sees what it opens; of all else, what they may read anyway.

    Raises:
        NotAuthenticated: a token is sent, and it is not valid.
    """
    settings = request.services.settings
    if settings.read == "public" or settings.draft_links != "anyone":  # it is known by now
        return
    actor = _actor(request, ReadBy.PROGRAMS)
    request.is_stranger, request.reads_as = actor is ANONYMOUS, actor
    request.reader = actor.reader(settings)
    catalogue.limit(request.uow.db, request.reader)


def ask_strangers(request: Request) -> None:
    """Ask a stranger who they are, where there may be something that others read.

    Raises:
        NotAuthenticated: it is asked.
    """
    if request.services.settings.read != "public" and request.is_stranger:
        raise NotAuthenticated(_WHO_READS)


def asked_who(request: Request) -> Response | None:
    """How somebody is asked who they are for whom there is nothing here; None: they are not.

    Raises:
        NotAuthenticated: that is asked of programs.
    """
    if request.registry.services.settings.read != "projects" or not request.is_stranger:
        return None
    branch = branch_of(request)
    if request.method not in SAFE_METHODS or not _is_read(request, branch):
        return None
    if branch.read_by is ReadBy.PEOPLE:
        return to_sign_in(request)
    raise NotAuthenticated(_WHO_READS)


def _actor(request: Request, read_by: ReadBy) -> Actor:
    """Who asks: tokens are for programs, and pages do not know them.

    Raises:
        NotAuthenticated: a token is sent, and it is not valid.
    """
    if read_by is ReadBy.PROGRAMS and request.headers.get("Authorization") is not None:
        return authentication.reading_token(request, _kept_tokens(request), request.services)
    if not authentication.has_session(request):
        return ANONYMOUS
    return request.person


def _kept_tokens(request: Request) -> KeptTokens:
    """What is kept of tokens; all requests to this application share it."""
    database = request.registry.services.database
    known: tuple[object, KeptTokens] | None = request.registry.__dict__.get("kept_tokens")
    if known is None or known[0] is not database:
        known = (database, KeptTokens(request.registry.services))
        request.registry.__dict__["kept_tokens"] = known
    return known[1]
