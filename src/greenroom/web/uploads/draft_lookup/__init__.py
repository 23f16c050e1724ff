"""The draft of a version, for scripts that have credentials and no address."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.uploads.draft_lookup.resources import Api


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "api", Api)
    config.scan(__name__)
