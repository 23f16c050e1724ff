"""XML-RPC, by which mirrors follow the journal."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the view, which answers at the node that the JSON API is below."""
    config.scan(__name__)
