"""Composes the application. The only place that names every part."""

from collections.abc import Callable
from typing import Any

import pyramid_jinja2
from pyramid.config import Configurator
from pyramid.router import Router
from pyramid.threadlocal import manager  # type: ignore[import-untyped]
from pyramid.tweens import EXCVIEW

from greenroom import paths
from greenroom.registry.unit_of_work import Services
from greenroom.services import open_services
from greenroom.settings import Settings, secret_key
from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Root
from greenroom.web.unread_sources import unread_sources

PARTS = (
    "http",
    "index.draft",
    "index.feeds",
    "index.files",
    "index.json_api",
    "index.simple",
    "index.upstream_files",
    "index.xmlrpc",
    "operators.metrics",
    "pages.account",
    "pages.admin",
    "pages.reauthentication",
    "pages.draft",
    "pages.help",
    "pages.kept_forms",
    "pages.manage",
    "pages.project",
    "pages.signing_in",
    "pages.templating",
    "pages.webhooks",
    "uploads.draft_lookup",
    "uploads.legacy",
    "uploads.pep694",
    "uploads.trusted_publishing",
    "uploads.reported_secrets",
)

View = Callable[[Any, Any], Any]

THREAD_LOCALS = ((manager, "stack", list),)
"""What of Pyramid's belongs to a request and lies in its thread: holder, attribute, first value."""


def make_app(
    settings: Settings,
    *,
    services: Services | None = None,
    tell_metrics: Callable[[], bytes] | None = None,
) -> Router:
    """The WSGI application. Many can live in one process; each has its own services.

    Args:
        settings: what holds.
        services: what it works on; opened where they are not given.
        tell_metrics: gives the metrics of all processes; without it there are none.
    """
    services = services or open_services(settings)
    with unread_sources():
        return _configured(settings, services, tell_metrics).make_wsgi_app()


def _configured(
    settings: Settings, services: Services, tell_metrics: Callable[[], bytes] | None
) -> Configurator:
    config = Configurator(
        root_factory=Root,
        request_factory=Request,
        settings={
            "tm.annotate_user": False,
            "jinja2.directories": [str(paths.TEMPLATES)],
            "jinja2.trim_blocks": True,
            "jinja2.lstrip_blocks": True,
            "jinja2.undefined": "strict",
        },
    )
    config.set_view_mapper(_as_it_is)
    config.registry.services = services
    config.registry.tell_metrics = tell_metrics
    # Not included, as that adds the transaction manager to requests: Pyramid would make a class for
    # each of them. They bring it themselves.
    config.add_tween("pyramid_tm.tm_tween_factory", over=EXCVIEW)
    _add_templates(config)
    authentication.configure(config, settings, secret_key(settings))
    for part in PARTS:
        config.include(f"greenroom.web.{part}")
    return config


def _as_it_is(**_: object) -> Callable[[View], View]:
    """A view mapper, as Pyramid calls it: what calls a view, of whichever kind that is.

    All of ours take a context and a request, so that nothing has to look at what each one takes.
    """
    return lambda view: view


def _add_templates(config: Configurator) -> None:
    """What including ``pyramid_jinja2`` does, but for the search path of whoever includes it.

    To find that, it would read the sources of all the stack.
    """
    config.add_directive("get_jinja2_environment", pyramid_jinja2.get_jinja2_environment)
    pyramid_jinja2.add_jinja2_renderer(config, ".jinja2")
