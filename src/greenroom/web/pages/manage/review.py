"""``/manage/project/<name>/draft/<version>/review``: all that a person decides by, on one page."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from greenroom.distributions.comparison import text_difference
from greenroom.distributions.review import Severity
from greenroom.models import Draft
from greenroom.registry import (
    draft_changes,
    draft_review,
    drafts,
    projects,
    releases,
    silenced_findings,
)
from greenroom.registry.draft_review import ArchiveChanges, Changes, DraftReview, ReviewFinding
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.permissions import permitted
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.web.http.late_writes import after_answer
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.inert_text import DifferenceLine, difference_lines
from greenroom.web.pages.manage.approvals import approvals_of
from greenroom.web.pages.manage.forms import SilenceForm, UnsilenceForm
from greenroom.web.pages.manage.resources import ManagedDraft
from greenroom.web.pages.manage.review_sections import checks_section, comments_section
from greenroom.web.pages.redirects import see_other

Page = dict[str, object]

_FEW_ARCHIVES = 3
_MEMBERS_OF_FEW = 100
_MEMBERS_OF_MANY = 15
_MOST_FINDINGS = 100
_MOST_DIFFERENT = 1_000

_HEADINGS = {
    Severity.PROBLEM: "Does not hold",
    Severity.WARNING: "Most likely a mistake",
    Severity.LOOK: "Look here",
    Severity.NOTE: "Worth knowing",
}


class FindingsOfCode(Struct, frozen=True):
    """Findings that say the same of several places, and what to do about all of them."""

    code: str
    advice: str
    findings: tuple[ReviewFinding, ...]


class FindingGroup(Struct, frozen=True):
    """Findings of one severity: those that are shown, by code, and how many there are in all."""

    severity: Severity
    heading: str
    codes: tuple[FindingsOfCode, ...]
    count: int
    left_out: int


class ShownArchive(Struct, frozen=True):
    """An archive with as many of its changes as are shown, and how many are shown elsewhere."""

    changes: ArchiveChanges
    shown: int
    is_open: bool


@view_config(
    context=ManagedDraft,
    name="review",
    request_method="GET",
    renderer="pages/manage/review/page.jinja2",
)
def review(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """What would become public, what has changed, what to look at, and where it came from."""
    if not drafts.is_live(request.uow, context.draft):
        return see_other(request, request.paths.managed_draft(context.draft))
    never_cache(request)
    against = query_value(request, "against") or None
    found = draft_review.review(request.uow, context.draft, against)
    if not found.progress.is_complete:
        _ask_for_the_rest(request, context.draft.id, against)
    only = query_value(request, "archive") or None
    return {
        "project": projects.summary(context.project),
        "draft": drafts.details(request.uow, context.draft),
        "release": (
            releases.summary(context.draft.release) if context.draft.release is not None else None
        ),
        "may": permitted(request.person, context.project),
        "review": found,
        "mark": draft_changes.mark(request.uow.db, context.draft),
        "against": against,
        "groups": _groups(found),
        "file_count": len(found.files),
        "silenced": [each for each in found.findings if each.silence is not None],
        "archives": _archives(found.changes, only),
        "only": only,
        "content_digest": found.content_digest,
        "description_lines": _description_lines(found.changes),
        **_sections(context, request),
    }


def _sections(context: ManagedDraft, request: Request) -> Page:
    """What the sections below need that have modules of their own: checks, approvals, comments."""
    draft = context.draft
    staged = drafts.files(request.uow.db, draft)
    sections = checks_section(request, draft, staged) | comments_section(request, draft)
    return sections | approvals_of(context, request, staged)


def _ask_for_the_rest(request: Request, number: int, against: str | None) -> None:
    """Have what was not looked into looked into, once this is answered."""

    def ask(uow: UnitOfWork) -> None:
        draft = uow.db.get(Draft, number)
        if draft is not None:
            draft_review.want_missing(uow, draft, against)

    after_answer(request, ask)


def _groups(found: DraftReview) -> list[FindingGroup]:
    groups = []
    for severity, heading in _HEADINGS.items():
        findings = [
            each for each in found.findings if each.severity is severity and each.silence is None
        ]
        if findings:
            shown = findings[:_MOST_FINDINGS]
            groups.append(
                FindingGroup(
                    severity,
                    heading,
                    tuple(_by_code(shown)),
                    sum(1 + each.more for each in findings),
                    len(findings) - len(shown),
                )
            )
    return groups


def _by_code(findings: Iterable[ReviewFinding]) -> Iterator[FindingsOfCode]:
    of_code: dict[tuple[str, str], list[ReviewFinding]] = {}
    for finding in findings:
        of_code.setdefault((finding.code, finding.advice), []).append(finding)
    for (code, advice), same in of_code.items():
        yield FindingsOfCode(code, advice, tuple(same))


def _archives(changes: Changes, only: str | None) -> list[ShownArchive]:
    """The archives, or only the one of this name, which is shown with all that is told of it.

    Raises:
        NotFound: there is none of this name.
    """
    if only is not None:
        chosen = [each for each in changes.archives if only in (each.filename, each.former)]
        if not chosen:
            raise NotFound("Neither the draft nor the release before has a file of that name.")
        return [ShownArchive(each, len(each.members), is_open=True) for each in chosen[:1]]
    is_few = len(changes.archives) <= _FEW_ARCHIVES
    most = _MEMBERS_OF_FEW if is_few else _MEMBERS_OF_MANY
    return [
        ShownArchive(each, min(len(each.members), most), is_open=is_few and bool(each.former))
        for each in changes.archives
    ]


def _description_lines(changes: Changes) -> Sequence[DifferenceLine]:
    """How the text of the description has changed; none where it is too long to be compared."""
    before, after = changes.former_description, changes.description
    if before is None or after is None or not changes.is_description_changed:
        return ()
    return difference_lines(text_difference(before.text, after.text) or ())[:_MOST_DIFFERENT]


@view_config(
    context=ManagedDraft,
    name="silence",
    request_method="POST",
    needs_confirmation=("code", "pattern"),
    form_on="review",
)
def silence(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Let the project not be told of a finding any more."""
    form = SilenceForm(request.POST)
    if not form.validate():
        problems = [problem for each in form.errors.values() for problem in each]
        raise InvalidRequest(*map(str, problems))
    code, pattern = str(form.code.data), form.pattern.data or ""
    silenced_findings.silence(
        request.uow, request.person, context.project, code, form.reason.data or "", pattern
    )
    where = f" in {pattern}" if pattern else ""
    return see_other(request, _address(context, request), f"{code}{where} is silenced.")


@view_config(context=ManagedDraft, name="unsilence", request_method="POST")
def unsilence(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Let the project be told of a finding again."""
    form = UnsilenceForm(request.POST)
    if not form.validate():
        raise NotFound("The project does not silence this finding (any more).")
    silenced_findings.unsilence(
        request.uow, request.person, context.project, form.silence.data or 0
    )
    return see_other(request, _address(context, request), "It is told again.")


def _address(context: ManagedDraft, request: Request) -> str:
    return request.paths.managed_draft(context.draft, "review") + "#findings"
