"""What installers read below a draft's or a set's address: its index, its files, the full index."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import catalogue
from greenroom.registry.catalogue import ListedFile, ListedProject, Listing, PublicProject
from greenroom.registry.draft_installations import PENDING
from greenroom.web.http import blob_responses
from greenroom.web.http.cors import preflight
from greenroom.web.http.draft_nodes import DraftNode, SetNode
from greenroom.web.http.late_writes import act_after_answer
from greenroom.web.http.request import Request
from greenroom.web.http.urls import draft_file_path, full_index_file_path
from greenroom.web.index import kept_pages, simple_rendering, upstream_answers
from greenroom.web.index.draft.resources import (
    ArrivingFile,
    DraftSimpleIndex,
    DraftSimpleProject,
    FullSimpleIndex,
    FullSimpleProject,
    FullUpstreamProject,
    SetFile,
    SetFullSimpleIndex,
    SetFullSimpleProject,
    SetFullUpstreamProject,
    SetMetadata,
    SetSimpleIndex,
    SetSimpleProject,
    StagedFile,
    StagedMetadata,
)
from greenroom.web.index.project_list import project_list
from greenroom.web.index.simple_negotiation import answer, answer_in_pieces


@view_config(context=DraftSimpleIndex, request_method="GET")
def projects(context: DraftSimpleIndex, request: Request) -> Response:
    """The one project that the draft is of."""
    return _list(request, catalogue.draft_projects(context.draft))


@view_config(context=SetSimpleIndex, request_method="GET")
def set_projects(context: SetSimpleIndex, request: Request) -> Response:
    """The projects that the set's drafts are of."""
    return _list(
        request,
        [
            ListedProject(name, found[0].project.last_serial)
            for name, found in sorted(context.drafts.items())
            if found[0].project is not None
        ],
    )


def _list(request: Request, listed: list[ListedProject]) -> Response:
    serial = max((project.last_serial for project in listed), default=0)
    return answer(
        request,
        html=partial(simple_rendering.projects_html, listed, serial),
        json=partial(simple_rendering.projects_json, listed, serial),
        serial=serial,
    )


@view_config(context=DraftSimpleProject, request_method="GET")
def project(context: DraftSimpleProject, request: Request) -> Response:
    """The draft's files, and no others."""
    return _listing(request, catalogue.draft_listing(request.uow.db, context.draft))


@view_config(context=SetSimpleProject, request_method="GET")
def set_project(context: SetSimpleProject, request: Request) -> Response:
    """The files of the set's drafts of the project, and no others."""
    return _listing(request, catalogue.set_listing(request.uow.db, context.project, context.drafts))


def _listing(request: Request, listing: Listing) -> Response:
    return answer(
        request,
        html=partial(simple_rendering.project_html, listing, _link),
        json=partial(simple_rendering.project_json, listing, _link),
        serial=listing.last_serial,
    )


@view_config(context=FullSimpleIndex, request_method="GET")
@view_config(context=SetFullSimpleIndex, request_method="GET")
def all_projects(context: FullSimpleIndex | SetFullSimpleIndex, request: Request) -> Response:
    """Every project that whoever asks may read, and those of the drafts at the end."""
    db = request.uow.db
    listed = project_list(request.services.database, db)
    further = catalogue.projects_besides_public(db, context.drafts)
    if further:
        listed = listed.with_further(further)
    return answer_in_pieces(request, html=listed.html, json=listed.json, serial=listed.serial)


@view_config(context=FullSimpleProject, request_method="GET")
@view_config(context=SetFullSimpleProject, request_method="GET")
def any_project(context: FullSimpleProject | SetFullSimpleProject, request: Request) -> Response:
    """Every file of one project, published or in the draft."""
    if context.public is not None and not context.drafts:
        return _only_public(request, context.public)
    listing, draft_of = catalogue.full_listing(request.uow.db, context.public, context.drafts)

    def link(file: ListedFile) -> str:
        return full_index_file_path(file, staged=file.filename in draft_of)

    return answer(
        request,
        html=partial(simple_rendering.project_html, listing, link),
        json=partial(simple_rendering.project_json, listing, link),
        serial=listing.last_serial,
    )


def _only_public(request: Request, project: PublicProject) -> Response:
    """The page of a project of which the address opens no draft: the same below every address."""
    db, services = request.uow.db, request.services

    def page(form: str, render: Callable[[Listing, simple_rendering.Link], bytes]) -> bytes:
        return kept_pages.page(
            services.database,
            db,
            services.settings,
            project,
            form,
            lambda: render(catalogue.listing(db, project), _public_link),
        )

    return answer(
        request,
        html=partial(page, "html", simple_rendering.project_html),
        json=partial(page, "json", simple_rendering.project_json),
        serial=project.last_serial,
    )


@view_config(context=FullUpstreamProject, request_method="GET")
@view_config(context=SetFullUpstreamProject, request_method="GET")
def upstream_project(
    context: FullUpstreamProject | SetFullUpstreamProject, request: Request
) -> Response:
    """Every file that an index behind this one has of a project."""
    root = "../../../../../"
    return upstream_answers.project(request, context.__name__, root, is_shared=False)


def _public_link(file: ListedFile) -> str:
    return full_index_file_path(file, staged=False)


@view_config(context=FullSimpleIndex, request_method="OPTIONS")
@view_config(context=FullSimpleProject, request_method="OPTIONS")
@view_config(context=FullUpstreamProject, request_method="OPTIONS")
@view_config(context=SetFullUpstreamProject, request_method="OPTIONS")
@view_config(context=DraftSimpleIndex, request_method="OPTIONS")
@view_config(context=DraftSimpleProject, request_method="OPTIONS")
@view_config(context=SetFullSimpleIndex, request_method="OPTIONS")
@view_config(context=SetFullSimpleProject, request_method="OPTIONS")
@view_config(context=SetSimpleIndex, request_method="OPTIONS")
@view_config(context=SetSimpleProject, request_method="OPTIONS")
def options(context: DraftNode | SetNode, request: Request) -> Response:
    """What scripts of other origins may do."""
    return preflight()


@view_config(context=StagedFile, request_method="GET")
@view_config(context=SetFile, request_method="GET")
def content(context: StagedFile | SetFile, request: Request) -> Response:
    """A staged file."""
    file = context.file
    kind = blob_responses.SDIST if file.is_sdist else blob_responses.WHEEL
    response = blob_responses.send(
        request, file.sha256, content_type=kind, filename=file.filename, size=file.size
    )
    if request.method == "GET" and response.status_int == HTTPStatus.OK:
        _note_installation(context, request)
    return response


def _note_installation(context: StagedFile | SetFile, request: Request) -> None:
    """Let the draft know of it, if it is an installer that takes the whole file."""
    agent = request.headers.get("User-Agent", "")
    if PENDING.note(context.draft, context.file, agent, request.uow.now):
        act_after_answer(request, partial(PENDING.write, at_once=True))


@view_config(context=StagedMetadata, request_method="GET")
@view_config(context=SetMetadata, request_method="GET")
def metadata(context: StagedMetadata | SetMetadata, request: Request) -> Response:
    """A staged wheel's METADATA (PEP 658)."""
    return blob_responses.send(
        request,
        context.file.metadata_sha256,
        content_type=blob_responses.METADATA,
        filename=f"{context.file.filename}.metadata",
    )


@view_config(context=ArrivingFile, request_method="GET")
def nothing_yet(context: ArrivingFile, request: Request) -> Response:
    """There is a file when its upload is completed."""
    raise HTTPNotFound


def _link(file: ListedFile) -> str:
    return draft_file_path(file.filename)
