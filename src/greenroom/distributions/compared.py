"""What two archives have that is not the same, as it is kept: it is found once for each two.

A file is compared with its predecessor, member by member, and a wheel with the source distribution
beside it, source by source. Both are functions of what is in the two files. They are kept as JSON
and packed members; :data:`COMPARISON` says by which way of comparing they were found.
"""

from collections.abc import Iterable, Mapping
from typing import Self

from msgspec import Struct, field

from greenroom.distributions.agreement import Sources
from greenroom.distributions.comparison import MemberChange, member_changes
from greenroom.distributions.contents import Member
from greenroom.distributions.facts import (
    findings_of,
    member_of,
    member_row,
    pack_rows,
    stored_findings,
    unpack_rows,
)
from greenroom.distributions.review import Code, Finding, bounded

COMPARISON = 1
"""Raise it when a comparison of the same files would say something else, or more."""

MOST_MEMBERS = 500
"""Changes of members that are told of one archive; that there are more is told, too."""


class Compared(Struct, frozen=True):
    """What came of comparing a file with another one, without the members.

    Attributes:
        added, removed, changed: how many members are, all counted; of a wheel beside a source
            distribution none.
        findings: of a wheel beside a source distribution, and how many more there were of a code.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    findings: tuple[Finding, ...] = ()
    left_out: Mapping[Code, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many members are not the same."""
        return self.added + self.removed + self.changed

    def to_json(self) -> dict[str, object]:
        """What is stored."""
        said: dict[str, object] = {
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            **stored_findings(self.findings, self.left_out),
        }
        return {name: value for name, value in said.items() if value}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Self:
        """What was stored."""
        findings, left_out = findings_of(stored)
        added, removed, changed = (
            value if isinstance(value := stored.get(name), int) else 0
            for name in ("added", "removed", "changed")
        )
        return cls(added, removed, changed, findings, left_out)


def beside_predecessor(
    before: Iterable[Member], after: Iterable[Member], *, is_sdist: bool
) -> tuple[Compared, tuple[MemberChange, ...]]:
    """An archive beside its predecessor, and the first :data:`MOST_MEMBERS` changes, by place.

    Args:
        before: the members of the predecessor; none where there is none.
        after: those of the archive.
        is_sdist: whether they are source distributions.
    """
    changes = member_changes(before, after, is_sdist=is_sdist)
    compared = Compared(
        added=sum(change.is_added for change in changes),
        removed=sum(change.is_removed for change in changes),
        changed=sum(not (change.is_added or change.is_removed) for change in changes),
    )
    return compared, changes[:MOST_MEMBERS]


def beside_sources(
    sources: Sources, members: Iterable[Member], unix_sources: Mapping[str, str]
) -> Compared:
    """A wheel beside the source distribution of its release.

    Args:
        sources: of the source distribution.
        members: of the wheel.
        unix_sources: of the wheel, see :class:`greenroom.distributions.facts.Facts`.
    """
    findings, left_out = bounded(sources.compare(members, unix_sources))
    return Compared(findings=findings, left_out=left_out)


def pack(changes: Iterable[MemberChange]) -> str:
    """Changes in little space."""
    return pack_rows(
        [
            [change.place, _row(change.before), _row(change.after), change.moved_from]
            for change in changes
        ]
    )


def unpack(packed: str) -> tuple[MemberChange, ...]:
    """The changes that were packed."""
    return tuple(
        MemberChange(place, _member(before), _member(after), moved_from)
        for place, before, after, moved_from in unpack_rows(packed)
    )


def _row(member: Member | None) -> list[object] | None:
    return member_row(member) if member is not None else None


def _member(row: list[object] | None) -> Member | None:
    if row is None:
        return None
    path, size, sha256, kind, *rest = row
    assert isinstance(size, int)  # noqa: S101 - as it was packed
    return member_of(str(path), size, str(sha256), str(kind), *rest)
