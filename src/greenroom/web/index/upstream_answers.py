"""Pages of names that the indexes behind this one answer for, as they are answered here."""

import hashlib
import json
from collections.abc import Callable
from functools import partial

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from greenroom.other_indexes.pages import PageFile
from greenroom.registry import upstream_pages, upstream_policy, upstream_usage
from greenroom.registry.upstream_pages import KeptPage
from greenroom.web.http import reading, upstream_names
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


def project(request: Request, name: str, root: str, *, is_shared: bool) -> Response:
    """The page of a project, from the index that has it, or a note that the request is to wait.

    Args:
        request: for a name that :func:`upstream_names.answers_for`.
        name: normalized.
        root: from the page to the root of this index, relative, with a slash at its end.
        is_shared: whether the answer may be kept, by the server and by caches in front.

    Raises:
        HTTPNotFound: no index has it.
        UpstreamUnavailable: nobody can say.
    """
    found = upstream_names.find(request, name)
    if isinstance(found, Response):
        return found
    if found is None or found.page is None:
        raise HTTPNotFound
    _note_use(request, found, name)
    response = _rendered(request, found, root)
    if not is_shared:
        return response
    seconds = KEPT_SECONDS_MEANWHILE
    if found.is_fresh:
        left = (found.fresh_until - request.uow.now).total_seconds()
        seconds = min(KEPT_SECONDS, max(left, KEPT_SECONDS_MEANWHILE))
    return cached_for(request, response, seconds, f"project/{name}")


def _rendered(request: Request, kept: KeptPage, root: str) -> Response:
    page = kept.page
    assert page is not None  # noqa: S101 - for the type checker
    refused = upstream_policy.judge(request.uow, kept.upstream, page)
    settings = request.services.settings
    is_cached = settings.upstream_mode == "cache"
    base = next(each.shown for each in settings.upstreams if each.name == kept.upstream)
    source = f"{base}{page.name}/"

    def link(file: PageFile) -> str:
        if is_cached or file.filename in refused:
            return f"{root}{upstream_file_path(kept.upstream, page.name, file)}"
        return file.url

    # Where all is refused, installers are to try, so that they print why.
    marked = refused if len(refused) < len(page.files) else {}
    said = hashlib.sha256(json.dumps(sorted(refused.items())).encode()).hexdigest()

    def render(form: str, make: Callable[..., bytes]) -> bytes:
        which = kept.upstream, source, kept.digest
        key = ("upstream", form, root, *which, said, str(is_cached))
        database = request.services.database
        return kept_pages.of_upstream(database, key, lambda: make(page, source, link, marked))

    return answer(
        request,
        html=partial(render, "html", upstream_rendering.project_html),
        json=partial(render, "json", upstream_rendering.project_json),
        serial=None,
    )


def _note_use(request: Request, kept: KeptPage, name: str) -> None:
    if upstream_pages.is_use_due(request.uow, kept):
        note = partial(upstream_pages.note_use, upstream=kept.upstream, name=name)
        after_answer(request, note)
    upstream_usage.PENDING.note_page(
        kept.upstream,
        name,
        upstream_usage.who(reading.known_actor(request)),
        request.uow.now,
        was_kept=not upstream_names.has_asked(request),
    )
