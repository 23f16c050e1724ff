"""What everybody may see: the first page, projects, releases, people, search."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.pages.project.resources import Projects, Search, ShortAddresses, Users


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "project", Projects)
    add_branch(config, "p", ShortAddresses)
    add_branch(config, "search", Search)
    add_branch(config, "user", Users)
    config.scan(__name__)
