"""What scripts ask for: the draft of a project and version."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the face's views."""
    config.scan(f"{__name__}.views")
