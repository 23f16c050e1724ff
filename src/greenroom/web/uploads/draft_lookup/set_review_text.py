"""The review of a release set as text for a terminal, and in Markdown.

What people upload is repeated in both, in the manner of
:mod:`greenroom.web.uploads.draft_lookup.review_text`.
"""

from collections.abc import Iterable, Iterator

from greenroom.registry.review_values import DraftBrief, ReviewFinding
from greenroom.registry.set_review import MOST_FINDINGS, SetReview
from greenroom.web.http.urls import Urls
from greenroom.web.uploads.draft_lookup.review_text import code, escaped, plain


def text(review: SetReview, urls: Urls) -> str:
    """The review for a terminal."""
    lines = [f"Review of the release set {plain(review.details.title)}"]
    lines += [f"  {plain(sentence)}" for sentence in review.verdict.sentences]
    lines += [f"  - {plain(reason)}" for reason in _reasons(review)]
    if not review.progress.is_complete:
        lines.append(f"  {review.progress}: ask again for all of it.")
    for brief in review.drafts:
        lines += ["", f"{plain(brief.project_name)} {plain(brief.version)}"]
        lines += [f"  {plain(sentence)}" for sentence in brief.verdict.sentences[:3]]
        lines += [f"  missing: {plain(what)}" for what in brief.missing]
        lines += [f"  {line}" for line in _finding_lines(brief)]
    lines += ["", f"Page:   {urls.managed_set(review.details, 'review')}"]
    return "\n".join([*lines, f"Digest: {review.details.content_digest}", ""])


def markdown(review: SetReview, urls: Urls) -> str:
    """The review in Markdown."""
    lines = [f"## Review of the release set {code(review.details.title)}", ""]
    lines += [" ".join(review.verdict.sentences), ""]
    lines += [f"- {escaped(reason)}" for reason in _reasons(review)]
    if not review.progress.is_complete:
        lines += ["", f"*{review.progress}.*"]
    for brief in review.drafts:
        what = code(f"{brief.project_name} {brief.version}")
        lines += ["", f"### {what}", "", " ".join(brief.verdict.sentences[:3]), ""]
        lines += [f"- missing: {escaped(what)}" for what in brief.missing]
        lines += [f"- {line}" for line in _markdown_findings(_loud(brief)[:MOST_FINDINGS])]
        review_page = urls.managed_draft(brief, "review")
        lines += ["", f"[The whole review]({review_page})"]
    page = urls.managed_set(review.details, "review")
    return "\n".join([*lines, "", f"[The set]({page}) · {code(review.details.content_digest)}", ""])


def _reasons(review: SetReview) -> Iterator[str]:
    for what, reasons in review.verdict.obstacles:
        yield from (f"{what}: {reason}" if what else reason for reason in reasons)


def _loud(brief: DraftBrief) -> list[ReviewFinding]:
    return [each for each in brief.findings if each.silence is None]


def _finding_lines(brief: DraftBrief) -> Iterator[str]:
    loud = _loud(brief)
    for finding in loud[:MOST_FINDINGS]:
        about = " ".join(filter(None, [plain(finding.path), plain(finding.detail)]))
        severity = finding.severity.name.lower()
        yield f"{severity:<8}{finding.code}{f': {about}' if about else ''}"
    if len(loud) > MOST_FINDINGS:
        yield f"and {len(loud) - MOST_FINDINGS} more"


def _markdown_findings(findings: Iterable[ReviewFinding]) -> Iterator[str]:
    for finding in findings:
        about = [code(finding.path)] if finding.path else []
        about += [escaped(finding.detail)] if finding.detail else []
        yield f"{finding.severity.name.lower()}: **{finding.code}** {' '.join(about)}".rstrip()
