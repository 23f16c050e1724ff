"""The legacy upload API, which twine and every other uploader speaks."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.uploads.legacy.resources import LegacyUpload


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "legacy", LegacyUpload)
    config.scan(__name__)
