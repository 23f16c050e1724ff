"""That a token was used: when it was last, and from where."""

from contextlib import suppress

from greenroom.registry import tokens
from greenroom.registry.errors import AccountDisabled, NotAuthenticated
from greenroom.registry.unit_of_work import UnitOfWork


def note(uow: UnitOfWork, text: str) -> None:
    """Write down that a token was used just now, from where the unit of work comes.

    What was written down meanwhile is not written again.
    """
    with suppress(NotAuthenticated, AccountDisabled):
        tokens.actor_of_token(uow, text).used(uow)
