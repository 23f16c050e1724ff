"""The review of a draft as text for a terminal, and in Markdown for the summary of a CI run.

What people upload is repeated in both: nothing of it may control a terminal, nor be read as
Markdown or HTML.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from greenroom.counts import counted
from greenroom.distributions.comparison import FieldChange
from greenroom.distributions.matrix import CellState, Matrix
from greenroom.registry.draft_review import (
    ArchiveChanges,
    DraftReview,
    ReviewFinding,
    StagedFile,
)
from greenroom.web.uploads.draft_lookup.review_body import kind_of_change

_MOST_LISTED = 20
_LONGEST = 300
_KILO = 1000
_TITLES = {"problem": "Problems", "warning": "Warnings", "look": "Look here", "note": "Notes"}
_SIGNS_OF_MARKDOWN = frozenset("\\`*_{}[]<>|~&@:")
_SIGNS_AT_THE_START = frozenset("#+-")
_ADDRESS = re.compile(r"(www)\.", re.IGNORECASE)
_SIGNS = {
    CellState.HERE: "yes",
    CellState.NEW: "new",
    CellState.COVERED: "(yes)",
    CellState.GAP: "GAP",
    CellState.NONE: "-",
}


def text(review: DraftReview, page: str) -> str:
    """The review for a terminal; ``page`` is the address of the draft's page."""
    lines = [
        f"Review of {plain(review.project_name)} {plain(review.version)}",
        *(f"  {plain(sentence)}" for sentence in review.verdict.sentences),
        *(f"  - {plain(reason)}" for reason in review.verdict.obstacles),
    ]
    if not review.progress.is_complete:
        lines.append(f"  {review.progress}: ask again for all of it.")
    lines += _section("Findings", _finding_lines(review.findings))
    against = review.changes.against
    title = f"Changes since {against}" if against is not None else "Contents"
    lines += _section(title, _change_lines(review))
    lines += _section("Wheels", _matrix_lines(review.completeness.matrix))
    lines += _section("Missing", review.completeness.missing)
    lines += _section("Files", map(_file_line, review.files))
    lines += ["", f"Page:   {page}", f"Digest: {review.content_digest}", ""]
    return "\n".join(lines)


def markdown(review: DraftReview, page: str) -> str:
    """The review in Markdown; ``page`` is the address of the draft's page."""
    verdict = review.verdict
    lines = [
        f"## Review of {code(f'{review.project_name} {review.version}')}",
        "",
        " ".join(verdict.sentences),
        "",
        *(f"- {escaped(reason)}" for reason in verdict.obstacles),
    ]
    if not review.progress.is_complete:
        lines += ["", f"*{review.progress}.*"]
    lines += _markdown_findings(review.findings)
    lines += _markdown_changes(review)
    lines += _markdown_matrix(review.completeness.matrix)
    if review.completeness.missing:
        missing = [f"- {escaped(what)}" for what in review.completeness.missing]
        lines += ["", "### Missing", "", *missing]
    lines += ["", f"[The draft]({page}) · {code(review.content_digest)}", ""]
    return "\n".join(lines)


def plain(words: str) -> str:
    """Somebody's words on one line, without what could control a terminal."""
    shown = "".join(each if each.isprintable() else " " for each in words)
    shown = " ".join(shown.split())
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def escaped(words: str) -> str:
    """Somebody's words in Markdown, where they mean nothing but themselves, and are no address."""
    shown = "".join(f"\\{each}" if each in _SIGNS_OF_MARKDOWN else each for each in plain(words))
    shown = _ADDRESS.sub(r"\1\.", shown)
    return f"\\{shown}" if shown[:1] in _SIGNS_AT_THE_START else shown


def code(words: str) -> str:
    """Somebody's words in Markdown as code, also in a table."""
    return f"`{plain(words).replace('`', chr(0x2B9)).replace('|', chr(0xA6)) or ' '}`"


# --- text -----------------------------------------------------------------------------------------


def _section(title: str, lines: Iterable[str]) -> list[str]:
    found = [f"  {line}" for line in lines]
    return ["", title, *found] if found else []


def _finding_lines(findings: Iterable[ReviewFinding]) -> Iterator[str]:
    for finding in findings:
        silenced = f" (silenced: {plain(finding.silence.reason)})" if finding.silence else ""
        about = " ".join(filter(None, [plain(finding.path), plain(finding.detail)]))
        severity = finding.severity.name.lower()
        yield f"{severity:<8}{finding.code}{f': {about}' if about else ''}{silenced}"
        if finding.filenames:
            yield f"        in {_some(finding.filenames)}"
        if finding.more:
            yield f"        and {finding.more} more of these"
        if finding.silence is None:
            yield f"        {finding.advice}"


def _change_lines(review: DraftReview) -> Iterator[str]:
    for change in review.changes.fields:
        yield plain(change.field.replace("_", "-"))
        yield from (f"  - {plain(value)}" for value in change.removed[:_MOST_LISTED])
        yield from (f"  + {plain(value)}" for value in change.added[:_MOST_LISTED])
    if review.changes.is_description_changed and review.changes.against is not None:
        yield "the description is another one"
    for archive in review.changes.archives:
        yield _archive_line(archive)
        if archive.filename is None or archive.former is None:
            continue
        for member in archive.members[:_MOST_LISTED]:
            yield f"  {kind_of_change(member):<8} {plain(member.place)}"
        left = len(archive.members) + archive.more - _MOST_LISTED
        if left > 0:
            yield f"  and {left} more"


