"""The metrics, for Prometheus."""

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.operators.metrics.resources import Metrics


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "_metrics", Metrics)
    config.scan(__name__)
