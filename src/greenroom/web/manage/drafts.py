"""``/manage/project/<name>/draft/<version>/``: a draft, and everything that is done with it."""

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.models import ReviewState
from greenroom.registry import drafts, file_uploads
from greenroom.registry.errors import CannotPublish, NotFound
from greenroom.registry.permissions import Act, permitted, require
from greenroom.web import client_commands, draft_addresses, errors
from greenroom.web.draft_details import draft_details
from greenroom.web.form_answers import invalid
from greenroom.web.manage.forms import ConfirmForm, FileForm
from greenroom.web.page_addresses import PageAddresses, see_other
from greenroom.web.page_caching import never_cache
from greenroom.web.paging import page_of
from greenroom.web.request import Request
from greenroom.web.resources import ManagedDraft
from greenroom.web.submitted import query_value

Page = dict[str, object]

_EVENTS_ON_A_PAGE = 20


@view_config(context=ManagedDraft, request_method="GET", renderer="manage/draft.jinja2")
def managed_draft(context: ManagedDraft, request: Request) -> Page | Response:
    """The draft with all that can be done to it; what is left of it, when it has ended."""
    if not drafts.is_live(request.index, context.draft):
        return _tombstone(context, request)
    draft = context.draft
    return _page(context, request) | {
        "files": drafts.files(request.index.session, draft),
        "uploads": file_uploads.of_draft(request.index, draft),
        "details": draft_details(request.index.session, draft),
        "draft_url": draft_addresses.draft_url(request, draft),
        "install_command": draft_addresses.install_command(request, draft),
        "upload_command": client_commands.staged_upload_command(request),
        "time_left": draft.expires - request.index.now,
    }


@view_config(
    context=ManagedDraft, name="publish", request_method="GET", renderer="manage/publish.jinja2"
)
def confirm_publishing(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """List exactly what becomes public."""
    require(request.person, Act.PUBLISH, context.project)
    if not drafts.is_live(request.index, context.draft):
        return see_other(request, _address(context, request))
    return _publication(context, request, ())


@view_config(
    context=ManagedDraft, name="publish", request_method="POST", renderer="manage/publish.jinja2"
)
def publish(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """Make the draft public. A browser that asks again is sent to the same page."""
    try:
        draft = drafts.publish(request.index, request.person, context.draft)
    except CannotPublish as refusal:
        request.tm.doom()
        page = _publication(context, request, refusal.details)
        return invalid(request, page, errors.status(refusal))
    if draft.review == ReviewState.PROCESSING:
        notice = "This index reviews what is published: it becomes public when that has passed."
        return see_other(request, _address(context, request), notice)
    notice = f"{draft.project_name} {draft.version} is published."
    return see_other(request, PageAddresses(request).release_of(draft), notice)


@view_config(
    context=ManagedDraft, name="discard", request_method="GET", renderer="manage/discard.jinja2"
)
def confirm_discarding(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """Ask for the version to be typed."""
    require(request.person, Act.DISCARD, context.project)
    if not drafts.is_live(request.index, context.draft):
        return see_other(request, _address(context, request))
    return _discarding(context, request, ConfirmForm())


@view_config(
    context=ManagedDraft, name="discard", request_method="POST", renderer="manage/discard.jinja2"
)
def discard(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """Throw the draft away."""
    require(request.person, Act.DISCARD, context.project)
    form = ConfirmForm(request.POST)
    form.expected = context.draft.version
    if not form.validate():
        return invalid(request, _discarding(context, request, form))
    # The project goes with its first draft, and its page with it.
    addresses, name = PageAddresses(request), context.project.name
    was_registered = context.project.registered is not None
    there = (
        addresses.managed_project(context.project)
        if was_registered
        else addresses.managed_projects()
    )
    drafts.discard(request.index, request.person, context.draft)
    return see_other(request, there, f"The draft of {name} {form.expected} is discarded.")


@view_config(
    context=ManagedDraft, name="remove", request_method="GET", renderer="manage/remove_file.jinja2"
)
def confirm_removing(context: ManagedDraft, request: Request) -> Page:
    """Ask whether to take this file out of the draft."""
    require(request.person, Act.STAGE, context.project)
    never_cache(request)
    filename = query_value(request, "filename") or ""
    file = file_uploads.find(request.index, context.draft, filename)
    if file is None:
        raise NotFound("The draft has no file of that name.")
    return {"project": context.project, "draft": context.draft, "file": file}


@view_config(context=ManagedDraft, name="remove", request_method="POST")
def remove(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Take a file out of the draft."""
    form = FileForm(request.POST)
    if not form.validate():
        raise NotFound("The draft has no file of that name.")
    filename = form.filename.data or ""
    file_uploads.remove(request.index, request.person, context.draft, filename)
    return see_other(request, _address(context, request), f"{filename} is removed.")


@view_config(context=ManagedDraft, name="extend", request_method="POST")
def extend(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Let the draft live longer."""
    drafts.extend(request.index, request.person, context.draft)
    notice = f"The draft now lives until {context.draft.expires:%-d %b %Y, %H:%M} UTC."
    return see_other(request, _address(context, request), notice)


@view_config(
    context=ManagedDraft, name="rotate", request_method="GET", renderer="manage/rotate.jinja2"
)
def confirm_rotating(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """Explain that the old address is dead at once."""
    require(request.person, Act.STAGE, context.project)
    if not drafts.is_live(request.index, context.draft):
        return see_other(request, _address(context, request))
    never_cache(request)
    return {"project": context.project, "draft": context.draft}


@view_config(context=ManagedDraft, name="rotate", request_method="POST")
def rotate(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Give the draft another secret address."""
    drafts.rotate(request.index, request.person, context.draft)
    notice = "The draft has a new address. Nothing is found at the old one any more."
    return see_other(request, _address(context, request), notice)


def _page(context: ManagedDraft, request: Request) -> Page:
    never_cache(request)
    events = drafts.events(request.index.session, context.draft)
    return {
        "project": context.project,
        "draft": context.draft,
        "release": context.draft.release,
        "may": permitted(request.person, context.project),
        "events": page_of(request, events, _EVENTS_ON_A_PAGE),
    }


def _tombstone(context: ManagedDraft, request: Request) -> Response:
    sentence = drafts.ended_sentence(request.index, context.draft)
    page = _page(context, request) | {"sentence": sentence}
    return render_to_response("manage/ended_draft.jinja2", page, request, response=request.response)


def _publication(context: ManagedDraft, request: Request, reasons: tuple[str, ...]) -> Page:
    never_cache(request)
    session = request.index.session
    return {
        "project": context.project,
        "draft": context.draft,
        "release": context.draft.release,
        "files": drafts.files(session, context.draft),
        "details": draft_details(session, context.draft),
        "reasons": reasons,
    }


def _discarding(context: ManagedDraft, request: Request, form: ConfirmForm) -> Page:
    never_cache(request)
    return {
        "project": context.project,
        "draft": context.draft,
        "release": context.draft.release,
        "files": drafts.files(request.index.session, context.draft),
        "form": form,
    }


def _address(context: ManagedDraft, request: Request) -> str:
    return PageAddresses(request).managed_draft(context.draft)
