"""Requests that want the same at the same time: the application is asked for one of them.

Only what may be kept is shared, and only when it is kept: the others wait for the first one, look
whether its answer is kept now, and ask for themselves where it is not. Nothing of a request that
has credentials comes here.
"""

import asyncio

from msgspec import Struct, field

from greenroom.server.answers import Wanted
from greenroom.server.waiters import wake


class Lead(Struct, eq=False):
    """A request that the application is asked for, and who waits for its answer.

    Attributes:
        key: what it wants.
        has_answered: whether there was an answer: who waits need not let another one go first.
        waited: how many seconds it has itself waited for something else than this index.
    """

    key: tuple[object, ...]
    has_answered: bool = False
    waited: float = 0.0
    followers: set[asyncio.Future[None]] = field(default_factory=set)


class Leads:
    """The requests that others may wait for, in a process. For the event loop's thread alone."""

    def __init__(self) -> None:
        """There are none."""
        self._by_key: dict[tuple[object, ...], Lead] = {}

    def find(self, wanted: Wanted) -> Lead | None:
        """The request that wants the same, if there is one whose answer is still to come."""
        return self._by_key.get(_key(wanted))

    def begin(self, wanted: Wanted) -> Lead | None:
        """Let others wait for a request; None where they wait for another one already."""
        key = _key(wanted)
        if key in self._by_key:
            return None
        lead = self._by_key[key] = Lead(key)
        return lead

    def end(self, lead: Lead, *, has_answered: bool) -> None:
        """Let those go on that wait for a request.

        Args:
            lead: the request, which ends once.
            has_answered: whether there was an answer, which is kept by now if it may be.
        """
        lead.has_answered = has_answered
        del self._by_key[lead.key]
        for follower in lead.followers:
            wake(follower)


async def follow(lead: Lead, woken: asyncio.Future[None]) -> None:
    """Wait until there is an answer, or none will come.

    Args:
        lead: for whose.
        woken: to be done by whoever wants to end it before.
    """
    lead.followers.add(woken)
    try:
        await woken
    finally:
        lead.followers.discard(woken)


def _key(wanted: Wanted) -> tuple[object, ...]:
    """Answers that differ by their coding alone are made of one."""
    return wanted.target, wanted.form
