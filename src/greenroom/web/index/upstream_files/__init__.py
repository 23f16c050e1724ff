"""Files of upstreams, where the pages of this index link to in their place."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.index.upstream_files.resources import Upstreams


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "upstream", Upstreams)
    config.scan(__name__)
