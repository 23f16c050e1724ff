"""Names that the operator claims: no other index is asked for them, and not everybody gets them.

A claim is a name, or the beginning of names and ``*``: ``acme-*``.
"""

import re
from functools import lru_cache

from sqlalchemy import select

from greenroom.models import User
from greenroom.registry import catalogue
from greenroom.registry.errors import NotAllowed
from greenroom.registry.names import lookup_name
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.settings import Settings


def claim_on(settings: Settings, name: str) -> str | None:
    """The claim that a name falls under, as it is written in the settings; None where none does.

    Args:
        settings: of the index.
        name: in any spelling.
    """
    if not settings.claimed_names:
        return None
    normalized = lookup_name(name)
    claims = settings.claimed_names
    return next((claim for claim in claims if normalized and _covers(claim, normalized)), None)


def _covers(claim: str, normalized: str) -> bool:
    beginning = _beginning(claim)
    return normalized.startswith(beginning) if claim.endswith("*") else normalized == beginning


@lru_cache(maxsize=1000)
def _beginning(claim: str) -> str:
    """What names of a claim begin with, normalized; a separator at its end stays."""
    return re.sub(r"[-_.]+", "-", claim.removesuffix("*")).lower()


def check(uow: UnitOfWork, name: str, user_id: int | None, *, is_administrator: bool) -> None:
    """Raise NotAllowed where a claimed name is not for whom it would belong to.

    Args:
        uow: what to look into.
        name: in any spelling, of a project that there is not, or of which nothing is public.
        user_id: the account that would own the project.
        is_administrator: whether an administrator of the index does it, whoever owns it.

    Raises:
        NotAllowed: the name is claimed, and the account is no administrator's, nor does it own a
            public project under the same claim.
    """
    claim = claim_on(uow.settings, name)
    if claim is None or is_administrator or _is_at_home(uow, claim, user_id):
        return
    raise NotAllowed(
        f"The name {name!r} is one of those that this index keeps for its own ({claim}): let an "
        "administrator of this index register it, or an owner of a project that is public under "
        "such a name."
    )


def _is_at_home(uow: UnitOfWork, claim: str, user_id: int | None) -> bool:
    """Whether an account is an administrator's, or has something public under the claim."""
    if user_id is None:
        return False
    administers = select(User.is_administrator).where(User.id == user_id)
    if uow.db.scalar(administers):
        return True
    return claim.endswith("*") and catalogue.owns_beginning(uow.db, user_id, _beginning(claim))
