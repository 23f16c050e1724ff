"""Names that the operator claims: no other index is asked for them, and not everybody gets them.

A claim is a name, or the beginning of names and ``*``: ``acme-*``.
"""

import re
from collections.abc import Collection, Iterable
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
    if user_id is None or not _at_home(uow, claim, {user_id}):
        raise _not_yours(name, claim)


def refusals(uow: UnitOfWork, projects: Iterable[catalogue.HasName]) -> dict[str, NotAllowed]:
    """Why those of these projects cannot be registered whose names were claimed meanwhile.

    The number of queries depends on how many claims there are, not on how many projects.

    Args:
        uow: what to look into.
        projects: whose names drafts have reserved.

    Returns:
        Refusals by the normalized names of those that neither who reserved them nor an owner would
        get now.
    """
    found = {each: claim_on(uow.settings, each.normalized_name) for each in projects}
    claimed = {each: claim for each, claim in found.items() if claim is not None}
    if not claimed:
        return {}
    people = _people(uow, [each.id for each in claimed])
    everybody = set().union(*people.values())
    at_home = {claim: _at_home(uow, claim, everybody) for claim in set(claimed.values())}
    return {
        each.normalized_name: _not_yours(each.name, claim)
        for each, claim in claimed.items()
        if not people[each.id] & at_home[claim]
    }


def _people(uow: UnitOfWork, project_ids: Collection[int]) -> dict[int, set[int]]:
    """The accounts of who has reserved each of these projects, and of its owners."""
    owners = select(Role.project_id, Role.user_id).where(
        Role.project_id.in_(project_ids), Role.name == RoleName.OWNER
    )
    founders = select(Project.id, Project.created_by_id).where(Project.id.in_(project_ids))
    found: dict[int, set[int]] = {number: set() for number in project_ids}
    for rows in (owners, founders):
        for number, user_id in uow.db.execute(rows):
            if user_id is not None:
                found[number].add(user_id)
    return found


def _at_home(uow: UnitOfWork, claim: str, user_ids: Collection[int]) -> set[int]:
    """Those of the accounts that are administrators', or have something public under a claim."""
    administers = select(User.id).where(User.id.in_(user_ids), User.is_administrator)
    found = set(uow.db.scalars(administers))
    if claim.endswith("*"):
        found |= catalogue.owners_of_beginning(uow.db, user_ids, _beginning(claim))
    return found


def _not_yours(name: str, claim: str) -> NotAllowed:
    return NotAllowed(
        f"The name {name!r} is one of those that this index keeps for its own ({claim}): let an "
        "administrator of this index register it, or an owner of a project that is public under "
        "such a name."
    )
