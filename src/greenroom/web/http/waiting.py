"""Requests that are answered when something changes, or after a while: ``?wait=`` (long polling).

No thread waits: the view says that there is nothing to answer yet, and the server asks it again
(``request_notes.py``). Who asks is found out each time. Where the server cannot do that, the answer
is given at once.
"""

import re
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime

from msgspec import Struct
from pyramid.httpexceptions import HTTPBadRequest
from pyramid.response import Response

from greenroom import request_notes
from greenroom.models import Draft, ReleaseSet, SetState
from greenroom.registry import draft_changes, drafts
from greenroom.request_notes import Wait
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value

LONGEST = 60
"""Seconds that a request may ask to wait."""

_SHORTEST = 0.05
_SECONDS = re.compile(r"[0-9]{1,2}", re.ASCII)


def asked_seconds(request: Request) -> int:
    """For how many seconds the request asks to wait; 0 where it does not.

    Raises:
        HTTPBadRequest: it says so in a way that means nothing.
    """
    text = query_value(request, "wait")
    if text is None:
        return 0
    if _SECONDS.fullmatch(text) is None or int(text) > LONGEST:
        raise HTTPBadRequest(f"wait is a whole number of seconds, from 0 to {LONGEST}.")
    return int(text)


def can_wait(request: Request) -> bool:
    """Whether the server can let the request wait."""
    return request_notes.waited(request.environ) is not None


def since(request: Request) -> str | None:
    """What the view has said of how things stood when it was asked first; None: it is now."""
    waited = request_notes.waited(request.environ)
    return waited.since if waited is not None and waited.topic is not None else None


def waited_for(request: Request) -> Draft | None:
    """The draft that the request has waited for, though it may have ended."""
    waited = request_notes.waited(request.environ)
    if waited is None or waited.topic is None:
        return None
    return draft_changes.of_topic(request.uow.db, waited.topic)


def has_waited_for_set(request: Request, release_set: ReleaseSet) -> bool:
    """Whether the request has waited for the release set, which may have ended meanwhile."""
    waited = request_notes.waited(request.environ)
    return waited is not None and waited.topic == draft_changes.topic_of_set(release_set)


def not_yet(
    request: Request, draft: Draft, *, stands: str, known: str, seconds: float
) -> Response | None:
    """What to give back for the request to wait; None: it is to be answered now.

    Args:
        request: which is one that only reads.
        draft: whose changes are waited for.
        stands: how what would be answered stands now.
        known: how it stood as far as the client knows.
        seconds: for how long the client asks to wait.
    """
    uow = request.uow
    if not drafts.is_live(uow, draft):
        return None
    topic, mark = draft_changes.topic(draft), draft_changes.mark
    return _wait(
        request, Stand(stands, known, seconds), topic, lambda: mark(uow.db, draft), draft.expires
    )


def not_yet_of_set(
    request: Request,
    release_set: ReleaseSet,
    *,
    stands: str,
    known: str,
    seconds: float,
    expires: datetime | None,
) -> Response | None:
    """The same as :func:`not_yet` where the changes of a release set are waited for.

    Args:
        request: as there; so are the others.
        release_set: whose changes, and those of its drafts, are waited for.
        stands: how what would be answered stands now.
        known: how it stood as far as the client knows.
        seconds: for how long the client asks to wait.
        expires: when the first of its drafts expires; None where it has none.
    """
    if release_set.state != SetState.OPEN:
        return None
    uow = request.uow
    topic, mark = draft_changes.topic_of_set(release_set), draft_changes.mark_of_set
    return _wait(
        request, Stand(stands, known, seconds), topic, lambda: mark(uow.db, release_set), expires
    )


def until_done(request: Request, topic: str, done: "Future[None]", seconds: float) -> Response:
    """What to give back for the request to wait until this process has done something.

    Args:
        request: which can wait (:func:`can_wait`).
        topic: of what, for :func:`has_waited_for`.
        done: by which it is told.
        seconds: for how long it may wait.
    """
    request.environ[request_notes.WAIT] = Wait(
        topic=topic, mark="", since="", left=seconds, pause=seconds, done=done
    )
    return Response(status=204)


def has_waited_for(request: Request, topic: str) -> bool:
    """Whether the request has waited for this."""
    waited = request_notes.waited(request.environ)
    return waited is not None and waited.topic == topic


class Stand(Struct, frozen=True):
    """How what would be answered stands, and as far as the client knows; how long it may wait."""

    stands: str
    known: str
    seconds: float


def _wait(
    request: Request,
    stand: Stand,
    topic: str,
    mark: Callable[[], str],
    expires: datetime | None,
) -> Response | None:
    waited = request_notes.waited(request.environ)
    if waited is None or stand.stands != stand.known:
        return None
    left = stand.seconds if waited.topic is None else min(waited.left, stand.seconds)
    if left <= 0:
        return None
    until = (expires - request.uow.now).total_seconds() if expires is not None else left
    request.environ[request_notes.WAIT] = Wait(
        topic=topic,
        mark=mark(),
        since=stand.known,
        left=left,
        pause=max(_SHORTEST, min(left, until)),
    )
    return Response(status=204)
