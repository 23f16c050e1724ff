"""The traversal tree: what an address names, before any view looks at it.

A resource answers ``KeyError`` for what is not there, or what the one who asks may not know of; the
two are the same 404.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from packaging.utils import canonicalize_name
from packaging.version import Version

from greenroom.models import Draft, File, FileUpload, Project, Release, User
from greenroom.registry import accounts, catalogue, drafts, file_uploads, projects
from greenroom.registry.errors import Refusal
from greenroom.registry.permissions import Act, may
from greenroom.web import help_pages

if TYPE_CHECKING:
    from greenroom.web.request import Request


class Node:
    """What all resources share: the request, a name, and a parent."""

    # A folder's address ends with a slash, a leaf's does not.
    is_leaf = False

    def __init__(self, request: Request, name: str, parent: Node | None) -> None:
        self.request = request
        self.__name__ = name
        self.__parent__ = parent


class Root(Node):
    """``/``"""

    def __init__(self, request: Request) -> None:
        super().__init__(request, "", None)

    def __getitem__(self, name: str) -> Node:
        # No name has it, and PostgreSQL cannot be asked for it.
        if "\0" in self.request.path_info:
            raise KeyError(name)
        return _FACES[name](self.request, name, self)


class PublicProject(Node):
    """A public project, for programs: its normalized name is the only one without a redirect."""

    def __init__(self, request: Request, project: Project, parent: Node) -> None:
        super().__init__(request, project.normalized_name, parent)
        self.project = project

    @classmethod
    def find(cls, request: Request, name: str, parent: Node) -> Self:
        """The project of this name, in any spelling.

        Raises:
            KeyError: there is none that is public.
        """
        project = catalogue.project(request.index.session, name)
        if project is None:
            raise KeyError(name)
        return cls(request, project, parent)


class LegacyUpload(Node):
    """``/legacy/``: where upload clients send files."""


# The simple index and what it links to


class SimpleIndex(Node):
    """``/simple/``"""

    def __getitem__(self, name: str) -> SimpleProject:
        return SimpleProject.find(self.request, name, self)


class SimpleProject(PublicProject):
    """``/simple/<project>/``."""


# The JSON API and XML-RPC


class Pypi(Node):
    """``/pypi``: XML-RPC, whose clients follow no redirects; below it is the JSON API."""

    is_leaf = True

    def __getitem__(self, name: str) -> PypiProject:
        return PypiProject.find(self.request, name, self)


class PypiProject(PublicProject):
    """``/pypi/<name>/``, which has the JSON of a project below it."""

    def __getitem__(self, text: str) -> PypiRelease:
        release = catalogue.release(self.request.index.session, self.project, text)
        if release is None:
            raise KeyError(text)
        return PypiRelease(self.request, self.project, release, self)


class PypiRelease(Node):
    """``/pypi/<name>/<version>/``, which has the JSON of a release below it."""

    def __init__(self, request: Request, project: Project, release: Release, parent: Node) -> None:
        super().__init__(request, release.version, parent)
        self.project = project
        self.release = release


# How many digits the next segment of an address has, by how many there are before it.
_DIGITS_BELOW = {0: 2, 2: 2, 4: 60}


class Packages(Node):
    """``/packages/<2>/<2>/<60>/<filename>``: the hexadecimal digits of the SHA-256 digest."""

    digest = ""

    def __getitem__(self, name: str) -> Node:
        if len(self.digest) == 64:
            return _published_file(self.request, digest=self.digest, name=name, parent=self)
        if len(name) != _DIGITS_BELOW[len(self.digest)]:
            raise KeyError(name)
        folder = Packages(self.request, name, self)
        folder.digest = self.digest + name
        return folder


class PublishedFile(Node):
    """``/packages/…/<filename>``"""

    is_leaf = True

    def __init__(self, request: Request, name: str, file: File, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.file = file


class PublishedMetadata(PublishedFile):
    """``/packages/…/<filename>.metadata`` (PEP 658)"""


def _published_file(request: Request, digest: str, name: str, parent: Node) -> PublishedFile:
    session = request.index.session
    filename = name.removesuffix(".metadata")
    file = catalogue.offered_file(session, filename)
    if file is None or file.sha256 != digest:
        raise KeyError(name)
    if filename == name:
        return PublishedFile(request, name, file, parent)
    if file.is_sdist:
        raise KeyError(name)
    return PublishedMetadata(request, name, file, parent)


# Help


class Help(Node):
    """``/help/``"""

    def __getitem__(self, name: str) -> HelpPage:
        if name not in help_pages.NAMES:
            raise KeyError(name)
        return HelpPage(self.request, name, self)


class HelpPage(Node):
    """``/help/<page>/``"""


# Project pages


class Projects(Node):
    """``/project/``"""

    def __getitem__(self, name: str) -> ProjectPage:
        index, person = self.request.index, self.request.person
        project = catalogue.project(index.session, name)
        if project is not None:
            return ProjectPage(self.request, project, self)
        unseen = projects.find(index, name) if person.user is not None else None
        if unseen is None or not may(person, Act.SEE, unseen):
            raise KeyError(name)
        return UnpublishedProject(self.request, unseen, self)


class ProjectPage(Node):
    """``/project/<name>/``, in the spelling under which the project was registered."""

    def __init__(self, request: Request, project: Project, parent: Node) -> None:
        super().__init__(request, project.name, parent)
        self.project = project

    def __getitem__(self, text: str) -> Node:
        index = self.request.index
        release = catalogue.release(index.session, self.project, text)
        draft = self._draft(text)
        if release is not None:
            return ReleasePage(self.request, self.project, release, draft, self)
        if draft is not None and draft.release is not None:
            return DraftedReleasePage(self.request, self.project, draft.release, draft, self)
        raise KeyError(text)

    def _draft(self, text: str) -> Draft | None:
        """The live draft of this version, if the one who asks may see it."""
        version = _version(text)
        if version is None or not may(self.request.person, Act.SEE, self.project):
            return None
        return drafts.live(self.request.index, self.project, version)


class UnpublishedProject(ProjectPage):
    """A project that only the drafts of a first release hold. It has no page of its own."""


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


class DraftedReleasePage(ReleasePage):
    """``/project/<name>/<version>/`` of a release that was never published; not for everyone."""


class Search(Node):
    """``/search/``"""


class Users(Node):
    """``/user/``"""

    def __getitem__(self, name: str) -> UserPage:
        user = accounts.find_user(self.request.index.session, name)
        if user is None:
            raise KeyError(name)
        return UserPage(self.request, user, self)


class UserPage(Node):
    """``/user/<name>/``"""

    def __init__(self, request: Request, user: User, parent: Node) -> None:
        super().__init__(request, user.username, parent)
        self.user = user


# Drafts, for those who hold the address


class Drafts(Node):
    """``/draft/``"""

    def __getitem__(self, slug: str) -> DraftPage:
        draft = drafts.by_slug(self.request.index.session, slug)
        if draft is None:
            raise KeyError(slug)
        return DraftPage(self.request, draft, self)


class DraftNode(Node):
    """Anything below ``/draft/<slug>/``. It stays there as a tombstone when the draft has ended."""

    def __init__(self, request: Request, name: str, draft: Draft, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.draft = draft

    @property
    def is_live(self) -> bool:
        """Whether there is more to see than a tombstone."""
        return drafts.is_live(self.request.index, self.draft)


class DraftPage(DraftNode):
    """``/draft/<slug>/``"""

    def __init__(self, request: Request, draft: Draft, parent: Node) -> None:
        super().__init__(request, draft.slug, draft, parent)

    def __getitem__(self, name: str) -> DraftNode:
        if not self.is_live:
            return EndedDraft(self.request, name, self.draft, self)
        if name == "simple":
            return DraftSimpleIndex(self.request, name, self.draft, self)
        if name == "files":
            return DraftFiles(self.request, name, self.draft, self)
        raise KeyError(name)


class EndedDraft(DraftNode):
    """Whatever was below a draft's address, after the draft has ended."""

    is_leaf = True

    def __getitem__(self, name: str) -> EndedDraft:
        return EndedDraft(self.request, name, self.draft, self)


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
        session = self.request.index.session
        file = drafts.find_file(session, self.draft, name)
        if file is not None:
            return StagedFile(self.request, name, file, self)
        file = drafts.find_file(session, self.draft, name.removesuffix(".metadata"))
        if file is not None and not file.is_sdist and name.endswith(".metadata"):
            return StagedMetadata(self.request, name, file, self)
        if file_uploads.find(self.request.index, self.draft, name) is None:
            raise KeyError(name)
        return ArrivingFile(self.request, name, self.draft, self)


