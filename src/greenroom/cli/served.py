"""What ``greenroom serve`` loads: the application, and the work beside it.

This imports all of the server and of the application.
"""

import os
import pickle
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import click
import structlog
from msgspec import Struct

from greenroom import __version__, background, logs, watching
from greenroom.cli import failures
from greenroom.cli.locks import mark_serving
from greenroom.cli.opening import opened_to_fork, waiting
from greenroom.distributions.renderer import RENDERER
from greenroom.outages import outages_passed_over
from greenroom.registry import accounts, catalogue, job_handlers
from greenroom.registry.account_links import NewLink
from greenroom.registry.download_counting import DownloadCounter
from greenroom.registry.draft_changes import DraftMarks
from greenroom.registry.public_changes import PublicChanges
from greenroom.registry.unit_of_work import Services
from greenroom.server.serve import Kept, Order, file_in_memory
from greenroom.server.worker import Served
from greenroom.services import open_services
from greenroom.settings import Settings, address_warning, exposure_warnings, secret_key
from greenroom.web.application import THREAD_LOCALS, make_app
from greenroom.web.http.urls import Urls, published_file_at

log = structlog.get_logger("greenroom")


def load(order: Order, workers: int) -> Served:
    """Make the application, the first time for an index that is looked at and prepared before.

    Args:
        order: whether it is the first time, and what that one has left otherwise.
        workers: how many processes answer.

    Raises:
        SystemExit: it cannot be served, which has been said.
    """
    try:
        return _first(workers) if order.kept is None else _again(order.kept)
    except Exception as error:
        failures.tell(error)


def _first(workers: int) -> Served:
    with opened_to_fork() as services:
        settings = services.settings
        greeting = _prepare(services, workers)
    kept = _keep(settings)
    try:
        return _served(settings, kept, greeting)
    except BaseException:
        kept.remove_folders()
        raise


def _again(kept: Kept) -> Served:
    """The same application as the first time, for workers that take the place of others."""
    if __version__ != kept.facts["version"]:
        failures.fail(
            f"A worker cannot be replaced: Greenroom {kept.facts['version']} runs, and what is "
            f"installed is {__version__} by now. Start it again."
        )
    # They may have changed where they were read; the workers must have the same.
    settings = pickle.loads(_content(kept.files["settings"]))  # noqa: S301 - written by _keep
    logs.configure(settings)
    return _served(settings, kept)


def _keep(settings: Settings) -> Kept:
    """What must stay as it is now for as long as the server runs."""
    facts = {"version": __version__}
    files = {"settings": _file_of(pickle.dumps(settings))}
    folders = []
    lock = mark_serving(settings)
    if lock is not None:
        files["lock"] = lock
    metrics = watching.prepared(settings)
    if metrics is not None:
        folder, files["metrics"] = metrics
        facts["metrics"] = str(folder)
        folders.append(str(folder))
    return Kept(facts, files, folders)


def _file_of(content: bytes) -> int:
    """A new file without a name, which is not on a disk where there are such files."""
    with file_in_memory("settings") or tempfile.TemporaryFile(buffering=0) as file:
        file.write(content)
        return os.dup(file.fileno())


def _content(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _prepare(services: Services, workers: int) -> "_Greeting":
    """Have what the workers must find, and warn of what is not as it should be."""
    settings = services.settings
    warnings = [address_warning(settings), *exposure_warnings(settings)]
    secret_key(settings)  # made before the workers start, so that they agree on it
    greeting = _Greeting(is_new=False)
    with waiting(services, warns=False):
        warnings.append(services.database.connection_warning(workers))
        with services.reading() as uow:
            greeting = _Greeting(is_new=accounts.is_empty(uow.db))
        # Where logs are collected, the link would come into them.
        if greeting.is_new and settings.log_format == "text":
            with services.writing() as uow:
                greeting = _Greeting(is_new=True, link=accounts.first_administrator_link(uow))
    for warning in filter(None, warnings):
        log.warning(warning)
    return greeting


class _Greeting(Struct, frozen=True):
    """What is said of an index, besides where it is.

    Attributes:
        is_new: whether there is no user yet.
        link: which creates the first administrator.
    """

    is_new: bool
    link: NewLink | None = None

    def said(self, base: str) -> str:
        """In words, for the index at this base address."""
        if not self.is_new:
            return ""
        if self.link is None:
            return (
                "There is no user yet. 'greenroom user first-administrator-link' prints a link "
                "that creates the first administrator."
            )
        return (
            "There is no user yet. Create the first administrator at\n"
            f"  {Urls(base).one_time_link(self.link)}"
        )


def _served(settings: Settings, kept: Kept, greeting: _Greeting | None = None) -> Served:
    """What the workers answer with; the first one has a greeting when they are ready."""
    services = open_services(settings)
    changes, marks = PublicChanges(services.database), DraftMarks(services.database)
    RENDERER.share()
    metrics = kept.facts.get("metrics")
    watch = watching.watch(settings, services, Path(metrics) if metrics is not None else None)
    _prepare_statements(services)
    counter = DownloadCounter(published_file_at)
    return Served(
        make_app(settings, services=services, tell_metrics=watch.tell_metrics),
        locals=THREAD_LOCALS,
        make_source=lambda: changes,
        make_marks=lambda: marks,
        proxies=settings.trusted_proxies,
        stale_seconds=settings.stale_answers,
        watched=watch.watched,
        on_ready=lambda url: _announce(settings, url, greeting) if greeting is not None else None,
        background=lambda stop: _work_and_count(services, counter, stop),
        on_exit=watch.on_exit,
        count=counter.note if settings.downloads == "on" else None,
        kept=kept,
        forget=services.database.forget,
    )


def _prepare_statements(services: Services) -> None:
    """What all processes of the index would do for themselves, each once."""
    with outages_passed_over():
        job_handlers.prepare_statements(services)
        with services.reading() as uow:
            catalogue.prepare_statements(uow.db)
    services.database.close()  # connections do not survive a fork


def _announce(settings: Settings, url: str, greeting: _Greeting) -> None:
    with suppress(OSError):  # where nobody can be told, it is served all the same
        _greet(settings, url, greeting)


def _greet(settings: Settings, url: str, greeting: _Greeting) -> None:
    base = settings.url or url
    here = f", listening on {url}" if settings.url is not None else ""
    click.echo(f"Greenroom {__version__} is at {Urls(base).home()}{here}")
    click.echo(f"Data: {settings.data.absolute()}")
    if said := greeting.said(base):
        click.echo(said)
    sys.stdout.flush()


def _work_and_count(services: Services, counter: DownloadCounter, stop: threading.Event) -> None:
    """Do jobs until the event is set, and write down meanwhile what this process sends."""
    writer = threading.Thread(
        target=counter.write_regularly, args=(services, stop), name="downloads", daemon=True
    )
    writer.start()
    background.work(services, stop)
    writer.join()
    services.database.close()
