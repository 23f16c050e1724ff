"""Names that the operator claims: no other index is asked for them, and not everybody gets them.

A claim is a name, or the beginning of names and ``*``: ``acme-*``.
"""

import re
from collections.abc import Collection
from functools import lru_cache

from sqlalchemy import select

from greenroom.models import Project, Role, RoleName, User
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
    if claim is None or is_administrator:
        return
    if user_id is None or not _are_at_home(uow, claim, {user_id}):
        raise _not_yours(name, claim)


def check_reserved(uow: UnitOfWork, project: catalogue.HasName) -> None:
    """Raise NotAllowed where the name of a project was claimed after drafts had reserved it.

    Raises:
        NotAllowed: it is claimed, and neither who reserved it nor an owner would get it now.
    """
    claim = claim_on(uow.settings, project.normalized_name)
    if claim is None:
        return
    owners = select(Role.user_id).where(Role.project_id == project.id, Role.name == RoleName.OWNER)
    founder = select(Project.created_by_id).where(
        Project.id == project.id, Project.created_by_id.is_not(None)
    )
    if not _are_at_home(uow, claim, {*uow.db.scalars(owners), *uow.db.scalars(founder)}):
        raise _not_yours(project.name, claim)


def _are_at_home(uow: UnitOfWork, claim: str, user_ids: Collection[int]) -> bool:
    """Whether one of the accounts is an administrator's, or has something public under a claim."""
    administers = select(User.id).where(User.id.in_(user_ids), User.is_administrator)
    if uow.db.scalar(administers.limit(1)) is not None:
        return True
    return claim.endswith("*") and catalogue.owns_beginning(uow.db, user_ids, _beginning(claim))


def _not_yours(name: str, claim: str) -> NotAllowed:
    return NotAllowed(
        f"The name {name!r} is one of those that this index keeps for its own ({claim}): let an "
        "administrator of this index register it, or an owner of a project that is public under "
        "such a name."
    )
