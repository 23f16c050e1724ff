"""What is known of a draft at the moment when somebody approves of it.

It is found out before anything is locked: the findings are of many rows.
"""

from collections import Counter

from greenroom.models import Draft
from greenroom.models.base import JSONObject
from greenroom.registry import draft_checks, draft_review, drafts
from greenroom.registry.unit_of_work import UnitOfWork


def standing(uow: UnitOfWork, draft: Draft) -> JSONObject:
    """What is written down with an approval, and public once the draft is published.

    Returns:
        ``checks``, the results that stood, each with its name, status, and whether it was of this
        content; ``findings``, how many there were of each code and severity, and whether the
        project does not want to be told of them; ``analysed``, whether all files were looked into.
        Nothing, where the draft is not live.
    """
    if draft.project is None or not drafts.is_live(uow, draft):
        return {}
    review = draft_review.review(uow, draft)
    checks = [
        {"name": each.name, "status": each.status.value, "current": each.is_current}
        for each in draft_checks.newest(uow, draft, review.content_digest)
    ]
    found = Counter[tuple[str, str, bool]]()
    for each in review.findings:
        found[(each.code, each.severity.name.lower(), each.silence is not None)] += 1 + each.more
    findings = [
        {"code": code, "severity": severity, "silenced": is_silenced, "count": count}
        for (code, severity, is_silenced), count in sorted(found.items())
    ]
    return {
        "checks": checks,
        "findings": findings,
        "analysed": review.progress.is_complete,
    }