class ArrivingFile(DraftNode):
    """``/draft/<slug>/files/<filename>`` of a file that is on its way: there is nothing to read."""

    is_leaf = True


class StagedFile(DraftNode):
    """``/draft/<slug>/files/<filename>``"""

    is_leaf = True

    def __init__(self, request: Request, name: str, file: File, parent: DraftNode) -> None:
        super().__init__(request, name, parent.draft, parent)
        self.file = file


class StagedMetadata(StagedFile):
    """``/draft/<slug>/files/<filename>.metadata`` (PEP 658)"""


# Feeds


class Feeds(Node):
    """``/rss/``"""

    def __getitem__(self, name: str) -> FeedsOfProjects:
        if name != "project":
            raise KeyError(name)
        return FeedsOfProjects(self.request, name, self)


class FeedsOfProjects(Node):
    """``/rss/project/``; it lists nothing."""

    def __getitem__(self, name: str) -> ProjectFeeds:
        return ProjectFeeds.find(self.request, name, self)


class ProjectFeeds(PublicProject):
    """``/rss/project/<name>/``."""


# For people who are signed in


class Manage(Node):
    """``/manage/``: your projects."""

    def __getitem__(self, name: str) -> ManagedProjects:
        if name != "project":
            raise KeyError(name)
        return ManagedProjects(self.request, name, self)


