"""``/help/`` and its pages."""

from __future__ import annotations

from greenroom.web.http.traversal import Node, ReadBy
from greenroom.web.pages.help import markdown


class Help(Node):
    """``/help/``"""

    read_by = ReadBy.ANYBODY

    def __getitem__(self, name: str) -> HelpPage:
        if name not in markdown.NAMES:
            raise KeyError(name)
        return HelpPage(self.request, name, self)


class HelpPage(Node):
    """``/help/<page>/``"""