def _archive_line(archive: ArchiveChanges) -> str:
    if archive.filename is None:
        return f"{archive.former}: gone"
    name = f"{archive.filename} ({size(archive.size)}"
    name += f", before {size(archive.former_size)})" if archive.former is not None else ")"
    if archive.problem:
        return f"{name}: {plain(archive.problem)}"
    if not archive.is_analysed:
        return f"{name}: not analysed yet"
    if archive.former is None:
        return f"{name}: {counted(archive.added, 'file')}, nothing to compare it with"
    counts = f"{archive.added} added, {archive.removed} removed, {archive.changed} changed"
    return f"{name}: {counts} since {archive.former}"


def _matrix_lines(matrix: Matrix) -> Iterator[str]:
    if not matrix.rows:
        return
    names = [f"{row.platform}{'' if row.abi == 'own' else f' {row.abi}'}" for row in matrix.rows]
    width = max(map(len, names))
    columns = [max(len(python), 5) for python in matrix.pythons]
    head = "  ".join(
        f"{python:<{each}}" for python, each in zip(matrix.pythons, columns, strict=True)
    )
    yield f"{'':<{width}}  {head}".rstrip()
    for name, row in zip(names, matrix.rows, strict=True):
        cells = "  ".join(
            f"{_SIGNS[cell.state]:<{each}}" for cell, each in zip(row.cells, columns, strict=True)
        )
        yield f"{name:<{width}}  {cells}".rstrip()


def _file_line(file: StagedFile) -> str:
    by = f" by {plain(file.by)}" if file.by is not None else ""
    how = file.means or file.credential
    parts = [
        f"{file.filename}: {size(file.size)}, staged {file.at:%Y-%m-%d %H:%M} UTC{by}",
        f"with {plain(how)}" if how else "",
        f"replacing sha256 {file.replaced}" if file.replaced else "",
        f"the same bytes as in {_drafts(file)}" if file.earlier else "",
    ]
    return ", ".join(filter(None, parts))


def _drafts(file: StagedFile) -> str:
    return " and ".join(
        f"the draft of {each.opened:%Y-%m-%d} ({each.state})" for each in file.earlier[:3]
    )


def _some(filenames: tuple[str, ...]) -> str:
    if len(filenames) <= 3:
        return ", ".join(filenames)
    return f"{', '.join(filenames[:2])} and {counted(len(filenames) - 2, 'more file')}"


def size(count: int) -> str:
    """A number of bytes for people."""
    amount, units = float(count), ["B", "kB", "MB", "GB"]
    while amount >= _KILO and len(units) > 1:
        amount /= _KILO
        units.pop(0)
    return f"{count} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


# --- Markdown -------------------------------------------------------------------------------------


def _markdown_findings(findings: Iterable[ReviewFinding]) -> Iterator[str]:
    told = [each for each in findings if each.silence is None]
    for severity, several in groupby(told, key=lambda each: each.severity.name.lower()):
        yield from ("", f"### {_TITLES[severity]}", "")
        for finding in several:
            about = [code(finding.path)] if finding.path else []
            about += [escaped(finding.detail)] if finding.detail else []
            where = f" in {escaped(_some(finding.filenames))}" if finding.filenames else ""
            more = f", and {finding.more} more" if finding.more else ""
            yield f"- **{finding.code}** {' '.join(about)}{where}{more}. {finding.advice}"


def _markdown_changes(review: DraftReview) -> Iterator[str]:
    changes = review.changes
    if changes.against is None:
        return
    yield from ("", f"### Changes since {code(changes.against)}", "")
    yield from map(_markdown_field, changes.fields)
    if changes.is_description_changed:
        yield "- The description is another one."
    yield from (f"- {escaped(_archive_line(archive))}" for archive in changes.archives)


def _markdown_field(change: FieldChange) -> str:
    parts = [f"+{code(value)}" for value in change.added[:_MOST_LISTED]]
    parts += [f"\u2212{code(value)}" for value in change.removed[:_MOST_LISTED]]
    return f"- {escaped(change.field.replace('_', '-'))}: {' '.join(parts)}"


def _markdown_matrix(matrix: Matrix) -> Iterator[str]:
    if not matrix.rows:
        return
    yield from ("", "### Wheels", "")
    yield f"| | {' | '.join(map(code, matrix.pythons))} |"
    yield f"|---|{'---|' * len(matrix.pythons)}"
    for row in matrix.rows:
        name = row.platform if row.abi == "own" else f"{row.platform} {row.abi}"
        signs = (
            f"**{_SIGNS[cell.state]}**" if cell.state is CellState.GAP else _SIGNS[cell.state]
            for cell in row.cells
        )
        yield f"| {code(name)} | {' | '.join(signs)} |"
