"""``/manage/project/<name>/draft/<version>/``: a draft, and everything that is done with it."""

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.models import UploadSession
from greenroom.registry import (
    draft_contents,
    drafts,
    projects,
    publishing,
    releases,
    upload_sessions,
    upload_states,
)
from greenroom.registry.errors import CannotPublish, DraftChanged, InvalidRequest, NotFound
from greenroom.registry.permissions import Act, permitted, require
from greenroom.web.http import commands
from greenroom.web.http.paging import page_of
from greenroom.web.http.refusals import PAGE
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.draft_details import draft_details
from greenroom.web.pages.draft_log import log_entries
from greenroom.web.pages.file_groups import filtered_files, grouped_files
from greenroom.web.pages.form_responses import invalid
from greenroom.web.pages.manage.forms import ConfirmForm, FileForm, PublishForm
from greenroom.web.pages.manage.resources import ManagedDraft
from greenroom.web.pages.redirects import see_other

Page = dict[str, object]

_ENTRIES_ON_A_PAGE = 20


@view_config(context=ManagedDraft, request_method="GET", renderer="pages/manage/draft.jinja2")
def managed_draft(context: ManagedDraft, request: Request) -> Page | Response:
    """The draft with all that can be done to it; what is left of it, when it has ended."""
    if not drafts.is_live(request.uow, context.draft):
        return _tombstone(context, request)
    draft = context.draft
    files = drafts.staged_files(request.uow.db, draft, with_uploaders=True)
    return _page(context, request) | {
        "files": files,
        "content_digest": draft_contents.digest_of(draft, files),
        "grouped": filtered_files(request, files),
        "uploads": upload_states.unfinished(request.uow, draft),
        "details": draft_details(request.uow.db, draft),
        "draft_url": request.urls.draft(draft),
        "install_command": commands.install_draft(request, draft),
        "upload_command": commands.upload_draft(request),
    }


@view_config(
    context=ManagedDraft,
    name="publish",
    request_method="GET",
    renderer="pages/manage/publish.jinja2",
)
def confirm_publishing(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """List exactly what becomes public, and whatever stands in the way."""
    require(request.person, Act.PUBLISH, context.project)
    if not drafts.is_live(request.uow, context.draft):
        return see_other(request, _address(context, request))
    return _publication(context, request, publishing.obstacles(request.uow, context.draft))


@view_config(
    context=ManagedDraft,
    name="publish",
    request_method="POST",
    renderer="pages/manage/publish.jinja2",
)
def publish(context: ManagedDraft, request: Request) -> Page | HTTPSeeOther:
    """Make public what the form says. A browser that asks again is sent to the same page."""
    require(request.person, Act.PUBLISH, context.project)
    form = PublishForm(request.POST)
    if not form.validate():
        raise InvalidRequest(
            "This form does not say what it publishes: open the page of the draft, and publish it "
            "from there."
        )
    digest = form.content_digest.data or ""
    try:
        draft = publishing.publish(
            request.uow, request.person, context.draft, content_digest=digest
        )
    except CannotPublish as refusal:
        request.tm.doom()
        page = _publication(context, request, refusal.details)
        return invalid(request, page, PAGE.status(CannotPublish))
    except DraftChanged as refusal:
        if not drafts.is_live(request.uow, context.draft):
            raise
        request.tm.doom()
        reasons = publishing.obstacles(request.uow, context.draft)
        page = _publication(context, request, reasons, refusal)
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
    require(request.person, Act.DISCARD, context.project)
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
    require(request.person, Act.DISCARD, context.project)
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
    drafts.discard(request.uow, request.person, context.draft)
    return see_other(request, there, f"The draft of {name} {form.expected} is discarded.")


@view_config(
    context=ManagedDraft,
    name="remove",
    request_method="GET",
    renderer="pages/manage/remove_file.jinja2",
)
def confirm_removing(context: ManagedDraft, request: Request) -> Page:
    """Ask whether to take this file out of the draft."""
    require(request.person, Act.STAGE, context.project)
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
    return _subject(context, request) | {"file": file}


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
    require(request.person, Act.STAGE, context.project)
    if not drafts.is_live(request.uow, context.draft):
        return see_other(request, _address(context, request))
    never_cache(request)
    return _subject(context, request)


@view_config(context=ManagedDraft, name="rotate", request_method="POST")
def rotate(context: ManagedDraft, request: Request) -> HTTPSeeOther:
    """Give the draft another secret address."""
    drafts.rotate(request.uow, request.person, context.draft)
    notice = "The draft has a new address. Nothing is found at the old one any more."
    return see_other(request, _address(context, request), notice)


def _page(context: ManagedDraft, request: Request) -> Page:
    never_cache(request)
    entries = log_entries(drafts.events(request.uow.db, context.draft))
    return _subject(context, request) | {
        "may": permitted(request.person, context.project),
        "events": page_of(request, entries, _ENTRIES_ON_A_PAGE),
    }


def _tombstone(context: ManagedDraft, request: Request) -> Response:
    sentence = drafts.ended_sentence(request.uow, context.draft)
    page = _page(context, request) | {"sentence": sentence}
    return render_to_response(
        "pages/manage/ended_draft.jinja2", page, request, response=request.response
    )


def _publication(
    context: ManagedDraft,
    request: Request,
    reasons: tuple[str, ...],
    changed: DraftChanged | None = None,
) -> Page:
    never_cache(request)
    db = request.uow.db
    files = drafts.staged_files(db, context.draft)
    return _subject(context, request) | {
        "files": files,
        "content_digest": draft_contents.digest_of(context.draft, files),
        "changes": changed.details if changed is not None else (),
        "grouped": grouped_files(files),
        "details": draft_details(db, context.draft),
        "reasons": reasons,
    }


def _discarding(context: ManagedDraft, request: Request, form: ConfirmForm) -> Page:
    never_cache(request)
    return _subject(context, request) | {
        "files": drafts.staged_files(request.uow.db, context.draft),
        "form": form,
    }


def _subject(context: ManagedDraft, request: Request) -> Page:
    """What the page is about: the draft, and what it is of."""
    release = context.draft.release
    return {
        "project": projects.summary(context.project),
        "draft": drafts.details(request.uow, context.draft),
        "release": releases.summary(release) if release is not None else None,
    }


def _address(context: ManagedDraft, request: Request) -> str:
    return request.paths.managed_draft(context.draft)
