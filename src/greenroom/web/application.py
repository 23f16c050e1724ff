"""Composes the application. The only place that names every part."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyramid_jinja2
from pyramid.config import Configurator
from pyramid.router import Router
from pyramid.threadlocal import manager  # type: ignore[import-untyped]
from pyramid.tweens import EXCVIEW
from pyramid.view import view_config

from greenroom import paths
from greenroom.registry.unit_of_work import Services
from greenroom.services import open_services
from greenroom.settings import Settings, secret_key
from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Root

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
    config.registry.services = services
    config.registry.tell_metrics = tell_metrics
    # Not included, as that adds the transaction manager to requests: Pyramid would make a class for
    # each of them. They bring it themselves.
    config.add_tween("pyramid_tm.tm_tween_factory", over=EXCVIEW)
    _add_templates(config)
    authentication.configure(config, settings, secret_key(settings))
    with _views_by_line():
        for part in PARTS:
            config.include(f"greenroom.web.{part}")
    return config.make_wsgi_app()


@contextmanager
def _views_by_line() -> Iterator[None]:
    """Let views be known by file and line alone, without the text of that line.

    To find it, Pyramid would read the source of every view: a fifth of the start.
    """
    looks_up = view_config._get_info  # nothing else says so
    view_config._get_info = _place
    try:
        yield
    finally:
        view_config._get_info = looks_up


def _place(view: view_config) -> None:
    frame = sys._getframe(view.__dict__.get("_depth", 0) + 2)
    view._info = (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, "")


def _add_templates(config: Configurator) -> None:
    """What including ``pyramid_jinja2`` does, but for the search path of whoever includes it.

    To find that, it would read the sources of all the stack.
    """
    config.add_directive("get_jinja2_environment", pyramid_jinja2.get_jinja2_environment)
    pyramid_jinja2.add_jinja2_renderer(config, ".jinja2")
