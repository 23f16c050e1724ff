"""Whom a token stands for, of whichever kind it is."""

from greenroom.registry import minted_tokens, token_texts, tokens
from greenroom.registry.errors import NotAuthenticated
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork


def actor_of(uow: UnitOfWork, text: str) -> Actor:
    """The actor of an API token, or of a token that a workflow got.

    Raises:
        NotAuthenticated: it is neither, or none that is valid any more.
    """
    try:
        return tokens.actor_of_token(uow, text)
    except NotAuthenticated:
        minted = minted_tokens.find(uow, text) if token_texts.is_well_formed(text) else None
        if minted is None:
            raise
        return minted