class ManagedProjects(Node):
    """``/manage/project/``; it lists nothing."""

    def __getitem__(self, name: str) -> ManagedProject:
        project = projects.find(self.request.index, name)
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
        release = catalogue.release(self.request.index.session, self.project, text)
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
        version = _version(text)
        draft = (
            drafts.newest(self.request.index, self.project, version)
            if version is not None
            else None
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


class Account(Node):
    """``/account/``"""

    def __getitem__(self, name: str) -> Tokens:
        if name != "tokens":
            raise KeyError(name)
        return Tokens(self.request, name, self)


class Tokens(Node):
    """``/account/tokens/``"""


class Admin(Node):
    """``/admin/``: for administrators; not there for anyone else."""


# Upload 2.0


class Upload(Node):
    """``/upload/``; it lists nothing."""

    def __getitem__(self, name: str) -> UploadRoot:
        if name != "2.0":
            raise KeyError(name)
        return UploadRoot(self.request, name, self)


class UploadRoot(Node):
    """``/upload/2.0/``: the root endpoint of PEP 694."""

    def __getitem__(self, name: str) -> UploadSessions:
        if name != "session":
            raise KeyError(name)
        return UploadSessions(self.request, name, self)


class UploadSessions(Node):
    """``/upload/2.0/session/``; it lists nothing."""

    def __getitem__(self, key: str) -> UploadSession:
        draft = drafts.by_key(self.request.index.session, key)
        if draft is None:
            raise KeyError(key)
        return UploadSession(self.request, key, draft, self)


class UploadSession(Node):
    """``/upload/2.0/session/<key>/``: a draft, live or ended. Who may see it is for its views."""

    def __init__(self, request: Request, name: str, draft: Draft, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.draft = draft

    def __getitem__(self, name: str) -> SessionFiles:
        if name != "file":
            raise KeyError(name)
        return SessionFiles(self.request, name, self.draft, self)


class SessionFiles(Node):
    """``/upload/2.0/session/<key>/file/``; it lists nothing."""

    def __init__(self, request: Request, name: str, draft: Draft, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.draft = draft

    def __getitem__(self, key: str) -> UploadedFile:
        upload = file_uploads.by_key(self.request.index.session, self.draft, key)
        if upload is None:
            raise KeyError(key)
        return UploadedFile(self.request, key, self.draft, upload, self)


class UploadedFile(Node):
    """``/upload/2.0/session/<key>/file/<key>/``: a file upload session, whatever became of it."""

    def __init__(
        self, request: Request, name: str, draft: Draft, upload: FileUpload, parent: Node
    ) -> None:
        super().__init__(request, name, parent)
        self.draft = draft
        self.upload = upload


# For scripts


class Api(Node):
    """``/api/``"""

    def __getitem__(self, name: str) -> ApiDrafts:
        if name != "drafts":
            raise KeyError(name)
        return ApiDrafts(self.request, name, self)


class ApiDrafts(Node):
    """``/api/drafts/<project>/<version>``"""

    project_name = ""

    def __getitem__(self, name: str) -> Node:
        if not self.project_name:
            named = ApiDrafts(self.request, name, self)
            named.project_name = name
            return named
        version = _version(name)
        if version is None:
            raise KeyError(name)
        actor = self.request.actor
        try:
            draft = drafts.live_for(self.request.index, actor, self.project_name, version)
        except Refusal:
            raise KeyError(name) from None
        return ApiDraft(self.request, name, draft, self)


class ApiDraft(DraftNode):
    """``/api/drafts/<project>/<version>``: a live draft, for those who may see it."""

    is_leaf = True


_FACES: dict[str, type[Node]] = {
    "account": Account,
    "admin": Admin,
    "api": Api,
    "draft": Drafts,
    "help": Help,
    "legacy": LegacyUpload,
    "manage": Manage,
    "packages": Packages,
    "project": Projects,
    "pypi": Pypi,
    "rss": Feeds,
    "search": Search,
    "simple": SimpleIndex,
    "upload": Upload,
    "user": Users,
}


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except ValueError:  # no version, or one with more digits than Python reads
        return None
