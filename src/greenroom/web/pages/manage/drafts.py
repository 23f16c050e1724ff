"""``/manage/project/<name>/draft/<version>/``: a draft, and everything that is done with it."""

from collections.abc import Mapping, Sequence
from functools import partial

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.models import Draft, ReviewState, UploadSession
from greenroom.registry import (
    draft_changes,
    draft_contents,
    draft_review,
    drafts,
    projects,
    publishing,
    publishing_policy,
    release_sets,
    releases,
    schedules,
    upload_sessions,
    upload_states,
)
from greenroom.registry.draft_contents import HasContent
from greenroom.registry.errors import (
    CannotPublish,
    DraftChanged,
    Ended,
    FactorNotFresh,
    InvalidRequest,
    NotConfirmed,
    NotFound,
)
from greenroom.registry.permissions import Act, may, permitted, require_right
from greenroom.registry.review_values import DraftBrief
from greenroom.web.http import commands, waiting
from greenroom.web.http.paging import page_of
from greenroom.web.http.refusals import PAGE
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.confirmation import ConfirmForm
from greenroom.web.pages.draft_details import draft_details
from greenroom.web.pages.draft_log import log_entries
from greenroom.web.pages.file_groups import filtered_files, grouped_files
from greenroom.web.pages.form_responses import invalid, refused
from greenroom.web.pages.manage import live
from greenroom.web.pages.manage.approvals import approvals_of, standing_of
from greenroom.web.pages.manage.forms import (
    CheckForm,
    CommentForm,
    FileForm,
    PublishForm,
    ToSetForm,
)
from greenroom.web.pages.manage.resources import ManagedDraft
from greenroom.web.pages.manage.review_sections import checks_section, comments_section
from greenroom.web.pages.reauthentication import require_confirmed, to_confirmation
from greenroom.web.pages.redirects import see_other

Page = dict[str, object]

_ENTRIES_ON_A_PAGE = 20
_TEMPLATE = "pages/manage/draft.jinja2"
_ENDED_TEMPLATE = "pages/manage/ended_draft.jinja2"


@view_config(context=ManagedDraft, request_method="GET", renderer=_TEMPLATE)
def managed_draft(context: ManagedDraft, request: Request) -> Page | Response:
    """The draft with all that can be done to it; what is left of it, when it has ended."""
    if not drafts.is_live(request.uow, context.draft):
        return _tombstone(context, request)
    return managed_draft_page(context, request)


def managed_draft_page(
    context: ManagedDraft,
    request: Request,
    *,
    check_form: CheckForm | None = None,
    comment_form: CommentForm | None = None,
) -> Page:
    """What the page of a live draft shows; a form that cannot be taken as it is once more.

    Raises:
        Ended: it is not live any more.
    """
    draft = context.draft
    if not drafts.is_live(request.uow, draft):
        raise Ended(drafts.ended_sentence(request.uow, draft))
    staged = drafts.files(request.uow.db, draft)
    files = tuple(releases.file_summary(file, file.uploaded_by) for file in staged)
    digest = draft_contents.digest_of(draft, files)
    takes_changes = draft.review != ReviewState.PROCESSING
    may_publish = may(request.person, Act.PUBLISH, context.project) and takes_changes
    sections = checks_section(request, draft, files, check_form)
    sections |= comments_section(request, draft, comment_form)
    sections |= approvals_of(context, request, staged)
    return (
        _page(context, request)
        | sections
        | {
            "files": files,
            "brief": _brief(request, draft) if files else None,
            "content_digest": digest,
            "schedule": schedules.of_draft(request.uow, draft, digest),
            "draft_act": partial(request.paths.managed_draft, draft),
            "may_schedule": may_publish and bool(files),
            "may_unschedule": may_publish,
            "grouped": filtered_files(request, files),
            "uploads": upload_states.unfinished(request.uow, draft),
            "details": draft_details(request.uow.db, draft),
            "draft_url": request.urls.draft(draft),
            "install_command": commands.install_draft(request, draft),
            "one_index_command": commands.install_draft_from_one_index(request, draft),
            "mark": draft_changes.mark(request.uow.db, draft),
            "upload_command": commands.upload_draft(request),
            "release_set": release_sets.of_draft(request.uow, request.person, draft),
            "to_set": ToSetForm(),
        }
    )


def refused_draft_page(context: ManagedDraft, request: Request) -> tuple[str, Page] | None:
    """The page that has the buttons, or what is left of it: template and what it shows.

    None where the project has gone with its draft.
    """
    if drafts.is_live(request.uow, context.draft):
        return _TEMPLATE, managed_draft_page(context, request)
    if context.draft.project is None:
        return None
    return _ENDED_TEMPLATE, _ended_page(context, request)


