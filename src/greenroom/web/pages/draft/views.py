"""``/draft/<slug>/``: the page of a draft, for whoever holds the address; then its tombstone."""

from functools import partial

from pyramid.httpexceptions import HTTPNotFound
from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.models import Draft, DraftState
from greenroom.registry import catalogue, draft_contents, drafts, projects, releases
from greenroom.registry.permissions import Act, may
from greenroom.registry.releases import ReleaseSummary
from greenroom.web.http import commands
from greenroom.web.http.draft_nodes import EndedDraft
from greenroom.web.http.request import Request
from greenroom.web.pages.archive_contents import FOLDER, Place, contents_page
from greenroom.web.pages.draft.resources import DraftArchive, DraftPage, EndedContents
from greenroom.web.pages.draft_details import draft_details
from greenroom.web.pages.file_groups import filtered_files


@view_config(context=DraftPage, request_method="GET", renderer="pages/draft/draft.jinja2")
def draft_page(context: DraftPage, request: Request) -> dict[str, object] | Response:
    """What will be published, as it will look, and how to try it. It can only be read."""
    db, draft = request.uow.db, context.draft
    if draft.project is None or not context.is_live:
        return _tombstone(request, draft)
    files = drafts.staged_files(db, draft)
    return {
        "draft": drafts.details(request.uow, draft),
        "project": projects.summary(draft.project),
        "files": files,
        "content_digest": draft_contents.digest_of(draft, files),
        "grouped": filtered_files(request, files),
        "details": draft_details(db, draft),
        "install_command": commands.install_draft(request, draft),
        "one_index_command": commands.install_draft_from_one_index(request, draft),
        "may_manage": may(request.person, Act.SEE, draft.project),
    }


@view_config(context=DraftArchive, request_method="GET", renderer=FOLDER)
def archive(context: DraftArchive, request: Request) -> dict[str, object] | Response:
    """What is in a staged file."""
    project, file = context.draft.project, context.file
    if project is None:  # the address was looked up with one
        raise HTTPNotFound
    draft = drafts.details(request.uow, context.draft)
    place = Place(
        project_name=project.name,
        version=draft.version,
        home=request.paths.draft(draft),
        home_title=f"Draft of {draft.project_name} {draft.version}",
        address=partial(request.paths.draft_contents, draft, file.filename),
        download=request.paths.draft_file(draft, file.filename),
        is_draft=True,
    )
    return contents_page(request, file, project, place)


@view_config(context=EndedContents, request_method="GET")
def contents_of_an_ended_draft(context: EndedContents, request: Request) -> Response:
    """What became of the draft."""
    return _tombstone(request, context.draft)


@view_config(context=EndedDraft, request_method="GET")
def below_an_ended_draft(context: EndedDraft, request: Request) -> Response:
    """What installers asked of the draft while it lived: they get a line of text."""
    lines = [drafts.ended_sentence(request.uow, context.draft)]
    release = _published_release(request, context.draft)
    if release is not None:
        lines.append(request.urls.release_of(release))
    return Response("\n".join(lines) + "\n", 410, content_type="text/plain")


def _tombstone(request: Request, draft: Draft) -> Response:
    request.response.status_int = 410
    values = {
        "sentence": drafts.ended_sentence(request.uow, draft),
        "draft": drafts.details(request.uow, draft),
        "release": _published_release(request, draft),
        "had_files": not draft_contents.is_empty(draft),
    }
    return render_to_response(
        "pages/draft/ended.jinja2", values, request, response=request.response
    )


def _published_release(request: Request, draft: Draft) -> ReleaseSummary | None:
    """The release, if it was published and is there still."""
    if draft.project is None or drafts.state(request.uow, draft) is not DraftState.PUBLISHED:
        return None
    release = catalogue.release(request.uow.db, draft.project, draft.version)
    return releases.summary(release) if release is not None else None
