"""Composes the application. The only place that names every face."""

from pyramid.config import Configurator
from pyramid.router import Router

from greenroom import paths
from greenroom.database import Database
from greenroom.purging import purger
from greenroom.registry.index import Clock, Premises, utc_now
from greenroom.settings import Settings, secret_key
from greenroom.storage import open_storage
from greenroom.web import security
from greenroom.web.request import Request
from greenroom.web.resources import Root

FACES = (
    "account",
    "api",
    "draft",
    "feeds",
    "files",
    "help",
    "json_api",
    "legacy_upload",
    "manage",
    "project",
    "simple",
    "upload_api",
    "xmlrpc",
)


def open_premises(settings: Settings, clock: Clock = utc_now) -> Premises:
    """The database, the storage and the cache of these settings; nothing is connected yet.

    Raises:
        ValueError: the storage's URL is not understood.
        greenroom.storage.StorageUnavailable: its driver is not installed.
    """
    return Premises(
        database=Database(settings.sqlalchemy_url),
        storage=open_storage(
            settings.storage_url,
            settings.files,
            s3_endpoint=settings.s3_endpoint,
            s3_public_endpoint=settings.s3_public_endpoint,
        ),
        settings=settings,
        clock=clock,
        purge=purger(settings),
    )


def make_app(settings: Settings, *, premises: Premises | None = None) -> Router:
    """The WSGI application. Many can live in one process; each has its own premises."""
    premises = premises or open_premises(settings)
    config = Configurator(
        root_factory=Root,
        request_factory=Request,
        settings={
            "tm.manager_hook": "pyramid_tm.explicit_manager",
            "tm.annotate_user": False,
            "jinja2.directories": [str(paths.TEMPLATES)],
            "jinja2.trim_blocks": True,
            "jinja2.lstrip_blocks": True,
            "jinja2.undefined": "strict",
        },
    )
    config.registry.premises = premises
    config.include("pyramid_tm")
    config.include("pyramid_jinja2")
    secure = (settings.url or "").startswith("https://")
    security.configure(config, secret_key(settings), secure=secure)
    for room in ("addresses", "errors", "headers", "rendering", "unreadable_headers"):
        config.include(f"greenroom.web.{room}")
    for face in FACES:
        config.include(f"greenroom.web.{face}")
    return config.make_wsgi_app()