@view_config(context=ManagedDraft, name="events", request_method="GET")
def events(context: ManagedDraft, request: Request) -> Response:
    """That the draft has changed, for the page that shows it, as one event; then it asks again.

    An ended draft whose end is known has no further events (204).
    """
    draft = context.draft
    mark = draft_changes.mark(request.uow.db, draft)
    known = live.known_mark(request, mark)
    not_yet = waiting.not_yet(request, draft, stands=mark, known=known, seconds=waiting.LONGEST)
    if not_yet is not None:
        return not_yet
    return live.event(request, mark, known, is_over=not drafts.is_live(request.uow, draft))


@view_config(
    context=ManagedDraft,
    name="publish",
    request_method="GET",
    renderer="pages/manage/publish.jinja2",
)
def confirm_publishing(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """List exactly what becomes public, and whatever stands in the way."""
    require_right(request.person, Act.PUBLISH, context.project)
    if not drafts.is_live(request.uow, context.draft):
        return see_other(request, _address(context, request))
    try:
        publishing_policy.check_publisher(request.uow, request.person, context.project)
    except FactorNotFresh as refusal:
        if refusal.has_factor:
            return to_confirmation(request, fresh=True)
        return _publication(context, request, (), why_not=str(refusal))
    if context.project.reauthenticate_to_publish:
        require_confirmed(request)
    return _publication(context, request, _obstacles(context, request))


@view_config(
    context=ManagedDraft,
    name="publish",
    request_method="POST",
    renderer="pages/manage/publish.jinja2",
)
def publish(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """Make public what the form says. A browser that asks again is sent to the same page."""
    require_right(request.person, Act.PUBLISH, context.project)
    form = PublishForm(request.POST)
    if not form.validate():
        raise InvalidRequest(
            "This form does not say what it publishes: open the page of the draft, and publish it "
            "from there."
        )
    digest = form.content_digest.data or ""
    try:
        draft = publishing.publish(
            request.uow,
            request.person,
            context.draft,
            content_digest=digest,
            standing=standing_of(context, request),
        )
    except FactorNotFresh as refusal:
        if refusal.has_factor:
            there = request.paths.managed_draft(context.draft, "publish")
            return to_confirmation(request, there, fresh=True)
        request.tm.doom()
        page = _publication(context, request, (), why_not=str(refusal))
        return invalid(request, page, PAGE.status(FactorNotFresh))
    except NotConfirmed:
        return to_confirmation(request, request.paths.managed_draft(context.draft, "publish"))
    except CannotPublish as refusal:
        request.tm.doom()
        page = _publication(context, request, refusal.details)
        return invalid(request, page, PAGE.status(CannotPublish))
    except DraftChanged as refusal:
        if not drafts.is_live(request.uow, context.draft):
            raise
        request.tm.doom()
        page = _publication(context, request, _obstacles(context, request), refusal)
        return invalid(request, page, PAGE.status(DraftChanged))
    if drafts.details(request.uow, draft).is_being_reviewed:
        notice = "This index reviews what is published: it becomes public when that has passed."
        return see_other(request, _address(context, request), notice)
    notice = f"{draft.project_name} {draft.version} is published."
    return see_other(request, request.paths.release_of(draft), notice)


@view_config(
    context=ManagedDraft,
    name="discard",
    request_method="GET",
    renderer="pages/manage/discard.jinja2",
)
def confirm_discarding(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """Ask for the version to be typed."""
    require_right(request.person, Act.DISCARD, context.project)
    if not drafts.is_live(request.uow, context.draft):
        return see_other(request, _address(context, request))
    return _discarding(context, request, ConfirmForm())


@view_config(
    context=ManagedDraft,
    name="discard",
    request_method="POST",
    renderer="pages/manage/discard.jinja2",
)
def discard(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """Throw the draft away."""
    require_right(request.person, Act.DISCARD, context.project)
    form = ConfirmForm(request.POST)
    form.expected = context.draft.version
    if not form.validate():
        return invalid(request, _discarding(context, request, form))
    # The project goes with its first draft, and its page with it.
    addresses, name = request.paths, context.project.name
    was_registered = context.project.registered is not None
    there = (
        addresses.managed_project(context.project)
        if was_registered
        else addresses.managed_projects()
    )
    try:
        drafts.discard(request.uow, request.person, context.draft)
    except InvalidRequest as refusal:
        return refused(request, _discarding(context, request, form), form, refusal)
    return see_other(request, there, f"The draft of {name} {form.expected} is discarded.")


@view_config(
    context=ManagedDraft,
    name="remove",
    request_method="GET",
    renderer="pages/manage/remove_file.jinja2",
)
def confirm_removing(context: ManagedDraft, request: Request) -> Page:
    """Ask whether to take this file out of the draft."""
    require_right(request.person, Act.STAGE, context.project)
    never_cache(request)
    filename = query_value(request, "filename") or ""
    found = upload_sessions.find(request.uow, context.draft, filename)
    if found is None:
        raise NotFound("The draft has no file of that name.")
    file = (
        upload_states.status(request.uow, found)
        if isinstance(found, UploadSession)
        else releases.file_summary(found)
    )
    return subject(context, request) | {"file": file}


@view_config(context=ManagedDraft, name="remove", request_method="POST")
def remove(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Take a file out of the draft."""
    form = FileForm(request.POST)
    if not form.validate():
        raise NotFound("The draft has no file of that name.")
    filename = form.filename.data or ""
    upload_sessions.remove(request.uow, request.person, context.draft, filename)
    return see_other(request, _address(context, request), f"{filename} is removed.")


@view_config(context=ManagedDraft, name="extend", request_method="POST")
def extend(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Let the draft live longer."""
    drafts.extend(request.uow, request.person, context.draft)
    notice = f"The draft now lives until {context.draft.expires:%-d %b %Y, %H:%M} UTC."
    return see_other(request, _address(context, request), notice)


@view_config(
    context=ManagedDraft, name="rotate", request_method="GET", renderer="pages/manage/rotate.jinja2"
)
def confirm_rotating(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """Explain that the old address is dead at once."""
    require_right(request.person, Act.STAGE, context.project)
    if not drafts.is_live(request.uow, context.draft):
        return see_other(request, _address(context, request))
    never_cache(request)
    return subject(context, request)


@view_config(context=ManagedDraft, name="rotate", request_method="POST")
def rotate(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Give the draft another secret address."""
    drafts.rotate(request.uow, request.person, context.draft)
    notice = "The draft has a new address. Nothing is found at the old one any more."
    return see_other(request, _address(context, request), notice)


def _page(context: ManagedDraft, request: Request) -> Page:
    never_cache(request)
    entries = log_entries(drafts.events(request.uow.db, context.draft))
    return subject(context, request) | {
        "may": permitted(request.person, context.project),
        "events": page_of(request, entries, _ENTRIES_ON_A_PAGE),
    }


def _tombstone(context: ManagedDraft, request: Request) -> Response:
    page = _ended_page(context, request)
    return render_to_response(_ENDED_TEMPLATE, page, request, response=request.response)


def _ended_page(context: ManagedDraft, request: Request) -> Page:
    sentence = drafts.ended_sentence(request.uow, context.draft)
    page = _page(context, request) | {"sentence": sentence}
    page |= checks_section(request, context.draft, ())
    return page | comments_section(request, context.draft)


def _publication(
    context: ManagedDraft,
    request: Request,
    reasons: tuple[str, ...],
    changed: DraftChanged | None = None,
    *,
    why_not: str = "",
) -> Page:
    """What would become public, and what is in the way: of the draft, or of who asks."""
    never_cache(request)
    db = request.uow.db
    files = drafts.staged_files(db, context.draft)
    return subject(context, request) | {
        "files": files,
        "content_digest": draft_contents.digest_of(context.draft, files),
        "changes": changed.details if changed is not None else (),
        "grouped": grouped_files(files),
        "runs": _runs(drafts.staged_by(db, context.draft), files),
        "details": draft_details(db, context.draft),
        "reasons": reasons,
        "why_not": why_not,
    }


def _brief(request: Request, draft: Draft) -> DraftBrief:
    """What the review has come to, published by whoever may."""
    return draft_review.brief(request.uow, draft, publishing.obstacles(request.uow, draft))


def _obstacles(context: ManagedDraft, request: Request) -> tuple[str, ...]:
    """What is in the way of the draft, published by who looks at it."""
    return publishing.obstacles(request.uow, context.draft, request.person)


def _runs(
    staged_by: Mapping[str, tuple[str, str | None]], files: Sequence[HasContent]
) -> list[tuple[str, str, list[str]]]:
    """Each run of a workflow that staged files as they are: of what, which one, and the files."""
    runs: dict[tuple[str, str], list[str]] = {}
    for file in files:
        by, means = staged_by.get(file.filename, ("", None))
        if means is not None:
            runs.setdefault((by, means), []).append(file.filename)
    return [(by, means, names) for (by, means), names in runs.items()]


def _discarding(context: ManagedDraft, request: Request, form: ConfirmForm) -> Page:
    never_cache(request)
    return subject(context, request) | {
        "files": drafts.staged_files(request.uow.db, context.draft),
        "form": form,
    }


def subject(context: ManagedDraft, request: Request) -> Page:
    """What the page is about: the draft, and what it is of."""
    release = context.draft.release
    return {
        "project": projects.summary(context.project),
        "draft": drafts.details(request.uow, context.draft),
        "release": releases.summary(release) if release is not None else None,
    }


def _address(context: ManagedDraft, request: Request) -> str:
    return request.paths.managed_draft(context.draft)
