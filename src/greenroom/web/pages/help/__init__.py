"""The pages of ``docs/`` that are for those who use the index."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.pages.help.resources import Help


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "help", Help)
    config.scan(__name__)
