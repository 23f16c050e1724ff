"""``/help/``: the pages of ``docs/`` that are for those who use the index."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the face's views."""
    config.scan(__name__)
