"""``greenroom work``, which runs until it is told to stop."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import click

from greenroom.cli.failures import fail
from greenroom.cli.locks import working
from greenroom.cli.opening import with_new_services_to_work
from greenroom.registry.unit_of_work import Services


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
