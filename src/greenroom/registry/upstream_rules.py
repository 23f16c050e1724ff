"""What administrators decide on files of upstreams: rules that let in, let in early, or deny.

Which of several rules decides is said in :mod:`greenroom.registry.upstream_policy`.
"""

from datetime import date, datetime

from msgspec import Struct
from sqlalchemy import ColumnElement, func, select

from greenroom import selections
from greenroom.models import RuleKind, UpstreamRule
from greenroom.models.base import LARGEST_ID
from greenroom.registry import audit
from greenroom.registry.administering import check_administrator, check_reason
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.selections import Selection

_AUDITED = {
    RuleKind.ALLOW: Kind.UPSTREAM_ALLOW,
    RuleKind.EARLY: Kind.UPSTREAM_ALLOW,
    RuleKind.DENY: Kind.UPSTREAM_DENY,
}
_MOST = 10_000


class Rule(Struct, frozen=True):
    """A rule.

    Attributes:
        id: its number.
        selection: the projects and versions that it is about.
        reason: why, in the words of whoever made it; may be empty.
        until: the last day, of UTC, on which it holds; None for ever.
        holds: whether it does today.
        by: who made it.
    """

    id: int
    kind: RuleKind
    selection: Selection
    reason: str
    until: date | None
    holds: bool
    at: datetime
    by: str


def make(
    uow: UnitOfWork,
    actor: Actor,
    kind: RuleKind,
    text: str,
    reason: str = "",
    until: date | None = None,
) -> Rule:
    """Make a rule.

    Args:
        uow: in which it is done.
        actor: who makes it.
        kind: what it does.
        text: which projects and versions it is about, such as ``requests>=2,<3`` or ``acme-*``.
        reason: why; whoever is refused is told.
        until: the last day on which it holds; None for ever.

    Raises:
        NotAllowed: the actor is no administrator.
        InvalidRequest: the text is no selection, the day is over, the reason does not do, or
            another rule is about the same.
    """
    check_administrator(uow, actor)
    reason = check_reason(actor, reason)
    selection = _selection(text)
    if until is not None and until < uow.now.date():
        raise InvalidRequest(f"The day {until} is over: choose today or a later one.")
    uow.lock("upstream rules")
    _make_room(uow, kind, selection)
    row = UpstreamRule(
        kind=kind.value,
        project=selection.project,
        specifier=selection.specifier,
        reason=reason,
        until=until,
        at=uow.now,
        by=actor.name,
    )
    uow.db.add(row)
    uow.db.flush()
    made = _rule(uow, row)
    audit.write(uow, _AUDITED[kind], actor, detail=_detail(made, reason))
    return made


def remove(uow: UnitOfWork, actor: Actor, number: int, reason: str = "") -> Rule:
    """Remove a rule, and give it as it was.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: there is no such rule.
        InvalidRequest: the reason does not do.
    """
    check_administrator(uow, actor)
    reason = check_reason(actor, reason)
    row = _row(uow, number)
    removed = _rule(uow, row)
    uow.db.delete(row)
    uow.db.flush()
    kind = "deny " if removed.kind is RuleKind.DENY else "allow "
    audit.write(uow, Kind.UPSTREAM_RULE_REMOVE, actor, detail=kind + _detail(removed, reason))
    return removed


def get(uow: UnitOfWork, number: int) -> Rule:
    """The rule of this number.

    Raises:
        NotFound: there is none.
    """
    return _rule(uow, _row(uow, number))


def _row(uow: UnitOfWork, number: int) -> UpstreamRule:
    row = uow.db.get(UpstreamRule, number) if number <= LARGEST_ID else None
    if row is None:
        raise NotFound("There is no such rule.")
    return row


def listed(uow: UnitOfWork, words: str = "", *, start: int, count: int) -> list[Rule]:
    """Some of the rules, by project; with words only those of whose projects the names have them.

    Rules that do not hold any more are among them, until somebody removes them.
    """
    rows = uow.db.scalars(
        select(UpstreamRule)
        .where(*_having(words))
        .order_by(UpstreamRule.project, UpstreamRule.specifier, UpstreamRule.id)
        .offset(start)
        .limit(count)
    )
    return [_rule(uow, row) for row in rows]


def count_of(uow: UnitOfWork, words: str = "") -> int:
    """How many rules there are, likewise."""
    return uow.db.scalar(select(func.count()).select_from(UpstreamRule).where(*_having(words))) or 0


def _selection(text: str) -> Selection:
    try:
        return selections.parse(text)
    except ValueError:
        raise InvalidRequest(
            f"{text[:60]!r} chooses nothing: write the name of a project, with '*' for any text, "
            "and which versions of it where not all are meant: requests, acme-*, requests>=2,<3."
        ) from None


def _make_room(uow: UnitOfWork, kind: RuleKind, selection: Selection) -> None:
    """See that no other rule is about the same; what does not hold any more goes.

    Raises:
        InvalidRequest: one is, or there are too many.
    """
    same = uow.db.scalars(
        select(UpstreamRule).where(
            UpstreamRule.project == selection.project, UpstreamRule.specifier == selection.specifier
        )
    )
    for row in same.all():
        if row.until is not None and row.until < uow.now.date():
            uow.db.delete(row)
        elif kind.value == row.kind or RuleKind.EARLY not in (kind, row.kind):
            raise InvalidRequest(
                f"There is a rule already that says {row.kind} to {selection}: remove it first."
            )
    if count_of(uow) >= _MOST:
        raise InvalidRequest(f"There are {_MOST} rules: remove some that nobody needs first.")
    uow.db.flush()


def _rule(uow: UnitOfWork, row: UpstreamRule) -> Rule:
    return Rule(
        row.id,
        RuleKind(row.kind),
        Selection(row.project, row.specifier),
        row.reason,
        row.until,
        row.until is None or row.until >= uow.now.date(),
        row.at,
        row.by,
    )


def _having(words: str) -> list[ColumnElement[bool]]:
    plain = words.strip().lower()
    if not plain:
        return []
    shown = plain if plain.isprintable() else "\N{REPLACEMENT CHARACTER}"
    return [UpstreamRule.project.contains(shown, autoescape=True)]


def _detail(rule: Rule, reason: str) -> str:
    early = " early" if rule.kind is RuleKind.EARLY else ""
    until = f" until {rule.until}" if rule.until is not None else ""
    said = f"{rule.selection}{early}{until}"
    return f"{said}: {reason}" if reason else said
