"""Comparisons of files, member by member, made once for each two by a job, and kept.

A staged file is compared with the file that it follows, and each wheel of the release with its
source distribution. A review reads what came of it: no member of an archive is looked at for it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Self

from msgspec import Struct
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from greenroom.distributions import compared, facts
from greenroom.distributions.agreement import Sources
from greenroom.distributions.compared import COMPARISON, Compared
from greenroom.distributions.comparison import MemberChange
from greenroom.distributions.contents import Member
from greenroom.distributions.facts import Facts
from greenroom.models import File, FileComparison, FileFacts
from greenroom.registry import draft_sides
from greenroom.registry.catalogue import HasId
from greenroom.registry.draft_sides import Sides
from greenroom.registry.unit_of_work import Services, UnitOfWork

KEPT = timedelta(days=7)
"""Comparisons of published files, which nobody reviews, but with more files of their release."""

MOST_KEPT = 10
"""Comparisons of one file: people can choose what it is compared with."""

Key = tuple[int, int | None]
"""Which two files are compared, by their numbers: None for no predecessor."""


class Pair(Struct, frozen=True):
    """Two files that are to be compared.

    Attributes:
        file: the number of the later one.
        other: that of its predecessor, None where it has none; or of the source distribution.
        is_sdist: whether the files are source distributions.
        by_sources: whether it is a wheel beside the source distribution of its release.
    """

    file: int
    other: int | None
    is_sdist: bool = False
    by_sources: bool = False

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.file, self.other


def wanted(sides: Sides, read: Collection[int]) -> list[Pair]:
    """Which files are compared for a review. What cannot be read is compared with nothing.

    Args:
        sides: what is reviewed.
        read: the numbers of the files that were looked into, and can be read.
    """

    def is_read(file: HasId | None) -> bool:
        return file is None or file.id in read

    found = []
    for file in sides.staged:
        former = sides.former.get(file.id)
        if is_read(file) and is_read(former):
            other = former.id if former is not None else None
            found.append(Pair(file.id, other, is_sdist=file.is_sdist))
    sdist = next((file for file in sides.now if file.is_sdist and is_read(file)), None)
    if sdist is not None:
        wheels = (file for file in sides.now if not file.is_sdist and is_read(file))
        found += [Pair(file.id, sdist.id, by_sources=True) for file in wheels]
    return found


def of_sides(db: Session, sides: Collection[Sides]) -> dict[Key, Compared]:
    """What is known of the files of these sides beside others, with one query."""
    rows = db.execute(
        select(FileComparison.file_id, FileComparison.other_id, FileComparison.said).where(
            *_current(sides)
        )
    )
    return {(file, other): Compared.from_json(said) for file, other, said in rows}


def changes_of_sides(
    db: Session, sides: Collection[Sides]
) -> Callable[[Key], tuple[MemberChange, ...]]:
    """Gives the changes of the members of two files, unpacked when they are asked for."""
    rows = db.execute(
        select(FileComparison.file_id, FileComparison.other_id, FileComparison.changes).where(
            *_current(sides)
        )
    )
    packed = {(file, other): text for file, other, text in rows}

    def changes(key: Key) -> tuple[MemberChange, ...]:
        text = packed.get(key)
        return compared.unpack(text) if text else ()

    return changes


def _current(sides: Collection[Sides]) -> tuple[ColumnElement[bool], ...]:
    files = select(File.id).where(draft_sides.are_of(sides))
    return FileComparison.file_id.in_(files), FileComparison.comparison == COMPARISON


def forget(db: Session, number: int) -> None:
    """Forget what this file was compared with: something else was found in it."""
    is_of = (FileComparison.file_id == number) | (FileComparison.other_id == number)
    db.execute(delete(FileComparison).where(is_of))


def forget_old(uow: UnitOfWork) -> None:
    """Forget what was found some time ago of files that were published since."""
    published = select(File.id).where(File.draft_id.is_(None))
    old = FileComparison.made <= uow.now - KEPT
    uow.db.execute(delete(FileComparison).where(old, FileComparison.file_id.in_(published)))


# What the job does


def missing(db: Session, sides: Collection[Sides], read: Collection[int]) -> list[Pair]:
    """Which of the files of these sides are to be compared still, those beside one file together.

    Args:
        db: where they are.
        sides: of the drafts.
        read: as for :func:`wanted`.
    """
    keys = db.execute(
        select(FileComparison.file_id, FileComparison.other_id).where(*_current(sides))
    )
    made = {(file, other) for file, other in keys}
    pairs = {pair.key: pair for each in sides for pair in wanted(each, read)}
    left = (pair for key, pair in pairs.items() if key not in made)
    return sorted(left, key=lambda pair: (pair.other or 0, pair.file))


def make(services: Services, pairs: Iterable[Pair]) -> int:
    """Compare these files, and keep what came of it. Nothing is locked while they are compared.

    Returns:
        How many comparisons there are more.
    """
    count, sources = 0, _KeptSources()
    for pair in pairs:
        with services.reading() as uow:
            looked = _Looked.of(uow.db, pair)
        if looked is not None:
            count += _write(services, pair, looked, *_compared(pair, looked, sources))
    return count


class _Looked(Struct, frozen=True):
    """What was found in two files.

    Attributes:
        rows: the numbers of the rows that say so.
    """

    rows: frozenset[int]
    members: Sequence[Member]
    unix_sources: Mapping[str, str]
    other: Sequence[Member]
    other_sources: Mapping[str, str]

    @classmethod
    def of(cls, db: Session, pair: Pair) -> Self | None:
        """What is known of them; None where that is not enough, or they were compared meanwhile."""
        if db.scalar(select(FileComparison.id).where(_is_made(pair))) is not None:
            return None
        numbers = _numbers(pair)
        found = {
            number: (row, Facts.from_json(said), packed)
            for row, number, said, packed in db.execute(
                select(FileFacts.id, FileFacts.file_id, FileFacts.said, FileFacts.members).where(
                    FileFacts.file_id.in_(numbers)
                )
            )
        }
        if len(found) < len(numbers):
            return None
        _, own, packed = found[pair.file]
        _, other, former = found[pair.other] if pair.other is not None else (0, Facts(), "")
        return cls(
            frozenset(row for row, _, _ in found.values()),
            facts.unpack(packed),
            own.unix_sources,
            facts.unpack(former) if former else (),
            other.unix_sources,
        )


class _KeptSources:
    """The sources of the source distribution that was asked for last: wheels share one."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._sources = Sources((), {})

    def of(self, number: int | None, looked: _Looked) -> Sources:
        """Those of the other one of two files."""
        if number != self._number:
            self._number = number
            self._sources = Sources(looked.other, looked.other_sources)
        return self._sources


