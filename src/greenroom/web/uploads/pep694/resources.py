"""``/upload/2.0/`` and what is below it (PEP 694)."""

from __future__ import annotations

from greenroom.models import Draft, ReleaseSet, UploadSession
from greenroom.registry import drafts, release_sets, upload_sessions
from greenroom.web.http.refusals import PROBLEM
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node, ReadBy


class Upload(Node):
    """``/upload/``; it lists nothing."""

    refusals = PROBLEM
    read_by = ReadBy.ANYBODY

    def __getitem__(self, name: str) -> UploadRoot:
        if name != "2.0":
            raise KeyError(name)
        return UploadRoot(self.request, name, self)


class UploadRoot(Node):
    """``/upload/2.0/``: the root endpoint of PEP 694."""

    def __getitem__(self, name: str) -> PublishingSessions | Sets:
        if name == "set":
            return Sets(self.request, name, self)
        if name != "session":
            raise KeyError(name)
        return PublishingSessions(self.request, name, self)


class PublishingSessions(Node):
    """``/upload/2.0/session/``; it lists nothing."""

    def __getitem__(self, key: str) -> PublishingSession:
        draft = drafts.by_key(self.request.uow.db, key)
        if draft is None:
            raise KeyError(key)
        return PublishingSession(self.request, key, draft, self)


class PublishingSession(Node):
    """``/upload/2.0/session/<key>/``: a draft, live or ended. Who may see it is for its views."""

    def __init__(self, request: Request, name: str, draft: Draft, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.draft = draft

    def __getitem__(self, name: str) -> SessionFiles:
        if name != "file":
            raise KeyError(name)
        return SessionFiles(self.request, name, self.draft, self)


class Sets(Node):
    """``/upload/2.0/set/``: finds a release set by its name."""

    def __getitem__(self, key: str) -> SetOfSessions:
        release_set = release_sets.by_key(self.request.uow.db, key)
        if release_set is None:
            raise KeyError(key)
        return SetOfSessions(self.request, key, release_set, self)


class SetOfSessions(Node):
    """``/upload/2.0/set/<key>/``: a release set. Who may see it is for its views."""

    def __init__(self, request: Request, name: str, release_set: ReleaseSet, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.release_set = release_set


class SessionFiles(Node):
    """``/upload/2.0/session/<key>/file/``; it lists nothing."""

    def __init__(self, request: Request, name: str, draft: Draft, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.draft = draft

    def __getitem__(self, key: str) -> FileUploadSession:
        upload = upload_sessions.by_key(self.request.uow.db, self.draft, key)
        if upload is None:
            raise KeyError(key)
        return FileUploadSession(self.request, key, self.draft, upload, self)


class FileUploadSession(Node):
    """``/upload/2.0/session/<key>/file/<key>/``: a file upload session, whatever became of it."""

    def __init__(
        self, request: Request, name: str, draft: Draft, upload: UploadSession, parent: Node
    ) -> None:
        super().__init__(request, name, parent)
        self.draft = draft
        self.upload = upload
