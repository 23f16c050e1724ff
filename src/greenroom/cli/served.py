"""What ``greenroom serve`` starts: the application in its processes, and the work beside it.

This imports all of the server and of the application.
"""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import click

from greenroom import __version__, background, watching
from greenroom.outages import outages_passed_over
from greenroom.registry import catalogue
from greenroom.registry.download_counting import DownloadCounter
from greenroom.registry.draft_changes import DraftMarks
from greenroom.registry.public_changes import PublicChanges
from greenroom.registry.unit_of_work import Services
from greenroom.server.serve import Served, serve
from greenroom.services import open_services
from greenroom.settings import Settings
from greenroom.web.application import THREAD_LOCALS, make_app
from greenroom.web.http.urls import Urls, published_file_at


def run(
    settings: Settings, *, host: str, port: int, workers: int, greeting: Callable[[str], str]
) -> None:
    """Answer requests until SIGTERM or SIGINT.

    Args:
        settings: of the index.
        host: the address to listen on.
        port: the port; 0 for any free one.
        workers: how many processes answer.
        greeting: what is said, besides where the index is, of one at this base address.
    """
    counter = DownloadCounter(published_file_at)
    with watching.prepared(settings) as metrics:
        serve(
            lambda: _served(settings, metrics, counter),
            host=host,
            port=port,
            workers=workers,
            on_ready=lambda url: _announce(settings, url, greeting),
            background=lambda stop: _work_and_count(settings, counter, stop),
        )


def _served(settings: Settings, metrics: Path | None, counter: DownloadCounter) -> Served:
    """What a process answers with."""
    services = open_services(settings)
    watch = watching.watch(settings, services, metrics)
    _prepare(services)
    return Served(
        make_app(settings, services=services, tell_metrics=watch.tell_metrics),
        locals=THREAD_LOCALS,
        make_source=lambda: PublicChanges(services.database),
        make_marks=lambda: DraftMarks(services.database),
        proxies=settings.trusted_proxies,
        stale_seconds=settings.stale_answers,
        watched=watch.watched,
        on_exit=watch.on_exit,
        count=counter.note if settings.downloads == "on" else None,
    )


def _prepare(services: Services) -> None:
    """What all processes of the index would do for themselves, each once."""
    with outages_passed_over(), services.reading() as uow:
        catalogue.prepare_statements(uow.db)
    services.database.close()  # connections do not survive a fork


def _announce(settings: Settings, url: str, greeting: Callable[[str], str]) -> None:
    base = settings.url or url
    here = f", listening on {url}" if settings.url is not None else ""
    click.echo(f"Greenroom {__version__} is at {Urls(base).home()}{here}")
    click.echo(f"Data: {settings.data.absolute()}")
    if said := greeting(base):
        click.echo(said)
    sys.stdout.flush()


def _work_and_count(settings: Settings, counter: DownloadCounter, stop: threading.Event) -> None:
    """Do jobs until the event is set, and write down meanwhile what this process sends."""
    services = open_services(settings)
    writer = threading.Thread(
        target=counter.write_regularly, args=(services, stop), name="downloads", daemon=True
    )
    writer.start()
    background.work(settings, stop)
    writer.join()
    services.database.close()
