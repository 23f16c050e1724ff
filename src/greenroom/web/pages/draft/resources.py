"""``/draft/<slug>/``: the page of a draft, and what other parts have below it."""

from __future__ import annotations

from types import MappingProxyType

from greenroom.models import Draft
from greenroom.registry import drafts
from greenroom.web.http.draft_nodes import DraftNode, EndedDraft, draft_branches
from greenroom.web.http.refusals import PAGE, PROBLEM, TEXT, RefusalFormat
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node, segments


class Drafts(Node):
    """``/draft/``"""

    headers = MappingProxyType(
        {
            "Cache-Control": "private, no-store",
            "X-Robots-Tag": "noindex, nofollow",
            "Referrer-Policy": "no-referrer",
        }
    )

    def __getitem__(self, slug: str) -> DraftPage:
        draft = drafts.by_slug(self.request.uow.db, slug)
        if draft is None:
            raise KeyError(slug)
        return DraftPage(self.request, draft, self)

    @property
    def refusals(self) -> RefusalFormat:
        """People look at the page, programs at what is below it, whether or not there is a draft.

        To delete a file at its link is a part of Upload 2.0.
        """
        match segments(self.request):
            case (_, _, "files", _) if self.request.method == "DELETE":
                return PROBLEM
            case (_, _, _, *_):
                return TEXT
        return PAGE


class DraftPage(DraftNode):
    """``/draft/<slug>/``"""

    def __init__(self, request: Request, draft: Draft, parent: Node) -> None:
        super().__init__(request, draft.slug, draft, parent)

    def __getitem__(self, name: str) -> DraftNode:
        branch = EndedDraft if not self.is_live else draft_branches(self.request)[name]
        return branch(self.request, name, self.draft, self)
