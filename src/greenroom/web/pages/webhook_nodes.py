"""The nodes of webhooks, which stand below a project, a release set, or the administration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from greenroom.registry.webhooks import OfIndex, OfProject, OfSet, Scope
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node

if TYPE_CHECKING:
    from greenroom.models import Project, ReleaseSet

_NUMBER = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


class Place(Struct, frozen=True):
    """Where webhooks are managed.

    ``project`` and ``release_set`` are None for those of the whole index.
    """

    scope: Scope
    project: Project | None = None
    release_set: ReleaseSet | None = None

    def address(self, request: Request, number: int | None = None, act: str = "") -> str:
        """All of them, the one of a number, or an act on it."""
        if self.project is not None:
            return request.paths.webhooks(self.project.name, number, act)
        if self.release_set is not None:
            return request.paths.webhooks_of_set(self.release_set, number, act)
        if number is None:
            return request.paths.admin_part("webhooks", act)
        return request.paths.admin_item("webhooks", str(number), act)


class Webhooks(Node):
    """All webhooks of a project, of a release set, or of the index: ``…/webhooks/``."""

    def __init__(self, request: Request, name: str, parent: Node, place: Place) -> None:
        super().__init__(request, name, parent)
        self.place = place
        self.project = place.project

    def __getitem__(self, name: str) -> WebhookNode:
        if _NUMBER.fullmatch(name) is None:
            raise KeyError(name)
        return WebhookNode(self.request, name, self, self.place)

    @classmethod
    def of_project(cls, request: Request, name: str, parent: Node, project: Project) -> Webhooks:
        """Those of a project."""
        return cls(request, name, parent, Place(OfProject(project), project=project))

    @classmethod
    def of_set(cls, request: Request, name: str, parent: Node, release_set: ReleaseSet) -> Webhooks:
        """Those of a release set."""
        return cls(
            request, name, parent, Place(OfSet(request.uow, release_set), release_set=release_set)
        )

    @classmethod
    def of_index(cls, request: Request, name: str, parent: Node) -> Webhooks:
        """Those of the index."""
        return cls(request, name, parent, Place(OfIndex()))


class WebhookNode(Node):
    """``…/webhooks/<number>/``: one of them, whether there is one or not."""

    def __init__(self, request: Request, name: str, parent: Node, place: Place) -> None:
        super().__init__(request, name, parent)
        self.place = place
        self.project = place.project
        self.number = int(name)
