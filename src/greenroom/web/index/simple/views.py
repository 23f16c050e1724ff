"""``/simple/`` and ``/simple/<project>/``."""

from functools import partial

from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import catalogue
from greenroom.registry.catalogue import ListedFile
from greenroom.web.http.caching import cached
from greenroom.web.http.cors import preflight
from greenroom.web.http.request import Request
from greenroom.web.http.urls import published_file_path
from greenroom.web.index import simple_rendering, upstream_answers
from greenroom.web.index.project_list import project_list
from greenroom.web.index.simple.resources import SimpleIndex, SimpleProject, UpstreamProject
from greenroom.web.index.simple_negotiation import answer, answer_in_pieces


@view_config(context=SimpleIndex, request_method="GET")
def projects(context: SimpleIndex, request: Request) -> Response:
    """Every public project."""
    listed = project_list(request.services.database, request.uow.db)
    response = answer_in_pieces(request, html=listed.html, json=listed.json, serial=listed.serial)
    return cached(response, "all-projects")


@view_config(context=SimpleProject, request_method="GET")
def project(context: SimpleProject, request: Request) -> Response:
    """Every published file of one project."""
    listing = catalogue.listing(request.uow.db, context.project)
    response = answer(
        request,
        html=partial(simple_rendering.project_html, listing, _link),
        json=partial(simple_rendering.project_json, listing, _link),
        serial=listing.last_serial,
    )
    return cached(response, f"project/{listing.name}")


@view_config(context=UpstreamProject, request_method="GET")
def upstream_project(context: UpstreamProject, request: Request) -> Response:
    """Every file that an index behind this one has of a project."""
    return upstream_answers.project(request, context.__name__, "../../", is_shared=True)


@view_config(context=SimpleIndex, request_method="OPTIONS")
@view_config(context=SimpleProject, request_method="OPTIONS")
@view_config(context=UpstreamProject, request_method="OPTIONS")
def options(context: SimpleIndex | SimpleProject | UpstreamProject, request: Request) -> Response:
    """What scripts of other origins may do."""
    return preflight()


def _link(file: ListedFile) -> str:
    return f"../../{published_file_path(file.sha256, file.filename)}"
