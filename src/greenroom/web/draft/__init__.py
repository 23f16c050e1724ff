"""Drafts, for those who hold the address: a page, a simple index, the files."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the face's views."""
    config.scan(__name__)
