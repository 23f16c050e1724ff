"""Whether an index behind this one has a name already that somebody reserves here.

It is asked once, when a first draft reserves the name, and written down: the name stays the
upstream's until the draft is published, so that the public sees nothing of the draft.
"""

import time
from concurrent.futures import wait

from greenroom.registry import (
    claimed_names,
    preparations,
    upstream_page_fetching,
    upstream_pages,
)
from greenroom.registry.preparations import NotPrepared
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upstream_pages import KeptPage
from greenroom.upstream_settings import Upstream

LONGEST_WAIT = 5.0
"""Seconds that somebody who reserves a name waits for what the upstreams say of it, all in all."""


class NotAsked(NotPrepared):
    """The upstreams have to be asked for a name first.

    Attributes:
        name: the normalized name.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"No upstream was asked for {name!r}.")
        self.name = name

    def prepare(self, services: Services) -> None:
        """Ask them, one after the other, and not for long."""
        known = preparations.found_out()
        if known is not None:
            known[self.name] = ask(services, self.name)


def found_upstream(uow: UnitOfWork, normalized: str) -> str | None:
    """The upstream that has a project of this name, which somebody reserves here now.

    Returns:
        Its name in the settings; empty where none has it, or none may be asked; None where nobody
        knows.

    Raises:
        NotAsked: they have to be asked first.
    """
    if not uow.settings.upstreams:
        return None
    if claimed_names.claim_on(uow.settings, normalized) is not None:
        return ""
    known = preparations.found_out()
    if known is None:
        return None
    if normalized not in known:
        raise NotAsked(normalized)
    return known[normalized]


def ask(services: Services, name: str) -> str | None:
    """What :func:`found_upstream` gives, of the upstreams themselves, which are asked in order.

    Args:
        services: what the process works on.
        name: the normalized name.
    """
    until = time.monotonic() + LONGEST_WAIT
    is_certain = True
    for upstream in services.settings.upstreams:
        is_there = _has(services, upstream, name, until)
        if is_there:
            return upstream.name
        is_certain &= is_there is not None
    return "" if is_certain else None


def _has(services: Services, upstream: Upstream, name: str, until: float) -> bool | None:
    """Whether an upstream has a project of this name; None where nobody knows.

    That it had one when it was last asked is believed, however long ago that is.
    """
    kept = _kept(services, upstream, name)
    has_failed = services.asking.failure((upstream.name, name), services.clock()) is not None
    if (kept is None or not kept.is_fresh) and not has_failed:
        asked = upstream_page_fetching.fetch(services, upstream, name)
        wait([asked], max(0.0, until - time.monotonic()))
        kept = _kept(services, upstream, name)
    if kept is None:
        return None
    return kept.page is not None or (False if kept.is_fresh else None)


def _kept(services: Services, upstream: Upstream, name: str) -> KeptPage | None:
    with services.reading() as uow:
        return upstream_pages.find(uow, upstream.name, name)
