"""``/draft/<slug>/simple/``, ``/draft/<slug>/files/`` and ``/draft/<slug>/full/simple/``."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.utils import canonicalize_name

from greenroom.models import Draft, File, Project, ReleaseSet
from greenroom.registry import catalogue, drafts, release_sets, upload_sessions
from greenroom.web.http import reading, upstream_names
from greenroom.web.http.draft_nodes import DraftFile, DraftNode, SetNode
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node


class DraftSimpleIndex(DraftNode):
    """``/draft/<slug>/simple/``: a simple index of one project."""

    def __getitem__(self, name: str) -> DraftSimpleProject:
        project = self.draft.project
        if project is None or canonicalize_name(name) != project.normalized_name:
            raise KeyError(name)
        return DraftSimpleProject(self.request, project.normalized_name, self.draft, self)


class DraftSimpleProject(DraftNode):
    """``/draft/<slug>/simple/<project>/``"""


class FullIndexes(DraftNode):
    """``/draft/<slug>/full/``; it lists nothing."""

    def __getitem__(self, name: str) -> FullSimpleIndex:
        if name != "simple":
            raise KeyError(name)
        reading.read_besides_secret(self.request)
        return FullSimpleIndex(self.request, name, self.draft, self)


class FullSimpleIndex(DraftNode):
    """``/draft/<slug>/full/simple/``: the simple index, as if the draft were published.

    What of it is no draft's is read as at ``/simple/``, by the same people.
    """

    @property
    def drafts(self) -> Sequence[Draft]:
        """What the address opens, as far as it has a project."""
        return [self.draft] if self.draft.project is not None else []

    def __getitem__(self, name: str) -> FullSimpleProject | FullUpstreamProject:
        opened = _opened(name, self.drafts)
        if not opened and upstream_names.answers_for(self.request, name):
            return FullUpstreamProject(self.request, canonicalize_name(name), self.draft, self)
        public = _public(self.request, name, opened)
        return FullSimpleProject(self.request, canonicalize_name(name), self, public, opened)


def _opened(name: str, drafts_: Sequence[Draft]) -> list[Draft]:
    """Those of the drafts that are of the project of this name, in any spelling."""
    wanted = canonicalize_name(name)
    return [
        draft
        for draft in drafts_
        if draft.project is not None and draft.project.normalized_name == wanted
    ]


def _public(request: Request, name: str, opened: Sequence[Draft]) -> catalogue.PublicProject | None:
    """What is public of a project.

    Raises:
        KeyError: there is nothing, and none of the drafts is of it either.
    """
    public = catalogue.find(request.uow.db, name)
    if public is None and not opened:
        reading.ask_strangers(request)
        raise KeyError(name)
    return public


class FullSimpleProject(DraftNode):
    """``/draft/<slug>/full/simple/<project>/``: what is public of it, and what is in ``drafts``."""

    def __init__(
        self,
        request: Request,
        name: str,
        parent: DraftNode,
        public: catalogue.PublicProject | None,
        opened: Sequence[Draft],
    ) -> None:
        super().__init__(request, name, parent.draft, parent)
        self.public = public
        self.drafts = opened


class FullUpstreamProject(DraftNode):
    """``/draft/<slug>/full/simple/<project>/`` of a name that another index answers for."""


class SetFullUpstreamProject(SetNode):
    """The same, below the address of a release set."""


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


class SetSimpleIndex(SetNode):
    """``/draft/<slug>/simple/`` of a release set: a simple index of its projects."""

    def __init__(self, request: Request, name: str, release_set: ReleaseSet, parent: Node) -> None:
        super().__init__(request, name, release_set, parent)
        self.drafts = release_sets.drafts_by_project(request.uow, release_set)

    def __getitem__(self, name: str) -> SetSimpleProject:
        found = self.drafts[canonicalize_name(name)]
        project = found[0].project
        if project is None:
            raise KeyError(name)
        return SetSimpleProject(self, project, found)


class SetSimpleProject(SetNode):
    """``/draft/<slug>/simple/<project>/`` of a release set."""

    def __init__(self, parent: SetSimpleIndex, project: Project, drafts_: list[Draft]) -> None:
        super().__init__(parent.request, project.normalized_name, parent.release_set, parent)
        self.project = project
        self.drafts = drafts_


class SetFullIndexes(SetNode):
    """``/draft/<slug>/full/`` of a release set; it lists nothing."""

    def __getitem__(self, name: str) -> SetFullSimpleIndex:
        if name != "simple":
            raise KeyError(name)
        reading.read_besides_secret(self.request)
        return SetFullSimpleIndex(self.request, name, self.release_set, self)


class SetFullSimpleIndex(SetNode):
    """``/draft/<slug>/full/simple/`` of a release set: as if all its drafts were published."""

    @property
    def drafts(self) -> Sequence[Draft]:
        """The drafts of the set."""
        return release_sets.drafts_of(self.request.uow, self.release_set)

    def __getitem__(self, name: str) -> SetFullSimpleProject | SetFullUpstreamProject:
        opened = _opened(name, self.drafts)
        if not opened and upstream_names.answers_for(self.request, name):
            normalized = canonicalize_name(name)
            return SetFullUpstreamProject(self.request, normalized, self.release_set, self)
        public = _public(self.request, name, opened)
        return SetFullSimpleProject(self, canonicalize_name(name), public, opened)


class SetFullSimpleProject(SetNode):
    """``/draft/<slug>/full/simple/<project>/``: what is public of it, and what is in the set."""

    def __init__(
        self,
        parent: SetFullSimpleIndex,
        name: str,
        public: catalogue.PublicProject | None,
        opened: Sequence[Draft],
    ) -> None:
        super().__init__(parent.request, name, parent.release_set, parent)
        self.public = public
        self.drafts = opened


class SetFiles(SetNode):
    """``/draft/<slug>/files/`` of a release set; it lists nothing."""

    def __getitem__(self, name: str) -> SetFile:
        found = release_sets.find_file(self.request.uow, self.release_set, name)
        if found is not None:
            return SetFile(self, name, *found)
        uow, wheel = self.request.uow, name.removesuffix(".metadata")
        found = release_sets.find_file(uow, self.release_set, wheel) if wheel != name else None
        if found is None or found[0].is_sdist:
            raise KeyError(name)
        return SetMetadata(self, name, *found)


class SetFile(SetNode):
    """``/draft/<slug>/files/<filename>`` of a release set."""

    is_leaf = True

    def __init__(self, parent: SetFiles, name: str, file: File, draft: Draft) -> None:
        super().__init__(parent.request, name, parent.release_set, parent)
        self.file = file
        self.draft = draft


class SetMetadata(SetFile):
    """``/draft/<slug>/files/<filename>.metadata`` of a release set (PEP 658)."""
