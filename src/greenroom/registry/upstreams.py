"""The indexes behind this one: which of them may be asked for which name.

A name that this index has is answered by this index alone, and a name that the operator claims is
never asked for elsewhere: the files of two indexes are on no page together.
"""

from enum import StrEnum, auto

from sqlalchemy import CompoundSelect, bindparam, exists, null, select, true, union_all

from greenroom.database import run
from greenroom.models import Draft, Project, RetiredName
from greenroom.registry import claimed_names, live_drafts
from greenroom.registry.names import lookup_name
from greenroom.registry.unit_of_work import UnitOfWork


class Answering(StrEnum):
    """Who answers for a name."""

    HERE = auto()  # published here, now or once: this index alone
    RESERVED = auto()  # a draft has it, and no upstream was known to have it: nobody else is asked
    CLAIMED = auto()  # of the operator: nobody else is asked
    UPSTREAM = auto()  # the upstreams, in their order
    NOBODY = auto()  # there is no upstream, or it is no name


def answering(uow: UnitOfWork, name: str) -> Answering:
    """Who answers for a name, to everybody alike: what somebody may read counts for nothing.

    A name that an upstream had before a draft reserved it is the upstream's until the draft is
    published, so that nobody learns of the draft.

    Args:
        uow: what to look into. It is asked one question, and none where there is no upstream.
        name: in any spelling.
    """
    normalized = lookup_name(name)
    upstreams = uow.settings.upstreams
    if not upstreams or not normalized:
        return Answering.NOBODY
    rows = run(uow.db, _STANDING, {"name": normalized, "now": uow.now}).all()
    if any(is_final for is_final, _ in rows):
        return Answering.HERE
    if claimed_names.claim_on(uow.settings, normalized) is not None:
        return Answering.CLAIMED
    if all(found in {upstream.name for upstream in upstreams} for _, found in rows):
        return Answering.UPSTREAM
    return Answering.RESERVED


# A name that only drafts have is there as long as one of them is live.
_STANDING: CompoundSelect[bool, str | None] = union_all(
    select(Project.registered.is_not(None), Project.found_upstream).where(
        Project.normalized_name == bindparam("name"),
        Project.registered.is_not(None)
        | exists().where(Draft.project_id == Project.id, live_drafts.LIVE_NOW),
    ),
    select(true(), null()).where(RetiredName.normalized_name == bindparam("name")),
)
