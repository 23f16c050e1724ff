"""The findings of a review: of each file, of all of them together, and beside another release."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from greenroom.core_metadata import CoreMetadata
from greenroom.distributions.agreement import Described, Found, disagreements
from greenroom.distributions.compared import Compared
from greenroom.distributions.comparison import place_of
from greenroom.distributions.facts import Facts
from greenroom.distributions.matrix import Matrix
from greenroom.distributions.news import Known, news
from greenroom.distributions.review import MOST_OF_A_CODE, Code, Finding
from greenroom.registry.review_values import ReviewFinding
from greenroom.registry.silenced_findings import Silence

_NOTHING = Facts()


class HasMetadata(Protocol):
    """A file: a row, or a value that was made of one."""

    @property
    def id(self) -> int:
        """Its number in the database."""

    @property
    def filename(self) -> str:
        """Its name."""

    @property
    def is_sdist(self) -> bool:
        """Whether it is a source distribution."""

    @property
    def core_metadata(self) -> CoreMetadata:
        """What it says of itself."""


def of_all(
    staged: Sequence[HasMetadata],
    now: Sequence[HasMetadata],
    before: Sequence[HasMetadata],
    facts: Mapping[int, Facts],
    matrix: Matrix,
) -> Iterator[Found]:
    """Everything that can be said without a look at the members of archives.

    Args:
        staged: the files of the draft.
        now: those of the release once it is published: these, and what is public of it already.
        before: those of the release that it is compared with.
        facts: of all of them, by number.
        matrix: of wheels.
    """
    for file in staged:
        for finding in facts.get(file.id, _NOTHING).findings:
            yield Found(finding, (file.filename,))
    described = [Described(file.filename, file.is_sdist, file.core_metadata) for file in now]
    yield from disagreements(described)
    ours = [_known(file, facts) for file in staged]
    yield from news([_known(file, facts) for file in before], ours)
    for words, former in matrix.gaps:
        yield Found(Finding(Code.MISSING_WHEEL, detail=f"{words}, which had {former}"))
    if staged and not any(file.is_sdist for file in now):
        had = [file.filename for file in before if file.is_sdist]
        if had:
            yield Found(Finding(Code.MISSING_SDIST, detail=f"there was {had[0]}"))
        else:
            yield Found(Finding(Code.NO_SDIST))


def of_sources(beside: Mapping[str, Compared]) -> Iterator[Found]:
    """Where wheels have other sources than the source distribution has.

    Args:
        beside: what came of comparing each wheel of the release with it, by the wheel's name.
    """
    for filename, compared in beside.items():
        for finding in compared.findings:
            yield Found(finding, (filename,))


def of_name(warning: str) -> list[Found]:
    """What is to be said of a name that an index behind this one has, too; empty: nothing."""
    return [Found(Finding(Code.EXISTS_UPSTREAM, detail=warning))] if warning else []


def told(
    found: Iterable[Found],
    left_out: Mapping[Code, int],
    silenced_by: Callable[[str, str], Silence | None],
) -> tuple[ReviewFinding, ...]:
    """Findings as they are told: what is the same in several files once, and not too many.

    Args:
        found: all of them.
        left_out: how many more there are in the files, by code.
        silenced_by: tells by what a finding of this code and path is silenced.
    """
    merged = _merged(found)
    findings = [
        ReviewFinding(
            code=each.finding.code.value,
            severity=each.finding.severity,
            filenames=each.filenames,
            path=each.finding.path,
            detail=each.finding.detail,
            advice=each.finding.advice,
            silence=silenced_by(each.finding.code, each.finding.path or each.finding.detail),
        )
        for each in merged
    ]
    findings.sort(key=lambda each: (each.silence is not None, -each.severity, each.code))
    return tuple(_bounded(findings, left_out))


def left_out(
    staged: Iterable[HasMetadata], facts: Mapping[int, Facts], beside: Mapping[str, Compared]
) -> dict[Code, int]:
    """How many findings of a code are not kept of the file of which the most are not."""
    counts: dict[Code, int] = {}
    of_files = (facts.get(file.id, _NOTHING).left_out for file in staged)
    for each in (*of_files, *(compared.left_out for compared in beside.values())):
        for code, count in each.items():
            counts[code] = max(counts.get(code, 0), count)
    return counts


def _known(file: HasMetadata, facts: Mapping[int, Facts]) -> Known:
    return Known(file.filename, file.core_metadata, facts.get(file.id))


def _merged(found: Iterable[Found]) -> list[Found]:
    """The same finding in several files is one, also in folders that have the version in them."""
    merged: dict[tuple[Code, str, str], Found] = {}
    for each in found:
        is_sdist = bool(each.filenames) and not each.filenames[0].endswith(".whl")
        place = place_of(each.finding.path, is_sdist=is_sdist and "/" in each.finding.path)
        key = (each.finding.code, place, each.finding.detail)
        known = merged.get(key)
        names = (*known.filenames, *each.filenames) if known is not None else each.filenames
        first = known if known is not None else each
        merged[key] = replace(first, filenames=tuple(dict.fromkeys(names)))
    return list(merged.values())


def _bounded(
    findings: Iterable[ReviewFinding], left_out: Mapping[Code, int]
) -> Iterator[ReviewFinding]:
    """Some of each code; the last of them says how many more there are."""
    by_code: dict[tuple[str, bool], list[ReviewFinding]] = {}
    for each in findings:
        by_code.setdefault((each.code, each.silence is not None), []).append(each)
    for (code, _), several in by_code.items():
        more = max(len(several) - MOST_OF_A_CODE, 0) + left_out.get(Code(code), 0)
        yield from several[: MOST_OF_A_CODE - 1]
        for last in several[MOST_OF_A_CODE - 1 : MOST_OF_A_CODE]:
            yield replace(last, more=more)
