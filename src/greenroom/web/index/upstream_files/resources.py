"""``/upstream/``: files of upstreams, by their addresses there.

Nothing is there but what a page of the upstream has, so that nobody can have anything else fetched,
and what was adopted of it: lock files have the addresses from before.
"""

from __future__ import annotations

from urllib.parse import unquote

from msgspec import Struct

from greenroom.other_indexes.pages import PageFile
from greenroom.registry import catalogue, upstream_adoption, upstream_files, upstream_pages
from greenroom.registry.catalogue import OfferedFile
from greenroom.registry.names import lookup_name
from greenroom.registry.upstream_files import METADATA, WantedFile
from greenroom.registry.upstream_pages import KeptPage
from greenroom.upstream_settings import Upstream
from greenroom.web.http import reading, upstream_names
from greenroom.web.http.refusals import TEXT
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node, ReadBy, segments
from greenroom.web.http.urls import upstream_file_path

_SHORTEST = 5
"""Segments: ``upstream``, its name, the project, a host, and the file."""


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


class OnPage(Struct, frozen=True):
    """A file that is on the page of a project.

    Attributes:
        file: as the page has it.
        wanted: it, or its metadata file.
    """

    file: PageFile
    wanted: WantedFile

    @property
    def is_metadata(self) -> bool:
        """Whether the metadata file is wanted."""
        return self.wanted.filename != self.file.filename


class UpstreamFile(Node):
    """``/upstream/<upstream>/<project>/<host>/…/<filename>``, maybe with ``.metadata`` (PEP 658)

    Whether there is such a file the page of the project says.
    """

    is_leaf = True

    def __init__(
        self, request: Request, name: str, parent: Node, upstream: Upstream, project: str
    ) -> None:
        super().__init__(request, name, parent)
        self.upstream = upstream
        self.project = project

    def page(self) -> KeptPage | None:
        """What is kept of the page of the project; None where that was never asked for."""
        return upstream_pages.find(self.request.uow, self.upstream.name, self.project)

    def found_on(self, kept: KeptPage) -> OnPage | None:
        """The file, if the page has it."""
        for file in kept.page.files if kept.page is not None else ():
            if self.__name__ in (file.filename, file.filename + METADATA):
                wanted = self._wanted(file)
                if wanted is not None:
                    return OnPage(file, wanted)
        return None

    def _wanted(self, file: PageFile) -> WantedFile | None:
        """What the address asks for, if it is that of this file or of its metadata file."""
        upstream, project, asked = self.upstream.name, self.project, self.request.path_info
        path = f"/{upstream_file_path(upstream, project, file)}"
        if asked == unquote(path):
            return upstream_files.wanted(upstream, project, file)
        if asked == unquote(path + METADATA):
            return upstream_files.wanted_metadata(upstream, project, file)
        return None


class MovedFile(Node):
    """The address that a file had before it was adopted, or its metadata file."""

    is_leaf = True

    def __init__(self, request: Request, name: str, parent: Node, file: OfferedFile) -> None:
        super().__init__(request, name, parent)
        self.file = file

    @property
    def address(self) -> str:
        """Where it is now."""
        path = self.request.paths.published_file(self.file)
        return path if self.__name__ == self.file.filename else path + METADATA


class _Was(Struct, frozen=True):
    """A file as it was on a page of an upstream."""

    filename: str
    url: str


def _file(request: Request, name: str, parent: Node) -> UpstreamFile | MovedFile:
    """The file that may be at the address of the request, or was.

    Raises:
        KeyError: there is no such upstream, or it is not asked for this name.
        NotAuthenticated: a stranger is asked who they are.
    """
    names = segments(request)
    if len(names) < _SHORTEST or len(name) > upstream_files.LONGEST_NAME:
        raise KeyError(name)
    _, upstream_name, project, *_ = names
    found = {each.name: each for each in request.services.settings.upstreams}
    if lookup_name(project) != project:
        raise KeyError(name)
    if not upstream_names.answers_for(request, project):
        return _moved(request, name, parent, upstream_name, project)
    if request.asks_no_upstream:  # a draft keeps the name, and nothing is looked for
        raise KeyError(name)
    return UpstreamFile(request, name, parent, found[upstream_name], project)


def _moved(request: Request, name: str, parent: Node, upstream: str, project: str) -> MovedFile:
    """What was at the address of the request, and was adopted.

    Raises:
        KeyError: nothing was, or nobody may have it.
    """
    db = request.uow.db
    for filename in (name, name.removesuffix(METADATA)):
        url = upstream_adoption.address_of(db, upstream, filename)
        file = catalogue.offered_file(db, filename) if url is not None else None
        if url is None or file is None or file.project != project:
            continue
        end = name.removeprefix(filename)
        path = f"/{upstream_file_path(upstream, project, _Was(filename, url))}{end}"
        if request.path_info == unquote(path) and (file.is_wheel or not end):
            return MovedFile(request, name, parent, file)
    raise KeyError(name)
