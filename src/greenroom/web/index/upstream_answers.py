"""Pages of names that the indexes behind this one answer for, as they are answered here.

What nobody knows yet is asked for by threads of their own, and the request waits for that without
one (``web/http/waiting.py``); what was known, and may be another by now, is answered, and asked for
meanwhile.
"""

import concurrent.futures
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from greenroom.other_indexes.errors import UpstreamUnavailable
from greenroom.other_indexes.pages import PageFile
from greenroom.registry import (
    catalogue,
    upstream_asking,
    upstream_page_fetching,
    upstream_pages,
    upstreams,
)
from greenroom.registry.upstream_pages import KeptPage
from greenroom.registry.upstreams import Answering
from greenroom.upstream_settings import Upstream
from greenroom.web.http import reading, waiting
from greenroom.web.http.caching import cached_for
from greenroom.web.http.late_writes import after_answer
from greenroom.web.http.request import Request
from greenroom.web.http.urls import upstream_file_path
from greenroom.web.index import kept_pages, upstream_rendering
from greenroom.web.index.simple_negotiation import answer

KEPT_SECONDS = 30.0
"""So long a page is sent as it was made, at most: what is refused may be another by then."""

KEPT_SECONDS_MEANWHILE = 1.0
"""The same, of a page that the upstream is asked for again meanwhile."""


def answers_for(request: Request, name: str) -> bool:
    """Whether an index behind this one answers for a name, to whoever asks here.

    Args:
        request: of whom it is known who reads.
        name: in any spelling.

    Raises:
        NotAuthenticated: a stranger is asked who they are.
    """
    if not request.services.settings.upstreams:
        return False
    if upstreams.answering(request.uow, name) is not Answering.UPSTREAM:
        return False
    reading.ask_strangers(request)
    return catalogue.reads_upstream(request.uow.db)


def project(request: Request, name: str, root: str, *, is_shared: bool) -> Response:
    """The page of a project, from the index that has it, or a note that the request is to wait.

    Args:
        request: for a name that :func:`answers_for`.
        name: normalized.
        root: from the page to the root of this index, relative, with a slash at its end.
        is_shared: whether the answer may be kept, by the server and by caches in front.

    Raises:
        HTTPNotFound: no index has it.
        UpstreamUnavailable: nobody can say.
    """
    found = _find(request, name)
    if isinstance(found, Response):
        return found
    if found is None or found.page is None:
        raise HTTPNotFound
    if upstream_pages.is_use_due(request.uow, found):
        note = partial(upstream_pages.note_use, upstream=found.upstream, name=name)
        after_answer(request, note)
    response = _rendered(request, found, root)
    if not is_shared:
        return response
    seconds = KEPT_SECONDS_MEANWHILE
    if found.is_fresh:
        left = (found.fresh_until - request.uow.now).total_seconds()
        seconds = min(KEPT_SECONDS, max(left, KEPT_SECONDS_MEANWHILE))
    return cached_for(request, response, seconds, f"project/{name}")


def _find(request: Request, name: str) -> KeptPage | Response | None:
    """What is known of a name; a note that the request is to wait until something is."""
    services = request.services
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


def _asked(
    request: Request, upstream: Upstream, name: str
) -> Response | UpstreamUnavailable | None:
    """Ask an upstream for a page.

    Returns:
        A note that the request is to wait for it; why it cannot be asked; or None, when it was
        asked and the request has a new unit of work to look for what it said.
    """
    services, topic = request.services, f"upstream-page:{upstream.name}/{name}"
    failure = services.asking.failure((upstream.name, name), services.clock())
    if failure is not None:
        return failure.unavailable(upstream.name, services.clock())
    if waiting.has_waited_for(request, topic):
        return upstream_asking.unavailable(upstream.name)
    done = upstream_page_fetching.fetch(services, upstream, name)
    if waiting.can_wait(request):
        return waiting.until_done(request, topic, done, upstream_page_fetching.LONGEST)
    request.give_up_unit_of_work()
    concurrent.futures.wait([done], upstream_page_fetching.LONGEST)
    return None


def _rendered(request: Request, kept: KeptPage, root: str) -> Response:
    page = kept.page
    assert page is not None  # noqa: S101 - for the type checker
    refused = _refused(request, kept)
    is_cached = request.services.settings.upstream_mode == "cache"

    def link(file: PageFile) -> str:
        if is_cached or file.filename in refused:
            return f"{root}{upstream_file_path(kept.upstream, page.name, file)}"
        return file.url

    # Where all is refused, installers are to try, so that they print why.
    marked = refused if len(refused) < len(page.files) else {}
    said = hashlib.sha256(json.dumps(sorted(refused.items())).encode()).hexdigest()

    def render(form: str, make: Callable[..., bytes]) -> bytes:
        key = ("upstream", form, root, kept.upstream, page.name, kept.digest, said, str(is_cached))
        database = request.services.database
        return kept_pages.of_upstream(database, key, lambda: make(page, link, marked))

    return answer(
        request,
        html=partial(render, "html", upstream_rendering.project_html),
        json=partial(render, "json", upstream_rendering.project_json),
        serial=None,
    )


def _refused(request: Request, kept: KeptPage) -> Mapping[str, str]:
    """Which files are not let in, and why."""
    return {}
