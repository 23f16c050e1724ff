"""``/upstream/``: files of upstreams, by their addresses there.

Nothing is there but what a page of the upstream has, so that nobody can have anything else fetched.
"""

from __future__ import annotations

from urllib.parse import unquote

from greenroom.other_indexes.pages import PageFile, ProjectPage
from greenroom.registry import catalogue, upstream_files, upstream_pages, upstreams
from greenroom.registry.upstream_files import METADATA, WantedFile
from greenroom.registry.upstreams import Answering
from greenroom.web.http import reading
from greenroom.web.http.refusals import TEXT
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node, ReadBy, segments
from greenroom.web.http.urls import upstream_file_path


class Upstreams(Node):
    """``/upstream/``, and every folder below it."""

    refusals = TEXT
    read_by = ReadBy.PROGRAMS

    depth = 1

    def __getitem__(self, name: str) -> Node:
        reading.ask_strangers(self.request)
        if self.depth + 1 == len(segments(self.request)):
            return _file(self.request, name, self)
        folder = Upstreams(self.request, name, self)
        folder.depth = self.depth + 1
        return folder


class UpstreamFile(Node):
    """``/upstream/<upstream>/<project>/<host>/…/<filename>``, maybe with ``.metadata`` (PEP 658)"""

    is_leaf = True

    def __init__(
        self, request: Request, name: str, parent: Node, file: PageFile, wanted: WantedFile
    ) -> None:
        super().__init__(request, name, parent)
        self.file = file
        self.wanted = wanted

    @property
    def is_metadata(self) -> bool:
        """Whether it is the metadata file of a wheel."""
        return self.wanted.filename != self.file.filename


def _file(request: Request, name: str, parent: Node) -> UpstreamFile:
    """The file at the address of the request.

    Raises:
        KeyError: no page has it that this index may show.
    """
    _, upstream, project, *_ = (*segments(request), "", "")
    page = _page(request, upstream, project)
    if len(name) > upstream_files.LONGEST_NAME:
        raise KeyError(name)
    for file in page.files:
        if name in (file.filename, file.filename + METADATA):
            wanted = _wanted(request, upstream, project, file)
            if wanted is not None:
                return UpstreamFile(request, name, parent, file, wanted)
    raise KeyError(name)


def _wanted(request: Request, upstream: str, project: str, file: PageFile) -> WantedFile | None:
    """What the address asks for, if it is that of this file or of its metadata file."""
    path = f"/{upstream_file_path(upstream, project, file)}"
    if request.path_info == unquote(path):
        return upstream_files.wanted(upstream, project, file)
    if request.path_info == unquote(path + METADATA):
        return upstream_files.wanted_metadata(upstream, project, file)
    return None


def _page(request: Request, upstream: str, project: str) -> ProjectPage:
    """What the upstream has said of the project.

    Raises:
        KeyError: it has none, or this index answers for the name.
    """
    uow = request.uow
    if not catalogue.reads_upstream(uow.db):
        raise KeyError(upstream)
    if upstream not in {each.name for each in uow.settings.upstreams}:
        raise KeyError(upstream)
    if upstreams.answering(uow, project) is not Answering.UPSTREAM:
        raise KeyError(project)
    kept = upstream_pages.find(uow, upstream, project)
    if kept is None or kept.page is None or kept.page.name != project:
        raise KeyError(project)
    return kept.page
