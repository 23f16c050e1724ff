"""Secrets of this index that scanners have found elsewhere."""

from pyramid.config import Configurator

from greenroom.web.http.underscore import add_below_underscore
from greenroom.web.uploads.reported_secrets.resources import Secrets


def includeme(config: Configurator) -> None:
    """Hand over the branch, and register the views."""
    add_below_underscore(config, "secrets", Secrets)
    config.scan(__name__)
