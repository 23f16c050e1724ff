"""The JSON API, which mirrors and scripts read."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the face's views."""
    config.scan(f"{__name__}.views")
