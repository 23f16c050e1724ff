"""What everybody sees: the first page, projects, releases and people."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the face's views."""
    config.include("greenroom.web.page_addresses")
    config.scan(__name__)
