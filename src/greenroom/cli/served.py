"""What ``greenroom serve`` starts: the application in its processes, and the work beside it.

This imports all of the server and of the application.
"""

import sys
import threading
from pathlib import Path

import click

from greenroom import __version__, background, watching
from greenroom.registry.download_counting import DownloadCounter
from greenroom.registry.public_changes import PublicChanges
from greenroom.server.serve import Served, serve
from greenroom.services import open_services
from greenroom.settings import Settings, secret_key
from greenroom.web.application import THREAD_LOCALS, make_app
from greenroom.web.http import authentication
from greenroom.web.http.urls import Urls, published_file_at


def run(settings: Settings, *, host: str, port: int, workers: int, is_new: bool) -> None:
    """Answer requests until SIGTERM or SIGINT.

    Args:
        settings: of the index.
        host: the address to listen on.
        port: the port; 0 for any free one.
        workers: how many processes answer.
        is_new: whether the first administrator is still to be made.
    """
    counter = DownloadCounter(published_file_at)
    with watching.prepared(settings) as metrics:
        serve(
            lambda: _served(settings, metrics, counter),
            host=host,
            port=port,
            workers=workers,
            on_ready=lambda url: _announce(settings, url, is_new=is_new),
            background=lambda stop: _work_and_count(settings, counter, stop),
        )


def _served(settings: Settings, metrics: Path | None, counter: DownloadCounter) -> Served:
    """What a process answers with."""
    services = open_services(settings)
    watch = watching.watch(settings, services, metrics)
    return Served(
        make_app(settings, services=services, tell_metrics=watch.tell_metrics),
        locals=THREAD_LOCALS,
        make_source=lambda: PublicChanges(services.database),
        proxies=settings.trusted_proxies,
        stale_seconds=settings.stale_answers,
        watched=watch.watched,
        on_exit=watch.on_exit,
        count=counter.note if settings.downloads == "on" else None,
    )


def _announce(settings: Settings, url: str, *, is_new: bool) -> None:
    base = settings.url or url
    here = f", listening on {url}" if settings.url is not None else ""
    click.echo(f"Greenroom {__version__} is at {Urls(base).home()}{here}")
    click.echo(f"Data: {settings.data.absolute()}")
    if is_new:
        key = authentication.first_administrator_key(secret_key(settings))
        click.echo(
            "There is no user yet. Create the first administrator at\n"
            f"  {Urls(base).first_administrator(key)}"
        )
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
