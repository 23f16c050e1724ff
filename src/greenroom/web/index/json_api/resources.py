"""``/pypi/<name>/`` and what is below it."""

from __future__ import annotations

from greenroom.registry import catalogue
from greenroom.registry.catalogue import PublicRelease
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node, PublicProject


class PypiProject(PublicProject):
    """``/pypi/<name>/``, which has the JSON of a project below it."""

    def __getitem__(self, text: str) -> PypiRelease:
        release = catalogue.find_release(self.request.uow.db, self.project.id, text)
        if release is None:
            raise KeyError(text)
        return PypiRelease(self.request, self.project, release, self)


class PypiRelease(Node):
    """``/pypi/<name>/<version>/``, which has the JSON of a release below it."""

    def __init__(
        self,
        request: Request,
        project: catalogue.PublicProject,
        release: PublicRelease,
        parent: Node,
    ) -> None:
        super().__init__(request, release.version, parent)
        self.project = project
        self.release = release
