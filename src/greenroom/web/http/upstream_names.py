"""Names that the indexes behind this one answer for.

What nobody knows yet is asked for by threads of their own, and the request waits for that without
one (:mod:`greenroom.web.http.waiting`); what was known, and may be another by now, is given, and
asked for meanwhile.
"""

import concurrent.futures

from pyramid.response import Response

from greenroom import request_notes
from greenroom.other_indexes.errors import UpstreamUnavailable
from greenroom.registry import (
    catalogue,
    upstream_asking,
    upstream_page_fetching,
    upstream_pages,
    upstreams,
)
from greenroom.registry.names import LONGEST_NAME
from greenroom.registry.upstream_pages import KeptPage
from greenroom.registry.upstreams import Answering
from greenroom.upstream_settings import Upstream
from greenroom.web.http import reading, waiting
from greenroom.web.http.request import Request

_TOPIC = "upstream-page:"


def answers_for(request: Request, name: str) -> bool:
    """Whether an index behind this one answers for a name, to whoever asks here.

    So it seems for a name that a draft keeps from them, too: nobody may tell it from one that no
    upstream has, in any spelling.

    Args:
        request: of whom it is known who reads.
        name: in any spelling.

    Raises:
        NotAuthenticated: a stranger is asked who they are.
    """
    if not request.services.settings.upstreams or len(name) > LONGEST_NAME:
        return False
    answering = upstreams.answering(request.uow, name)
    if answering not in (Answering.UPSTREAM, Answering.RESERVED):
        return False
    # In every other way the name is like one that no upstream has.
    request.asks_no_upstream = answering is Answering.RESERVED
    reading.ask_strangers(request)
    return catalogue.reads_upstream(request.uow.db)


def find(request: Request, name: str) -> KeptPage | Response | None:
    """What is known of a name that upstreams answer for, who are asked where nothing is.

    Returns:
        What is known; None where no index has it; a note that the request is to wait.

    Raises:
        UpstreamUnavailable: nobody can say.
    """
    services = request.services
    if request.asks_no_upstream:
        return None
    for _ in range(len(services.settings.upstreams) + 1):
        standing = upstream_pages.standing(request.uow, name)
        if standing.ask is None:
            if standing.refresh is not None:
                upstream_page_fetching.refresh(services, standing.refresh, name)
            return standing.shown
        asked = _asked(request, standing.ask, name)
        if isinstance(asked, Response):
            return asked
        if asked is not None:
            if standing.has_otherwise:
                return standing.otherwise
            raise asked
    raise upstream_asking.unavailable(services.settings.upstreams[0].name)


def has_asked(request: Request) -> bool:
    """Whether an upstream was asked so that this request can be answered."""
    waited = request_notes.waited(request.environ)
    has_waited = waited is not None and (waited.topic or "").startswith(_TOPIC)
    return has_waited or request.has_asked_upstream


def _asked(
    request: Request, upstream: Upstream, name: str
) -> Response | UpstreamUnavailable | None:
    """Ask an upstream for a page.

    Returns:
        A note that the request is to wait for it; why it cannot be asked; or None, when it was
        asked and the request has a new unit of work to look for what it said.
    """
    services, topic = request.services, f"{_TOPIC}{upstream.name}/{name}"
    failure = services.asking.failure((upstream.name, name), services.clock())
    if failure is not None:
        return failure.unavailable(upstream.name, services.clock())
    if waiting.has_waited_for(request, topic):
        return upstream_asking.unavailable(upstream.name)
    done = upstream_page_fetching.fetch(services, upstream, name)
    if waiting.can_wait(request):
        return waiting.until_done(request, topic, done, upstream_page_fetching.LONGEST)
    if request_notes.request_id(request.environ) is not None:
        # Here is a server, and it cannot let this one wait: nor may it hold one of its threads.
        return upstream_asking.unavailable(upstream.name)
    request.has_asked_upstream = True
    request.give_up_unit_of_work()
    concurrent.futures.wait([done], upstream_page_fetching.LONGEST)
    return None
