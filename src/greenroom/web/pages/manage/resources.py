"""``/manage/`` and what is below it."""

from __future__ import annotations

from collections.abc import Callable

from greenroom.models import Draft, File, Project, Release, ReleaseSet
from greenroom.registry import catalogue, drafts, projects, release_sets
from greenroom.registry.names import parse_version
from greenroom.registry.permissions import Act, may
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node
from greenroom.web.pages.webhook_nodes import Webhooks


class Manage(Node):
    """``/manage/``: your projects."""

    is_for_signed_in = True
    open_before_enrolment = frozenset()

    def __getitem__(self, name: str) -> ManagedProjects | ManagedSets:
        if name == "sets":
            return ManagedSets(self.request, name, self)
        if name != "project":
            raise KeyError(name)
        return ManagedProjects(self.request, name, self)


class ManagedSets(Node):
    """``/manage/sets/``: your release sets."""

    def __getitem__(self, key: str) -> ManagedSet:
        release_set = release_sets.by_key(self.request.uow.db, key)
        if release_set is None or not release_sets.may_see(
            self.request.uow, self.request.person, release_set
        ):
            raise KeyError(key)
        return ManagedSet(self.request, key, release_set, self)


class ManagedSet(Node):
    """``/manage/sets/<key>/``: a release set, open or ended."""

    def __init__(self, request: Request, name: str, release_set: ReleaseSet, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.release_set = release_set

    def __getitem__(self, name: str) -> Webhooks:
        if name != "webhooks":
            raise KeyError(name)
        return Webhooks.of_set(self.request, name, self, self.release_set)


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


class ManagedPublishers(ManagedProjectPart):
    """``/manage/project/<name>/publishers/``: the workflows that the project trusts."""


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

    def __getitem__(self, name: str) -> ManagedContents:
        if name != "contents" or not drafts.is_live(self.request.uow, self.draft):
            raise KeyError(name)
        return ManagedContents(self.request, self)


class ManagedContents(Node):
    """``/manage/project/<name>/draft/<version>/contents/``; it lists nothing."""

    def __init__(self, request: Request, parent: ManagedDraft) -> None:
        super().__init__(request, "contents", parent)
        self.project = parent.project
        self.draft = parent.draft

    def __getitem__(self, filename: str) -> ManagedArchive:
        file = None
        if not self.project.quarantined:
            file = drafts.find_file(self.request.uow.db, self.draft, filename)
        if file is None:
            raise KeyError(filename)
        return ManagedArchive(self.request, file, self)


class ManagedArchive(Node):
    """``/manage/project/<name>/draft/<version>/contents/<filename>/``: what is in a staged file."""

    def __init__(self, request: Request, file: File, parent: ManagedContents) -> None:
        super().__init__(request, file.filename, parent)
        self.project = parent.project
        self.draft = parent.draft
        self.file = file


_OF_MANAGED_PROJECT: dict[str, Callable[[Request, str, Node, Project], Node]] = {
    "draft": ManagedDrafts,
    "history": ManagedHistory,
    "publishers": ManagedPublishers,
    "release": ManagedReleases,
    "webhooks": Webhooks.of_project,
}
