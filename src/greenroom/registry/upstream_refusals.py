"""Files of upstreams that somebody asked for, and that were refused; administrators let them in."""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import ColumnElement, delete, func, or_, select

from greenroom.models import RuleKind, UpstreamRefusal
from greenroom.models.base import LARGEST_ID
from greenroom.registry import upstream_rules
from greenroom.registry.administering import check_administrator
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.upstream_policy import Why
from greenroom.registry.upstream_rules import Rule


class Refusal(Struct, frozen=True):
    """A file that was refused.

    Attributes:
        id: its number.
        version: as the file name says it; empty where it says none.
        why: in one word.
        sentence: what whoever asked was told.
        count: how often; ``first`` and ``last`` are when.
        by: who asked last; empty where nobody knows.
    """

    id: int
    upstream: str
    project: str
    version: str
    filename: str
    why: Why
    sentence: str
    count: int
    first: datetime
    last: datetime
    by: str

    @property
    def selection(self) -> str:
        """What a rule is about that lets it in."""
        return f"{self.project}=={self.version}" if self.version else self.project

    @property
    def kind(self) -> RuleKind:
        """What such a rule does: no more than is needed."""
        return RuleKind.EARLY if self.why is Why.AGE else RuleKind.ALLOW

    @property
    def can_be_let_in(self) -> bool:
        """Whether administrators can let it in: what the settings deny they cannot."""
        return self.why is not Why.SETTING


def listed(
    uow: UnitOfWork, words: str = "", why: Why | None = None, *, start: int, count: int
) -> list[Refusal]:
    """Some of the files that were refused, the last one first.

    Args:
        uow: what to look into.
        words: what is looked for in names of files and projects; empty for everything.
        why: for what they were refused; None for any.
        start: how many are left out before them.
        count: how many at most.
    """
    rows = uow.db.scalars(
        select(UpstreamRefusal)
        .where(*_wanted(words, why))
        .order_by(UpstreamRefusal.last.desc(), UpstreamRefusal.id.desc())
        .offset(start)
        .limit(count)
    )
    return [_refusal(row) for row in rows]


def count_of(uow: UnitOfWork, words: str = "", why: Why | None = None) -> int:
    """How many files were refused, likewise."""
    found = select(func.count()).select_from(UpstreamRefusal).where(*_wanted(words, why))
    return uow.db.scalar(found) or 0


def get(uow: UnitOfWork, number: int) -> Refusal:
    """The refusal of this number.

    Raises:
        NotFound: there is none.
    """
    row = uow.db.get(UpstreamRefusal, number) if number <= LARGEST_ID else None
    if row is None:
        raise NotFound("There is no such refusal: perhaps it was let in meanwhile.")
    return _refusal(row)


def let_in(uow: UnitOfWork, actor: Actor, number: int, reason: str = "") -> Rule:
    """Make a rule that lets the version in of which a file was refused.

    It is not among what was refused any more.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: nothing was refused under this number.
        InvalidRequest: the settings refuse it, another rule does, or the reason does not do.
    """
    check_administrator(uow, actor)
    refusal = get(uow, number)
    if not refusal.can_be_let_in:
        raise InvalidRequest(
            f"The settings deny {refusal.selection}, which no rule changes: its operator can."
        )
    rule = upstream_rules.make(uow, actor, refusal.kind, refusal.selection, reason)
    uow.db.execute(
        delete(UpstreamRefusal)
        .where(UpstreamRefusal.project == refusal.project, UpstreamRefusal.why == refusal.why.value)
        .where(UpstreamRefusal.version == refusal.version)
    )
    return rule


def _wanted(words: str, why: Why | None) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    plain = words.strip().lower()
    if plain:
        shown = plain if plain.isprintable() else "\N{REPLACEMENT CHARACTER}"
        wanted.append(
            or_(
                UpstreamRefusal.project.contains(shown, autoescape=True),
                func.lower(UpstreamRefusal.filename).contains(shown, autoescape=True),
            )
        )
    if why is not None:
        wanted.append(UpstreamRefusal.why == why.value)
    return wanted


def _refusal(row: UpstreamRefusal) -> Refusal:
    return Refusal(
        row.id,
        row.upstream,
        row.project,
        row.version,
        row.filename,
        Why(row.why),
        row.sentence,
        row.count,
        row.first,
        row.last,
        row.by,
    )
