"""``/manage/`` and what is below it."""

from __future__ import annotations

from greenroom.models import Draft, Project, Release
from greenroom.registry import catalogue, drafts, projects
from greenroom.registry.names import parse_version
from greenroom.registry.permissions import Act, may
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node


class Manage(Node):
    """``/manage/``: your projects."""

    is_for_signed_in = True

    def __getitem__(self, name: str) -> ManagedProjects:
        if name != "project":
            raise KeyError(name)
        return ManagedProjects(self.request, name, self)


class ManagedProjects(Node):
    """``/manage/project/``; it lists nothing."""

    def __getitem__(self, name: str) -> ManagedProject:
        project = projects.find(self.request.uow, name)
        if project is None or not may(self.request.person, Act.SEE, project):
            raise KeyError(name)
        return ManagedProject(self.request, project, self)


class ManagedProject(Node):
    """``/manage/project/<name>/``"""

    def __init__(self, request: Request, project: Project, parent: Node) -> None:
        super().__init__(request, project.name, parent)
        self.project = project

    def __getitem__(self, name: str) -> Node:
        return _OF_MANAGED_PROJECT[name](self.request, name, self, self.project)


class ManagedProjectPart(Node):
    """Something below ``/manage/project/<name>/``."""

    def __init__(self, request: Request, name: str, parent: Node, project: Project) -> None:
        super().__init__(request, name, parent)
        self.project = project


class ManagedHistory(ManagedProjectPart):
    """``/manage/project/<name>/history/``: what the journal says of the project."""


class ManagedReleases(ManagedProjectPart):
    """``/manage/project/<name>/release/``; it lists nothing."""

    def __getitem__(self, text: str) -> ManagedRelease:
        release = catalogue.release(self.request.uow.db, self.project, text)
        if release is None:
            raise KeyError(text)
        return ManagedRelease(self.request, release.version, self, self.project, release)


class ManagedRelease(ManagedProjectPart):
    """``/manage/project/<name>/release/<version>/``: a published release."""

    def __init__(
        self, request: Request, name: str, parent: Node, project: Project, release: Release
    ) -> None:
        super().__init__(request, name, parent, project)
        self.release = release


class ManagedDrafts(ManagedProjectPart):
    """``/manage/project/<name>/draft/``; it lists nothing."""

    def __getitem__(self, text: str) -> ManagedDraft:
        version = parse_version(text)
        draft = (
            drafts.newest(self.request.uow, self.project, version) if version is not None else None
        )
        if draft is None:
            raise KeyError(text)
        return ManagedDraft(self.request, self.project, draft, self)


class ManagedDraft(Node):
    """``/manage/project/<name>/draft/<version>/``: its newest draft, ended or not."""

    def __init__(self, request: Request, project: Project, draft: Draft, parent: Node) -> None:
        super().__init__(request, draft.version, parent)
        self.project = project
        self.draft = draft


_OF_MANAGED_PROJECT: dict[str, type[ManagedProjectPart]] = {
    "draft": ManagedDrafts,
    "history": ManagedHistory,
    "release": ManagedReleases,
}
