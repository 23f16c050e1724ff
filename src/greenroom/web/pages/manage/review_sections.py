"""What the pages of a draft show of its checks and comments, in the partials below ``review/``."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from greenroom.models import Draft
from greenroom.registry import (
    draft_checks,
    draft_comments,
    draft_contents,
    draft_installations,
    drafts,
    required_checks,
)
from greenroom.registry.draft_checks import CheckResult
from greenroom.registry.draft_comments import Comment
from greenroom.registry.draft_contents import HasContent
from greenroom.registry.draft_installations import Installation
from greenroom.registry.required_checks import INSTALLED
from greenroom.web.http.paging import Page, page_from, page_number, page_of
from greenroom.web.http.request import Request
from greenroom.web.pages.manage.forms import CheckForm, CommentForm

_CHECKS_ON_A_PAGE = 20
_COMMENTS_ON_A_PAGE = 20
_INSTALLATIONS_SHOWN = 5


class ShownCheck(Struct, frozen=True):
    """A check by its name.

    Attributes:
        result: what counts; None where it is required, and nobody has posted any.
        is_required: whether the draft is not published without it.
        others: its other results that are kept, the newest first.
    """

    name: str
    result: CheckResult | None
    is_required: bool
    others: tuple[CheckResult, ...] = ()


class ShownInstallation(Struct, frozen=True):
    """An installation, and how long ago that was."""

    installation: Installation
    ago: timedelta


class ChecksSection(Struct, frozen=True):
    """What ``review/checks.jinja2`` shows.

    Attributes:
        is_installation_required: whether the draft is not published before it was installed.
        content_digest: of what the draft has now.
        is_live: whether results can be posted.
    """

    checks: Page[ShownCheck]
    installations: tuple[ShownInstallation, ...]
    earlier_installations: tuple[ShownInstallation, ...]
    is_installation_required: bool
    content_digest: str
    is_live: bool


def checks_section(
    request: Request, draft: Draft, files: Sequence[HasContent], form: CheckForm | None = None
) -> dict[str, object]:
    """What a page with ``review/checks.jinja2`` needs beside ``draft`` and ``may``.

    Args:
        request: whose address says which page of the checks is shown.
        draft: live or published.
        files: what it has now; none where it has ended.
        form: what was filled in and is shown once more.
    """
    uow = request.uow
    is_live = drafts.is_live(uow, draft)
    digest = (
        draft_contents.digest_of(draft, files)
        if is_live or draft.content_digest is None
        else draft.content_digest
    )
    required = required_checks.of_project(uow, draft.project) if draft.project is not None else ()
    results = {result.name: result for result in draft_checks.newest(uow, draft, digest)}
    posted_names = [name for name in required if name != INSTALLED] if is_live else []
    names = sorted({*results, *posted_names}, key=lambda name: (name not in required, name))
    shown = page_of(request, names, _CHECKS_ON_A_PAGE, "checks")
    history = draft_checks.history(uow, draft, digest, shown.items)

    def check(name: str) -> ShownCheck:
        result = results.get(name)
        others = tuple(each for each in history[name] if each != result)
        return ShownCheck(name, result, name in required, others)

    taken = [
        ShownInstallation(each, max(uow.now - each.last, timedelta(0)))
        for each in draft_installations.of_draft(uow, draft, files)
    ]
    section = ChecksSection(
        checks=shown.showing(check),
        installations=tuple(taken[:_INSTALLATIONS_SHOWN]),
        earlier_installations=tuple(taken[_INSTALLATIONS_SHOWN:]),
        is_installation_required=INSTALLED in required,
        content_digest=digest,
        is_live=is_live,
    )
    return {"checks": section, "check_form": form or CheckForm(content_digest=digest)}


class CommentsSection(Struct, frozen=True):
    """What ``review/comments.jinja2`` shows; ``is_live`` is whether there can be more."""

    comments: Page[Comment]
    is_live: bool


def comments_section(
    request: Request, draft: Draft, form: CommentForm | None = None
) -> dict[str, object]:
    """What a page with ``review/comments.jinja2`` needs beside ``draft`` and ``may``.

    Raises:
        HTTPNotFound, HTTPBadRequest: the address asks for a page that there is not.
    """
    number = page_number(request, "comments")
    found, total = draft_comments.of_draft(
        request.uow,
        request.person,
        draft,
        start=(number - 1) * _COMMENTS_ON_A_PAGE,
        count=_COMMENTS_ON_A_PAGE,
    )
    page = page_from(found, number, _COMMENTS_ON_A_PAGE, total, "comments")
    section = CommentsSection(page, drafts.is_live(request.uow, draft))
    return {"comments": section, "comment_form": form or CommentForm()}
