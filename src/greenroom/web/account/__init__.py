"""Your account: signing in and out, your password, your API tokens."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the face's views."""
    config.include("greenroom.web.page_addresses")
    config.include("greenroom.web.submitted")
    config.scan(__name__)
