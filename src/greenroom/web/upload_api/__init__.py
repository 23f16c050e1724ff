"""Upload 2.0 (PEP 694, draft of 29 July 2026): releases in sessions, over HTTP."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the face's views."""
    config.scan(__name__)
