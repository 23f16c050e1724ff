"""``/simple/`` and what is below it."""

from __future__ import annotations

from greenroom.web.http.refusals import TEXT
from greenroom.web.http.traversal import Node, PublicProject, ReadBy


class SimpleIndex(Node):
    """``/simple/``"""

    refusals = TEXT
    read_by = ReadBy.PROGRAMS
    open_to_all_origins = True

    def __getitem__(self, name: str) -> SimpleProject:
        return SimpleProject.find(self.request, name, self)


class SimpleProject(PublicProject):
    """``/simple/<project>/``."""
