"""``/api/drafts/<project>/<version>``."""

from __future__ import annotations

from greenroom.registry import drafts
from greenroom.registry.errors import Refusal
from greenroom.registry.names import parse_version
from greenroom.web.http.draft_nodes import DraftNode
from greenroom.web.http.refusals import TEXT
from greenroom.web.http.traversal import Node


class Api(Node):
    """``/api/``"""

    refusals = TEXT

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
        version = parse_version(name)
        if version is None:
            raise KeyError(name)
        actor = self.request.actor
        try:
            draft = drafts.live_for(self.request.uow, actor, self.project_name, version)
        except Refusal:
            raise KeyError(name) from None
        return ApiDraft(self.request, name, draft, self)


class ApiDraft(DraftNode):
    """``/api/drafts/<project>/<version>``: a live draft, for those who may see it."""

    is_leaf = True
