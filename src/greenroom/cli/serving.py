"""``greenroom serve`` and ``greenroom work``, which run until they are told to stop."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import click
import structlog

from greenroom.cli.failures import fail
from greenroom.cli.locks import alone, working
from greenroom.cli.opening import waiting, with_new_services_to_fork, with_new_services_to_work
from greenroom.registry import accounts
from greenroom.registry.account_links import NewLink
from greenroom.registry.unit_of_work import Services
from greenroom.settings import address_warning, exposure_warnings, secret_key

log = structlog.get_logger("greenroom")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=6543,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port; 0: any free one.",
)
@click.option(
    "--workers",
    default=2,
    show_default=True,
    type=click.IntRange(1, 256),
    help="How many processes answer requests.",
)
@with_new_services_to_fork
def serve(services: Services, host: str, port: int, workers: int) -> None:
    """Run the index until SIGTERM or SIGINT, which let what is in flight finish."""
    # Imported before the workers start, which share it. What else is run here has no use for it.
    from greenroom.cli import served

    settings = services.settings
    warnings = [address_warning(settings), *exposure_warnings(settings)]
    secret_key(settings)  # made before the workers start, so that they agree on it
    is_new, first_link = False, None
    with waiting(services, warns=False):
        warnings.append(services.database.connection_warning(workers))
        with services.reading() as uow:
            is_new = accounts.is_empty(uow.db)
        if is_new and settings.log_format == "text":  # else it would come into what collects logs
            with services.writing() as uow:
                first_link = accounts.first_administrator_link(uow)
    for warning in filter(None, warnings):
        log.warning(warning)
    services.database.close()  # connections do not survive the fork of the workers
    with alone(settings):
        served.run(
            settings,
            host=host,
            port=port,
            workers=workers,
            greeting=lambda base: _greeting(base, first_link) if is_new else "",
        )


def _greeting(base: str, link: NewLink | None) -> str:
    """What is said of an index without a user, which is at this address."""
    if link is None:
        return (
            "There is no user yet. 'greenroom user first-administrator-link' prints a link that "
            "creates the first administrator."
        )
    from greenroom.web.http.urls import Urls  # it has been imported by now

    return (
        "There is no user yet. Create the first administrator at\n"
        f"  {Urls(base).one_time_link(link)}"
    )


@click.command()
@with_new_services_to_work
def work(services: Services) -> None:
    """Do what follows from commits, until SIGTERM or SIGINT; ``serve`` does so by itself."""
    from greenroom import background

    settings = services.settings
    services.database.close()
    with working(settings):
        _until_told_to_stop(lambda stop: background.work(services, stop))


class _ToldToStop(BaseException):
    """A signal has come."""


def _until_told_to_stop(function: Callable[[threading.Event], None]) -> None:
    """Run the function until a signal comes, then set its event and wait until it returns."""

    def tell(number: int, frame: FrameType | None) -> NoReturn:
        for another in (signal.SIGTERM, signal.SIGINT):
            signal.signal(another, lambda number, frame: None)
        raise _ToldToStop

    stop = threading.Event()
    thread = threading.Thread(target=function, args=(stop,), daemon=True)
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, tell)
        thread.start()
        thread.join()
    except _ToldToStop:
        stop.set()
        if thread.is_alive():
            thread.join()
    else:
        fail("The worker has ended.")
