"""``/draft/<slug>/``: the page of a draft or a release set, and what other parts have below it."""

from __future__ import annotations

from types import MappingProxyType

from greenroom.models import Draft, File, ReleaseSet
from greenroom.registry import drafts, release_sets, set_members
from greenroom.web.http.draft_nodes import (
    DraftNode,
    EndedDraft,
    EndedSet,
    SetNode,
    draft_branches,
    set_branches,
)
from greenroom.web.http.reading import require_somebody
from greenroom.web.http.refusals import PAGE, PROBLEM, TEXT, RefusalFormat
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node, ReadBy, segments


class Drafts(Node):
    """``/draft/``"""

    headers = MappingProxyType(
        {
            "Cache-Control": "private, no-store",
            "X-Robots-Tag": "noindex, nofollow",
            "Referrer-Policy": "no-referrer",
        }
    )

    has_secret_address = True

    @property
    def read_by(self) -> ReadBy:
        """Whoever holds the address, but where it takes an account besides."""
        if self.request.services.settings.draft_links == "anyone":
            return ReadBy.ANYBODY
        return self._read_by_members()

    def _read_by_members(self) -> ReadBy:
        """Who reads where the address takes an account: Upload 2.0 asks by itself."""
        if self.refusals is PROBLEM:
            return ReadBy.ANYBODY
        return ReadBy.PEOPLE if self.refusals is PAGE else ReadBy.PROGRAMS

    def __getitem__(self, slug: str) -> DraftPage | SetPage:
        draft = drafts.by_slug(self.request.uow.db, slug)
        if draft is not None:
            if draft.members_only:
                require_somebody(self.request, self._read_by_members())
            return DraftPage(self.request, draft, self)
        release_set = release_sets.by_slug(self.request.uow.db, slug)
        if release_set is None:
            raise KeyError(slug)
        if set_members.are_for_members_only(self.request.uow.db, release_set):
            require_somebody(self.request, self._read_by_members())
        return SetPage(self.request, release_set, self)

    @property
    def refusals(self) -> RefusalFormat:
        """People look at pages, programs at what else is below it, whether or not there is a draft.

        To delete a file at its link is a part of Upload 2.0.
        """
        match segments(self.request):
            case (_, _, "contents", *_):
                return PAGE
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
        if not self.is_live:
            ended = EndedContents if name == "contents" else EndedDraft
            return ended(self.request, name, self.draft, self)
        return draft_branches(self.request)[name](self.request, name, self.draft, self)


class DraftContents(DraftNode):
    """``/draft/<slug>/contents/``; it lists nothing."""

    def __getitem__(self, filename: str) -> DraftArchive:
        project = self.draft.project
        file = None
        if project is not None and not project.quarantined:
            file = drafts.find_file(self.request.uow.db, self.draft, filename)
        if file is None:
            raise KeyError(filename)
        return DraftArchive(self.request, file, self)


class DraftArchive(DraftNode):
    """``/draft/<slug>/contents/<filename>/``: what is in a staged file."""

    def __init__(self, request: Request, file: File, parent: DraftNode) -> None:
        super().__init__(request, file.filename, parent.draft, parent)
        self.file = file


class EndedContents(EndedDraft):
    """Pages of what was in the files of a draft, after the draft has ended."""

    def __getitem__(self, name: str) -> EndedContents:
        return EndedContents(self.request, name, self.draft, self)


class SetPage(SetNode):
    """``/draft/<slug>/`` of a release set."""

    def __init__(self, request: Request, release_set: ReleaseSet, parent: Node) -> None:
        super().__init__(request, release_set.slug, release_set, parent)

    def __getitem__(self, name: str) -> SetNode:
        branch = EndedSet if not self.is_open else set_branches(self.request)[name]
        return branch(self.request, name, self.release_set, self)
