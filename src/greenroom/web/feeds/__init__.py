"""What readers and search engines follow: RSS feeds, and the sitemap."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the face's views."""
    config.scan(f"{__name__}.views")
