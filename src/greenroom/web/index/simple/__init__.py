"""The simple index, which installers read."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.index.simple.resources import SimpleIndex


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "simple", SimpleIndex)
    config.scan(__name__)
