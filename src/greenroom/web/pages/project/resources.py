"""The pages that everybody may see: projects, releases, users, and the search for them."""

from __future__ import annotations

from greenroom.models import Draft, File, Project, Release, User
from greenroom.registry import accounts, catalogue, drafts, projects
from greenroom.registry.names import lookup_name, parse_version
from greenroom.registry.permissions import Act, may
from greenroom.web.http import upstream_names
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node


class Projects(Node):
    """``/project/``"""

    def __getitem__(self, name: str) -> ProjectPage | UpstreamProject:
        uow, person = self.request.uow, self.request.person
        project = catalogue.project(uow.db, name)
        if project is not None:
            return ProjectPage(self.request, project, self)
        unseen = projects.find(uow, name) if self.request.user is not None else None
        if unseen is not None and may(person, Act.SEE, unseen):
            return UnpublishedProject(self.request, unseen, self)
        # A stranger who may not read all is asked who they are by whatever finds nothing.
        may_read = uow.settings.read == "public" or not self.request.is_stranger
        if may_read and upstream_names.answers_for(self.request, name):
            return UpstreamProject(self.request, lookup_name(name), self)
        raise KeyError(name)


class ProjectPage(Node):
    """``/project/<name>/``, in the spelling under which the project was registered."""

    def __init__(self, request: Request, project: Project, parent: Node) -> None:
        super().__init__(request, project.name, parent)
        self.project = project

    def __getitem__(self, text: str) -> Node:
        uow = self.request.uow
        release = catalogue.release(uow.db, self.project, text)
        draft = self._draft(text)
        if release is not None:
            return ReleasePage(self.request, self.project, release, draft, self)
        if draft is not None and draft.release is not None:
            return DraftedReleasePage(self.request, self.project, draft.release, draft, self)
        raise KeyError(text)

    def _draft(self, text: str) -> Draft | None:
        """The live draft of this version, if the one who asks may see it."""
        version = parse_version(text)
        if version is None or not may(self.request.person, Act.SEE, self.project):
            return None
        return drafts.live(self.request.uow, self.project, version)


class UnpublishedProject(ProjectPage):
    """A project that only the drafts of a first release hold. It has no page of its own."""


class UpstreamProject(Node):
    """``/project/<name>/`` of a name that an index behind this one answers for, if any has it."""


class ReleasePage(Node):
    """``/project/<name>/<version>/``; ``draft`` is set for those who may see that one is open."""

    def __init__(
        self,
        request: Request,
        project: Project,
        release: Release,
        draft: Draft | None,
        parent: Node,
    ) -> None:
        super().__init__(request, release.version, parent)
        self.project = project
        self.release = release
        self.draft = draft

    def __getitem__(self, name: str) -> Node:
        if name != "contents":
            raise KeyError(name)
        return ReleaseContents(self.request, self.project, self.release, self)


class DraftedReleasePage(ReleasePage):
    """``/project/<name>/<version>/`` of a release that was never published; not for everyone."""

    def __getitem__(self, name: str) -> Node:
        raise KeyError(name)


class ReleaseContents(Node):
    """``/project/<name>/<version>/contents/``; it lists nothing."""

    def __init__(
        self, request: Request, project: Project, release: Release, parent: ReleasePage
    ) -> None:
        super().__init__(request, "contents", parent)
        self.project = project
        self.release = release

    def __getitem__(self, filename: str) -> ReleaseArchive:
        db = self.request.uow.db
        file = catalogue.offered_file_of(db, self.project, self.release, filename)
        if file is None:
            raise KeyError(filename)
        return ReleaseArchive(self.request, file, self)


class ReleaseArchive(Node):
    """``/project/<name>/<version>/contents/<filename>/``: what is in a published file."""

    def __init__(self, request: Request, file: File, parent: ReleaseContents) -> None:
        super().__init__(request, file.filename, parent)
        self.project = parent.project
        self.release = parent.release
        self.file = file


class ShortAddresses(Node):
    """``/p/``: short addresses of the pages of projects and releases."""

    def __getitem__(self, name: str) -> ShortAddress:
        projects_ = Projects(self.request, "project", self.__parent__)
        return ShortAddress(self.request, projects_[name], self)


class ShortAddress(Node):
    """``/p/<name>/`` or ``/p/<name>/<version>/``, of whatever page the one who asks may see."""

    has_one_address = False

    def __init__(self, request: Request, page: Node, parent: Node) -> None:
        super().__init__(request, page.__name__, parent)
        self.page = page

    def __getitem__(self, text: str) -> ShortAddress:
        if not isinstance(self.page, ProjectPage):
            raise KeyError(text)
        return ShortAddress(self.request, self.page[text], self)


class Search(Node):
    """``/search/``"""


class Users(Node):
    """``/user/``"""

    def __getitem__(self, name: str) -> UserPage:
        user = accounts.find_user(self.request.uow.db, name)
        if user is None:
            raise KeyError(name)
        return UserPage(self.request, user, self)


class UserPage(Node):
    """``/user/<name>/``"""

    def __init__(self, request: Request, user: User, parent: Node) -> None:
        super().__init__(request, user.username, parent)
        self.user = user
