"""What people do to their projects, releases and drafts."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.pages.manage.resources import Manage


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "manage", Manage)
    config.include("greenroom.web.pages.manage.refused_acts")
    config.scan(__name__)
