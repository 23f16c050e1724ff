"""Published files, where the simple index links to."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.index.files.resources import Packages


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "packages", Packages)
    config.scan(__name__)
