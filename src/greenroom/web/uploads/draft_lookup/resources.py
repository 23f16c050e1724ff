"""``/api/drafts/<project>/<version>``."""

from __future__ import annotations

from greenroom.models import ReleaseSet
from greenroom.registry import catalogue, drafts, release_sets
from greenroom.registry.errors import Refusal
from greenroom.registry.names import parse_version
from greenroom.web.http import waiting
from greenroom.web.http.draft_nodes import DraftNode
from greenroom.web.http.refusals import TEXT
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node, PublicProject, ReadBy, segments


class Api(Node):
    """``/api/``"""

    refusals = TEXT

    @property
    def read_by(self) -> ReadBy:
        """Programs read of what is public; what is not asks by itself who they are."""
        of_releases = segments(self.request)[1:2] == ("releases",)
        return ReadBy.PROGRAMS if of_releases else ReadBy.ANYBODY

    def __getitem__(self, name: str) -> Node:
        if name == "releases":
            return ApiReleases(self.request, name, self)
        if name == "drafts":
            return ApiDrafts(self.request, name, self)
        if name == "sets":
            return ApiSets(self.request, name, self)
        raise KeyError(name)


class ApiReleases(Node):
    """``/api/releases/``; it lists nothing."""

    open_to_all_origins = True

    def __getitem__(self, name: str) -> ApiProject:
        return ApiProject.find(self.request, name, self)


class ApiProject(PublicProject):
    """``/api/releases/<project>/``; it lists nothing."""

    def __getitem__(self, text: str) -> ApiRelease:
        release = catalogue.find_release(self.request.uow.db, self.project.id, text)
        if release is None:
            raise KeyError(text)
        return ApiRelease(self.request, self.project, release, self)


class ApiRelease(Node):
    """``/api/releases/<project>/<version>/``: a public release, for programs."""

    def __init__(
        self,
        request: Request,
        project: catalogue.PublicProject,
        release: catalogue.PublicRelease,
        parent: Node,
    ) -> None:
        super().__init__(request, release.version, parent)
        self.project = project
        self.release = release

    def __getitem__(self, name: str) -> Approval:
        if name != "approval":
            raise KeyError(name)
        return Approval(self.request, name, self)


class Approval(Node):
    """``/api/releases/<project>/<version>/approval``"""

    is_leaf = True

    def __init__(self, request: Request, name: str, parent: ApiRelease) -> None:
        super().__init__(request, name, parent)
        self.project = parent.project
        self.release = parent.release


class ApiDrafts(Node):
    """``/api/drafts/<project>/<version>``"""

    project_name = ""

    def __getitem__(self, name: str) -> Node:
        if not self.project_name:
            named = ApiDrafts(self.request, name, self)
            named.project_name = name
            return named
        version = parse_version(name)
        if version is None:
            raise KeyError(name)
        actor = self.request.actor
        try:
            draft = drafts.live_for(self.request.uow, actor, self.project_name, version)
        except Refusal:
            ended = waiting.waited_for(self.request)
            if ended is None or not drafts.may_be_followed(self.request.uow, actor, ended):
                raise KeyError(name) from None
            draft = ended
        return ApiDraft(self.request, name, draft, self)


class ApiDraft(DraftNode):
    """``/api/drafts/<project>/<version>``: a live draft, for those who may see it.

    To whom has waited for it while it ended, it is there once more.
    """

    is_leaf = True


class ApiSets(Node):
    """``/api/sets/``; it lists nothing."""

    def __getitem__(self, key: str) -> ApiSet:
        found = release_sets.by_key(self.request.uow.db, key)
        if found is None or not release_sets.may_see(self.request.uow, self.request.actor, found):
            raise KeyError(key)
        return ApiSet(self.request, key, found, self)


class ApiSet(Node):
    """``/api/sets/<key>/``: a release set, for those who may see it."""

    def __init__(self, request: Request, name: str, release_set: ReleaseSet, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.release_set = release_set