def _compared(
    pair: Pair, looked: _Looked, sources: _KeptSources
) -> tuple[Compared, tuple[MemberChange, ...]]:
    if pair.by_sources:
        beside = sources.of(pair.other, looked)
        return compared.beside_sources(beside, looked.members, looked.unix_sources), ()
    return compared.beside_predecessor(looked.other, looked.members, is_sdist=pair.is_sdist)


def _write(
    services: Services,
    pair: Pair,
    looked: _Looked,
    said: Compared,
    changes: tuple[MemberChange, ...],
) -> bool:
    """Keep a comparison, unless a file has gone, or something else was found in one meanwhile."""
    stored, packed, numbers = said.to_json(), compared.pack(changes), _numbers(pair)
    with services.writing() as uow:
        for number in numbers:
            uow.lock(f"facts:{number}")
        is_there = select(File.id).where(File.id.in_(numbers)).order_by(File.id)
        rows = select(FileFacts.id).where(FileFacts.file_id.in_(numbers))
        if len(uow.db.scalars(is_there.with_for_update(read=True)).all()) < len(numbers):
            return False
        if frozenset(uow.db.scalars(rows)) != looked.rows:
            return False
        uow.db.execute(delete(FileComparison).where(_is_of(pair)))
        uow.db.add(
            FileComparison(
                file_id=pair.file,
                other_id=pair.other,
                comparison=COMPARISON,
                made=uow.now,
                said=stored,
                changes=packed,
            )
        )
        uow.db.flush()
        _forget_most(uow, pair.file)
    return True


def _forget_most(uow: UnitOfWork, number: int) -> None:
    of_file = FileComparison.file_id == number
    newest = select(FileComparison.id).where(of_file).order_by(FileComparison.id.desc())
    oldest = uow.db.scalar(newest.offset(MOST_KEPT - 1).limit(1))
    if oldest is not None:
        uow.db.execute(delete(FileComparison).where(of_file, FileComparison.id < oldest))


def _numbers(pair: Pair) -> list[int]:
    return sorted({pair.file} if pair.other is None else {pair.file, pair.other})


def _is_of(pair: Pair) -> ColumnElement[bool]:
    return (FileComparison.file_id == pair.file) & (
        FileComparison.other_id.is_(None)
        if pair.other is None
        else FileComparison.other_id == pair.other
    )


def _is_made(pair: Pair) -> ColumnElement[bool]:
    return _is_of(pair) & (FileComparison.comparison == COMPARISON)
