"""Whether an index behind this one has a name already that somebody reserves here.

It is asked once, when a first draft reserves the name, and written down: the name stays the
upstream's until the draft is published, so that the public sees nothing of the draft.
"""

from greenroom.registry import claimed_names, preparations
from greenroom.registry.preparations import NotPrepared
from greenroom.registry.unit_of_work import Services, UnitOfWork

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
    """What :func:`found_upstream` gives, of the upstreams themselves."""
    raise NotImplementedError
