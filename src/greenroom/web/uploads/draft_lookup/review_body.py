"""The review of a draft in JSON."""

from greenroom import times
from greenroom.distributions.comparison import MemberChange
from greenroom.distributions.contents import Member
from greenroom.registry.draft_review import (
    ArchiveChanges,
    Changes,
    Completeness,
    DraftReview,
    ReviewFinding,
    StagedFile,
    Verdict,
)
from greenroom.web.uploads.draft_lookup.review_schemas import REVIEW_VERSION, ReviewBody

Json = dict[str, object]


def review_body(review: DraftReview, page: str) -> Json:
    """The review as it is sent; ``page`` is the address of the draft's page."""
    return ReviewBody.checked(
        {
            "meta": {"api-version": REVIEW_VERSION},
            "links": {"page": page},
            "project": review.project_name,
            "version": review.version,
            "content-digest": review.content_digest,
            "progress": {"analysed": review.progress.analysed, "of": review.progress.of},
            "verdict": verdict_body(review.verdict),
            "changes": _changes(review.changes),
            "completeness": _completeness(review.completeness),
            "findings": [finding_body(each) for each in review.findings],
            "files": [_file(each) for each in review.files],
        }
    )


def verdict_body(verdict: Verdict) -> Json:
    """The line at the top as it is sent."""
    return {
        "sentences": list(verdict.sentences),
        "published": verdict.published,
        "becomes": verdict.becomes,
        "is-first": verdict.is_first,
        "adds-to-release": verdict.adds_to_release,
        "file-count": verdict.file_count,
        "size": verdict.size,
        "is-complete": verdict.is_complete,
        "findings": {severity.name.lower(): count for severity, count in verdict.counts},
        "silenced": verdict.silenced,
        "obstacles": list(verdict.obstacles),
    }


def _changes(changes: Changes) -> Json:
    return {
        "against": changes.against,
        "choices": list(changes.choices),
        "fields": [
            {"field": each.field, "removed": list(each.removed), "added": list(each.added)}
            for each in changes.fields
        ],
        "is-description-changed": changes.is_description_changed,
        "size": changes.size,
        "former-size": changes.former_size,
        "archives": [_archive(each) for each in changes.archives],
    }


def _archive(archive: ArchiveChanges) -> Json:
    return {
        "filename": archive.filename,
        "former": archive.former,
        "size": archive.size,
        "former-size": archive.former_size,
        "is-analysed": archive.is_analysed,
        "problem": archive.problem,
        "added": archive.added,
        "removed": archive.removed,
        "changed": archive.changed,
        "members": [_change(each) for each in archive.members],
        "more": archive.more,
    }


def _change(change: MemberChange) -> Json:
    return {
        "place": change.place,
        "change": kind_of_change(change),
        "before": _member(change.before),
        "after": _member(change.after),
        "moved-from": change.moved_from,
    }


def kind_of_change(change: MemberChange) -> str:
    """What has happened to a member, in a word."""
    if change.is_added:
        return "added"
    if change.is_removed:
        return "removed"
    return "moved" if change.moved_from is not None else "changed"


def _member(member: Member | None) -> Json | None:
    if member is None:
        return None
    kind = member.kind.value
    return {"path": member.path, "size": member.size, "sha256": member.sha256, "kind": kind}


def _completeness(completeness: Completeness) -> Json:
    matrix = completeness.matrix
    return {
        "pythons": list(matrix.pythons),
        "rows": [
            {
                "platform": row.platform,
                "abi": row.abi,
                "cells": [
                    {
                        "state": cell.state.value,
                        "filenames": list(cell.filenames),
                        "covered-by": cell.covered_by,
                        "former": list(cell.former),
                    }
                    for cell in row.cells
                ],
            }
            for row in matrix.rows
        ],
        "gaps": [words for words, _ in matrix.gaps],
        "has-sdist": completeness.has_sdist,
        "had-sdist": completeness.had_sdist,
        "expected": list(completeness.expected),
        "missing": list(completeness.missing),
    }


def finding_body(finding: ReviewFinding) -> Json:
    """A finding as it is sent."""
    silence = finding.silence
    return {
        "code": finding.code,
        "severity": finding.severity.name.lower(),
        "filenames": list(finding.filenames),
        "path": finding.path,
        "detail": finding.detail,
        "advice": finding.advice,
        "more": finding.more,
        "silenced": None
        if silence is None
        else {"reason": silence.reason, "by": silence.by, "at": times.seconds(silence.at)},
    }


def _file(file: StagedFile) -> Json:
    return {
        "filename": file.filename,
        "size": file.size,
        "sha256": file.sha256,
        "staged-at": times.seconds(file.at),
        "staged-by": file.by,
        "workflow": file.means,
        "credential": file.credential,
        "replaced": file.replaced,
        "earlier": [
            {"version": each.version, "opened": times.seconds(each.opened), "state": each.state}
            for each in file.earlier
        ],
    }
