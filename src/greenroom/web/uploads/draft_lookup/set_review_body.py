"""The review of a release set in JSON."""

from greenroom.registry.review_values import DraftBrief, Progress
from greenroom.registry.set_review import MOST_FINDINGS, SetReview, SetVerdict
from greenroom.web.http.urls import Urls
from greenroom.web.uploads.draft_lookup.review_body import Json, finding_body, verdict_body
from greenroom.web.uploads.draft_lookup.review_schemas import REVIEW_VERSION, SetReviewBody


def set_review_body(review: SetReview, urls: Urls) -> Json:
    """The review as it is sent."""
    details = review.details
    return SetReviewBody.checked(
        {
            "meta": {"api-version": REVIEW_VERSION},
            "links": {"page": urls.managed_set(details), "set": urls.set_session(details)},
            "name": details.title,
            "content-digest": details.content_digest,
            "progress": _progress(review.progress),
            "verdict": _verdict(review.verdict),
            "drafts": [_brief(each, urls) for each in review.drafts],
        }
    )


def _progress(progress: Progress) -> Json:
    return {"analysed": progress.analysed, "of": progress.of}


def _verdict(verdict: SetVerdict) -> Json:
    return {
        "sentences": list(verdict.sentences),
        "draft-count": verdict.draft_count,
        "hidden": verdict.hidden,
        "new": verdict.new,
        "file-count": verdict.file_count,
        "size": verdict.size,
        "is-complete": verdict.is_complete,
        "findings": {severity.name.lower(): count for severity, count in verdict.counts},
        "silenced": verdict.silenced,
        "obstacles": [_obstacles(what, reasons) for what, reasons in verdict.obstacles],
    }


def _obstacles(what: str, reasons: tuple[str, ...]) -> Json:
    project, _, version = what.partition(" ")
    return {"project": project or None, "version": version or None, "reasons": list(reasons)}


def _brief(brief: DraftBrief, urls: Urls) -> Json:
    return {
        "links": {"page": urls.managed_draft(brief), "review": urls.api_review(brief)},
        "project": brief.project_name,
        "version": brief.version,
        "content-digest": brief.content_digest,
        "progress": _progress(brief.progress),
        "verdict": verdict_body(brief.verdict),
        "missing": list(brief.missing),
        "findings": [finding_body(each) for each in brief.findings[:MOST_FINDINGS]],
        "more-findings": max(len(brief.findings) - MOST_FINDINGS, 0),
    }
