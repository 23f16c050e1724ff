"""Trusted publishing: tokens of this index for ID tokens of other services (PEP 807)."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.http.underscore import add_below_underscore
from greenroom.web.uploads.trusted_publishing.resources import Oidc, WellKnown


def includeme(config: Configurator) -> None:
    """Hand over the branches, and register the views."""
    add_below_underscore(config, "oidc", Oidc)
    add_branch(config, ".well-known", WellKnown)
    config.scan(__name__)
