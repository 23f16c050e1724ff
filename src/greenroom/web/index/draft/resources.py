"""``/draft/<slug>/simple/`` and ``/draft/<slug>/files/``."""

from __future__ import annotations

from packaging.utils import canonicalize_name

from greenroom.models import File
from greenroom.registry import drafts, upload_sessions
from greenroom.web.http.draft_nodes import DraftFile, DraftNode
from greenroom.web.http.request import Request


class DraftSimpleIndex(DraftNode):
    """``/draft/<slug>/simple/``: a simple index of one project."""

    def __getitem__(self, name: str) -> DraftSimpleProject:
        project = self.draft.project
        if project is None or canonicalize_name(name) != project.normalized_name:
            raise KeyError(name)
        return DraftSimpleProject(self.request, project.normalized_name, self.draft, self)


class DraftSimpleProject(DraftNode):
    """``/draft/<slug>/simple/<project>/``"""


class DraftFiles(DraftNode):
    """``/draft/<slug>/files/``; it lists nothing."""

    def __getitem__(self, name: str) -> DraftNode:
        if self.draft.project is None or self.draft.project.quarantined:
            raise KeyError(name)
        db = self.request.uow.db
        file = drafts.find_file(db, self.draft, name)
        if file is not None:
            return StagedFile(self.request, name, file, self)
        file = drafts.find_file(db, self.draft, name.removesuffix(".metadata"))
        if file is not None and not file.is_sdist and name.endswith(".metadata"):
            return StagedMetadata(self.request, name, file, self)
        if upload_sessions.find(self.request.uow, self.draft, name) is None:
            raise KeyError(name)
        return ArrivingFile(self.request, name, self.draft, self)


class ArrivingFile(DraftFile):
    """``/draft/<slug>/files/<filename>`` of a file that is on its way: there is nothing to read."""


class StagedFile(DraftFile):
    """``/draft/<slug>/files/<filename>``"""

    def __init__(self, request: Request, name: str, file: File, parent: DraftNode) -> None:
        super().__init__(request, name, parent.draft, parent)
        self.file = file


class StagedMetadata(StagedFile):
    """``/draft/<slug>/files/<filename>.metadata`` (PEP 658)"""
