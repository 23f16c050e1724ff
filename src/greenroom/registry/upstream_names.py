"""Whether an index behind this one has a name already that somebody takes here.

It is asked once, when a first draft reserves the name or a direct upload registers it, and written
down: the name stays the upstream's until the draft is published, so that the public sees nothing of
the draft.

Where nobody knew, the upstreams are asked again while a draft is open. What they say then is kept
with their pages, for what people are told of the draft; what was written down stays as it is, and
so does what the public sees.
"""

import time
from concurrent.futures import wait

from sqlalchemy import exists, select

from greenroom.models import Draft, Project
from greenroom.registry import (
    claimed_names,
    live_drafts,
    preparations,
    upstream_page_fetching,
    upstream_pages,
)
from greenroom.registry.preparations import NotPrepared
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upstream_pages import KeptPage
from greenroom.upstream_settings import Upstream

LONGEST_WAIT = 5.0
"""Seconds that somebody who takes a name waits for what the upstreams say of it, all in all."""
LONGEST_AGAIN = 30.0
"""Seconds within which names are asked for again, of which nobody knew, one after the other."""
_MOST_AGAIN = 500


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
    """The upstream that has a project of this name, which somebody takes here now.

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


def settle(uow: UnitOfWork, project: Project) -> None:
    """Write down what is known of a name that is registered now, where nobody knew before.

    From now on this index answers for it, so that nobody sees that.
    """
    if uow.settings.upstreams and project.registered is None and project.found_upstream is None:
        claim = claimed_names.claim_on(uow.settings, project.normalized_name)
        known = upstream_pages.last_said(uow, [project.normalized_name])
        project.found_upstream = known[project.normalized_name] if claim is None else ""


def ask_again(services: Services) -> None:
    """Ask for the names that only drafts have of which nobody knows whether upstreams have them.

    Not for long, so that the rest is asked for the next time.
    """
    if not services.settings.upstreams:
        return
    until = time.monotonic() + LONGEST_AGAIN
    for name in _unknown(services):
        if time.monotonic() > until:
            return
        ask(services, name)


def _unknown(services: Services) -> list[str]:
    with services.reading() as uow:
        names = uow.db.scalars(
            select(Project.normalized_name)
            .where(
                Project.registered.is_(None),
                Project.found_upstream.is_(None),
                exists().where(Draft.project_id == Project.id, live_drafts.is_live(uow)),
            )
            .order_by(Project.id.desc())
            .limit(_MOST_AGAIN)
        ).all()
        asked = [name for name in names if claimed_names.claim_on(uow.settings, name) is None]
        return [
            name for name, found in upstream_pages.last_said(uow, asked).items() if found is None
        ]


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
