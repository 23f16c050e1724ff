"""Feeds of what is new, and the sitemap."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.index.feeds.resources import Feeds, Sitemap


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "rss", Feeds)
    add_branch(config, "sitemap.xml", Sitemap)
    config.scan(__name__)
