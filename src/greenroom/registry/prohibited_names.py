"""Names of projects that nobody may register here, besides those that nobody may anywhere.

A name is prohibited with all that look like it; a pattern has ``*``, which stands for any text.
What is registered already is not touched.
"""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct
from sqlalchemy import ColumnElement, bindparam, func, or_, select

from greenroom import name_patterns
from greenroom.database import run
from greenroom.models import ProhibitedName
from greenroom.registry import audit
from greenroom.registry.administering import check_administrator, check_reason
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest, NameNotAvailable, NotFound
from greenroom.registry.names import confusable_form
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork


class Prohibited(Struct, frozen=True):
    """A name or a pattern that is prohibited.

    Attributes:
        reason: why, in the words of whoever prohibited it; may be empty.
        by: who did.
    """

    name: str
    reason: str
    at: datetime
    by: str


def check(uow: UnitOfWork, name: str, normalized: str) -> None:
    """Raise NameNotAvailable where nobody may register this name here.

    Raises:
        NameNotAvailable: the administrators of this index prohibit it.
    """
    for refusal in refusals(uow, {normalized: name}).values():
        raise refusal


def refusals(uow: UnitOfWork, names: Mapping[str, str]) -> dict[str, NameNotAvailable]:
    """Why nobody may register those of these names that are prohibited, with one query.

    Args:
        uow: where to look.
        names: as somebody spells them, by the normalized name; so is what is given back.
    """
    forms = {normalized: confusable_form(normalized) for normalized in names}
    rows = run(uow.db, _CANDIDATES, {"confusable": sorted(set(forms.values()))}).all()
    itself = {row.confusable_name for row in rows if row.confusable_name is not None}
    patterns = [row.name for row in rows if row.confusable_name is None]
    return {
        normalized: NameNotAvailable(
            f"The name {names[normalized]!r} isn't allowed on this index. Choose another name, or "
            "ask its operator."
        )
        for normalized, form in forms.items()
        if form in itself or any(name_patterns.matches(pattern, normalized) for pattern in patterns)
    }


# The names themselves, and every pattern: there are few.
_CANDIDATES = select(ProhibitedName.name, ProhibitedName.confusable_name).where(
    or_(
        ProhibitedName.confusable_name.in_(bindparam("confusable", expanding=True)),
        ProhibitedName.confusable_name.is_(None),
    )
)


def prohibit(uow: UnitOfWork, actor: Actor, name: str, reason: str = "") -> str:
    """Let nobody register a name, or names of a pattern, and give it as it is kept.

    Raises:
        NotAllowed: the actor is no administrator.
        InvalidRequest: it is neither a name nor a pattern, it is prohibited, or the reason does
            not do.
    """
    check_administrator(uow, actor)
    reason = check_reason(actor, reason)
    kept = _kept(name)
    uow.lock("prohibited-names")
    if uow.db.scalar(select(ProhibitedName.id).where(ProhibitedName.name == kept)) is not None:
        raise InvalidRequest(f"The name {kept!r} is prohibited, as before.")
    is_pattern = "*" in kept
    uow.db.add(
        ProhibitedName(
            name=kept,
            confusable_name=None if is_pattern else confusable_form(kept),
            reason=reason,
            at=uow.now,
            by=actor.name,
        )
    )
    uow.db.flush()
    audit.write(uow, Kind.NAME_PROHIBIT, actor, detail=_detail(kept, reason))
    return kept


def allow(uow: UnitOfWork, actor: Actor, name: str, reason: str = "") -> str:
    """Let a name, or names of a pattern, be registered again, and give it as it was kept.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: it is not prohibited here.
        InvalidRequest: the reason does not do.
    """
    check_administrator(uow, actor)
    reason = check_reason(actor, reason)
    found = uow.db.scalar(
        select(ProhibitedName).where(ProhibitedName.name == name_patterns.normalized(name))
    )
    if found is None:
        raise NotFound(f"The name {name!r} is not prohibited here.")
    kept = found.name
    uow.db.delete(found)
    uow.db.flush()
    audit.write(uow, Kind.NAME_ALLOW, actor, detail=_detail(kept, reason))
    return kept


def listed(uow: UnitOfWork, words: str = "", *, start: int, count: int) -> list[Prohibited]:
    """Some of the names that are prohibited, by name; with words only those that have them."""
    found = uow.db.scalars(
        select(ProhibitedName)
        .where(*_having(words))
        .order_by(ProhibitedName.name)
        .offset(start)
        .limit(count)
    )
    return [Prohibited(each.name, each.reason, each.at, each.by) for each in found]


def count_of(uow: UnitOfWork, words: str = "") -> int:
    """How many names are prohibited, with words only those that have them."""
    found = select(func.count()).select_from(ProhibitedName).where(*_having(words))
    return uow.db.scalar(found) or 0


def _having(words: str) -> list[ColumnElement[bool]]:
    plain = words.strip().lower()
    if not plain:
        return []
    shown = plain if plain.isprintable() else "\N{REPLACEMENT CHARACTER}"
    return [ProhibitedName.name.contains(shown, autoescape=True)]


def _kept(name: str) -> str:
    kept = name_patterns.normalized(name)
    if kept.count("*") > name_patterns.MOST_STARS:
        raise InvalidRequest(f"A pattern has '*' at most {name_patterns.MOST_STARS} times.")
    if not name_patterns.is_pattern(kept) or not kept.strip("*-"):
        raise InvalidRequest(
            f"{name[:60]!r} is no name of a project, nor a pattern: letters, digits and '-', and "
            "'*' for any text."
        )
    return kept


def _detail(name: str, reason: str) -> str:
    return f"{name}: {reason}" if reason else name
