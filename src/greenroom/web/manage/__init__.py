"""What people do with their projects and drafts, and what administrators see."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the face's views."""
    config.include("greenroom.web.page_addresses")
    config.include("greenroom.web.submitted")
    config.scan(__name__)
