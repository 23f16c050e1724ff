"""The nodes of the secret address of a draft, or of a release set, which three audiences share.

People look at its page (``pages/draft``), installers read its index (``index/draft``), and
publishers delete its files (``uploads/pep694``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyramid.config import Configurator

from greenroom.models import Draft, ReleaseSet, SetState
from greenroom.registry import drafts
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node


class DraftNode(Node):
    """Anything below ``/draft/<slug>/``. It stays there as a tombstone when the draft has ended."""

    def __init__(self, request: Request, name: str, draft: Draft, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.draft = draft

    @property
    def is_live(self) -> bool:
        """Whether there is more to see than a tombstone."""
        return drafts.is_live(self.request.uow, self.draft)


class EndedDraft(DraftNode):
    """Whatever was below a draft's address, after the draft has ended."""

    is_leaf = True
    has_one_address = False

    def __getitem__(self, name: str) -> EndedDraft:
        return EndedDraft(self.request, name, self.draft, self)


class DraftFile(DraftNode):
    """``/draft/<slug>/files/<filename>``: a file of the draft, staged or on its way."""

    is_leaf = True


DraftBranch = Callable[[Request, str, Draft, Node], DraftNode]


def add_draft_branch(config: Configurator, name: str, branch: DraftBranch) -> None:
    """Let every live draft have a child of this name, for who holds its address.

    Args:
        config: the application that is being composed.
        name: the segment after the slug.
        branch: makes the node, of the request, its name, the draft and its parent.
    """
    config.registry.__dict__.setdefault("draft_branches", {})[name] = branch


def draft_branches(request: Request) -> Mapping[str, DraftBranch]:
    """What every live draft has below its page, by name."""
    branches: Mapping[str, DraftBranch] = request.registry.draft_branches
    return branches


class SetNode(Node):
    """Anything below ``/draft/<slug>/`` of a release set, which stays there when it has ended."""

    def __init__(self, request: Request, name: str, release_set: ReleaseSet, parent: Node) -> None:
        super().__init__(request, name, parent)
        self.release_set = release_set

    @property
    def is_open(self) -> bool:
        """Whether there is more to see than a tombstone."""
        return self.release_set.state == SetState.OPEN


class EndedSet(SetNode):
    """Whatever was below a set's address, after the set has ended."""

    is_leaf = True
    has_one_address = False

    def __getitem__(self, name: str) -> EndedSet:
        return EndedSet(self.request, name, self.release_set, self)


SetBranch = Callable[[Request, str, ReleaseSet, Node], SetNode]


def add_set_branch(config: Configurator, name: str, branch: SetBranch) -> None:
    """Let every open release set have a child of this name, for who holds its address.

    Args:
        config: the application that is being composed.
        name: the segment after the slug.
        branch: makes the node, of the request, its name, the set and its parent.
    """
    config.registry.__dict__.setdefault("set_branches", {})[name] = branch


def set_branches(request: Request) -> Mapping[str, SetBranch]:
    """What every open release set has below its page, by name."""
    branches: Mapping[str, SetBranch] = request.registry.set_branches
    return branches
