"""The report: a table for people, JSON for programs."""

import json
from collections import Counter

from conformance.register import Level
from conformance.runner import Outcome, Report, Result
from conformance.unchecked import UNCHECKED

# Which draft of the PEP the suite is about.
TEXT = "PEP 694, draft of 29 July 2026 (round 4)"

_LOUD = (Outcome.FAILED, Outcome.WARNED, Outcome.BLOCKED)


def as_text(report: Report, *, unchecked: bool = False) -> str:
    """A table of all cases, by section; if wanted, what is not checked; a summary."""
    lines = [f"{TEXT}, against {report.root}"]
    sections = list(dict.fromkeys(result.case.section for result in report.results))
    for section in sections:
        lines += ["", section]
        for result in report.results:
            if result.case.section == section:
                lines += _rows(result)
    if unchecked:
        lines += ["", "NOT CHECKED"]
        for entry in UNCHECKED:
            lines.append(f"  {entry.section} ({entry.level})")
            lines += [f"      “{quote}”" for quote in entry.quotes]
            lines.append(f"      {entry.reason}")
    return "\n".join([*lines, "", *_summary(report)])


def as_json(report: Report) -> str:
    """Everything, for programs."""
    counts = Counter(result.outcome.value for result in report.results)
    body = {
        "text": TEXT,
        "root": report.root,
        "conforms": report.holds(),
        "counts": {outcome.value: counts[outcome.value] for outcome in Outcome},
        "cases": [
            {
                "name": result.case.name,
                "section": result.case.section,
                "level": result.case.level.value,
                "quotes": list(result.case.quotes),
                "how": result.case.how,
                "outcome": result.outcome.value,
                "reason": result.reason,
            }
            for result in report.results
        ],
        "unchecked": [
            {
                "section": entry.section,
                "level": entry.level.value,
                "quotes": list(entry.quotes),
                "reason": entry.reason,
            }
            for entry in UNCHECKED
        ],
        "published": list(report.published),
        "left": list(report.left),
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def _rows(result: Result) -> list[str]:
    case = result.case
    rows = [f"  {result.outcome.value:<8} {case.level.value:<7} {case.name}"]
    if result.outcome in _LOUD:
        rows += [f"      “{quote}”" for quote in case.quotes]
        rows.append(f"      How: {case.how}")
        rows.append(f"      But: {result.reason}")
    elif result.outcome is Outcome.SKIPPED:
        rows.append(f"      {result.reason}")
    return rows


def _summary(report: Report) -> list[str]:
    lines = []
    for levels, what in (((Level.MUST, Level.STATED), "binding"), ((Level.SHOULD,), "SHOULD")):
        results = [result for result in report.results if result.case.level in levels]
        counts = Counter(result.outcome.value for result in results)
        listed = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        lines.append(f"{len(results)} {what} cases: {listed}.")
    lines.append(f"{sum(len(e.quotes) for e in UNCHECKED)} sentences are not checked: --unchecked.")
    if report.published:
        lines.append(f"Published, and there to stay: {', '.join(report.published)}.")
    if report.left:
        lines.append(f"Could not be canceled: {', '.join(report.left)}.")
    verdict = "Everything binding holds" if report.holds() else "The server does not conform"
    lines.append(f"{verdict}, as far as it was looked at.")
    return lines
