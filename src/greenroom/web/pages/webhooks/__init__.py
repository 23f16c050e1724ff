"""Webhooks of a project and of the index, for who manages these."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the views; the nodes are below other branches."""
    config.scan(__name__)
