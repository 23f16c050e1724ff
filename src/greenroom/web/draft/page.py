"""``/draft/<slug>/``: the page of a draft, for whoever holds the address; then its tombstone."""

from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.models import Draft, DraftState
from greenroom.registry import catalogue, drafts
from greenroom.registry.permissions import Act, may
from greenroom.web import draft_addresses
from greenroom.web.draft_details import draft_details
from greenroom.web.page_addresses import PageAddresses
from greenroom.web.request import Request
from greenroom.web.resources import DraftPage, EndedDraft


@view_config(context=DraftPage, request_method="GET", renderer="draft/draft.jinja2")
def draft_page(context: DraftPage, request: Request) -> dict[str, object] | Response:
    """What will be published, as it will look, and how to try it. It can only be read."""
    session, draft = request.index.session, context.draft
    if draft.project is None or not context.is_live:
        return _tombstone(request, draft)
    return {
        "draft": draft,
        "project": draft.project,
        "release": draft.release,
        "files": drafts.files(session, draft),
        "details": draft_details(session, draft),
        "install_command": draft_addresses.install_command(request, draft),
        "may_manage": may(request.person, Act.SEE, draft.project),
    }


@view_config(context=EndedDraft, request_method="GET")
def below_an_ended_draft(context: EndedDraft, request: Request) -> Response:
    """What installers asked of the draft while it lived: they get a line of text."""
    lines = [drafts.ended_sentence(request.index, context.draft)]
    page = _release_page(request, context.draft)
    if page is not None:
        lines.append(f"{request.host_url}{page}")
    return Response("\n".join(lines) + "\n", 410, content_type="text/plain")


def _tombstone(request: Request, draft: Draft) -> Response:
    request.response.status_int = 410
    values = {
        "sentence": drafts.ended_sentence(request.index, draft),
        "draft": draft,
        "release_page": _release_page(request, draft),
    }
    return render_to_response("draft/ended.jinja2", values, request, response=request.response)


def _release_page(request: Request, draft: Draft) -> str | None:
    """Where the release is, if it was published and is there still."""
    if draft.project is None or drafts.state(request.index, draft) is not DraftState.PUBLISHED:
        return None
    release = catalogue.release(request.index.session, draft.project, draft.version)
    return PageAddresses(request).release(draft.project, release) if release is not None else None
