"""``/simple/`` and what is below it."""

from __future__ import annotations

from packaging.utils import canonicalize_name

from greenroom.web.http import upstream_names
from greenroom.web.http.refusals import TEXT
from greenroom.web.http.traversal import Node, PublicProject, ReadBy


class SimpleIndex(Node):
    """``/simple/``"""

    refusals = TEXT
    read_by = ReadBy.PROGRAMS
    open_to_all_origins = True

    def __getitem__(self, name: str) -> SimpleProject | UpstreamProject:
        if upstream_names.answers_for(self.request, name):
            return UpstreamProject(self.request, canonicalize_name(name), self)
        return SimpleProject.find(self.request, name, self)


class SimpleProject(PublicProject):
    """``/simple/<project>/``."""


class UpstreamProject(Node):
    """``/simple/<project>/`` of a name that an index behind this one answers for, if any has it."""
