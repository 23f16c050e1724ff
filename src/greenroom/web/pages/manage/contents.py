"""``/manage/project/<name>/draft/<version>/contents/<filename>/``: what is in a staged file."""

from functools import partial

from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import drafts
from greenroom.web.http.request import Request
from greenroom.web.pages.archive_contents import FOLDER, Place, contents_page
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.manage.resources import ManagedArchive


@view_config(context=ManagedArchive, request_method="GET", renderer=FOLDER)
def archive(context: ManagedArchive, request: Request) -> dict[str, object] | Response:
    """What is in a staged file, and what has changed in it."""
    never_cache(request)
    draft, filename = drafts.details(request.uow, context.draft), context.file.filename
    place = Place(
        project_name=context.project.name,
        version=draft.version,
        home=request.paths.managed_draft(draft),
        home_title=f"Draft of {draft.project_name} {draft.version}",
        address=partial(request.paths.managed_contents, draft, filename),
        download=request.paths.draft_file(draft, filename),
        is_draft=True,
        review=request.paths.managed_draft(draft, "review"),
    )
    return contents_page(request, context.file, context.project, place)
