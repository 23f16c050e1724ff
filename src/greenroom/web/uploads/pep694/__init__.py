"""Upload 2.0 (PEP 694)."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.uploads.pep694.resources import Upload


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "upload", Upload)
    config.scan(__name__)
