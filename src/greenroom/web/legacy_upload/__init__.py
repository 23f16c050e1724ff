"""The legacy upload API, which twine and every other uploader speaks."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the face's views."""
    config.scan(f"{__name__}.views")
