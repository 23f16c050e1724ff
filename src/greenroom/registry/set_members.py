"""Which drafts are in which release set: what drafts have to know of sets.

A draft is in one set at most. Whatever puts one into a set, or publishes it with one, holds the
lock of the set, and then that of the draft's project; a draft leaves under the lock of its project
alone. So whoever has both locks knows what is in the set.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct
from packaging.utils import canonicalize_name
from sqlalchemy import bindparam, delete, exists, func, select, update
from sqlalchemy.orm import Session

from greenroom.database import run
from greenroom.models import (
    Draft,
    ReleaseSet,
    ReleaseSetEvent,
    ReleaseSetMember,
    Role,
    SetState,
)
from greenroom.registry import live_drafts
from greenroom.registry.errors import Refusal, SetConflict
from greenroom.registry.random_text import random_text
from greenroom.registry.unit_of_work import UnitOfWork

SLUG_LENGTH = 22


class Named(Protocol):
    """Who acts, as a log calls it."""

    @property
    def name(self) -> str:
        """What logs call it."""


class HasTitle(Protocol):
    """A set, by what it is called."""

    @property
    def name(self) -> str:
        """As its owner spells it."""

    @property
    def owner_name(self) -> str:
        """Whose it is."""


def title(release_set: HasTitle) -> str:
    """What the set is called everywhere: whose it is, and its name."""
    return f"{release_set.owner_name}/{release_set.name}"


def new_slug() -> str:
    """The secret of a set's address, as long as a draft's."""
    return random_text(SLUG_LENGTH)


def of(db: Session, draft: Draft) -> ReleaseSet | None:
    """The open set that the draft is in."""
    return db.scalar(
        select(ReleaseSet)
        .join(ReleaseSetMember, ReleaseSetMember.release_set_id == ReleaseSet.id)
        .where(ReleaseSetMember.draft_id == draft.id, ReleaseSet.state == SetState.OPEN)
    )


def are_for_members_only(db: Session, release_set: ReleaseSet) -> bool:
    """Whether the set has a draft whose address takes an account besides, and so the set's does."""
    return bool(
        db.scalar(
            select(
                exists().where(
                    ReleaseSetMember.release_set_id == release_set.id,
                    ReleaseSetMember.draft_id == Draft.id,
                    Draft.members_only,
                )
            )
        )
    )


class SetKey(Struct, frozen=True):
    """A set, by what is in its address of Upload 2.0."""

    key: str


def key_of(db: Session, draft: Draft) -> SetKey | None:
    """The open set that the draft is in, for links."""
    key = run(db, _KEY, {"draft": draft.id}).scalar()
    return SetKey(key) if key is not None else None


# Made once, because every answer to a staged upload asks it.
_KEY = (
    select(ReleaseSet.key)
    .join(ReleaseSetMember, ReleaseSetMember.release_set_id == ReleaseSet.id)
    .where(
        ReleaseSetMember.draft_id == bindparam("draft"),
        ReleaseSet.state == SetState.OPEN.value,
    )
)


def has_passed(db: Session, draft: Draft) -> bool:
    """Whether the draft has passed its review, and waits for the others of its set."""
    passed = select(ReleaseSetMember.review_passed).where(ReleaseSetMember.draft_id == draft.id)
    return bool(db.scalar(passed))


def content_digest(releases: Iterable[tuple[str, str, str]]) -> str:
    """The digest of a set of drafts.

    Args:
        releases: of each draft the project's name, in any spelling, the version, and the draft's
            content digest.

    Returns:
        ``sha256:`` and the SHA-256 in hexadecimal of a line ``<project> <version> <digest>`` for
        each draft, with the normalized name, sorted.
    """
    lines = sorted(
        f"{canonicalize_name(name)} {version} {digest}\n" for name, version, digest in releases
    )
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


def log(
    uow: UnitOfWork,
    release_set_id: int,
    by: Named,
    act: str,
    release: str | None = None,
    detail: str = "",
) -> None:
    """Write a line into the set's log: who did this, with which draft."""
    uow.db.add(
        ReleaseSetEvent(
            release_set_id=release_set_id,
            at=uow.now,
            by=by.name,
            act=act,
            release=release,
            detail=detail,
        )
    )


