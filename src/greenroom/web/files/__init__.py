"""Published files, where the simple index links to."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the face's views."""
    config.scan(f"{__name__}.views")
