"""The indexes behind this one: which of them may be asked for which name.

A name that this index has is answered by this index alone, and a name that the operator claims is
never asked for elsewhere: the files of two indexes are on no page together.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum, auto
from typing import Protocol

from msgspec import Struct
from sqlalchemy import CompoundSelect, bindparam, exists, null, select, true, union_all

from greenroom.database import run
from greenroom.models import Draft, Project, RetiredName
from greenroom.registry import catalogue, claimed_names, live_drafts, upstream_pages
from greenroom.registry.names import lookup_name
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.settings import Settings


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


class Hint(Struct, frozen=True):
    """What is said where projects were searched for, as upstreams are not searched.

    Attributes:
        upstreams: what the settings call them, in their order.
        name: the normalized name that the query may mean there; empty where it means none.
    """

    upstreams: tuple[str, ...]
    name: str


def hint(uow: UnitOfWork, query: str) -> Hint | None:
    """What is said of upstreams to whoever searches for this; None where there are none.

    That a draft reserves a name changes nothing, as nobody may know.
    """
    if not uow.settings.upstreams:
        return None
    name = lookup_name(query.strip())
    if name and (
        claimed_names.claim_on(uow.settings, name) is not None
        or catalogue.project(uow.db, name) is not None
    ):
        name = ""
    return Hint(tuple(upstream.name for upstream in uow.settings.upstreams), name)


class HasOrigin(Protocol):
    """A project, by what was found out when its name was reserved: a row, or a value made of it."""

    @property
    def name(self) -> str:
        """As it spells itself."""

    @property
    def normalized_name(self) -> str:
        """As everybody may spell it."""

    @property
    def registered(self) -> datetime | None:
        """When the name became its own, None where drafts only reserve it."""

    @property
    def found_upstream(self) -> str | None:
        """The upstream that had the name; empty where none had, None where nobody knows."""


def warnings(uow: UnitOfWork, projects: Sequence[HasOrigin]) -> list[str]:
    """What is said of drafts whose publication takes names from upstreams; mostly empty.

    Where nobody knew when the name was reserved, what upstreams have said since counts. Who answers
    for the name does not change by that.

    Args:
        uow: what to look into. It is asked one question at most, for names that nobody knew of.
        projects: of which drafts they are.

    Returns:
        A sentence for each, in their order.
    """
    found = _found(uow, [each for each in projects if each.registered is None])
    why = "nobody could be asked when its name was reserved"
    then = "from publication on this index answers for it alone"
    return [_said(each.name, found.get(each.normalized_name, ""), why, then) for each in projects]


def warning_of_direct(uow: UnitOfWork, project: HasOrigin) -> str:
    """What whoever registers a name by a direct upload is told; mostly empty."""
    [found] = _found(uow, [project]).values()
    then = "from now on this index answers for it alone"
    return _said(project.name, found, "nobody could be asked", then)


def origin(settings: Settings, project: HasOrigin) -> str:
    """What is said of a project that has taken its name from an upstream; mostly empty."""
    found = project.found_upstream
    names = [upstream.name for upstream in settings.upstreams]
    if project.registered is None or found not in names:
        return ""
    return (
        f"{project.name} existed upstream ({found}) when its name was taken here. This index "
        "answers for it alone."
    )


def _found(uow: UnitOfWork, projects: Sequence[HasOrigin]) -> dict[str, str | None]:
    """The upstreams that have these projects, by their normalized names.

    Empty where none has it, or none may be asked; None where nobody knows.
    """
    settings = uow.settings
    found = {
        each.normalized_name: each.found_upstream
        if settings.upstreams and claimed_names.claim_on(settings, each.normalized_name) is None
        else ""
        for each in projects
    }
    unknown = [name for name, upstream in found.items() if upstream is None]
    return found | (upstream_pages.last_said(uow, unknown) if unknown else {})


def _said(name: str, found: str | None, why: str, then: str) -> str:
    """That a name exists upstream, or that nobody knows, and what follows; empty if it does not."""
    if found is None:
        return f"Whether {name} exists upstream is not known: {why}. {then[0].upper()}{then[1:]}."
    return f"{name} exists upstream ({found}): {then}." if found else ""


# A name that only drafts have is there as long as one of them is live.
_STANDING: CompoundSelect[bool, str | None] = union_all(
    select(Project.registered.is_not(None), Project.found_upstream).where(
        Project.normalized_name == bindparam("name"),
        Project.registered.is_not(None)
        | exists().where(Draft.project_id == Project.id, live_drafts.LIVE_NOW),
    ),
    select(true(), null()).where(RetiredName.normalized_name == bindparam("name")),
)
