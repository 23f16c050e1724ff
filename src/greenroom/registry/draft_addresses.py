"""The secret addresses of drafts, and when they change."""

from sqlalchemy import select

from greenroom.models import Draft, Project
from greenroom.registry import draft_log, live_drafts, set_members
from greenroom.registry.permissions import Actor
from greenroom.registry.random_text import random_text
from greenroom.registry.unit_of_work import UnitOfWork

SLUG_LENGTH = 22


def new_slug() -> str:
    """The secret of a draft's address."""
    return random_text(SLUG_LENGTH)


def change(
    uow: UnitOfWork, draft: Draft, by: Actor, why: str = "", *, recorded: bool = True
) -> None:
    """Give the draft another address, and write into its log who did so, and why.

    The old one is unknown at once. The caller holds the project's lock. ``recorded`` is whether the
    audit log has it as an act of its own.
    """
    draft.slug = new_slug()
    draft_log.write(uow, draft, by, draft_log.ROTATED, detail=why, recorded=recorded)
    uow.db.flush()


def change_all(uow: UnitOfWork, project: Project, by: Actor, why: str) -> int:
    """Give every live draft of the project another address: somebody is not to know it any more.

    So do the release sets that they are in.

    The caller holds the project's lock, and records why.

    Returns:
        How many there are.
    """
    live = select(Draft).where(Draft.project_id == project.id, live_drafts.is_live(uow))
    found = uow.db.scalars(live.execution_options(populate_existing=True)).all()
    for draft in found:
        change(uow, draft, by, why, recorded=False)
    if found:
        set_members.rotate_all(uow, found, by, why)
    return len(found)
