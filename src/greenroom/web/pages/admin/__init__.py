"""What administrators see and do."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.pages.admin.resources import Admin


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "admin", Admin)
    config.scan(__name__)
