"""``/rss/`` and ``/sitemap.xml``."""

from __future__ import annotations

from greenroom.web.http.refusals import TEXT
from greenroom.web.http.traversal import Node, PublicProject, ReadBy


class Feeds(Node):
    """``/rss/``"""

    refusals = TEXT
    read_by = ReadBy.PROGRAMS
    open_to_all_origins = True

    def __getitem__(self, name: str) -> FeedsOfProjects:
        if name != "project":
            raise KeyError(name)
        return FeedsOfProjects(self.request, name, self)


class FeedsOfProjects(Node):
    """``/rss/project/``; it lists nothing."""

    def __getitem__(self, name: str) -> ProjectFeeds:
        return ProjectFeeds.find(self.request, name, self)


class ProjectFeeds(PublicProject):
    """``/rss/project/<name>/``."""


class Sitemap(Node):
    """``/sitemap.xml``: for search engines."""

    is_leaf = True
    refusals = TEXT
    read_by = ReadBy.PROGRAMS