def leave(uow: UnitOfWork, draft: Draft, by: Named, act: str) -> ReleaseSet | None:
    """Take the draft out of its open set, if it is in one, and write into the set's log why.

    The caller holds the project's lock. Where somebody works on the project and on none of those
    that stay, the set gets another address: they are not to know it any more.

    Returns:
        The set that it was in.
    """
    release_set = of(uow.db, draft)
    if release_set is None:
        return None
    uow.db.execute(delete(ReleaseSetMember).where(ReleaseSetMember.draft_id == draft.id))
    log(uow, release_set.id, by, act, f"{draft.project_name} {draft.version}")
    # The set's row is left alone where it can be: nobody is to wait for it.
    if draft.project_id is not None and _knows_too_much(uow, draft.project_id, release_set.id):
        release_set.slug = new_slug()
        log(uow, release_set.id, by, "rotated the address", None, f"{draft.project_name} has left")
    uow.db.flush()
    return release_set


def _knows_too_much(uow: UnitOfWork, project_id: int, release_set_id: int) -> bool:
    """Whether somebody works on this project and on none that is in the set, which is not empty."""
    staying = (
        select(Draft.project_id)
        .join(ReleaseSetMember, ReleaseSetMember.draft_id == Draft.id)
        .where(ReleaseSetMember.release_set_id == release_set_id, live_drafts.is_live(uow))
    )
    of_those = select(Role.user_id).where(Role.project_id.in_(staying))
    gone = select(Role.id).where(
        Role.project_id == project_id, Role.user_id.not_in(of_those), exists(staying)
    )
    return uow.db.scalar(gone.limit(1)) is not None


def rotate_all(uow: UnitOfWork, drafts: Sequence[Draft], by: Named, why: str) -> None:
    """Give the open sets that these drafts are in another address: somebody is to lose it."""
    numbers = uow.db.scalars(
        select(ReleaseSet.id)
        .distinct()
        .join(ReleaseSetMember, ReleaseSetMember.release_set_id == ReleaseSet.id)
        .where(
            ReleaseSetMember.draft_id.in_([draft.id for draft in drafts]),
            ReleaseSet.state == SetState.OPEN,
        )
        .order_by(ReleaseSet.id)
    ).all()
    for number in numbers:
        uow.db.execute(
            update(ReleaseSet).where(ReleaseSet.id == number).values(slug=new_slug()),
            execution_options={"synchronize_session": False},
        )
        uow.forget(ReleaseSet, number, "slug")
        log(uow, number, by, "rotated the address", None, why)


def count_live(uow: UnitOfWork, release_set: ReleaseSet) -> int:
    """How many live drafts are in the set."""
    counted = (
        select(func.count())
        .select_from(ReleaseSetMember)
        .join(Draft, Draft.id == ReleaseSetMember.draft_id)
        .where(ReleaseSetMember.release_set_id == release_set.id, live_drafts.is_live(uow))
    )
    return uow.db.scalar(counted) or 0


def obstacles(uow: UnitOfWork, draft: Draft, *, is_named: bool) -> Iterator[Refusal]:
    """Why the draft cannot be published alone: its set is published together only.

    Args:
        uow: where to look.
        draft: which.
        is_named: whether whoever asks may see the set.
    """
    release_set = of(uow.db, draft)
    if release_set is None or not release_set.only_together:
        return
    which = f"the release set {title(release_set)!r}" if is_named else "a release set"
    yield SetConflict(
        f"It is in {which}, whose drafts are published together only: publish the set, or take "
        "the draft out of it."
    )


def projects_of(uow: UnitOfWork, release_set: ReleaseSet) -> list[str]:
    """The names of the projects whose live drafts are in the set."""
    return list(
        uow.db.scalars(
            select(Draft.project_name)
            .join(ReleaseSetMember, ReleaseSetMember.draft_id == Draft.id)
            .where(ReleaseSetMember.release_set_id == release_set.id, live_drafts.is_live(uow))
        )
    )
